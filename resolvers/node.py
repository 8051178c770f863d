"""Global ids: opaque to callers, `Type:id` to us."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import strawberry

from domain.errors import Refused


@strawberry.interface
class Node:
    """Anything that can be found again by its id alone."""

    id: strawberry.ID = strawberry.field(description="Opaque; the same for as long as the object exists.")


def to_global(type_name: str, id: UUID | str) -> strawberry.ID:  # noqa: A002 - what it is
    """Make the global id of an object."""
    return strawberry.ID(urlsafe_b64encode(f"{type_name}:{id}".encode()).decode().rstrip("="))


def from_global(text: str) -> tuple[str, str]:
    """Read type name and id back. Raises `Refused` when `text` is no global id."""
    try:
        type_name, colon, id_ = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
    except ValueError:
        colon = ""
    if not colon:
        raise Refused("This is not an id that was given out here.")
    return type_name, id_


def uuid_of(type_name: str, text: str) -> UUID:
    """Read the id of an object of one type. Raises `Refused` when it is another's."""
    named, id_ = from_global(text)
    try:
        if named == type_name:
            return UUID(id_)
    except ValueError:
        pass
    raise Refused(f"This is not the id of a {type_name}.")
