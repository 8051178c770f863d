"""The documents that a team's own frontends send, as their build writes them down."""

from pathlib import Path
from typing import Any

import msgspec

from gateway.settings import SettingsError


def read_manifest(path: Path | None) -> dict[str, str]:
    """Read documents by id; none without a file.

    Takes `{"id": "text"}`, as the GraphQL code generator writes it, and Apollo's manifest of persisted queries.
    Raises `SettingsError`.
    """
    if path is None:
        return {}
    try:
        found: Any = msgspec.json.decode(path.read_bytes())
        if isinstance(found, dict) and isinstance(found.get("operations"), list):
            found = {each["id"]: each["body"] for each in found["operations"]}
        return msgspec.convert(found, dict[str, str])
    except OSError as error:
        raise SettingsError(f"TAGWAY_QUERY_MANIFEST cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise SettingsError("TAGWAY_QUERY_MANIFEST is no manifest of documents") from None
