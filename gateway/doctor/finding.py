"""What a check says when not all is well."""

from typing import Final

from domain.errors import CannotRun

NOT_ASKED: Final = "not asked, for the stores are not running"


class Finding(CannotRun):
    """Something is wrong; the message is one line that says what, and what to do."""
