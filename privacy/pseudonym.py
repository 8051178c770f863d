"""The identifiers that a call carries, as blind indexes."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from domain.alias import Alias, AliasKind
from domain.event import Call, CallType
from domain.identity import IdentityRules
from privacy.keys import WorkspaceKeys
from privacy.normal import digests_of, normal_form

_TRAIT_KINDS = (AliasKind.EMAIL, AliasKind.PHONE)
_LOYALTY_NAMES = ("loyalty_id", "loyaltyId")
_USUAL: Final = IdentityRules()
_MOST_EXTERNAL: Final = 20


def aliases_of(call: Call, keys: WorkspaceKeys, rules: IdentityRules = _USUAL) -> tuple[Alias, ...]:
    """Give the aliases of a call, strongest first; values that are not identifiers, or placeholders, give none.

    A call has at most one e-mail address and one phone number: several aliases of such a kind are its spellings.
    `rules` say which kinds are used, in which order, and what the workspace has blocked.
    """
    found = {alias: None for kind, value in _identifiers(call) for alias in aliases_for(kind, value, keys)}
    if rules.external_ids:
        found |= {
            alias: None
            for name, value in _external_ids(call)
            if name in rules.external_ids
            for alias in external_aliases(name, value, keys)
        }
    blocked = {keys.lift(alias) for alias in rules.blocked} if rules.blocked else ()
    most = rules.most
    kept = [alias for alias in found if most[alias.kind] and alias not in blocked]
    if len(kept) > 1:
        ranks = rules.ranks
        kept.sort(key=lambda alias: ranks[alias.kind])
    return tuple(kept)


def external_aliases(name: str, value: object, keys: WorkspaceKeys) -> tuple[Alias, ...]:
    """Give the alias of an id of another system, told apart from equal ids of others by the name of its type."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    normal = normal_form(AliasKind.EXTERNAL_ID, text) if isinstance(text, str) else None
    if normal is None:
        return ()
    digest = sha256(f"{name}\0{normal}".encode("utf-8", "surrogatepass")).digest()
    return (keys.alias(AliasKind.EXTERNAL_ID, digest),)


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
    return tuple([keys.alias(kind, digest) for digest in digests_of(kind, value)])


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
    return [*found, *_cards_and_devices(call)]


def _cards_and_devices(call: Call) -> Iterator[tuple[AliasKind, Any]]:
    if call.type is not CallType.GROUP:
        yield from ((AliasKind.LOYALTY_ID, call.traits[name]) for name in _LOYALTY_NAMES if name in call.traits)
    device = call.context.get("device")
    if isinstance(device, dict) and device.get("id") is not None:
        yield AliasKind.DEVICE_ID, device["id"]


def _external_ids(call: Call) -> Iterator[tuple[str, object]]:
    """List type and value of each entry of `context.externalIds`, a list of `{"type": …, "id": …}`."""
    given = call.context.get("externalIds")
    for each in given[:_MOST_EXTERNAL] if isinstance(given, list) else ():
        if isinstance(each, dict) and isinstance(each.get("type"), str):
            yield each["type"], each.get("id")
