"""Opening what is sealed of one person: under the data keys of all their subjects."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from privacy.keys import WorkspaceKeys
from privacy.sealing import Unreadable

_OF_COMPANY: Final = "group."
"""What a profile puts before the traits that a group call states."""


class Opener:
    """Holds the wrapped data keys of one person's subjects."""

    def __init__(self, keys: WorkspaceKeys, wrapped: Mapping[UUID, bytes]) -> None:
        self._keys = keys
        self._wrapped = wrapped

    def open(self, subject: UUID, path: str, frame: bytes) -> Any:
        """Open a frame. Raises `Unreadable`."""
        wrapped = self._wrapped.get(subject)
        if wrapped is None:
            raise Unreadable("The subject is not of this person.")
        return self._keys.sealer(subject, wrapped).open(path, frame)

    def trait(self, sealed: Mapping[str, Any], name: str) -> Any:
        """Open one of a profile's sealed traits; None where there is none, or it cannot be opened."""
        if name not in sealed:
            return None
        stated = sealed[name]
        path = f"traits.{name.removeprefix(_OF_COMPANY)}"
        return self.frame(UUID(stated["subject"]), path, stated["frame"])

    def frame(self, subject: UUID, path: str, text: str) -> Any:
        """Open a frame that stands in base64; None when it cannot be opened."""
        try:
            return self.open(subject, path, b64decode(text))
        except Unreadable:
            return None
