from typing import Any

import pytest
from graphql import GraphQLError, OperationDefinitionNode, parse, validate
from graphql.execution.values import get_variable_values

from resolvers.errors import without_values
from resolvers.schema import build_schema

_ASK = "query ($by: ProfileBy!) { profile(by: $by) { id } }"
_SCHEMA = build_schema()._schema


def faults(document: str, variables: dict[str, Any] | None = None) -> list[GraphQLError]:
    """Give the library's own complaints about an operation."""
    try:
        parsed = parse(document)
    except GraphQLError as error:
        return [error]
    found = validate(_SCHEMA, parsed)
    operation = parsed.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    values = get_variable_values(_SCHEMA, operation.variable_definitions or (), variables or {})
    return found or (values if isinstance(values, list) else [])


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ('{ profile(by: {nick: "secret-x"}) { id } }', None),
        ('{ profile(by: "secret-x") { id } }', None),
        ('{ profiles(first: "secret-x") { totalCount } }', None),
        ("{ profile(by: {email: secret}) { id } }", None),
        ('{ profile(by: {email: "a" "secret-x"}) { id } }', None),
        ("{ id } secret", None),
        (_ASK, {"by": "secret-x"}),
        (_ASK, {"by": {"email": ["secret-x"]}}),
        (_ASK, {"by": {"nick": "secret-x"}}),
        ("query ($first: Int!) { profiles(first: $first) { totalCount } }", {"first": "secret-x"}),
    ],
)
def test_a_complaint_does_not_quote_a_value(document: str, variables: dict[str, Any] | None) -> None:
    messages = [error.message for error in faults(document, variables)]
    assert any("secret" in message for message in messages)
    assert not any("secret" in without_values(message) for message in messages)


def test_what_helps_the_caller_stays() -> None:
    (unknown,) = faults('{ profile(by: {email: "a"}) { nothing } }')
    assert without_values(unknown.message) == "Cannot query field 'nothing' on type 'Profile'."
    (missing,) = faults(_ASK, {"by": {"nick": "x"}})[:1]
    assert "'nick'" in without_values(missing.message)
    (open_end,) = faults("{ profile(by: {}")
    assert without_values(open_end.message) == "Syntax Error: Expected Name, found <EOF>."
