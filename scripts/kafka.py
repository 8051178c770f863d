"""One real Kafka broker without Docker: its jars through Maven, its process on a Java runtime.

    python scripts/kafka.py fetch                             get the jars, or check those that are there
    python scripts/kafka.py run --port 9092 --data .kafka     run a broker in the foreground; Ctrl-C stops it

The jars land in `.cache/`, and none runs whose SHA-256 is not the one committed in `scripts/broker/jars.sha256`.
"""

import argparse
import base64
import contextlib
import ctypes
import functools
import hashlib
import os
import re
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "scripts" / "broker"
JARS = ROOT / ".cache" / "kafka-4.3.1"
OLDEST_JAVA = 17

_FETCH_SECONDS = 600.0
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_READY = b"Kafka Server started"
_MEMORY = ("-Xms128m", "-Xmx384m", "-XX:MaxMetaspaceSize=192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_CONTROLLER = re.compile(r"quorum\.bootstrap\.servers=127\.0\.0\.1:(\d+)")
_PR_SET_PDEATHSIG = 1


class KafkaMissingError(Exception):
    """A broker cannot run on this machine; the text says in one line what is lacking."""


def fetch(jars: Path = JARS, say: Callable[[str], None] = print) -> Path:
    """Make sure that the broker's jars are in the folder `jars`, as recorded, and return it.

    Raises KafkaMissingError when Maven is missing, cannot reach a repository, or brings something else than recorded.
    """
    wanted = _recorded()
    if _differing(jars, wanted) is None:
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaMissingError("Maven (mvn) is not installed, and the Kafka jars are not in the cache")
    find_java()
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as scratch:
        fetched = Path(scratch) / "jars"
        _copy_dependencies(maven, fetched, len(wanted), say)
        difference = _differing(fetched, wanted)
        if difference is not None:
            raise KafkaMissingError(f"Maven brought other jars than recorded: {difference}")
        shutil.rmtree(jars, ignore_errors=True)
        # Whoever fetched at the same time brought the same bytes, so losing this race loses nothing.
        with contextlib.suppress(OSError):
            fetched.rename(jars)
    say(f"Kafka: {len(wanted)} jars ready in {jars}")
    return jars


def find_java() -> str:
    """Return the path of a Java runtime new enough for the broker.

    Raises KafkaMissingError when there is none.
    """
    java = shutil.which("java")
    if java is None:
        raise KafkaMissingError(f"Java is not installed; the Kafka broker needs Java {OLDEST_JAVA} or newer")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=30).stderr
    version = told.partition('"')[2].partition('"')[0]
    major = version.partition(".")[0].partition("-")[0]
    if not major.isdecimal() or int(major) < OLDEST_JAVA:
        raise KafkaMissingError(
            f"Java {version or '(unknown)'} is too old; the Kafka broker needs {OLDEST_JAVA} or newer"
        )
    return java


class Broker:
    """One broker on loopback that owns the folder `data`: what a test kills, stops and starts again.

    It keeps its ports and its records over restarts, and dies with the process that started it. `more` are lines of
    settings, which outdo ours; `users` with their passwords may log in by SCRAM where such a line lets them.
    """

    def __init__(
        self, jars: Path, data: Path, port: int | None = None, *, more: str = "", users: Mapping[str, str] | None = None
    ) -> None:
        self.java = find_java()
        self.jars = jars
        self.data = data
        self.port = port or _free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._more = more
        self._users = users or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> Path:
        """The file that the broker writes its log lines to."""
        return self.data / "broker.log"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def prepare(self) -> list[str]:
        """Write the settings, format the folder if it is new, and return the command that runs the broker."""
        self.data.mkdir(parents=True, exist_ok=True)
        settings = self.data / "server.properties"
        template = string.Template((RECIPE / "server.properties").read_text())
        logs = self.data / "logs"
        # The node's own address is part of its records, so the controller stays at the port it was formatted with.
        kept = _CONTROLLER.search(settings.read_text()) if settings.exists() else None
        controller_port = kept[1] if kept else _free_port()
        ours = template.substitute(port=self.port, controller_port=controller_port, logs=logs)
        settings.write_text(f"{ours}\n{self._more}")
        if not (logs / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            storage = self._java("kafka.tools.StorageTool")
            # The equals sign keeps an id that begins with a dash from being read as an option.
            command = [*storage, "format", "--standalone", f"--cluster-id={cluster}", "-c", str(settings)]
            for user, password in self._users.items():
                command += [
                    f"--add-scram={mechanism}=[name={user},password={password}]"
                    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                ]
            formatted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_START_SECONDS)
            if formatted.returncode != 0:
                raise KafkaMissingError(f"the Kafka storage could not be formatted: {_last_line(formatted.stderr)}")
        return [*self._java("kafka.Kafka"), str(settings)]

    def start(self) -> None:
        """Start the broker and return when it serves.

        Raises KafkaMissingError when it ends instead, or does not serve within a minute.
        """
        command = self.prepare()
        with self.output.open("ab") as output:
            begin = output.tell()
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                preexec_fn=_dying_with_parent(),  # noqa: PLW1509 -- one system call, looked up before the fork
            )
        deadline = time.monotonic() + _START_SECONDS
        while _READY not in self._written(begin):
            if not self.alive or time.monotonic() > deadline:
                self.kill()
                raise KafkaMissingError(f"the Kafka broker did not start: {_last_line(self._written(begin).decode())}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End the broker as a power cut would: SIGKILL, no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the broker in order."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Freeze the broker: its port stays open and nothing answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            # A thread may answer once more before it hears of it.
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Thaw a paused broker."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Bring the broker back on its ports and its records."""
        self.stop()
        self.start()

    def _end(self, sign: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(sign)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _written(self, begin: int) -> bytes:
        with self.output.open("rb") as output:
            output.seek(begin)
            return output.read()

    def _java(self, main: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={RECIPE / 'log4j2.properties'}"
        return [self.java, *_MEMORY, logging, "-cp", f"{self.jars}/*", main]


def _recorded() -> dict[str, str]:
    lines = (RECIPE / "jars.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _differing(jars: Path, wanted: dict[str, str]) -> str | None:
    """Name the first file by which the folder differs from the record."""
    found = {path.name for path in jars.glob("*.jar")}
    for name in sorted(found ^ wanted.keys()):
        return f"{name} is {'missing' if name in wanted else 'not recorded'}"
    for name, digest in wanted.items():
        if hashlib.sha256((jars / name).read_bytes()).hexdigest() != digest:
            return f"{name} has another SHA-256"
    return None


def _copy_dependencies(maven: str, target: Path, count: int, say: Callable[[str], None]) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    say(f"Kafka: fetching {count} jars (42 MB) through Maven …")
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [maven, "-B", "-q", "-f", str(RECIPE / "pom.xml"), *goal],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            while process.poll() is None:
                if time.monotonic() - began > _FETCH_SECONDS:
                    raise KafkaMissingError(f"Maven did not bring the Kafka jars within {_FETCH_SECONDS:.0f} s")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                    break
                say(f"Kafka: still fetching, {time.monotonic() - began:.0f} s …")
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            output.seek(0)
            reason = next((line for line in output if "ERROR" in line), "no reason given").strip()
            raise KafkaMissingError(f"Maven could not bring the Kafka jars: {reason}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _dying_with_parent() -> Callable[[], object] | None:
    """Have Linux stop the child when its parent is gone, however it went."""
    if sys.platform != "linux":
        return None
    return functools.partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, signal.SIGTERM)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"


def _run(port: int, data: Path, jars: Path) -> None:
    """Become the broker: signals then reach it directly, and its exit code is ours."""
    command = Broker(fetch(jars), data.resolve(), port).prepare()
    print(f"Kafka: serving on 127.0.0.1:{port}, records in {data}, Ctrl-C stops it", flush=True)
    os.execv(command[0], command)  # noqa: S606 -- no shell is wanted between the user's Ctrl-C and the broker


def main() -> int:
    """Read the command line, do it, and return the exit code."""
    parser = argparse.ArgumentParser(description="A real Kafka broker for tests and trials.")
    parser.add_argument("--jars", type=Path, default=JARS, help="where the jars are kept (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help="get the jars through Maven and check them")
    run = commands.add_parser("run", help="run a broker in the foreground")
    run.add_argument("--port", type=int, default=9092)
    run.add_argument("--data", type=Path, default=ROOT / ".tagway" / "kafka", help="default: %(default)s")
    arguments = parser.parse_args()
    try:
        if arguments.command == "fetch":
            fetch(arguments.jars)
        else:
            _run(arguments.port, arguments.data, arguments.jars)
    except KafkaMissingError as error:
        print(f"Kafka: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
