"""Fields that say in one place what they are, who may read them, and how they are found."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import strawberry
from strawberry.extensions import FieldExtension

Resolver = TypeVar("Resolver", bound=Callable[..., Any])


MANY: Final = "many"
"""Under this name a field's metadata holds the function that finds its values for many objects at once."""

LASTING: Final = "lasting"
"""Under this name it holds whether a value stays true until the stamp of its person changes."""

Find = Callable[..., Awaitable[list[Any]]]


def field(
    permission: FieldExtension | None = None,
    *,
    many: Find | None = None,
    lasting: bool = False,
    name: str | None = None,
) -> Callable[[Resolver], Resolver]:
    """Make a method a field of its type; its docstring is the description. Without `permission` its parent's counts.

    `many` takes a list of objects, the info and the field's arguments by name, and returns a value for each object, or
    the exception that stands for it. It must find what the method finds. `lasting` says that the value depends on
    nothing but the caller's rights, the tracking plan and what a person's stamp covers (`stores.reads.stamps`); at the
    root, that the field is about the person whom its argument `by` names. `name` is what the schema calls it, if that
    is not the method's name.
    """
    metadata = {key: value for key, value in ((MANY, many), (LASTING, lasting)) if value}
    return _decorate(strawberry.field, permission, metadata, name)


def one(found: Sequence[Any]) -> Any:
    """Give the only value found by a function of `many`, or raise the exception that stands for it."""
    [value] = found
    if isinstance(value, Exception):
        raise value
    return value


def mutation(permission: FieldExtension) -> Callable[[Resolver], Resolver]:
    """Make a method a mutation; its docstring is the description."""
    return _decorate(strawberry.mutation, permission, {})


def subscription(permission: FieldExtension, *, name: str | None = None) -> Callable[[Resolver], Resolver]:
    """Make an async generator a subscription; its docstring is the description."""
    return _decorate(strawberry.subscription, permission, {}, name)


def _decorate(
    make: Any, permission: FieldExtension | None, metadata: Mapping[str, Any], name: str | None = None
) -> Callable[[Resolver], Resolver]:
    def decorate(resolver: Resolver) -> Resolver:
        made = make(
            resolver=resolver,
            name=name,
            description=inspect.getdoc(resolver),
            extensions=[permission] if permission else [],
            metadata=metadata,
        )
        return cast("Resolver", made)

    return decorate
