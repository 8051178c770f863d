"""Failures that callers are expected to handle, as part of the answer."""

import strawberry


@strawberry.interface(description="Why a change was not made.")
class Problem:
    """What all problems have."""

    code: str
    message: str
    path: list[str] = strawberry.field(description="The input's field at fault, from the outside in.")


@strawberry.type(description="A field of the input is wrong.")
class InvalidInput(Problem):
    """Change the input."""


@strawberry.type(description="There is nothing by that name.")
class NotFound(Problem):
    """Name something else."""


@strawberry.type(description="Another change came first: read again and decide again.")
class VersionConflict(Problem):
    """Read the current version."""

    current_version: int
