"""Names of the event log's topics."""

from typing import Final

EVENTS: Final = "tagway.events"
DEAD_LETTERS: Final = "tagway.dead-letters"
SEGMENT_CHANGES: Final = "tagway.segment-changes"
CONSENTS: Final = "tagway.consents"
ERASURES: Final = "tagway.erasures"
