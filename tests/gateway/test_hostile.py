"""Documents that are meant to keep the process busy: refused soon, with nothing of the inside told."""

import time

import pytest
from graphql import parse

from tests.fixtures.graphql import Api
from tests.patience import soonest

_HOSTILE = {
    "aliases of a field that is none": "{ " + " ".join(f"a{n}: nothing" for n in range(10_000)) + " }",
    "aliases": "{ " + " ".join(f"a{n}: viewer {{ scopes }}" for n in range(3_000)) + " }",
    "the same field": "{ " + "viewer { scopes } " * 2_000 + "}",
    "directives": "{ viewer { scopes " + "@skip(if: false) " * 3_000 + "} }",
    "depth": "{ " + "profile { segments { segment { members { nodes " * 30 + "{ id" + " }" * 151,
    "braces": "{" * 60_000,
    "doubled fragments": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(80))
    + " fragment F80 on Query { viewer { scopes } }",
    "doubled fields": "{ ...F0 } "
    + " ".join(f"fragment F{n} on Query {{ a{n}: viewer {{ scopes }} ...F{n + 1} ...F{n + 1} }}" for n in range(25))
    + " fragment F25 on Query { viewer { scopes } }",
    "a circle": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "wide pages": "{ segments(first: 100) { nodes { members(first: 100) { nodes { events(first: 99) { totalCount } }}}}}",  # noqa: E501 - one document
    "variables": "query (" + " ".join(f"$v{n}: Int" for n in range(240)) + ") { viewer { scopes } }",
    "a list as argument": "{ nodes(ids: [" + '"x",' * 900 + "]) { id } }",
    "an object as argument": '{ profile(by: {externalId: "x"' + ', email: "x"' * 200 + "}) { id } }",
    "deep values": "{ nodes(ids: " + "[" * 400 + "]" * 400 + ") { id } }",
    "a block string": '{ profile(by: {externalId: """' + "\n  x" * 20_000 + '"""}) { id } nothing }',
    "circles of introspection": "{ __schema { types { " + "fields { type { " * 25 + "name" + " } }" * 25 + " } } }",
    "conditions": "query (" + " ".join(f"$c{n}: Boolean!" for n in range(40)) + ") { viewer { "
    + " ".join(f"scopes @skip(if: $c{n})" for n in range(40)) + " } }",
}  # fmt: skip


def pace() -> float:
    """How many times slower this machine is just now than one that parses a small document in 63 µs."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(20):
            parse("{ profile { id segments { segment { key name } enteredAt } } }")
        rounds.append((time.process_time() - began) / 20)
    return max(1.0, min(rounds) / 0.000_063)


@pytest.mark.parametrize("name", _HOSTILE)
async def test_a_hostile_document_costs_little(api: Api, name: str) -> None:
    await api.data("{ viewer { scopes } }")

    async def take(number: int) -> float:
        """Give the seconds of the processor that it costs a machine of the usual pace."""
        before = pace()
        began = time.process_time()
        result = await api.run(_HOSTILE[name] + " " * number)  # another text each time, so that none is remembered
        taken = time.process_time() - began
        assert all("code" in (error.extensions or {}) for error in result.errors or ())
        assert all((error.extensions or {})["code"] != "internal" for error in result.errors or ())
        return taken / max(before, pace())

    assert await soonest(take, 0.025, rounds=8) < 0.025
