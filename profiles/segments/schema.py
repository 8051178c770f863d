"""The JSON Schema of definitions, for editors and other programs. `parse_definition` says more, and says where."""

from typing import Any, Final

from profiles.segments.conditions import MAX_N_BY, MAX_STEPS
from profiles.segments.definition import MAX_LEAVES
from profiles.segments.reading import COMPARISONS, MAX_LIST, MAX_N, MAX_NUMBER, MAX_TEXT, MAX_WHERE, OPERATORS

_NAME: Final = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_SPAN: Final = {"type": "string", "pattern": "^[1-9][0-9]{0,8}[smhdw]$", "description": "30s, 10m, 24h, 7d, 2w"}
_NUMBER: Final = {"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}
_WHOLE: Final = {"type": "integer", "minimum": 0, "maximum": MAX_N}
_COMPARISON: Final = {"enum": list(COMPARISONS)}
_SCALAR: Final = {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_TEXT}
_WHERE: Final = {"type": "array", "maxItems": MAX_WHERE, "items": {"$ref": "#/$defs/where"}}
_VALUE: Final = {"anyOf": [_SCALAR, {"type": "array", "maxItems": MAX_LIST, "items": _SCALAR}]}
_NODE: Final = {"$ref": "#/$defs/definition"}
_STEP: Final = {"$ref": "#/$defs/step"}


def definition_schema() -> dict[str, Any]:
    """Make the schema (draft 2020-12)."""
    nodes = _nodes()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Segment definition",
        **_NODE,
        "$defs": {
            "definition": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in nodes]},
            **nodes,
            "where": _object({"property": _NAME, "op": {"enum": list(OPERATORS)}, "value": _VALUE}, "value"),
            "reference": _object(
                {
                    "property": _NAME,
                    "op": {"enum": ["==", "!="]},
                    "step": {"type": "integer", "minimum": 1, "maximum": MAX_STEPS, "description": "From 1."},
                    "of": {**_NAME, "description": "The property of that step."},
                }
            ),
            "step": _object(
                {
                    "event": _NAME,
                    "where": {
                        "type": "array",
                        "maxItems": MAX_WHERE,
                        "items": {"anyOf": [{"$ref": "#/$defs/where"}, {"$ref": "#/$defs/reference"}]},
                    },
                },
                "where",
            ),
        },
    }


def _nodes() -> dict[str, Any]:
    counted = {"event": _NAME, "op": _COMPARISON, "n": _WHOLE, "window": _SPAN, "where": _WHERE}
    summed = {"event": _NAME, "property": _NAME, "op": _COMPARISON, "value": _NUMBER, "window": _SPAN, "where": _WHERE}
    by = {"op": {"enum": [">", ">="]}, "n": {**_WHOLE, "maximum": MAX_N_BY}, "by": _NAME}
    cell = {
        "recency": _object({"from": _optional(_SPAN), "to": _optional(_SPAN)}, "from", "to"),
        "frequency": _object({"from": _optional(_WHOLE), "to": _optional(_WHOLE)}, "from", "to"),
        "monetary": _object({"from": _optional(_NUMBER), "to": _optional(_NUMBER)}, "from", "to"),
    }
    sure = {"type": "number", "minimum": 0, "maximum": 1}
    several = {"type": "array", "minItems": 1, "maxItems": MAX_LEAVES, "items": _NODE}
    return {
        "count": _node("count", {**counted, "by": {"type": "null"}}, "where", "by"),
        "countBy": _node("count", {**counted, **by}, "where"),
        "sum": _node("sum", summed, "where"),
        "distinct": _node("distinct", {**counted, "property": _NAME}, "where"),
        "thenNot": _node("then_not", {"first": _STEP, "then": _STEP, "within": _SPAN, "window": _SPAN}),
        "sequence": _node(
            "sequence",
            {
                "steps": {"type": "array", "minItems": 2, "maxItems": MAX_STEPS, "items": _STEP},
                "within": _SPAN,
                "window": _SPAN,
            },
        ),
        "session": _node(
            "session",
            {"event": _NAME, "op": {"enum": [">=", ">"]}, "n": _WHOLE, "where": _WHERE, "idle": _SPAN},
            "where",
            "idle",
        ),
        "rfm": _node(
            "rfm",
            {
                "event": _NAME,
                "property": _NAME,
                "window": _SPAN,
                **{name: _optional(each) for name, each in cell.items()},
            },
            *cell,
        ),
        "segment": _node("segment", {"key": _NAME}),
        "model": _node(
            "model", {"model": _NAME, "op": _COMPARISON, "score": _NUMBER, "confidence": sure}, "confidence"
        ),
        "trait": _node("trait", {"name": _NAME, "op": {"enum": list(OPERATORS)}, "value": _VALUE}, "value"),
        "and": _node("and", {"children": several}),
        "or": _node("or", {"children": several}),
        "not": _node("not", {"child": _NODE}),
    }


def _node(type_: str, fields: dict[str, Any], *optional: str) -> dict[str, Any]:
    return _object({"type": {"const": type_}, **fields}, *optional)


def _object(fields: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in fields if name not in optional]
    shape = {"type": "object", "additionalProperties": False, "properties": fields}
    return {**shape, "required": required} if required else shape


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}
