"""Global Privacy Control of a person, for sites that must show that they honour it (11 CCR 7025(c)(6))."""

from collections.abc import Iterable
from datetime import datetime

import strawberry

from domain.consent import Consent, State
from privacy.signals.sources import GPC
from privacy.signals.statements import SALE


@strawberry.type
class GlobalPrivacyControl:
    """Whether a signal of Global Privacy Control is in force for a person."""

    honoured: bool = strawberry.field(
        description="True once the signal was seen, until the person opts in again without it."
    )
    since: datetime | None = strawberry.field(description="When the signal that is in force was first seen.")


def control_of(consents: Iterable[Consent]) -> GlobalPrivacyControl:
    """Tell it from a person's last words: both of its refusals stand."""
    refusals = [each for each in consents if each.source == GPC and each.state is not State.GRANTED]
    if {each.purpose for each in refusals} != SALE:
        return GlobalPrivacyControl(honoured=False, since=None)
    return GlobalPrivacyControl(honoured=True, since=max(each.since or each.at for each in refusals))
