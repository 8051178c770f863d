from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType
from strawberry.permission import PermissionExtension
from structlog.testing import capture_logs

from domain.key import Scope
from resolvers.limits import MOST_OBJECTS
from resolvers.schema import build_schema
from tests.fixtures.graphql import Api

_COMMITTED = Path(__file__).parents[2] / "resolvers" / "schema.graphql"


def test_the_committed_schema_is_the_schema() -> None:
    assert _COMMITTED.read_text() == build_schema().as_str() + "\n", "run scripts/schema and look at the difference"


def test_every_root_field_says_who_may_use_it() -> None:
    schema = build_schema()
    for name in ("Query", "Mutation", "Subscription"):
        definition = schema.get_type_by_name(name)
        for field in definition.fields:  # type: ignore[union-attr]  # the three are objects
            assert any(isinstance(each, PermissionExtension) for each in field.extensions), (name, field.name)


def test_everything_ours_is_described() -> None:
    for name, type_ in build_schema()._schema.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__") and name not in {"Query", "Mutation"}:
            assert type_.description, name
            assert "(" not in (type_.description or "")[:40], name


async def test_too_large_an_operation_is_refused_before_it_runs(api: Api) -> None:
    document = """query ($n: Int!) { segments(first: $n) { nodes { members(first: $n) { nodes {
        events(first: $n) { nodes { id } } } } } } }"""
    await api.data(document, n=5)
    api.statements.run.clear()
    result = await api.run(document, n=100)
    assert result.errors
    assert f"{MOST_OBJECTS:,}" in result.errors[0].message
    assert api.statements.run == []
    assert await api.code("{" + " ".join(f"a{n}: viewer {{ workspace }}" for n in range(31)) + "}") == "invalid_request"
    assert await api.code("{ viewer { " + "workspace " * 1_000 + "} }") == "invalid_request"


async def test_the_same_document_is_validated_once(api: Api) -> None:
    from strawberry.extensions.validation_cache import DEFAULT_MAXSIZE, _get_validate_cache  # noqa: PLC0415

    cache = _get_validate_cache(DEFAULT_MAXSIZE)
    for _ in range(10):
        await api.data("{ viewer { workspace scopes } }")
    before = cache.cache_info()  # type: ignore[attr-defined]  # an lru_cache, typed as a callable
    for _ in range(10):
        await api.data("{ viewer { workspace scopes } }")
    after = cache.cache_info()  # type: ignore[attr-defined]
    assert after.misses == before.misses
    assert after.misses == before.misses


async def test_introspection_is_for_keys(api: Api) -> None:
    await api.data("{ __schema { queryType { name } } }")
    assert await api.as_end_user("a-1").code("{ __schema { queryType { name } } }") == "invalid_request"
    assert await api.as_end_user("a-1").code('{ __type(name: "Profile") { name } }') == "invalid_request"
    await api.with_scopes([Scope.EVENTS_READ]).data("{ __schema { queryType { name } } }")


async def test_what_nobody_expected_is_not_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_arguments: Any) -> None:
        raise ValueError("ada@example.org")

    monkeypatch.setattr("stores.reads.segments.page", fail)
    with capture_logs() as logged:
        result = await api.run("{ segments { totalCount } }")
    [error] = result.errors
    assert error.extensions == {"code": "internal", "requestId": "request-1"}
    assert error.message == "Something went wrong on our side."
    [line] = logged
    assert (line["request_id"], line["error"], line["path"]) == ("request-1", "ValueError", "segments")
    assert "ada" not in str(logged)


async def test_what_is_no_document_is_told(api: Api) -> None:
    for document in ("{", "query {", "{ nothing }"):
        assert await api.code(document) == "invalid_request", document
    for document in ("{", "query {", "fragment F on Query { viewer { workspace } }", "{ nothing }"):
        assert (await (await api.subscribe(document)).error()).extensions == {"code": "invalid_request"}, document
