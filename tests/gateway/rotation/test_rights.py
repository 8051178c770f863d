"""Requests of people that are older than the index they are worked on under, and journals that are older still."""

from domain.clock import utc_now
from gateway.rotation.index import rotate_index
from gateway.rotation.job import Job
from profiles.rights.replay import replay
from stores.journal import Journal
from stores.reindex import IndexTable
from tests.fixtures.gateway import event
from tests.fixtures.office import Office, building
from tests.gateway.rotation.test_index import Refresh, counts


async def test_a_request_from_before_a_rotation_erases_for_good(office: Office, job: Job, refresh: Refresh) -> None:
    assert office.rest is not None
    await office.rest()
    known = await office.open("ERASE", {"externalId": "ann"})
    never_seen = await office.open("ERASE", {"email": "never@shop.example"})
    await office.gateway.batch(event(userId="ann"))
    await rotate_index(job, [office.gateway.tenant.workspace])
    await refresh()
    async with building(office.settings):
        for request in (known, never_seen):
            assert (await office.follow(request))["status"] == "DONE"
    traits = {"email": "never@shop.example"}
    results = await office.gateway.batch(event(userId="ann"), event(userId=None, type="identify", traits=traits))
    assert [result["outcome"] for result in results] == ["dropped_suppressed"] * 2
    assert set(await counts(office.gateway, IndexTable.SUPPRESSION)) == {2}


async def test_a_journal_from_before_a_rotation_erases_nobody_twice(office: Office, job: Job) -> None:
    await office.tell(event(userId="ann"))
    await office.ask("ERASE", {"externalId": "ann"})
    journal = Journal(office.journal)
    done = await replay(job.database, journal.read(), utc_now, job.workspaces.keys)
    assert (done.entries, done.found) == (1, [])
    await rotate_index(job, [office.gateway.tenant.workspace])
    done = await replay(job.database, journal.read(), utc_now, job.workspaces.keys)
    assert (done.entries, done.found) == (1, [])
