"""What can be changed."""

from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from domain.key import Scope
from resolvers.asking import PrivacyRequestMutations
from resolvers.catalogue import CatalogueMutations
from resolvers.cdp.telling import CdpMutations
from resolvers.collecting import CollectMutations
from resolvers.consent import ConsentMutations
from resolvers.consent_settings import ConsentSettingsMutations
from resolvers.context import Info
from resolvers.dead_letter import DeadLetterMutations
from resolvers.detokenize import DetokenizeMutations
from resolvers.editing import Edit, delete, save
from resolvers.egress import EgressMutations
from resolvers.fields import mutation
from resolvers.identity import IdentityMutations
from resolvers.identity_rules import IdentityRuleMutations
from resolvers.match import MatchMutations
from resolvers.models import RecommenderMutations
from resolvers.permissions import needs
from resolvers.problems import InvalidInput, NotFound, VersionConflict
from resolvers.segment import Segment
from resolvers.tracking_plan import PlanMutations
from resolvers.trait import TraitMutations


@strawberry.input
class SaveSegmentInput:
    """A segment to create, or to edit if the key is taken. What is left out stays as it is."""

    key: str
    name: str | None = None
    description: str | None = None
    definition: JSON | None = strawberry.field(
        default=None, description="The rule, as JSON or in words; needed to create."
    )
    expected_version: int | None = strawberry.field(
        default=None, description="Edit only if this is still the version; 0: create only."
    )
    client_mutation_id: str | None = None


@strawberry.input
class DeleteSegmentInput:
    """A segment to delete."""

    key: str
    client_mutation_id: str | None = None


@strawberry.type
class SegmentPayload:
    """A segment was saved, or is on its way out."""

    segment: Segment
    client_mutation_id: str | None


SaveSegmentResult = Annotated[
    SegmentPayload | InvalidInput | NotFound | VersionConflict, strawberry.union("SaveSegmentResult")
]
DeleteSegmentResult = Annotated[SegmentPayload | InvalidInput | NotFound, strawberry.union("DeleteSegmentResult")]


@strawberry.type
class Mutation(
    CatalogueMutations,
    CdpMutations,
    CollectMutations,
    ConsentMutations,
    ConsentSettingsMutations,
    DeadLetterMutations,
    DetokenizeMutations,
    EgressMutations,
    IdentityMutations,
    IdentityRuleMutations,
    MatchMutations,
    PlanMutations,
    PrivacyRequestMutations,
    RecommenderMutations,
    TraitMutations,
):
    """The root of mutations."""

    @mutation(needs(Scope.SEGMENTS_WRITE))
    async def save_segment(self, info: Info, input: SaveSegmentInput) -> SaveSegmentResult:  # noqa: A002 - Relay's name
        """Create or edit a segment. Saving the same again changes nothing."""
        edit = Edit(
            key=input.key,
            name=input.name,
            description=input.description,
            definition=input.definition,
            expected_version=input.expected_version,
        )
        saved = await save(info, edit)
        return _payload(saved, input.client_mutation_id) if isinstance(saved, Segment) else saved

    @mutation(needs(Scope.SEGMENTS_WRITE))
    async def delete_segment(self, info: Info, input: DeleteSegmentInput) -> DeleteSegmentResult:  # noqa: A002 - Relay's name
        """Let a segment's members out, then remove it. One that other segments speak of stays."""
        deleted = await delete(info, input.key)
        return _payload(deleted, input.client_mutation_id) if isinstance(deleted, Segment) else deleted


def _payload(segment: Segment, client_mutation_id: str | None) -> SegmentPayload:
    return SegmentPayload(segment=segment, client_mutation_id=client_mutation_id)
