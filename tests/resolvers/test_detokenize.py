"""Who sees personal data, under which conditions, and that no look goes unseen."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.access import LookLimits
from domain.alias import AliasKind
from domain.consent import Purpose, State
from domain.key import Scope
from privacy.platform import Platform, digest_for
from privacy.sealing import Sealer
from privacy.token import token_hash
from stores.vault import add_token
from tests.fixtures.graphql import Api, eventually
from tests.fixtures.person import DETOKENIZE, EMAIL, PHONE, REASON, USER, detokenize, told
from tests.fixtures.seeds import Seeds, later

WISH = {"by": {"email": EMAIL}, "fields": ["traits.email"], "purpose": "PERSONALIZATION", "reason": REASON}
READ_OWN = """mutation ($fields: [String!]!) { readOwnData(input: {fields: $fields}) {
  __typename ... on Released { values { field value } } ... on Problem { code path } } }"""


@pytest.mark.usefixtures("jane")
async def test_what_is_sealed_is_shown_and_the_look_written_down(api: Api, seeds: Seeds, jane: UUID) -> None:
    fields = ("traits.email", "traits.firstName", "traits.lastName", "user_id")
    answer = await detokenize(api, *fields, clientMutationId="c-1")
    assert told(answer) == dict(zip(fields, (EMAIL, "Jane", None, USER), strict=True))
    assert (answer["accessNumber"], answer["clientMutationId"]) == (1, "c-1")
    [look] = await seeds.looks()
    assert api.caller
    assert (look["actor"], look["action"]) == (api.caller.principal.actor, "detokenize")
    assert (look["profile_id"], look["fields"]) == (jane, list(fields))
    assert (look["purpose"], look["reason"]) == ("personalization", REASON)


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.usefixtures("jane")
async def test_the_person_is_found_by_any_platforms_digest(api: Api, platform: Platform) -> None:
    email = digest_for(platform, AliasKind.EMAIL, EMAIL.lower())
    phone = digest_for(platform, AliasKind.PHONE, PHONE)
    for by in ({"email": email}, {"phone": phone}):
        assert told(await detokenize(api, "traits.email", by=by)) == {"traits.email": EMAIL}


@pytest.mark.usefixtures("jane")
async def test_it_needs_its_scope_and_is_not_for_visitors(api: Api, seeds: Seeds) -> None:
    others = api.with_scopes(set(Scope) - {Scope.PROFILES_PII})
    assert await others.code(DETOKENIZE, input=WISH) == "missing_scope"
    assert await api.as_end_user("visitor").code(DETOKENIZE, input=WISH) == "wrong_kind_of_key"
    assert await seeds.looks() == []


@pytest.mark.parametrize("states", [[], [State.DENIED], [State.WITHDRAWN], [State.GRANTED, State.WITHDRAWN]])
async def test_without_live_consent_for_the_purpose_nothing_is_shown(
    api: Api, seeds: Seeds, jane: UUID, states: list[State]
) -> None:
    for number, state in enumerate(states):
        subject = await seeds.subject(jane)
        await seeds.consent(subject, Purpose.FUNCTIONAL, state, later(number))
    answer = await detokenize(api, "traits.email", purpose="FUNCTIONAL")
    assert (answer["__typename"], answer["code"], answer["path"]) == (
        "Withheld",
        "consent_missing",
        ["input", "purpose"],
    )
    assert await seeds.looks() == []


async def test_consent_that_is_withdrawn_counts_at_once(api: Api, seeds: Seeds, jane: UUID) -> None:
    assert told(await detokenize(api, "traits.email"))
    await seeds.consent(await seeds.subject(jane), Purpose.PERSONALIZATION, State.WITHDRAWN, later(1))
    assert (await detokenize(api, "traits.email"))["code"] == "consent_missing"


@pytest.mark.parametrize(
    ("held", "field", "code"),
    [
        ("objected_at", "traits.email", "restricted"),
        ("limited_at", "traits.firstName", "restricted"),
        ("limited_at", "traits.email", None),
    ],
)
@pytest.mark.usefixtures("jane")
async def test_what_is_held_back_is_not_shown(api: Api, seeds: Seeds, held: str, field: str, code: str | None) -> None:
    await seeds.set("profile", held, later(0))
    answer = await detokenize(api, field)
    assert answer.get("code") == code
    assert len(await seeds.looks()) == (code is None)


@pytest.mark.usefixtures("jane")
async def test_of_a_restricted_person_nothing_is_shown(api: Api, seeds: Seeds) -> None:
    await seeds.set("profile", "restricted_at", later(0))
    assert await api.code(DETOKENIZE, input=WISH) == "restricted"
    assert await seeds.looks() == []


@pytest.mark.parametrize(
    ("fields", "changes", "kind", "code", "path"),
    [
        (["traits.email"], {"purpose": "ANALYTICS"}, "Withheld", "not_covered", ["fields", "0"]),
        (["traits.email", "traits.email.x"], {}, "InvalidInput", "invalid_request", ["fields", "1"]),
        (["traits.plan"], {}, "InvalidInput", "invalid_request", ["fields", "0"]),
        (["context.ip"], {}, "InvalidInput", "invalid_request", ["fields", "0"]),
        ([], {}, "InvalidInput", "invalid_request", ["fields"]),
        ([f"traits.{number}" for number in range(21)], {}, "InvalidInput", "invalid_request", ["fields"]),
        (["traits.email"], {"reason": "help desk"}, "InvalidInput", "invalid_request", ["reason"]),
        (["traits.email"], {"reason": "x" * 40}, "InvalidInput", "invalid_request", ["reason"]),
        (["traits.email"], {"reason": "why not " * 80}, "InvalidInput", "invalid_request", ["reason"]),
        (["traits.email"], {"by": {"email": "who@mail.co"}}, "NotFound", "not_found", ["by"]),
        (["traits.email"], {"by": None}, "InvalidInput", "invalid_request", ["by"]),
        (["traits.email"], {"token": "tok_x"}, "NotFound", "not_found", ["token"]),
        (["traits.email"], {"token": "pal_x", "partner": "mailer"}, "NotFound", "not_found", ["token"]),
    ],
)
@pytest.mark.usefixtures("jane")
async def test_a_wrong_wish_is_told_by_place_and_shows_nothing(
    api: Api, seeds: Seeds, fields: list[str], changes: dict[str, Any], kind: str, code: str, path: list[str]
) -> None:
    answer = await detokenize(api, *fields, **changes)
    assert (answer["__typename"], answer["code"], answer["path"]) == (kind, code, ["input", *path])
    assert await seeds.looks() == []


@pytest.mark.usefixtures("jane")
async def test_a_reason_keeps_no_personal_data(api: Api, seeds: Seeds) -> None:
    reason = f"{USER} wrote from {EMAIL} and calls on {PHONE} about order 17"
    await detokenize(api, "traits.email", by={"externalId": USER}, reason=reason)
    [look] = await seeds.looks()
    assert look["reason"] == "[id] wrote from [email] and calls on [phone] about order 17"


@pytest.mark.usefixtures("jane")
async def test_the_look_is_committed_before_anything_is_opened(
    api: Api, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the process at that point, the entry stands, and no plain value has existed."""
    seen: list[int] = []

    def fail(_sealer: Sealer, _path: str, _frame: bytes) -> Any:
        with ThreadPoolExecutor() as elsewhere:
            seen.append(elsewhere.submit(asyncio.run, count_looks(api.gateway.database_url, seeds.workspace)).result())
        raise OSError("the process ends here")

    monkeypatch.setattr(Sealer, "open", fail)
    result = await api.run(DETOKENIZE, input=WISH)
    assert seen == [1]
    assert result.errors
    assert EMAIL not in repr(result)
    assert len(await seeds.looks()) == 1


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of what was opened."""
    paths: list[str] = []
    real = Sealer.open

    def open_(sealer: Sealer, path: str, frame: bytes) -> Any:
        paths.append(path)
        return real(sealer, path, frame)

    monkeypatch.setattr(Sealer, "open", open_)
    return paths


@pytest.mark.usefixtures("jane")
async def test_a_caller_who_leaves_while_the_log_waits_has_seen_nothing(
    api: Api, seeds: Seeds, opened: list[str]
) -> None:
    async with seeds.connection.transaction():
        await seeds.connection.execute("LOCK TABLE access_log IN EXCLUSIVE MODE")
        call = asyncio.create_task(api.run(DETOKENIZE, input=WISH))
        blocked = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'access_log'::regclass AND NOT granted)"
        await eventually(lambda: seeds.connection.fetchval(blocked))
        assert opened == []
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert (opened, await seeds.looks()) == ([], [])


@pytest.mark.usefixtures("jane")
async def test_without_the_log_nothing_is_released(api: Api, seeds: Seeds, opened: list[str]) -> None:
    await seeds.connection.execute("REVOKE INSERT ON access_log FROM tagway_app")
    try:
        result = await api.run(DETOKENIZE, input=WISH)
    finally:
        await seeds.connection.execute("GRANT INSERT ON access_log TO tagway_app")
    assert result.errors
    assert EMAIL not in repr(result)
    assert opened == []
    assert told(await detokenize(api, "traits.email"))


@pytest.mark.usefixtures("jane")
async def test_a_key_may_look_so_often_a_minute(api: Api, seeds: Seeds) -> None:
    api = api.with_limits(LookLimits(looks_per_minute=2))
    answers = await asyncio.gather(*(detokenize(api, "traits.email") for _ in range(5)))
    kinds = Counter(answer["__typename"] for answer in answers)
    assert kinds == {"Released": 2, "RateLimited": 3}
    refused = next(answer for answer in answers if answer["__typename"] == "RateLimited")
    assert refused["code"] == "too_many_requests"
    assert 0 < refused["retryAfter"] <= 60
    assert len(await seeds.looks()) == 2
    assert told(await detokenize(api.with_scopes(Scope), "traits.email"))


@pytest.mark.usefixtures("jane")
async def test_a_key_may_see_so_many_people_a_day(api: Api, seeds: Seeds) -> None:
    other = await seeds.profile(email="bob@mail.co")
    await seeds.seal(other, email="bob@mail.co")
    await seeds.consent(other, Purpose.PERSONALIZATION, State.GRANTED)
    api = api.with_limits(LookLimits(people_per_day=1))
    for _ in range(2):
        assert told(await detokenize(api, "traits.email"))
    refused = await detokenize(api, "traits.email", by={"email": "bob@mail.co"})
    assert refused["__typename"] == "RateLimited"
    assert 86_000 < refused["retryAfter"] <= 86_400


@pytest.mark.parametrize(
    ("column", "purpose", "field", "refused"),
    [
        ("restricted_at", "PERSONALIZATION", "traits.email", True),
        ("objected_at", "PERSONALIZATION", "traits.email", True),
        ("objected_at", "FUNCTIONAL", "traits.email", False),
        ("limited_at", "PERSONALIZATION", "traits.firstName", True),
        ("limited_at", "PERSONALIZATION", "traits.email", False),
        ("limited_at", "FUNCTIONAL", "traits.firstName", False),
    ],
)
async def test_what_a_person_has_asked_to_be_held_back_is(
    api: Api, seeds: Seeds, jane: UUID, column: str, purpose: str, field: str, *, refused: bool
) -> None:
    await seeds.consent(jane, Purpose.FUNCTIONAL, State.GRANTED)
    token = "tok_" + "a" * 32
    async with api.gateway.resources.database.workspace(seeds.workspace) as connection:
        await add_token(
            connection, seeds.workspace, token_hash(token),
            subject=jane, path=field, purpose=Purpose(purpose.lower()), at=later(0),
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )  # fmt: skip
    await seeds.set("profile", column, later(0))
    answer = await detokenize(api, token=token, purpose=purpose)
    assert answer["__typename"] == ("Withheld" if refused else "Released")
    assert answer.get("code") == ("restricted" if refused else None)
    assert len(await seeds.looks()) == (not refused)


async def test_whoever_must_stay_forgotten_is_not_found(api: Api, seeds: Seeds, jane: UUID) -> None:
    await seeds.connection.execute(
        """
        INSERT INTO suppression SELECT workspace_id, kind, version, index, 'erased', now() FROM alias
        WHERE subject_id = $1 AND kind = 'phone' AND NOT spelling
        """,
        jane,
    )
    assert (await detokenize(api, "traits.email"))["__typename"] == "NotFound"
    assert await seeds.looks() == []


async def test_what_was_sealed_before_a_merge_still_opens(api: Api, seeds: Seeds, jane: UUID) -> None:
    earlier = await seeds.profile(anonymous_id="visitor")
    await seeds.seal(earlier, lastName="Doe")
    sealed = await seeds.connection.fetchval("SELECT sealed FROM profile WHERE id = $1", earlier)
    await seeds.merge(earlier, jane)
    await seeds.connection.execute("UPDATE profile SET sealed = sealed || $2::jsonb WHERE id = $1", jane, sealed)
    assert told(await detokenize(api, "traits.lastName", "traits.firstName")) == {
        "traits.lastName": "Doe",
        "traits.firstName": "Jane",
    }


async def test_a_frame_that_was_moved_to_another_field_does_not_open(api: Api, seeds: Seeds, jane: UUID) -> None:
    await seeds.connection.execute(
        "UPDATE profile SET sealed = sealed || jsonb_build_object('lastName', sealed -> 'email') WHERE id = $1", jane
    )
    assert told(await detokenize(api, "traits.lastName")) == {"traits.lastName": None}


async def test_a_group_has_a_name_of_its_own(api: Api, seeds: Seeds, jane: UUID) -> None:
    await seeds.seal(jane, name="Acme")
    await seeds.connection.execute(
        "UPDATE profile SET sealed = jsonb_build_object('group.name', sealed -> 'name') WHERE id = $1", jane
    )
    assert told(await detokenize(api, "group.name", "traits.name")) == {"group.name": "Acme", "traits.name": None}


@pytest.mark.usefixtures("jane")
async def test_people_see_their_own_data_once_they_have_signed_in(api: Api, seeds: Seeds) -> None:
    fields = ["traits.email", "traits.firstName", "user_id"]
    answer = (await api.as_end_user(user_id=USER).data(READ_OWN, fields=fields))["readOwnData"]
    assert told(answer) == {"traits.email": EMAIL, "traits.firstName": "Jane", "user_id": USER}
    [look] = await seeds.looks()
    assert (look["actor"], look["action"], look["purpose"]) == ("end user", "read-own", "necessary")
    for other in (api, api.as_end_user("visitor")):
        assert await other.code(READ_OWN, fields=fields) == "wrong_kind_of_key"
    stranger = (await api.as_end_user(user_id="user-8").data(READ_OWN, fields=fields))["readOwnData"]
    assert stranger == {"__typename": "NotFound", "code": "not_found", "path": ["input"]}


@pytest.mark.usefixtures("jane")
async def test_one_visitor_s_looks_do_not_use_up_another_s(api: Api, seeds: Seeds) -> None:
    other = await seeds.profile(user_id="user-8")
    await seeds.seal(other, email="bob@mail.co")
    api = api.with_limits(LookLimits(looks_per_minute=1))
    read = [
        await api.as_end_user(user_id=who).data(READ_OWN, fields=["traits.email"]) for who in (USER, USER, "user-8")
    ]
    assert [each["readOwnData"]["__typename"] for each in read] == ["Released", "RateLimited", "Released"]


async def count_looks(url: str, workspace: UUID) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM access_log WHERE workspace_id = $1", workspace))
    finally:
        await connection.close()
