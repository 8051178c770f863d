"""In which forms personal data may leave, and what becomes of its tokens."""

import re
from typing import Any
from uuid import UUID

import pytest

from domain.alias import AliasKind
from domain.consent import Purpose, State
from domain.key import Scope
from privacy.platform import Platform, digest_for
from tests.fixtures.graphql import Api
from tests.fixtures.person import EMAIL, PHONE, REASON, USER, detokenize, told
from tests.fixtures.seeds import Seeds

ISSUE = """mutation ($input: IssueTokenInput!) { issueToken(input: $input) {
  __typename ... on IssuedToken { token accessNumber clientMutationId } ... on Problem { code message path } } }"""


async def issue(api: Api, field: str, form: str, **input_: Any) -> Any:
    by = {"by": {"email": EMAIL}, "purpose": "PERSONALIZATION", "reason": REASON}
    return (await api.data(ISSUE, input={**by, "field": field, "form": form, **input_}))["issueToken"]


async def token_of(api: Api, field: str, form: str, **input_: Any) -> str:
    answer = await issue(api, field, form, **input_)
    assert answer["__typename"] == "IssuedToken", answer
    token: str = answer["token"]
    return token


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.usefixtures("jane")
async def test_each_platform_gets_the_digest_that_it_expects(api: Api, seeds: Seeds, platform: Platform) -> None:
    for field, kind, normal in (
        ("traits.email", AliasKind.EMAIL, EMAIL.lower()),
        ("traits.phone", AliasKind.PHONE, PHONE),
    ):
        assert await token_of(api, field, platform.name) == digest_for(platform, kind, normal)
    assert [(look["action"], look["fields"]) for look in await seeds.looks()] == [
        (f"issue:{platform}", ["traits.email"]),
        (f"issue:{platform}", ["traits.phone"]),
    ]


@pytest.mark.usefixtures("jane")
async def test_a_vault_token_is_exchanged_for_what_it_stands_for(api: Api, seeds: Seeds) -> None:
    token = await token_of(api, "traits.email", "VAULT")
    assert re.fullmatch(r"tok_[a-z2-7]{32}", token)
    assert told(await detokenize(api, token=token)) == {"traits.email": EMAIL}
    assert told(await detokenize(api, "traits.email", token=f"{token}@token.invalid")) == {"traits.email": EMAIL}
    assert [look["action"] for look in await seeds.looks()] == ["issue:vault", "detokenize", "detokenize"]
    shaped = await token_of(api, "user_id", "VAULT", asEmail=True)
    assert shaped.endswith("@token.invalid")
    assert told(await detokenize(api, token=shaped)) == {"user_id": USER}


@pytest.mark.usefixtures("jane")
async def test_a_vault_token_serves_its_own_field_and_purpose(api: Api, seeds: Seeds, jane: UUID) -> None:
    await seeds.consent(jane, Purpose.FUNCTIONAL, State.GRANTED)
    token = await token_of(api, "traits.email", "VAULT")
    assert (await detokenize(api, "traits.phone", token=token))["code"] == "not_found"
    assert (await detokenize(api, token=token, purpose="FUNCTIONAL"))["code"] == "not_covered"


async def test_a_vault_token_ends_with_the_person(api: Api, seeds: Seeds, jane: UUID) -> None:
    token = await token_of(api, "traits.email", "VAULT")
    await seeds.connection.execute("DELETE FROM event WHERE subject_id = $1", jane)
    await seeds.connection.execute("DELETE FROM subject WHERE id = $1", jane)
    assert (await detokenize(api, token=token))["code"] == "not_found"
    assert await seeds.value("count(*)", "vault_token") == 0


@pytest.mark.usefixtures("jane")
async def test_a_vault_token_ends_by_itself(api: Api, seeds: Seeds) -> None:
    token = await token_of(api, "traits.email", "VAULT", days=1)
    await seeds.connection.execute("UPDATE vault_token SET expires_at = now() WHERE workspace_id = $1", seeds.workspace)
    assert (await detokenize(api, token=token))["code"] == "not_found"
    await token_of(api, "traits.email", "VAULT")
    assert await seeds.value("count(*)", "vault_token") == 1


@pytest.mark.usefixtures("jane")
async def test_the_vault_keeps_no_token(api: Api, seeds: Seeds) -> None:
    token = await token_of(api, "traits.email", "VAULT")
    assert token not in repr(await seeds.connection.fetch("SELECT * FROM vault_token"))


@pytest.mark.usefixtures("jane")
async def test_a_partner_can_join_on_its_aliases_and_on_no_other_s(api: Api) -> None:
    first, again = [await token_of(api, "traits.email", "PARTNER", partner="mailer") for _ in range(2)]
    other = await token_of(api, "traits.email", "PARTNER", partner="printer")
    assert first == again != other
    for token, partner in ((first, "mailer"), (other, "printer")):
        assert told(await detokenize(api, "traits.email", token=token, partner=partner)) == {"traits.email": EMAIL}
    assert (await detokenize(api, "traits.email", token=first, partner="printer"))["code"] == "not_found"
    user = await token_of(api, "user_id", "PARTNER", partner="mailer")
    assert told(await detokenize(api, "user_id", token=user, partner="mailer")) == {"user_id": USER}


@pytest.mark.parametrize(
    ("field", "form", "changes", "code", "path"),
    [
        ("traits.firstName", "VAULT", {}, "not_covered", ["fields", "0"]),
        ("user_id", "GOOGLE", {}, "not_covered", ["fields", "0"]),
        ("traits.email", "META", {"purpose": "ANALYTICS"}, "not_covered", ["fields", "0"]),
        ("traits.email", "META", {"purpose": "ADVERTISING"}, "consent_missing", ["purpose"]),
        ("traits.email", "META", {"partner": "mailer"}, "invalid_request", ["partner"]),
        ("traits.email", "PARTNER", {}, "invalid_request", ["partner"]),
        ("traits.email", "PARTNER", {"partner": "The Mailer"}, "invalid_request", ["partner"]),
        ("traits.email", "VAULT", {"days": 0}, "invalid_request", ["days"]),
        ("traits.email", "VAULT", {"days": 366}, "invalid_request", ["days"]),
        ("traits.email", "VAULT", {"reason": "because"}, "invalid_request", ["reason"]),
        ("traits.email", "VAULT", {"by": {"email": "who@mail.co"}}, "not_found", ["by"]),
    ],
)
@pytest.mark.usefixtures("jane")
async def test_what_plan_or_person_do_not_allow_does_not_leave(
    api: Api, seeds: Seeds, field: str, form: str, changes: dict[str, Any], code: str, path: list[str]
) -> None:
    answer = await issue(api, field, form, **changes)
    assert (answer["code"], answer["path"]) == (code, ["input", *path])
    assert await seeds.looks() == []


@pytest.mark.parametrize("form", ["VAULT", "META"])
async def test_what_the_person_does_not_have_has_no_form(api: Api, seeds: Seeds, form: str) -> None:
    bare = await seeds.profile(email=EMAIL)
    await seeds.consent(bare, Purpose.PERSONALIZATION, State.GRANTED)
    assert (await issue(api, "traits.phone", form))["code"] == "not_found"


async def test_what_came_hashed_is_turned_into_no_other_digest(api: Api, seeds: Seeds) -> None:
    hashed = digest_for(Platform.META, AliasKind.EMAIL, EMAIL.lower())
    person = await seeds.profile(email=hashed)
    await seeds.seal(person, email=hashed)
    await seeds.consent(person, Purpose.PERSONALIZATION, State.GRANTED)
    assert (await issue(api, "traits.email", "GOOGLE", by={"email": hashed}))["code"] == "not_found"


@pytest.mark.usefixtures("jane")
async def test_it_needs_its_scope(api: Api) -> None:
    wish = {"by": {"email": EMAIL}, "field": "traits.email", "form": "VAULT", "purpose": "FUNCTIONAL", "reason": REASON}
    assert await api.with_scopes(set(Scope) - {Scope.PROFILES_PII}).code(ISSUE, input=wish) == "missing_scope"
