"""Who may read or do what: every root field, and every field that needs more than its parent, says so."""

from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema_directive import Location

from domain.key import Scope
from resolvers.context import Info


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="The scopes a secret key needs. End users are let in, to their own data only, where it says so.",
)
class Needs:
    """The schema's own word on a field's permission."""

    scopes: list[str]
    end_users: bool = False


class _Permission(BasePermission):
    def __init__(self, scopes: tuple[Scope, ...], *, end_users: bool) -> None:
        self._scopes = scopes
        self._end_users = end_users

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002 - the signature of theirs
        info.context.caller.require(*self._scopes, end_users=self._end_users)
        return True

    @property
    def schema_directive(self) -> object:
        return Needs(scopes=[scope.value for scope in self._scopes], end_users=self._end_users)


def needs(*scopes: Scope, end_users: bool = False) -> FieldExtension:
    """Keep a field to keys with all of `scopes`, and to end users if `end_users`. Raises `Refused` in the field."""
    return PermissionExtension(permissions=[_Permission(scopes, end_users=end_users)])


def is_of_caller(extension: FieldExtension) -> bool:
    """Tell whether an extension is a permission of `needs`, which asks who is calling and nothing else."""
    return isinstance(extension, PermissionExtension) and all(
        isinstance(permission, _Permission) for permission in extension.permissions
    )
