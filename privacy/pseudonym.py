"""The identifiers that a call carries, as blind indexes."""

from typing import Any

from domain.alias import Alias, AliasKind
from domain.event import Call, CallType
from privacy.keys import WorkspaceKeys
from privacy.normal import digests_of

_TRAIT_KINDS = (AliasKind.EMAIL, AliasKind.PHONE)


def aliases_of(call: Call, keys: WorkspaceKeys) -> tuple[Alias, ...]:
    """Give the aliases of a call, strongest first; values that are not identifiers, or placeholders, give none.

    A call has at most one e-mail address and one phone number: several aliases of such a kind are its spellings.
    """
    found = {alias: None for kind, value in _identifiers(call) for alias in aliases_for(kind, value, keys)}
    return tuple(found)


def mentions_of(call: Call, keys: WorkspaceKeys) -> tuple[Alias, ...]:
    """Give aliases of further people whom a call may name: it makes nobody known by them, but an erased one is heeded.

    Sites use e-mail addresses as ids, and a call may tell of two addresses.
    """
    values = [value for value in (call.user_id, call.previous_id, call.anonymous_id) if value and "@" in value]
    found = {alias: None for value in values for alias in aliases_for(AliasKind.EMAIL, value, keys)}
    context_traits = call.context.get("traits")
    if call.type is not CallType.GROUP and isinstance(context_traits, dict):
        for kind in _TRAIT_KINDS:
            value, other = call.traits.get(kind), context_traits.get(kind)
            if value is not None and other is not None and value != other:
                found |= dict.fromkeys(aliases_for(kind, other, keys))
    return tuple(found)


def aliases_for(kind: AliasKind, value: object, keys: WorkspaceKeys) -> tuple[Alias, ...]:
    """Give the aliases of one identifier, that of its normal form first: whoever has any of them is the one it names.

    A raw e-mail address or phone number has one for each spelling that a platform may have hashed; its SHA-256, in
    hexadecimal or base64, has one. None where the value is not a valid identifier of that kind, or is a placeholder.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ()
    return tuple(keys.alias(kind, digest) for digest in digests_of(kind, value))


def _identifiers(call: Call) -> list[tuple[AliasKind, Any]]:
    found: list[tuple[AliasKind, Any]] = []
    if call.user_id is not None:
        found.append((AliasKind.USER_ID, call.user_id))
    if call.type is CallType.ALIAS:
        # The spec lets previousId be a user id or an anonymous id and does not say which, so it counts as both.
        found.append((AliasKind.USER_ID, call.previous_id))
    if call.type is not CallType.GROUP:
        # A group's traits are those of a company: its address does not name a person.
        context_traits = call.context.get("traits")
        for kind in _TRAIT_KINDS:
            value = call.traits.get(kind)
            if value is None and isinstance(context_traits, dict):
                value = context_traits.get(kind)
            if value is not None:
                found.append((kind, value))
    if call.type is CallType.ALIAS:
        found.append((AliasKind.ANONYMOUS_ID, call.previous_id))
    if call.anonymous_id is not None:
        found.append((AliasKind.ANONYMOUS_ID, call.anonymous_id))
    return found
