"""Failures that callers are expected to handle, as part of the answer."""

import strawberry


@strawberry.interface
class Problem:
    """Why a change was not made."""

    code: str
    message: str
    path: list[str] = strawberry.field(description="The input's field at fault, from the outside in.")


@strawberry.type
class InvalidInput(Problem):
    """A field of the input is wrong."""


@strawberry.type
class NotFound(Problem):
    """There is nothing by that name."""


@strawberry.type
class VersionConflict(Problem):
    """Another change came first: read again and decide again."""

    current_version: int


@strawberry.type
class Withheld(Problem):
    """The tracking plan or the person does not allow it."""


@strawberry.type
class RateLimited(Problem):
    """Enough was seen for now."""

    retry_after: int = strawberry.field(description="Seconds after which it may be allowed again.")
