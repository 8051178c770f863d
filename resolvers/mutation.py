"""What can be changed."""

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain.key import Scope
from resolvers.context import Info
from resolvers.editing import Edit, delete, save
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound, VersionConflict
from resolvers.segment import Segment


@strawberry.input
class SaveSegmentInput:
    """A segment to create, or to edit if the key is taken. What is left out stays as it is."""

    key: str
    name: str | None = None
    description: str | None = None
    definition: JSON | None = strawberry.field(default=None, description="The rule; needed to create.")
    expected_version: int | None = strawberry.field(
        default=None, description="Edit only if this is still the version; 0: create only."
    )
    client_mutation_id: str | None = None


@strawberry.input
class DeleteSegmentInput:
    """A segment to delete."""

    key: str
    client_mutation_id: str | None = None


@strawberry.type(description="A segment was saved, or is on its way out.")
class SegmentPayload:
    """What a change of a segment returns."""

    segment: Segment
    client_mutation_id: str | None


SaveSegmentResult = Annotated[
    SegmentPayload | InvalidInput | NotFound | VersionConflict, strawberry.union("SaveSegmentResult")
]
DeleteSegmentResult = Annotated[SegmentPayload | NotFound, strawberry.union("DeleteSegmentResult")]


@strawberry.type
class Mutation:
    """The root of mutations."""

    @strawberry.mutation(
        description="Create or edit a segment. Saving the same again changes nothing.",
        extensions=needs(Scope.SEGMENTS_WRITE),
    )
    async def save_segment(self, info: Info, input: SaveSegmentInput) -> SaveSegmentResult:  # noqa: A002 - Relay's name
        """Save a segment."""
        edit = Edit(
            key=input.key,
            name=input.name,
            description=input.description,
            definition=input.definition,
            expected_version=input.expected_version,
        )
        saved = await save(info, edit)
        return SegmentPayload(saved, input.client_mutation_id) if isinstance(saved, Segment) else saved

    @strawberry.mutation(
        description="Let a segment's members out, then remove it.",
        extensions=needs(Scope.SEGMENTS_WRITE),
    )
    async def delete_segment(self, info: Info, input: DeleteSegmentInput) -> DeleteSegmentResult:  # noqa: A002 - Relay's name
        """Delete a segment."""
        deleted = await delete(info, input.key)
        return SegmentPayload(deleted, input.client_mutation_id) if isinstance(deleted, Segment) else deleted
