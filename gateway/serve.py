"""The web process."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from domain.clock import Clock, SteadyClock, utc_now
from gateway.app import create_app
from gateway.heads import bounded_heads
from gateway.logs import configure_logs, log_jump
from gateway.replay import replay_erasures
from gateway.settings import Settings
from gateway.stalled import cut_stalled, tell_of_cuts
from gateway.wiring import open_resources
from stores.migrate import require_schema

KEEP_ALIVE_SECONDS: Final = 75
"""How long an idle connection stays open: longer than balancers and clients keep theirs, so that none is closed under
a request that is just being sent."""
_DRAIN_SECONDS: Final = 15
_SOCKETS_FIRST_SECONDS: Final = 0.05
_SWITCH_SECONDS: Final = 0.001
"""How long a thread that reckons, as while a model is loaded, may keep requests waiting each time they are due."""
_LARGEST_FRAME: Final = 256 * 1024
"""Bytes of a frame of a socket, which uvicorn holds in memory before anyone may refuse it."""


_FRAMES_AHEAD: Final = 4
"""Frames of a socket that are read before they are wanted; with their size, the most that one makes us hold."""


class _Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn would raise them again before our stores are closed.

    `end_streams` is called when it stops, once every socket was told (1012) that its client may come again elsewhere.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if not self.should_exit:
            cut_stalled(self.servers)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop serving, and wait for what is under way."""
        stopping = asyncio.create_task(super().shutdown(sockets))
        await asyncio.sleep(_SOCKETS_FIRST_SECONDS)
        self._end_streams()
        await stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, wall: Clock = utc_now) -> None:
    """Serve until SIGTERM or SIGINT, answer what is under way, then close the stores. `wall` is the machine's clock.

    Raises `SettingsError` when the settings name no stores, `StoreUnavailable` and `LogUnavailable` when these are
    not there at the start, `MigrationRefused` when the schema is older than this version.
    """
    configure_logs(level=settings.log_level)
    sys.setswitchinterval(_SWITCH_SECONDS)
    settings.needs("postgres_url", "redis_url")
    await require_schema(settings.postgres_url or "")
    await replay_erasures(settings)
    async with open_resources(settings, SteadyClock(wall, told=log_jump)) as resources:
        config = uvicorn.Config(
            create_app(resources),
            host=settings.host,
            port=settings.port,
            http=bounded_heads(resources.metrics.failed),
            ws_max_size=_LARGEST_FRAME,
            ws_max_queue=_FRAMES_AHEAD,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        tell_of_cuts(config, resources.metrics.cut.inc)
        server = _Server(config, resources.graphql.end_streams)
        collect_garbage_seldom()

        def stop() -> None:
            resources.intake.stop()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        await server.serve()


def collect_garbage_seldom() -> None:
    """Leave what was made at the start out of every collection, and collect per many events, not per few hundred.

    A batch makes thousands of short-lived objects and next to no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
