"""The identifiers that a call carries, as blind indexes."""

from typing import Any

from domain.alias import Alias, AliasKind
from domain.event import Call, CallType
from privacy.keys import WorkspaceKeys
from privacy.normal import digest_of

_TRAIT_KINDS = (AliasKind.EMAIL, AliasKind.PHONE)


def aliases_of(call: Call, keys: WorkspaceKeys) -> tuple[Alias, ...]:
    """Give the aliases of a call, strongest first; values that are not identifiers, or placeholders, give none."""
    found: dict[Alias, None] = {}
    for kind, value in _identifiers(call):
        alias = alias_for(kind, value, keys)
        if alias is not None:
            found[alias] = None
    return tuple(found)


def alias_for(kind: AliasKind, value: object, keys: WorkspaceKeys) -> Alias | None:
    """Give the alias of one identifier, as clients send it or, for e-mail and phone, as its SHA-256 in hexadecimal.

    None when the value is not a valid identifier of that kind, or is a placeholder.
    """
    digest = _digest(kind, value)
    return None if digest is None else keys.alias(kind, digest)


def aliases_for(kind: AliasKind, value: object, keys: WorkspaceKeys) -> tuple[Alias, ...]:
    """Give the aliases to look one identifier up by, as `alias_for` takes it: two while the index is rotated."""
    digest = _digest(kind, value)
    return () if digest is None else keys.aliases(kind, digest)


def _digest(kind: AliasKind, value: object) -> bytes | None:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return digest_of(kind, value) if isinstance(value, str) else None


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
