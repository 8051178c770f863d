"""Finds the built tag. Built files are committed, so that a gateway needs no Node."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_DIST = Path(__file__).parent / "dist"


@cache
def tag_source() -> bytes:
    """Return the tag as a browser runs it: the same bytes for every site, so `integrity` holds for them."""
    return (_DIST / "tag.js").read_bytes()


@cache
def integrity() -> str:
    """Return the subresource-integrity value of `tag_source`: "sha384-…"."""
    return (_DIST / "tag.js.sha384").read_text(encoding="ascii").strip()


def site_tag(settings: Mapping[str, Any]) -> bytes:
    """Return the tag of one site with its settings inside, for `/tag/{write_key}.js`.

    `settings` is JSON in the words of `Settings` in `types/index.d.ts`: `writeKey` is needed; `host`, `name`,
    `consent`, `collectFor`, `autoPage` and `plan` have defaults.
    """
    # The settings hang on the script element: two tags on one page never read each other's.
    assignment = f"(document.currentScript||{{}}).tagwaySettings={_script_json(dict(settings))};\n"
    return assignment.encode() + tag_source()


def loader_snippet(host: str, write_key: str, name: str = "tagway") -> str:
    """Return the script text that a site pastes: it makes the global `name` and fetches the tag from `host`."""
    source = f"{host.rstrip('/')}/tag/{write_key}.js"
    text = (_DIST / "loader.js").read_text(encoding="utf-8").strip()
    return text.replace('"__NAME__"', _script_json(name)).replace('"__SRC__"', _script_json(source))


def _script_json(value: object) -> str:
    """Write JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
