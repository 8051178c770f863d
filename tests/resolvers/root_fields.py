"""Every root field of the schema with a question about what belongs to another workspace."""

from pathlib import Path
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_required_argument,
)

SCHEMA: Final = build_schema((Path(__file__).parents[2] / "resolvers" / "schema.graphql").read_text())

REASON: Final = 'reason: "a question"'
TARGET: Final = '{op: "==", type: "trait", name: "plan", value: "pro"}'
QUERIES: Final = {
    "cdp.getProfile": "profileID: {id: $profile}",
    "cdp.findProfiles": "",
    "cdp.getEvent": "id: $event",
    "cdp.findEvents": "filter: {cdp_profileID_equals: $profile}",
    "cdp.getSegment": 'segmentID: "theirs"',
    "cdp.findSegments": "",
    "accessLog": "by: {externalId: $user}",
    "consent": "by: {externalId: $user}",
    "ledger": "",
    "consentProof": "messageId: $message",
    "consentSettings": "",
    "deadLetters": "",
    "identityClaims": "profileId: $profile",
    "identityRules": "",
    "matchCandidates": "status: OPEN",
    "keyVersions": "",
    "trackingPlan": "",
    "recordOfProcessing": "",
    "droppedFields": "",
    "privacyRequests": "",
    "privacyRequest": "id: $request",
    "recommendations": "by: {id: $profile}",
    "trending": "",
    "similarItems": 'productId: "p-theirs"',
    "boughtTogether": 'productId: "p-theirs"',
    "item": 'productId: "p-theirs"',
    "items": "",
    "recommenderModels": "",
    "recommendationPolicy": "",
    "recommendationPerformance": "",
    "segmentTemplates": "",
    "segmentSchema": "",
    "segmentDefinition": f"definition: {TARGET}",
    "previewSegment": f"definition: {TARGET}",
    "rehearseSegment": f'definition: {TARGET}, since: "2026-02-01T00:00:00Z"',
    "explainSegment": 'key: "theirs", by: {id: $profile}',
    "segmentHistory": 'key: "theirs", by: {id: $profile}',
    "traitDeclarations": "",
    "node": "id: $segment",
    "nodes": "ids: [$profile, $segment, $request, $letter, $candidate, $claim]",
    "viewer": "",
    "profile": "by: {id: $profile}",
    "profiles": "",
    "segment": 'key: "theirs"',
    "segments": "",
}
MUTATIONS: Final = {
    "cdp.processEvents": 'events: [{cdp_profileID: {id: $profile}, event: {name: "ping"}}]',
    "cdp.deleteAllPersonalData": "profileID: {id: $profile}",
    "trackEvents": 'events: [{type: "track", event: "ping", userId: "u-theirs"}]',
    "updateProfile": 'userId: "u-theirs", traits: {plan: "gold"}',
    "setConsent": "by: {id: $profile}, purposes: [{purpose: ANALYTICS, state: DENIED}]",
    "saveConsentSettings": "longestDays: 30",
    "fixDeadLetter": 'id: $letter, remove: ["properties.note"]',
    "replayDeadLetters": "ids: [$letter]",
    "detokenize": f'by: {{id: $profile}}, fields: ["traits.email"], purpose: PERSONALIZATION, {REASON}',
    "readOwnData": 'fields: ["traits.email"]',
    "issueToken": f'by: {{id: $profile}}, field: "traits.email", form: VAULT, purpose: PERSONALIZATION, {REASON}',
    "mergeProfiles": f"profileId: $profile, otherProfileId: $other, {REASON}",
    "unmergeProfiles": f"claimId: $claim, {REASON}",
    "saveIdentityRules": "subjects: 50",
    "acceptMatch": f"id: $candidate, {REASON}",
    "rejectMatch": "id: $candidate",
    "saveTrackingPlan": "document: {}",
    "openPrivacyRequest": f"kind: ERASE, by: {{id: $profile}}, {REASON}",
    "extendPrivacyRequest": f"id: $request, {REASON}",
    "saveItems": 'items: [{productId: "p-theirs", name: "ours"}]',
    "removeItems": 'productIds: ["p-theirs"]',
    "saveRecommendationPolicy": "policy: {}",
    "rollBackModel": "",
    "declareTrait": 'name: "theirs"',
    "saveSegment": f'key: "theirs", name: "ours", definition: {TARGET}',
    "deleteSegment": 'key: "theirs"',
}
SUBSCRIPTIONS: Final = {
    "segmentChanges": "profile: {id: $profile}",
    "profileChanges": "profile: {id: $profile}",
    "recommendationUpdates": "profile: {id: $profile}",
    "cdp_profileListener": "filter: {profileIDs_contains: [$listened]}",
    "cdp_eventListener": "",
    "eventFeed": "",
}
SHOWN: Final = {
    *("accessLog", "cdp.findProfiles", "cdp.getProfile", "deadLetters", "identityClaims", "item", "items", "node"),
    *("nodes", "profile", "profiles", "segment", "segments"),
}
"""Those that do show a canary to whose it is, so that its absence says something."""
FOUND: Final = {
    *("cdp.getEvent", "cdp.getProfile", "cdp.getSegment"),
    *("explainSegment", "item", "node", "privacyRequest", "profile", "segment"),
}
"""Those that find one thing: theirs for them, nothing for others."""


def everything(named: Any, depth: int = 3) -> str:
    """Select all that can be selected without arguments."""
    if isinstance(named, GraphQLScalarType | GraphQLEnumType):
        return ""
    if isinstance(named, GraphQLUnionType):
        return f"{{ __typename {' '.join(_fragment(each, depth) for each in named.types)} }}"
    parts = ["__typename"]
    if isinstance(named, GraphQLInterfaceType):
        parts += [f"... on {each.name} {_apart(each, depth)}" for each in SCHEMA.get_possible_types(named)]
        return f"{{ {' '.join(parts)} }}"
    parts += [f"{name} {everything(get_named_type(each.type), depth - 1)}" for name, each in _open(named, depth)]
    return f"{{ {' '.join(parts)} }}"


def _apart(named: GraphQLObjectType, depth: int) -> str:
    """Select all of one of several types, whose fields may bear the same name and not be the same."""
    parts = [(name, each, everything(get_named_type(each.type), depth - 1)) for name, each in _open(named, depth)]
    wanted = (f"{_alias(named, name, each)} {name} {more}" for name, each, more in parts)
    return f"{{ {' '.join(wanted)} }}"


def _alias(named: GraphQLObjectType, name: str, field: GraphQLField) -> str:
    others = [each.fields.get(name, field) for each in SCHEMA.get_possible_types(named.interfaces[0])]
    return "" if len({str(each.type) for each in others}) == 1 else f"{named.name}_{name}:"


def _open(named: GraphQLObjectType, depth: int) -> list[tuple[str, GraphQLField]]:
    found = [(name, each) for name, each in named.fields.items() if not _demands(each)]
    return [
        (name, each)
        for name, each in found
        if depth > 1 or isinstance(get_named_type(each.type), GraphQLScalarType | GraphQLEnumType)
    ]


def _demands(field: GraphQLField) -> bool:
    return any(is_required_argument(each) for each in field.args.values())


def _fragment(named: GraphQLObjectType, depth: int) -> str:
    if "message" in named.fields:
        return f"... on {named.name} {{ message }}"
    return f"... on {named.name} {everything(named, depth)}"


def document(kind: str, name: str, arguments: str) -> str:
    root = {"query": SCHEMA.query_type, "mutation": SCHEMA.mutation_type, "subscription": SCHEMA.subscription_type}
    named = field_type(root[kind], name)
    wanted = f"({arguments})" if arguments else ""
    used = [f"${each}: {type_}" for each, type_ in TYPES.items() if f"${each}" in arguments]
    depth = 2 if named.name in {"Profile", "Segment", "Node", "SegmentChange"} else 3
    head = f"{kind} ({', '.join(used)})" if used else kind
    *spaces, last = name.split(".")
    asked = f"{last}{wanted} {everything(named, depth)}"
    for space in reversed(spaces):
        asked = f"{space} {{ {asked} }}"
    return f"{head} {{ {asked} }}"


def field_type(type_: GraphQLObjectType | None, name: str) -> Any:
    """Find the type of a field, also of one within a namespace."""
    named: Any = type_
    for part in name.split("."):
        named = get_named_type(named.fields[part].type)
    return named


def roots(type_: GraphQLObjectType) -> set[str]:
    """Name all root fields; those of a namespace one by one."""
    within = field_type(type_, "cdp").fields if "cdp" in type_.fields else {}
    return {*type_.fields} - {"cdp"} | {f"cdp.{name}" for name in within}


TYPES: Final = {"user": "String!", "message": "String!", "listened": "String!"} | dict.fromkeys(
    ["profile", "other", "event", "request", "segment", "letter", "candidate", "claim"], "ID!"
)


def used(arguments: str, ids: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in ids.items() if f"${name}" in arguments}
