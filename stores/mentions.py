"""Which items an event speaks of, for every query that learns from events. What browsers send is held to bounds."""

from typing import Final

from domain.item import LONGEST

_LARGEST: Final = "1e15"


def fits(value: str, field: str) -> str:
    """Tell of a text expression whether it may be this field of an item: not empty, and not too long."""
    return f"length({value}) BETWEEN 1 AND {LONGEST[field]}"


def number(value: str) -> str:
    """Read a jsonb expression as a double; null for what is no number, and for what no double can hold."""
    small = f"CASE WHEN abs(({value})::numeric) < {_LARGEST} THEN ({value})::float8 END"
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {small} END"


MENTIONED: Final = f"""
    CROSS JOIN LATERAL (
        SELECT item, rating FROM (
            SELECT event.properties ->> 'product_id' AS item, {number("event.properties -> 'rating'")} AS rating
            UNION ALL
            SELECT each ->> 'product_id', NULL FROM jsonb_array_elements(
                CASE WHEN jsonb_typeof(event.properties -> 'products') = 'array'
                THEN event.properties -> 'products' ELSE '[]' END) AS each
        ) AS said WHERE {fits("item", "id")}
    ) AS thing
"""  # noqa: S608 - constants
"""To follow `FROM event`: a row `thing (item, rating)` for the event's own item and each of its products."""
