"""An own Postgres in a folder, durable by default."""

import shutil
import signal
from pathlib import Path

import asyncpg

from stores.embedded.account import make_private, write_private
from stores.embedded.binaries import postgres_major, usable_postgres
from stores.embedded.process import run
from stores.embedded.server import EmbeddedServer, password

_BUILTIN_LOCALES_SINCE = 17
_SOCKET_PATH_LIMIT = 80

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "96MB",
    "maintenance_work_mem": "32MB",
    "huge_pages": "off",
    "jit": "off",  # our statements are short
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_statement": "none",
    "log_min_error_statement": "panic",  # statements may carry data that no log may hold
    "log_error_verbosity": "terse",  # so may details
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
}
_LEAST_WAL, _MOST_WAL = 128, 2048
_VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


class EmbeddedPostgres(EmbeddedServer):
    """A Postgres server in `home`, superuser and database `tagway`, scram passwords only.

    The data folder carries the major version in its name: another major version never touches it.
    """

    death_signal = signal.SIGINT  # fast shutdown: roll back what runs, then end in order
    stop_within = 60.0

    async def prepare(self, home: Path) -> Path:
        """Make the cluster once, in a draft that takes its name only when it is whole."""
        self._program = usable_postgres(self._asked_program, self.account, home)
        major = postgres_major(self._program)
        data = home / f"data-{major}"
        if data.exists():
            return data
        draft = home / f"draft-{major}"
        shutil.rmtree(draft, ignore_errors=True)
        make_private(draft, self.account)
        secret = home / "initial-password"
        write_private(secret, password(home), self.account)
        locale = ["--locale=C.UTF-8"]
        if major >= _BUILTIN_LOCALES_SINCE:  # the same on every platform
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command = [str(self._program.with_name("initdb")), "-D", str(draft), "-U", "tagway", "-A", "scram-sha-256"]
        command += [f"--pwfile={secret}", "-E", "UTF8", *locale]
        if self.volatile:
            command.append("--no-sync")
        try:
            await run(command, account=self.account, log=home / "initdb.log", within=180)
        finally:
            secret.unlink()
        draft.rename(data)
        return data

    def command(self, home: Path, data: Path, port: int) -> list[str]:
        """Return the `postgres` command line; settings come from here, the file in the data folder stays as made."""
        sockets = str(data) if len(str(data)) < _SOCKET_PATH_LIMIT else ""
        settings = _SETTINGS | (_VOLATILE if self.volatile else {})
        settings |= {
            "port": str(port),
            "unix_socket_directories": sockets,
            "max_wal_size": f"{_room_for_wal(home)}MB",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._program), "-D", str(data), *options]

    def address(self, home: Path, port: int) -> str:
        """Return the URL of the database `tagway`."""
        return f"postgresql://tagway:{password(home)}@127.0.0.1:{port}/tagway"

    async def ping(self) -> bool:
        """Whether the server answers a query; makes the database `tagway` at the first time."""
        try:
            connection = await asyncpg.connect(self.url, database="postgres", timeout=10)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            return False
        try:
            if not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'tagway'"):
                await connection.execute("CREATE DATABASE tagway")
        finally:
            await connection.close()
        return True


def _room_for_wal(home: Path) -> int:
    """Tell how many MB its log may take: as many as are useful, and an eighth of what the disk has left at most.

    After a checkpoint the first change of a page writes the whole page to the log. Message ids come at random, so with
    a checkpoint every few seconds nearly every event writes whole pages.
    """
    return min(max(shutil.disk_usage(home).free // 8 >> 20, _LEAST_WAL), _MOST_WAL)
