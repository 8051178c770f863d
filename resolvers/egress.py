"""Forms of personal data that may leave for another system: tokens of our vault, a partner's aliases, digests."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

import strawberry

from domain.alias import AliasKind
from domain.consent import Purpose
from domain.key import Scope
from privacy.normal import normal_form
from privacy.plan import Egress, Kind
from privacy.platform import Platform, digest_for
from privacy.token import PartnerAliases, is_partner, new_token, token_hash
from resolvers.context import Info
from resolvers.disclosure import Disclosure, Look, disclose, not_found, read_reason
from resolvers.fields import mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound, RateLimited, Withheld
from resolvers.profile import ProfileBy, find_profile, said_in
from stores.vault import add_token

_LONGEST_LIFE: Final = 365
_KINDS: Final = {Kind.EMAIL: AliasKind.EMAIL, Kind.PHONE: AliasKind.PHONE}
"""Kinds of fields that have a normal form, and digests."""


class ReleaseForm(StrEnum):
    """What a value is turned into before it leaves."""

    VAULT = "vault"
    PARTNER = "partner"
    GOOGLE = "google"
    META = "meta"
    UID2 = "uid2"
    SNAP = "snap"


_TOKENS: Final = frozenset({ReleaseForm.VAULT, ReleaseForm.PARTNER})

strawberry.enum(
    ReleaseForm,
    description=(
        "What a value is turned into. VAULT: a random token, which says nothing and ends with the person. PARTNER: the "
        "same each time for one partner, who can join on it. The others: the digest that the platform expects."
    ),
)


@strawberry.input
class IssueTokenInput:
    """Whose field is to leave in which form, what for."""

    by: ProfileBy
    field: str
    form: ReleaseForm
    partner: str | None = strawberry.field(default=None, description="Who gets it; for the form PARTNER.")
    as_email: bool = strawberry.field(default=False, description="Shape a vault token as `tok_…@token.invalid`.")
    days: int = strawberry.field(default=30, description=f"How long a vault token lasts, 1 to {_LONGEST_LIFE}.")
    purpose: Purpose
    reason: str = strawberry.field(description="Kept in the access log, without what identifies a person.")
    client_mutation_id: str | None = None


@strawberry.type
class IssuedToken:
    """What may leave in the field's stead, and the number of the entry in the access log that tells of it."""

    token: str
    access_number: int
    client_mutation_id: str | None


IssueTokenResult = Annotated[
    IssuedToken | InvalidInput | NotFound | Withheld | RateLimited, strawberry.union("IssueTokenResult")
]


@strawberry.type
class EgressMutations:
    """What gives personal data a form in which it may leave."""

    @mutation(needs(Scope.PROFILES_PII))
    async def issue_token(self, info: Info, input: IssueTokenInput) -> IssueTokenResult:  # noqa: A002 - Relay's name
        """Give a form of one field of one person, where the plan and the person allow it, with a reason."""
        reason = read_reason(input.reason, said_in(input.by))
        if isinstance(reason, InvalidInput):
            return reason
        if problem := _misfit(input):
            return problem
        profile = await find_profile(info, input.by)
        if profile is None:
            return not_found("by")
        egress = Egress.TOKEN if input.form in _TOKENS else Egress.HASHED
        action = f"issue:{input.partner or input.form}"
        disclosure = await disclose(info, Look(profile.row.id, action, (input.field,), input.purpose, reason, egress))
        if not isinstance(disclosure, Disclosure):
            return disclosure
        token = await _issue(info, input, disclosure)
        if token is None:
            return not_found("field")
        return IssuedToken(token=token, access_number=disclosure.number, client_mutation_id=input.client_mutation_id)


def _misfit(wish: IssueTokenInput) -> InvalidInput | None:
    named = wish.partner is not None and is_partner(wish.partner)
    if named is not (wish.form is ReleaseForm.PARTNER) or (wish.partner is not None and not named):
        problem = "The form PARTNER, and no other, names one: lower-case letters, digits, dashes and underscores."
        return InvalidInput(code="invalid_request", message=problem, path=["input", "partner"])
    if not 1 <= wish.days <= _LONGEST_LIFE:
        problem = f"A token lasts 1 to {_LONGEST_LIFE} days."
        return InvalidInput(code="invalid_request", message=problem, path=["input", "days"])
    return None


async def _issue(info: Info, wish: IssueTokenInput, disclosure: Disclosure) -> str | None:
    """Make what was asked for; None where the person has no such value, or one that has no such form."""
    frame = disclosure.frames[wish.field]
    if frame is None:
        return None
    if wish.form is not ReleaseForm.VAULT:
        return _derive(info, wish, disclosure)
    token, services = new_token(as_email=wish.as_email), info.context.services
    workspace, now = info.context.caller.principal.workspace, services.clock()
    async with services.database.workspace(workspace) as connection:
        await add_token(
            connection,
            workspace,
            token_hash(token),
            subject=frame.subject,
            path=wish.field,
            purpose=wish.purpose,
            at=now,
            expires_at=now + timedelta(days=wish.days),
        )
    return token


def _derive(info: Info, wish: IssueTokenInput, disclosure: Disclosure) -> str | None:
    """Make a partner's alias or a platform's digest.

    A value that came hashed was spelled for a platform that is not known, so it can be turned into nothing else.
    """
    value = disclosure.open(wish.field)
    if not isinstance(value, str | int):
        return None
    text, kind = str(value), _KINDS.get(disclosure.releases[wish.field].kind)
    normal = normal_form(kind, text) if kind else text
    if normal is None:
        return None
    if wish.partner is not None:
        return PartnerAliases(info.context.caller.keys, wish.partner).make(wish.field, normal)
    return digest_for(Platform(wish.form.value), kind, normal) if kind else None
