"""`tagway ledger` as its users run it, on a ledger that somebody may have meddled with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from domain.clock import utc_now
from gateway.cli.ledger import examine
from privacy.ledger.audit import Broken
from privacy.ledger.checkpoint import Signer, Untrusted
from privacy.ledger.closing import closing_key
from stores.erasure import erase_person
from stores.ledger.heads import sign_head
from stores.persons import find_person
from stores.postgres import Database
from tests.fixtures.gateway import Gateway, Tenant, event, make_tenant
from tests.fixtures.terminal import tagway, tagway_process

YES = {"functional": True, "analytics": True, "personalization": True}


@dataclass
class Shop:
    """A workspace of its own name, and the command line on it."""

    gateway: Gateway
    tenant: Tenant
    name: str
    folder: Path

    async def run(self, *arguments: str, bare: bool = False) -> tuple[int, str, str]:
        """Run the command; `bare` as a process of its own, without any setting."""
        data = str(self.folder / "data")
        if bare:
            return await tagway_process("ledger", *arguments, data=data)
        named = self.gateway.resources.settings.environment()
        settings = {name.removeprefix("TAGWAY_").lower(): value for name, value in named.items()}
        return await tagway("ledger", *arguments, **(settings | {"data": data}))

    async def signer(self) -> Signer:
        keys = (await self.gateway.resources.workspaces.get(self.tenant.workspace)).keys
        return Signer(self.tenant.workspace, keys.signing_key("ledger"))

    async def sign(self) -> str:
        """Sign the ledger as it is now."""
        async with self.gateway.resources.database.workspace(self.tenant.workspace) as connection:
            return await sign_head(connection, self.tenant.workspace, await self.signer(), utc_now())

    async def verify(self, kept: str | None = None) -> str:
        """Do in this process what `tagway ledger verify` does; return what it says."""
        keys = (await self.gateway.resources.workspaces.get(self.tenant.workspace)).keys
        public_key = (await self.signer()).public_key
        async with self.gateway.resources.database.workspace(self.tenant.workspace) as connection:
            try:
                return await examine(connection, keys, public_key, kept)
            except (Broken, Untrusted) as error:
                return str(error)

    async def collect(self, *events: dict[str, Any]) -> list[str]:
        results = await self.gateway.batch(*events, key=self.tenant.write_key)
        assert {result["outcome"] for result in results} == {"accepted"}
        return [result["message_id"] for result in results]

    async def meddle(self, *statements: str) -> None:
        """Change what may not be changed, as the owner of the database could."""
        connection = await asyncpg.connect(self.gateway.database_url)
        try:
            await connection.execute("SET session_replication_role = replica")
            for statement in statements:
                await connection.execute(statement.replace("$1", f"'{self.tenant.workspace}'"))
        finally:
            await connection.close()

    async def store_events(self) -> None:
        """Do what the builder does with the log, as far as proofs need it."""
        for each in await self.gateway.logged(self.tenant.workspace):
            await self.gateway.sql(
                """
                INSERT INTO event (workspace_id, message_id, subject_id, type, name, at, received_at, properties,
                    traits, context, sealed, purposes, proofs)
                VALUES ($1, $2, $3, 'track', $4, $5, $6, '{}', '{}', '{}', '{}', $7, $8)
                """,
                each.workspace,
                each.message_id,
                each.subject,
                each.name,
                each.at,
                each.received_at,
                list(each.purposes),
                list(each.proofs),
            )


@pytest.fixture
async def shop(gateway: Gateway, tmp_path: Path) -> Shop:
    name = f"shop-{uuid4().hex}"
    tenant = await make_tenant(gateway.database_url, name)
    return Shop(gateway, tenant, name, tmp_path)


async def visit(shop: Shop, people: int) -> list[str]:
    return await shop.collect(*(event(anonymousId=f"visitor-{number}", consent=YES) for number in range(people)))


async def test_an_event_is_proven_far_from_any_store(shop: Shop) -> None:
    message_ids = await visit(shop, 3)
    await shop.store_events()
    code, out, err = await shop.run(
        "prove", "--workspace", shop.name, *(f"--message-id={each}" for each in message_ids)
    )
    assert code == 0, err
    file = shop.folder / "proof.json"
    file.write_text(out)
    code, _, err = await shop.run("head", "--workspace", shop.name)
    public_key = err.strip().removeprefix("public key: ")
    assert code == 0
    code, out, _ = await shop.run("check", str(file), "--public-key", public_key, bare=True)
    assert (code, out.splitlines()) == (0, [f"{each}: proven" for each in message_ids])

    proof = json.loads(file.read_text())
    proof["events"][1]["message_id"] = "another"
    file.write_text(json.dumps(proof))
    code, out, _ = await shop.run("check", str(file), bare=True)
    assert code == 2
    assert out.splitlines()[0] == f"{message_ids[0]}: proven"
    assert out.splitlines()[1] == "another: not proven: it is not the event that was signed"
    stranger = public_key.replace(public_key[-20:], "A" * 20)
    assert (await shop.run("check", str(file), "--public-key", stranger, bare=True))[0] == 2


async def test_the_purposes_of_a_stored_event_cannot_be_widened(shop: Shop) -> None:
    (message_id,) = await visit(shop, 1)
    await shop.store_events()
    await shop.meddle("UPDATE event SET purposes = purposes || '{advertising}' WHERE workspace_id = $1")
    _, out, _ = await shop.run("prove", "--workspace", shop.name, "--message-id", message_id)
    file = shop.folder / "proof.json"
    file.write_text(out)
    code, out, _ = await shop.run("check", str(file), bare=True)
    assert code == 2
    assert "side by side" in out


async def test_what_is_no_event_is_told(shop: Shop) -> None:
    code, _, err = await shop.run("prove", "--workspace", shop.name, "--message-id", "nothing")
    assert (code, err) == (1, "tagway: there is no event with the message id nothing\n")
    (shop.folder / "no.json").write_text("{}")
    assert (await shop.run("check", str(shop.folder / "no.json"), bare=True))[:2] == (
        2,
        "not proven: this is not a proof\n",
    )


async def test_a_ledger_is_intact_until_somebody_meddles(shop: Shop) -> None:
    assert (await shop.verify()).startswith("intact: 0 records, 0 signed heads\n")
    await visit(shop, 6)
    kept = await shop.sign()
    await visit(shop, 12)
    await shop.sign()
    assert ", 2 signed heads\n" in await shop.verify(kept)

    copies = ("consent_record", "ledger_head", "ledger_checkpoint", "ledger_node")
    await shop.meddle(
        *(f"CREATE TABLE IF NOT EXISTS kept_{name} AS SELECT * FROM {name} WHERE workspace_id = $1" for name in copies)
    )
    here = "workspace_id = $1"
    last = f"(SELECT max(seq) FROM consent_record WHERE {here})"
    try:
        for statements, said in (
            ([f"UPDATE consent_record SET leaf = leaf || ' ' WHERE {here} AND seq = 7"], "record 7 was changed"),
            ([f"UPDATE consent_record SET hash = sha256('x') WHERE {here} AND seq = 7"], "record 7 was changed"),
            (
                [
                    f"UPDATE consent_record SET seq = -5 WHERE {here} AND seq = 5",
                    f"UPDATE consent_record SET seq = 5 WHERE {here} AND seq = 9",
                    f"UPDATE consent_record SET seq = 9 WHERE {here} AND seq = -5",
                ],
                "record 5 is record 9 in another's place",
            ),
            ([f"DELETE FROM consent_record WHERE {here} AND seq = 3"], "record 3 is missing"),
            ([f"DELETE FROM consent_record WHERE {here} AND seq = {last}"], "is missing"),
            ([f"UPDATE ledger_head SET hash = sha256('x') WHERE {here}"], "the head is not that of these records"),
            ([f"UPDATE ledger_checkpoint SET note = replace(note, 'A', 'B') WHERE {here}"], "is forged"),
            ([f"UPDATE ledger_checkpoint SET size = size + 1 WHERE {here}"], "is that of"),
            (["INSERT INTO ledger_node VALUES ($1, 8, 0, sha256('x'))"], "the first at level 8, index 0"),
        ):
            await shop.meddle(*statements)
            assert said in await shop.verify(), statements
            await shop.meddle(
                *(f"DELETE FROM {name} WHERE {here}" for name in copies),
                *(f"INSERT INTO {name} SELECT * FROM kept_{name}" for name in copies),
            )
        assert (await shop.verify()).startswith("intact")
        await shop.meddle(
            f"DELETE FROM consent_record WHERE {here}",
            f"DELETE FROM ledger_head WHERE {here}",
            f"DELETE FROM ledger_checkpoint WHERE {here}",
            f"DELETE FROM consent_evidence WHERE {here}",
            f"DELETE FROM consent_opening WHERE {here}",
        )
        await visit(shop, 12)
        assert (await shop.verify()).startswith("intact"), "a ledger that was begun anew is intact in itself"
        assert "not what was signed" in await shop.verify(kept), "only a head that was kept elsewhere tells"
    finally:
        await shop.meddle(*(f"DROP TABLE kept_{name}" for name in copies))


async def test_a_word_changed_behind_the_ledger_s_back_is_named(shop: Shop) -> None:
    """State, time, record, source's opening: whatever a superuser may set, it is not what the person said."""
    await visit(shop, 2)
    said = {"functional": True, "analytics": False, "personalization": True}
    await shop.collect(event("Consent Preference Updated", said, anonymousId="visitor-0"))
    await shop.collect(event("Consent Preference Updated", YES, anonymousId="visitor-1"))
    await shop.collect(event("Consent Preference Updated", said, anonymousId="visitor-1"))
    assert "\n6 words in force, as recorded; 0 from before the ledger\n" in await shop.verify()
    here = "workspace_id = $1"
    refused = f"{here} AND purpose = 'analytics' AND state <> 'granted'"
    added = "INSERT INTO consent SELECT workspace_id, id, 'advertising', 'granted', 'x', now()"
    mine = f"{here} AND seq = (SELECT max(seq) FROM consent WHERE {here})"
    await shop.meddle(
        f"CREATE TABLE kept_consent AS SELECT * FROM consent WHERE {here}",
        f"CREATE TABLE kept_opening AS SELECT * FROM consent_opening WHERE {here}",
    )
    try:
        for statement, said_of_it in (
            (f"UPDATE consent SET state = 'granted' WHERE {refused}", "says granted, record "),
            (f"DELETE FROM consent WHERE {refused}", "on analytics is missing, record "),
            (f"UPDATE consent SET seq = NULL WHERE {mine}", "is not the one of record "),
            (f"UPDATE consent SET at = at - interval '1 hour' WHERE {mine}", "is not the one of record "),
            (f"DELETE FROM consent_opening WHERE {mine}", "is not the one of record "),
            (f"UPDATE consent SET purpose = 'sale_or_share' WHERE {mine}", "is missing, record "),
            (f"UPDATE consent_opening SET salt = sha256('x') WHERE {mine}", "is not about the subject"),
            (
                f"{added} FROM subject WHERE {here}",
                "on advertising says granted, and no record of theirs does",
            ),
        ):
            await shop.meddle(statement)
            assert said_of_it in await shop.verify(), statement
            await shop.meddle(
                f"DELETE FROM consent WHERE {here}",
                f"DELETE FROM consent_opening WHERE {here}",
                "INSERT INTO consent SELECT * FROM kept_consent",
                "INSERT INTO consent_opening SELECT * FROM kept_opening",
            )
        assert (await shop.verify()).startswith("intact")
    finally:
        await shop.meddle("DROP TABLE kept_consent", "DROP TABLE kept_opening")


async def test_the_words_of_the_erased_are_missed_by_nobody(shop: Shop) -> None:
    for person in range(3):
        await shop.collect(event("Consent Preference Updated", YES, anonymousId=f"visitor-{person}"))
    gone = (await shop.gateway.logged(shop.tenant.workspace))[1].subject
    workspace = await shop.gateway.resources.workspaces.get(shop.tenant.workspace)
    database = await Database.open(shop.gateway.database_url, role="worker", max_size=1)
    async with database.across() as connection, connection.transaction():
        found = await find_person(connection, workspace.id, aliases=(), subjects=[gone])
        key = closing_key(workspace.keys)
        await erase_person(connection, workspace.id, found, request=None, at=utc_now(), closing_key=key)
    await database.close()
    said = await shop.verify()
    assert said.startswith("intact: 9 records")
    assert "\n6 words in force, as recorded" in said
    assert "\n3 records of people who are gone; 0 such from before" in said


async def test_a_withdrawal_that_was_made_to_look_erased_is_named(shop: Shop) -> None:
    """The word in force set back to the grant, and the opening of what came after it gone: nobody's keys say so."""
    await shop.collect(event("Consent Preference Updated", YES, anonymousId="visitor-0"))
    await shop.collect(event("Consent Preference Updated", dict.fromkeys(YES, False), anonymousId="visitor-0"))
    assert (await shop.verify()).startswith("intact: 6 records")
    here = "workspace_id = $1"
    await shop.meddle(
        f"DELETE FROM consent_opening WHERE {here} AND seq > 3",
        f"""
        UPDATE consent SET state = 'granted', seq = seq - 3, at = (
            SELECT (convert_from(leaf, 'UTF8')::jsonb ->> 'said_at')::timestamptz FROM consent_record AS record
            WHERE record.workspace_id = consent.workspace_id AND record.seq = consent.seq - 3
        ) WHERE {here}
        """,
    )
    assert await shop.verify() == "record 4 has lost its opening, and not by an erasure"
    await shop.meddle(
        "INSERT INTO ledger_closing SELECT workspace_id, seq, sha256('x') FROM consent_record WHERE workspace_id = $1"
    )
    assert await shop.verify() == "record 4 has lost its opening, and not by an erasure"


async def test_words_from_before_the_ledger_are_counted_apart(shop: Shop) -> None:
    await visit(shop, 1)
    await shop.meddle(
        "INSERT INTO consent SELECT workspace_id, id, 'advertising', 'denied', 'x', now() - interval '1 day'"
        " FROM subject WHERE workspace_id = $1"
    )
    assert "\n0 words in force, as recorded; 1 from before the ledger\n" in await shop.verify()


async def test_the_command_tells_by_its_exit_code(shop: Shop) -> None:
    await visit(shop, 2)
    kept = shop.folder / "head.txt"
    kept.write_text(await shop.sign())
    code, out, _ = await shop.run("verify", "--workspace", shop.name, "--since", str(kept))
    assert (code, out.splitlines()[0]) == (0, "intact: 4 records, 1 signed heads")
    await shop.meddle("UPDATE consent_record SET leaf = leaf || ' ' WHERE workspace_id = $1 AND seq = 2")
    code, out, _ = await shop.run("verify", "--workspace", shop.name)
    assert (code, out) == (2, "not intact: record 2 was changed\n")


@pytest.mark.parametrize("role", ["tagway_app", "tagway_worker"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_record SET hash = hash",
        "DELETE FROM consent_record",
        "TRUNCATE consent_record",
        "DELETE FROM ledger_checkpoint",
        "UPDATE ledger_node SET hash = hash",
    ],
)
async def test_records_can_only_be_added(shop: Shop, role: str, statement: str) -> None:
    await visit(shop, 1)
    connection = await asyncpg.connect(shop.gateway.database_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only grows"):
            await connection.execute(statement)  # as the owner
        await connection.execute(f"SET ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_no_workspace_sees_another_s_ledger(shop: Shop) -> None:
    await visit(shop, 2)
    tables = ("consent_record", "consent_opening", "consent_evidence", "ledger_head", "ledger_node")
    async with shop.gateway.resources.database.workspace(shop.gateway.tenant.workspace) as connection:
        for table in (*tables, "ledger_checkpoint", "ledger_outlet"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
