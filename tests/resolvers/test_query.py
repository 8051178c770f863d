from uuid import uuid4

import pytest

from domain.alias import AliasKind
from domain.consent import Purpose, State
from domain.key import Scope
from privacy.platform import Platform, digest_for
from tests.fixtures.gateway import make_tenant
from tests.fixtures.graphql import Api
from tests.fixtures.seeds import Seeds, later

_EVERYTHING = """
    query ($first: Int!) {
      segments(first: $first) { totalCount nodes { key size status definition members(first: $first) { nodes {
        id traits identities { kind } consents { purpose state } segments { segment { key size } } inSegment(key: "s0")
        events(first: $first) { totalCount nodes { messageId properties } pageInfo { hasNextPage } }
      } } } }
    }
"""


async def _populate(seeds: Seeds, number: int, prefix: str) -> None:
    segments = [await seeds.segment(f"{prefix}{n}") for n in range(number)]
    for n in range(number):
        profile = await seeds.profile(user_id=f"{prefix}-user-{n}")
        await seeds.join(profile, *segments)
        await seeds.consent(profile, Purpose.ANALYTICS, State.GRANTED)
        for _ in range(number):
            await seeds.event(profile)


async def test_statements_do_not_grow_with_lists(api: Api, seeds: Seeds) -> None:
    counts = []
    for number, prefix in ((2, "s"), (5, "t")):
        await _populate(seeds, number, prefix)
        api.statements.run.clear()
        data = await api.data(_EVERYTHING, first=20)
        counts.append(len(api.statements.run))
    assert len(data["segments"]["nodes"]) == 7
    assert len(data["segments"]["nodes"][2]["members"]["nodes"]) == 5
    assert len(data["segments"]["nodes"][2]["members"]["nodes"][0]["events"]["nodes"]) == 5
    # page, total; size, members; identities, consents, memberships, events, event totals; sizes of their segments
    assert counts == [9, 9]


async def test_a_profile_is_found_by_each_identifier(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(
        traits={"plan": "pro", "seats": 3},
        user_id="u-1",
        email="ada@example.org",
        phone="+442079460958",
        anonymous_id="a-1",
    )
    found = await api.data('{ profile(by: {externalId: "u-1"}) { id traits(names: ["plan", "none"]) } }')
    assert found["profile"]["traits"] == {"plan": "pro"}
    for by in (
        {"id": found["profile"]["id"]},
        {"anonymousId": "a-1"},
        {"email": " Ada@Example.org"},
        {"phone": "+44 20 7946 0958"},
    ):
        again = await api.data("query ($by: ProfileBy!) { profile(by: $by) { id } }", by=by)
        assert again == {"profile": {"id": found["profile"]["id"]}}, by
    assert await api.data('{ profile(by: {externalId: "nobody"}) { id } }') == {"profile": None}
    assert str(profile) not in found["profile"]["id"]


async def test_a_person_is_found_by_any_digest_and_has_each_identifier_once(api: Api, seeds: Seeds) -> None:
    await seeds.profile(email="jane.doe@gmail.com", phone="+442079460958")
    for platform in Platform:
        for kind, value in ((AliasKind.EMAIL, "jane.doe@gmail.com"), (AliasKind.PHONE, "+442079460958")):
            document = "query ($by: ProfileBy!) { profile(by: $by) { identities { kind } } }"
            found = (await api.data(document, by={kind: digest_for(platform, kind, value)}))["profile"]
            assert [each["kind"] for each in found["identities"]] == ["EMAIL", "PHONE"]


async def test_a_person_has_to_be_named_in_exactly_one_way(api: Api) -> None:
    assert await api.code("{ profile { id } }") == "invalid_request"
    assert await api.code('{ profile(by: {email: "a@b.org", phone: "1"}) { id } }') == "invalid_request"


@pytest.mark.parametrize(
    "document",
    [
        "query ($text: String!) { segment(key: $text) { key } }",
        'mutation ($text: String!) { saveSegment(input: { key: "a", name: $text, definition: {} }) { __typename } }',
    ],
)
async def test_a_text_that_no_store_can_hold_is_the_caller_s_fault(api: Api, document: str) -> None:
    definition = '{ type: "trait", name: "plan", op: "exists", value: true }'
    assert await api.code(document.replace("{}", definition), text="a\0") == "invalid_request"


async def test_a_merged_profile_is_found_as_what_it_became(api: Api, seeds: Seeds) -> None:
    first, second, third = [await seeds.profile(anonymous_id=f"a-{n}") for n in range(3)]
    ids = {}
    for n in range(3):
        data = await api.data("query ($by: ProfileBy!) { profile(by: $by) { id } }", by={"anonymousId": f"a-{n}"})
        ids[n] = data["profile"]["id"]
    await seeds.merge(first, second)
    await seeds.merge(second, third)
    data = await api.data("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=list(ids.values()))
    assert [each["id"] for each in data["nodes"]] == [ids[2]] * 3


async def test_events_are_paged_over_all_subjects_of_a_profile(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    other = await seeds.subject(profile, anonymous_id="a-1")
    wanted = [
        await seeds.event(subject, later(n // 2), message_id=f"m-{n:02}")
        for n, subject in enumerate([profile, other] * 6)
    ]
    wanted.sort(key=lambda message_id: (-(int(message_id[2:]) // 2), message_id))
    document = """
        query ($after: String) { profile(by: {externalId: "u-1"}) { events(first: 5, after: $after) {
          totalCount nodes { messageId } pageInfo { hasNextPage hasPreviousPage endCursor }
        } } }
    """
    found, after, pages = [], None, 0
    while pages == 0 or after:
        page = (await api.data(document, after=after))["profile"]["events"]
        found += [each["messageId"] for each in page["nodes"]]
        assert page["totalCount"] == 12
        assert page["pageInfo"]["hasPreviousPage"] == (pages > 0)
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
        pages += 1
    assert found == wanted
    assert pages == 3


async def test_profiles_segments_and_members_are_paged_by_key(api: Api, seeds: Seeds) -> None:
    segments = [await seeds.segment(f"s{n}") for n in range(5)]
    profiles = [await seeds.profile(anonymous_id=f"a-{n}", seen=later(n // 2)) for n in range(5)]
    for profile in profiles:
        await seeds.join(profile, segments[0])
    for field, of in (("profiles", "id"), ("segments", "key")):
        document = f"""query ($after: String) {{ {field}(first: 2, after: $after) {{
            totalCount edges {{ cursor node {{ {of} }} }} pageInfo {{ hasNextPage endCursor }}
        }} }}"""
        first = (await api.data(document))[field]
        second = (await api.data(document, after=first["pageInfo"]["endCursor"]))[field]
        third = (await api.data(document, after=second["pageInfo"]["endCursor"]))[field]
        listed = [edge["node"][of] for page in (first, second, third) for edge in page["edges"]]
        assert len(listed) == len(set(listed)) == 5
        assert [page["pageInfo"]["hasNextPage"] for page in (first, second, third)] == [True, True, False]
        assert first["totalCount"] == 5
    document = """query ($after: String) { segment(key: "s0") { members(first: 3, after: $after) {
        totalCount nodes { id } pageInfo { endCursor hasNextPage } } } }"""
    first = (await api.data(document))["segment"]["members"]
    second = (await api.data(document, after=first["pageInfo"]["endCursor"]))["segment"]["members"]
    assert len({each["id"] for page in (first, second) for each in page["nodes"]}) == 5
    assert first["totalCount"] == 5


async def test_a_cursor_serves_its_own_list_only(api: Api, seeds: Seeds) -> None:
    for n in range(2):
        await seeds.segment(f"s{n}")
        await seeds.profile(anonymous_id=f"a-{n}")
    cursor = (await api.data("{ segments(first: 1) { pageInfo { endCursor } } }"))["segments"]["pageInfo"]["endCursor"]
    document = "query ($after: String) { profiles(after: $after) { nodes { id } } }"
    for after in (cursor, cursor[:-2] + "AA", "", "§", "x" * 400):
        if after:
            assert await api.code(document, after=after) == "invalid_request", after


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_pages_have_a_size(api: Api, first: int) -> None:
    assert await api.code("query ($n: Int!) { profiles(first: $n) { nodes { id } } }", n=first) == "invalid_request"


async def test_the_last_word_of_all_subjects_counts(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    other = await seeds.subject(profile, anonymous_id="a-1")
    await seeds.consent(profile, Purpose.ANALYTICS, State.GRANTED, later(1))
    await seeds.consent(other, Purpose.ANALYTICS, State.WITHDRAWN, later(2))
    await seeds.consent(profile, Purpose.ADVERTISING, State.GRANTED)
    await seeds.consent(other, Purpose.ADVERTISING, State.DENIED)
    found = await api.data('{ profile(by: {anonymousId: "a-1"}) { consents { purpose state source } } }')
    assert found["profile"]["consents"] == [
        {"purpose": "ADVERTISING", "state": "DENIED", "source": "banner"},
        {"purpose": "ANALYTICS", "state": "WITHDRAWN", "source": "banner"},
    ]


async def test_every_node_is_found_by_its_id(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1")
    await seeds.event(profile)
    await seeds.segment("vip")
    data = await api.data(
        '{ profile(by: {externalId: "u-1"}) { id events { nodes { id } } } segment(key: "vip") { id } }'
    )
    ids = [data["profile"]["id"], data["profile"]["events"]["nodes"][0]["id"], data["segment"]["id"]]
    found = await api.data("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)
    assert found["nodes"] == [
        {"__typename": name, "id": id_} for name, id_ in zip(["Profile", "Event", "Segment"], ids, strict=True)
    ]
    assert await api.code('{ node(id: "bm8") { id } }') == "invalid_request"
    assert await api.code("query ($id: ID!) { profile(by: {id: $id}) { id } }", id=ids[2]) == "invalid_request"


async def test_another_workspace_sees_nothing(api: Api, seeds: Seeds) -> None:
    profile = await seeds.profile(user_id="u-1", email="ada@example.org")
    await seeds.join(profile, await seeds.segment("vip"))
    await seeds.event(profile)
    await seeds.consent(profile, Purpose.ANALYTICS, State.GRANTED)
    await seeds.change(
        profile,
        (await _segment(seeds)),
    )
    await seeds.publish()
    other = await make_tenant(api.gateway.database_url, "other")
    data = await api.data('{ profile(by: {externalId: "u-1"}) { id } segment(key: "vip") { id } }')
    document = """query ($p: ID!, $s: ID!) { p: node(id: $p) { id } s: node(id: $s) { id } segment(key: "vip") { id }
        profile(by: {externalId: "u-1"}) { id } profiles { totalCount nodes { id } } segments { totalCount } }"""
    ids = {"p": data["profile"]["id"], "s": data["segment"]["id"]}
    status, answer = await api.gateway.post(
        "/graphql",
        {"query": document, "variables": ids},
        headers={"Authorization": f"Bearer {other.secret_key}"},
    )
    assert status == 200
    assert answer["data"] == {
        "p": None,
        "s": None,
        "segment": None,
        "profile": None,
        "profiles": {"totalCount": 0, "nodes": []},
        "segments": {"totalCount": 0},
    }
    # Nor does a statement that forgets to ask for one workspace.
    async with api.gateway.resources.database.workspace(other.workspace) as connection:
        for table in ("profile", "subject", "alias", "consent", "event", "segment", "membership", "segment_change"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def _segment(seeds: Seeds) -> str:
    key = f"s-{uuid4().hex}"
    await seeds.segment(key)
    return key


async def test_each_field_wants_its_scope(api: Api, seeds: Seeds) -> None:
    await seeds.join(await seeds.profile(user_id="u-1"), await seeds.segment("vip"))
    cases = {
        "{ profiles { totalCount } }": {Scope.PROFILES_READ},
        '{ profile(by: {externalId: "u-1"}) { segments { enteredAt } } }': {Scope.PROFILES_READ, Scope.SEGMENTS_READ},
        '{ profile(by: {externalId: "u-1"}) { events { totalCount } } }': {Scope.PROFILES_READ, Scope.EVENTS_READ},
        '{ segment(key: "vip") { members { totalCount } } }': {Scope.PROFILES_READ, Scope.SEGMENTS_READ},
        "{ segments { nodes { size } } }": {Scope.SEGMENTS_READ},
        'mutation { deleteSegment(input: {key: "no"}) { __typename } }': {Scope.SEGMENTS_WRITE},
    }
    for document, scopes in cases.items():
        await api.with_scopes(scopes).data(document)
        for left_out in scopes:
            assert await api.with_scopes(set(Scope) - {left_out}).code(document) == "missing_scope", document


async def test_an_end_user_sees_only_themselves(api: Api, seeds: Seeds) -> None:
    mine = await seeds.visitor(anonymous_id="a-1")
    await seeds.profile(anonymous_id="a-2")
    await seeds.join(mine, await seeds.segment("vip"))
    visitor = api.as_end_user("a-1")
    data = await visitor.data("{ viewer { endUser } profile { id segments { segment { key name } } } }")
    assert data["viewer"] == {"endUser": True}
    assert data["profile"]["segments"] == [{"segment": {"key": "vip", "name": "vip"}}]
    assert await api.as_end_user("a-3").data("{ profile { id } }") == {"profile": None}
    for document in (
        '{ profile(by: {anonymousId: "a-2"}) { id } }',
        '{ profile(by: {anonymousId: "a-1"}) { id } }',
        "{ profiles { totalCount } }",
        '{ segment(key: "vip") { id } }',
        "{ segments { totalCount } }",
        f'{{ node(id: "{data["profile"]["id"]}") {{ id }} }}',
        "{ profile { segments { segment { members { totalCount } } } } }",
        "{ profile { segments { segment { definition } } } }",
        "{ profile { segments { segment { size } } } }",
        'mutation { deleteSegment(input: {key: "vip"}) { __typename } }',
    ):
        assert await visitor.code(document) == "wrong_kind_of_key", document


async def test_of_several_operations_one_has_to_be_named(api: Api) -> None:
    assert await api.code("query A { viewer { scopes } } query B { viewer { endUser } }") == "invalid_request"


async def test_nobody_sees_nothing(api: Api) -> None:
    assert await Api(api.gateway, None, api.statements).code("{ viewer { workspace } }") == "missing_key"
