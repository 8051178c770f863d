"""Functions that make the answers of a whole level in one go, generated for what is asked of its objects."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

Build = Callable[..., list[Any]]
"""Takes the objects, and the columns that were answered before, and makes the rows.

They are fewer than the objects if a value was read that is not as expected.
"""

_MOST_KEPT: Final = 1_000


class Column(NamedTuple):
    """A part of the rows that is answered before they are made."""

    key: str


class Fixed(NamedTuple):
    """A part that is the same in all rows."""

    key: str
    value: Any


class Read(NamedTuple):
    """An attribute of the objects, and how its values are told to be as expected and shown."""

    key: str
    attribute: str
    form: "Form"
    nullable: bool


class Form(NamedTuple):
    """Python expressions that tell whether a value `{v}` is as expected, and give what is shown of it.

    `{t}` stands for `uses`. No text in them comes from outside of this program.
    """

    expected: str
    shown: str
    uses: Any = None


Part = Column | Fixed | Read


def builder(parts: Sequence[Part]) -> Build:
    """Make the function for rows of these parts, in their order.

    A dict display in a comprehension is three times faster than `dict(zip(…))`, and an attribute is read inside of it
    twice as fast as by `attrgetter`.
    """
    if not parts:
        return lambda objects: [{} for _ in objects]
    make = _compiled(tuple(_texts(number, part) for number, part in enumerate(parts)))
    build: Build = make([part.key for part in parts], [_used(part) for part in parts])
    return build


class _Texts(NamedTuple):
    expected: str
    shown: str
    column: str


def _texts(number: int, part: Part) -> _Texts:
    value, used = f"v{number}", f"t{number}"
    if isinstance(part, Column):
        return _Texts("", value, value)
    if isinstance(part, Fixed):
        return _Texts("", used, "")
    if not part.attribute.isidentifier():
        raise ValueError(f"not an attribute: {part.attribute}")
    names = {"v": value, "t": used}
    expected = part.form.expected.format(**{**names, "v": f"({value} := each.{part.attribute})"})
    shown = part.form.shown.format(**names)
    if part.nullable:
        # What is None is asked for first, so that it is named by then.
        later = part.form.expected.format(**names)
        return _Texts(
            f"(({value} := each.{part.attribute}) is None or {later})", f"None if {value} is None else {shown}", ""
        )
    return _Texts(expected, shown, "")


def _used(part: Part) -> Any:
    if isinstance(part, Read):
        return part.form.uses
    return part.value if isinstance(part, Fixed) else None


@lru_cache(_MOST_KEPT)
def _compiled(texts: tuple[_Texts, ...]) -> Callable[[list[str], list[Any]], Build]:
    numbers = range(len(texts))
    row = ", ".join(f"k{number}: {each.shown}" for number, each in enumerate(texts))
    columns = [each.column for each in texts if each.column]
    parameters = ", ".join(f"c{name}" for name in columns)
    objects = f"zip({', '.join(['objects', *(f'c{name}' for name in columns)])}, strict=True)" if columns else "objects"
    expected = " and ".join(each.expected for each in texts if each.expected)
    condition = f" if {expected}" if expected else ""
    lines = [
        "def make(keys, used):",
        f"    [{', '.join(f'k{number}' for number in numbers)}] = keys",
        f"    [{', '.join(f't{number}' for number in numbers)}] = used",
        f"    def build(objects{', ' if columns else ''}{parameters}):",
        f"        return [{{{row}}} for {', '.join(['each', *columns])} in {objects}{condition}]",
        "    return build",
    ]
    found: dict[str, Any] = {}
    exec("\n".join(lines), {}, found)  # noqa: S102 - nothing in it comes from outside
    made: Callable[[list[str], list[Any]], Build] = found["make"]
    return made
