"""Finds the built tag. Built files are committed, so that a gateway needs no Node."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_DIST = Path(__file__).parent / "dist"
_TYPES = Path(__file__).parent / "types" / "index.d.ts"
_GTM = Path(__file__).parent / "gtm.tpl"


@cache
def tag_source() -> bytes:
    """Return the tag as a browser runs it: the same bytes for every site, so `integrity` holds for them."""
    return (_DIST / "tag.js").read_bytes()


@cache
def integrity() -> str:
    """Return the subresource-integrity value of `tag_source`: "sha384-…"."""
    return (_DIST / "tag.js.sha384").read_text(encoding="ascii").strip()


@cache
def part_hashes() -> Mapping[str, str]:
    """Return the names of all parts that the tag fetches when they are wanted → their subresource-integrity values.

    A name is `consent/…` for a source of consent, `extras/…` for all else.
    """
    hashes: dict[str, str] = json.loads((_DIST / "parts.json").read_text(encoding="ascii"))
    return hashes


@cache
def part_source(name: str) -> bytes:
    """Return a part of the tag. Raises `KeyError` for a name that is not in `part_hashes`."""
    if name not in part_hashes():
        raise KeyError(name)
    return (_DIST / f"{name}.js").read_bytes()


@cache
def type_declarations() -> bytes:
    """Return the TypeScript declarations of the tag's API."""
    return _TYPES.read_bytes()


def tag_manager_template(host: str) -> str:
    """Return the template to import into Google Tag Manager, for a gateway that browsers reach at `host`."""
    return _GTM.read_text(encoding="utf-8").replace("__HOST__", host.rstrip("/"))


def site_tag(settings: Mapping[str, Any]) -> bytes:
    """Return the tag of one site with its settings inside, for `/tag/{write_key}.js`.

    `settings` is JSON in the words of `Settings` in `types/index.d.ts`: `writeKey` is needed; all else has defaults.
    The hashes of the parts that they name are added.
    """
    named = [f"consent/{source}" for source in settings.get("consentFrom", ())]
    named += [f"extras/{extra}" for extra in settings.get("extras", ())]
    hashes = {name: part_hashes()[name] for name in named if name in part_hashes()}
    # The settings hang on the script element: two tags on one page never read each other's.
    whole = {**settings, **({"files": hashes} if hashes else {})}
    assignment = f"(document.currentScript||{{}}).tagwaySettings={_script_json(whole)};\n"
    return assignment.encode() + tag_source()


def loader_snippet(host: str, write_key: str, name: str = "tagway") -> str:
    """Return the script text that a site pastes: it makes the global `name` and fetches the tag from `host`."""
    source = f"{host.rstrip('/')}/tag/{write_key}.js"
    text = (_DIST / "loader.js").read_text(encoding="utf-8").strip()
    return text.replace('"__NAME__"', _script_json(name)).replace('"__SRC__"', _script_json(source))


def _script_json(value: object) -> str:
    """Write JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
