"""Fields that say in one place what they are, who may read them, and how they are found."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry
from strawberry.extensions import FieldExtension

Resolver = TypeVar("Resolver", bound=Callable[..., Any])


def field(permission: FieldExtension | None = None) -> Callable[[Resolver], Resolver]:
    """Make a method a field of its type; its docstring is the description. Without `permission` its parent's counts."""
    return _decorate(strawberry.field, permission)


def mutation(permission: FieldExtension) -> Callable[[Resolver], Resolver]:
    """Make a method a mutation; its docstring is the description."""
    return _decorate(strawberry.mutation, permission)


def subscription(permission: FieldExtension) -> Callable[[Resolver], Resolver]:
    """Make an async generator a subscription; its docstring is the description."""
    return _decorate(strawberry.subscription, permission)


def _decorate(make: Any, permission: FieldExtension | None) -> Callable[[Resolver], Resolver]:
    def decorate(resolver: Resolver) -> Resolver:
        made = make(
            resolver=resolver,
            description=inspect.getdoc(resolver),
            extensions=[permission] if permission else [],
        )
        return cast("Resolver", made)

    return decorate
