"""Events that were collected before a rotation, built during it or after."""

from uuid import uuid4

from prometheus_client import CollectorRegistry

from domain.clock import utc_now
from gateway.rotation.index import rotate_index
from gateway.rotation.job import Job
from profiles.builder import Builder
from profiles.metrics import BuildMetrics
from profiles.workshop import Workshop
from stores.eventlog.port import Batch, Stored
from tests.fixtures.gateway import Gateway, event
from tests.gateway.rotation.test_index import advance, counts, erase


def signed_in(number: int) -> dict[str, object]:
    traits = {"email": f"u{number}@shop.example"}
    return event(type="identify", userId=f"u{number}", anonymousId=f"a{number}", traits=traits)


async def build(gateway: Gateway, job: Job, values: list[bytes]) -> None:
    """Build records as a builder that has just been started."""
    workshop = Workshop(job.database, utc_now, BuildMetrics(CollectorRegistry()))
    builder = Builder(workshop, open_keys=job.workspaces.keys)
    records = tuple(Stored(0, offset, b"", value, utc_now()) for offset, value in enumerate(values))
    await builder.build([Batch(f"test-{uuid4().hex}", 0, records)])
    assert await gateway.sql("SELECT FROM event WHERE workspace_id = $1", gateway.tenant.workspace)


async def test_identifiers_of_an_older_index_are_linked_under_the_new_one(gateway: Gateway, job: Job) -> None:
    await gateway.batch(signed_in(1), signed_in(2))
    await gateway.batch(event(userId="u1", anonymousId="a1"))
    first, second, third = await gateway.log_values()
    await build(gateway, job, [first])
    await rotate_index(job, [gateway.tenant.workspace])
    assert await counts(gateway) == {2: 4}
    await build(gateway, job, [second, third])
    assert await counts(gateway) == {2: 6}
    profiles = await gateway.sql(
        "SELECT count(DISTINCT subject.profile_id) FROM alias JOIN subject ON subject.id = subject_id "
        "WHERE alias.workspace_id = $1",
        gateway.tenant.workspace,
    )
    assert profiles[0][0] == 2


async def test_links_are_written_under_both_while_an_index_is_coming(gateway: Gateway, job: Job) -> None:
    await gateway.batch(signed_in(1))
    await advance(job, gateway.tenant.workspace, "bring_in")
    await build(gateway, job, await gateway.log_values())
    assert await counts(gateway) == {1: 3, 2: 2}
    for step in ("copy", "put_in_force", "clear"):
        await advance(job, gateway.tenant.workspace, step)
    assert await counts(gateway) == {2: 3}


async def test_an_older_event_of_an_erased_person_is_recognised(gateway: Gateway, job: Job) -> None:
    await gateway.batch(event(userId="kept", anonymousId="gone"), event(userId="kept", anonymousId=None))
    both, _ = await gateway.logged()
    await erase(gateway, both.aliases[1])
    await rotate_index(job, [gateway.tenant.workspace])
    await build(gateway, job, await gateway.log_values())
    rows = await gateway.sql("SELECT FROM event WHERE workspace_id = $1", gateway.tenant.workspace)
    assert len(rows) == 1
