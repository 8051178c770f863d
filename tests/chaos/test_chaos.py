"""The short form of `make chaos`: the faults that matter most, once each."""

import sys
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos.cases import READ_ONLY
from tests.chaos.faults import faltering, jumping, killing, refusing, repeating, stalling, together
from tests.chaos.poison import poisoning
from tests.chaos.shifted import PROGRAM
from tests.chaos.site import Site
from tests.chaos.trial import trial
from tests.fixtures.stack import Stack


@pytest.mark.skipif(sys.platform != "linux", reason="parts are found through /proc")
@pytest.mark.timeout(600)
async def test_what_is_acknowledged_is_stored_once_whatever_happens(
    start_stack: Callable[..., Awaitable[Stack]],
) -> None:
    site = Site(await start_stack(program=PROGRAM))
    faults = {
        "all killed at once": killing("serve", "build", "postgres", "redis"),
        "postgres killed, all repeated": together(killing("postgres"), repeating),
        "clock an hour off, redis read-only, poison": together(jumping(1), refusing(2, *READ_ONLY), poisoning),
        "stores and line slow": together(faltering("postgres", 2), faltering("redis", 2), stalling(2)),
    }
    async with trial(site, seed=7) as under_fire:
        for name, fault in faults.items():
            outcome = await under_fire.round(name, fault, 3)
            assert outcome.sound, outcome
            assert outcome.acknowledged > 50, outcome
        assert outcome.found.letters == under_fire.oracle.poisons > 0
    assert under_fire.subscriber.connections > 1
    assert under_fire.subscriber.heard
