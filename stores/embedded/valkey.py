"""An own Valkey (or Redis) in a folder, in memory only."""

import shutil
import signal
from pathlib import Path

import redis.asyncio
import redis.exceptions

from stores.embedded.account import make_private, write_private
from stores.embedded.binaries import usable_valkey
from stores.embedded.server import EmbeddedServer, password


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server in `home`, with a password, that refuses writes rather than evict keys when memory is full.

    It writes nothing down: all in it can be read again elsewhere, and a file of its commands would hold the wrapped
    keys of people who were erased since.
    """

    death_signal = signal.SIGTERM
    stop_within = 30.0

    async def prepare(self, home: Path) -> Path:
        """Make the data folder."""
        self._program = usable_valkey(self._asked_program, self.account, home)
        data = home / "data"
        make_private(data, self.account)
        # Earlier versions wrote such a file.
        shutil.rmtree(data / "appendonlydir", ignore_errors=True)
        return data

    def command(self, home: Path, data: Path, port: int) -> list[str]:
        """Write the configuration and return the command line, which must not show the password."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "dir": str(data),
            "requirepass": password(home),
            "appendonly": "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "databases": "16",
            "daemonize": "no",
            "loglevel": "warning",
        }
        configuration = home / "server.conf"
        text = "".join(f"{name} {_quoted(value)}\n" for name, value in settings.items())
        write_private(configuration, text, self.account)
        return [str(self._program), str(configuration)]

    def address(self, home: Path, port: int) -> str:
        """Return the URL of logical database 0."""
        return f"redis://:{password(home)}@127.0.0.1:{port}/0"

    async def ping(self) -> bool:
        """Whether the server answers, its data loaded."""
        client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(self.url, socket_timeout=5)
        try:
            await client.ping()
        except (
            OSError,
            redis.exceptions.ConnectionError,
            redis.exceptions.TimeoutError,
            redis.exceptions.BusyLoadingError,
        ):
            return False
        finally:
            await client.aclose()
        return True


def _quoted(value: str) -> str:
    """Quote paths with spaces the way the configuration file wants it."""
    if value.startswith('"'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
