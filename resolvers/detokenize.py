"""Personal data in plain: for keys that may see it, with a reason; and for people who look at their own."""

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain.consent import Purpose
from domain.errors import Refused
from domain.key import Scope
from privacy.sealing import Unreadable
from privacy.token import PartnerAliases, token_hash
from resolvers.context import Info
from resolvers.disclosure import Disclosure, Look, Refusal, disclose, not_found, read_reason
from resolvers.fields import mutation
from resolvers.node import to_global
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound, RateLimited, Withheld
from resolvers.profile import ProfileBy, find_profile, said_in
from stores.vault import VaultToken, find_token


@strawberry.input
class DetokenizeInput:
    """Whose data, which of it, what for. Name the person with `by`, or with a `token` that was issued for them."""

    by: ProfileBy | None = None
    token: str | None = strawberry.field(default=None, description="`tok_…`, or a partner's `pal_…` with `partner`.")
    partner: str | None = None
    fields: list[str] = strawberry.field(
        default_factory=list,
        description="`traits.email`, `group.name`, `user_id`. A vault token names its own, a partner's needs its one.",
    )
    purpose: Purpose
    reason: str = strawberry.field(description="Kept in the access log, without what identifies a person.")
    client_mutation_id: str | None = None


@strawberry.input
class ReadOwnDataInput:
    """Which of their own sealed fields an end user wants to see."""

    fields: list[str]
    client_mutation_id: str | None = None


@strawberry.type
class ReleasedValue:
    """One field in plain; null where the person has none."""

    field: str
    value: JSON | None


@strawberry.type
class Released:
    """Personal data, and the number of the entry in the access log that tells of it."""

    profile_id: strawberry.ID
    values: list[ReleasedValue]
    access_number: int
    client_mutation_id: str | None


DetokenizeResult = Annotated[
    Released | InvalidInput | NotFound | Withheld | RateLimited, strawberry.union("DetokenizeResult")
]
ReadOwnDataResult = Annotated[
    Released | InvalidInput | NotFound | Withheld | RateLimited, strawberry.union("ReadOwnDataResult")
]


@strawberry.type
class DetokenizeMutations:
    """What shows personal data."""

    @mutation(needs(Scope.PROFILES_PII))
    async def detokenize(self, info: Info, input: DetokenizeInput) -> DetokenizeResult:  # noqa: A002 - Relay's name
        """Show sealed fields of one person: for a purpose they consent to, with a reason, and never unseen."""
        reason = read_reason(input.reason, said_in(input.by))
        if isinstance(reason, InvalidInput):
            return reason
        look = await _look_of(info, input, reason)
        return await _show(info, look, input.client_mutation_id) if isinstance(look, Look) else look

    @mutation(needs(end_users=True))
    async def read_own_data(self, info: Info, input: ReadOwnDataInput) -> ReadOwnDataResult:  # noqa: A002 - Relay's name
        """Show an end user who has signed in what is sealed of themselves. Written down like any other look."""
        if info.context.caller.principal.user_id is None:
            # A browser may be shared: its id alone does not show who is sitting at it.
            raise Refused("Only the token of a signed-in user reads sealed data.", code="wrong_kind_of_key")
        profile = await find_profile(info, None)
        if profile is None:
            return not_found()
        fields = tuple(dict.fromkeys(input.fields))
        look = Look(profile.row.id, "read-own", fields, Purpose.NECESSARY, "their own data", by_themselves=True)
        return await _show(info, look, input.client_mutation_id)


async def _show(info: Info, look: Look, client_mutation_id: str | None) -> Released | Refusal:
    disclosure = await disclose(info, look)
    if not isinstance(disclosure, Disclosure):
        return disclosure
    return Released(
        profile_id=to_global("Profile", look.profile_id),
        values=[ReleasedValue(field=path, value=JSON(disclosure.open(path))) for path in look.fields],
        access_number=disclosure.number,
        client_mutation_id=client_mutation_id,
    )


async def _look_of(info: Info, wish: DetokenizeInput, reason: str) -> Look | Refusal:
    if (wish.by is None) == (wish.token is None):
        problem = "Name the person either with `by` or with `token`."
        return InvalidInput(code="invalid_request", message=problem, path=["input", "by"])
    fields = tuple(dict.fromkeys(wish.fields))
    if wish.token is not None and wish.partner is None:
        return await _look_by_token(info, wish, fields, reason)
    by = wish.by or _owner_of_alias(info, wish, fields)
    profile = await find_profile(info, by) if by else None
    if profile is None:
        return not_found("by" if wish.by else "token")
    return Look(profile.row.id, "detokenize", fields, wish.purpose, reason)


async def _look_by_token(info: Info, wish: DetokenizeInput, fields: tuple[str, ...], reason: str) -> Look | Refusal:
    found = await _stands_for(info, wish.token or "")
    if found is None or fields not in {(), (found.path,)}:
        return not_found("token")
    if found.purpose is not wish.purpose:
        problem = "The token was issued for another purpose."
        return Withheld(code="not_covered", message=problem, path=["input", "purpose"])
    return Look(found.profile_id, "detokenize", (found.path,), wish.purpose, reason)


async def _stands_for(info: Info, token: str) -> VaultToken | None:
    services = info.context.services
    async with services.database.workspace(info.context.caller.principal.workspace) as connection:
        return await find_token(connection, token_hash(token), services.clock())


def _owner_of_alias(info: Info, wish: DetokenizeInput, fields: tuple[str, ...]) -> ProfileBy | None:
    """Read out of a partner's alias whom it means, as a caller would say it; showing it is what is asked for next."""
    try:
        [path] = fields
        value = PartnerAliases(info.context.caller.keys, wish.partner or "").open(path, wish.token or "")
    except (ValueError, Unreadable):
        return None
    match path:
        case "traits.email":
            return ProfileBy(email=value)
        case "traits.phone":
            return ProfileBy(phone=value)
        case "user_id":
            return ProfileBy(external_id=value)
    return None
