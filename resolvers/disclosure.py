"""How personal data leaves: asked for with a reason, allowed by plan and person, written down, and only then opened."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.access import Access, TooManyLooks
from domain.consent import Purpose
from privacy.plan import Egress, Plan
from privacy.release import SITE_IDS, Release, is_granted, release_of
from privacy.scrub import scrub
from privacy.sealing import Unreadable
from profiles.traits import sealed_at
from resolvers.context import Info
from resolvers.problems import InvalidInput, NotFound, RateLimited, Withheld
from stores.access_log import record_access
from stores.reads.sealed import Frame, Person, find_person

MOST_FIELDS: Final = 20
_SHORTEST_REASON: Final = 10
_LONGEST_REASON: Final = 500

Refusal = InvalidInput | NotFound | Withheld | RateLimited


class Look(msgspec.Struct, frozen=True):
    """A wish to see fields of one person. `reason` is one that `read_reason` returned."""

    profile_id: UUID
    action: str
    fields: tuple[str, ...]
    purpose: Purpose
    reason: str
    egress: Egress | None = None
    """The form in which the fields are to leave for another system; None where the caller itself looks."""
    by_themselves: bool = False
    """True for a person's look at their own data, which nobody's consent is asked for."""


class Disclosure(msgspec.Struct, frozen=True):
    """What may be released: the look at it stands in the access log."""

    number: int
    """Of the entry in the access log."""
    releases: dict[str, Release]
    frames: dict[str, Frame | None]
    open: Callable[[str], Any]
    """Gives the plain value of a field, None where the person has none that can be read."""


def read_reason(reason: str, named: Iterable[str] = ()) -> str | InvalidInput:
    """Check a reason, and take out of it what identifies a person, `named` values too: the log keeps no such data."""
    text = " ".join(reason.split())
    if not _SHORTEST_REASON <= len(text) <= _LONGEST_REASON or " " not in text:
        problem = f"Say why in {_SHORTEST_REASON} to {_LONGEST_REASON} characters, and more than one word."
        return InvalidInput(code="invalid_request", message=problem, path=["input", "reason"])
    return unnamed(text, named)


def unnamed(text: str, named: Iterable[str]) -> str:
    """Take out of a text the values that someone was named by, and all else that identifies a person by its form."""
    for value in named:
        text = text.replace(value, "[id]")
    return scrub(text)


async def disclose(info: Info, look: Look) -> Disclosure | Refusal:
    """Ask plan and person, write the look down and commit that, and hand out what opens the fields.

    Nothing is opened before. Where the log cannot be written, `StoreUnavailable` is raised and nothing leaves.
    """
    caller, services = info.context.caller, info.context.services
    info.context.session.released = True
    workspace, now = caller.principal.workspace, services.clock()
    releases = _releases((await info.context.policy()).plan, look)
    if not isinstance(releases, dict):
        return releases
    actor = caller.principal.actor
    access = Access(now, actor, look.action, look.profile_id, look.fields, look.purpose, look.reason)
    async with services.database.workspace(workspace) as connection:
        person = await find_person(connection, look.profile_id, SITE_IDS.keys() & {*look.fields})
        if person is None or person.suppressed:
            return not_found()
        if problem := _objection(person, look, releases):
            return problem
        try:
            number = await record_access(connection, workspace, [access], services.look_limits)
        except TooManyLooks as limit:
            return RateLimited(code=limit.code, message=str(limit), path=[], retry_after=limit.retry_after)
    frames = {path: _frame(person, path) for path in look.fields}
    return Disclosure(number, releases, frames, lambda path: _open(info, path, frames[path]))


def not_found(*names: str) -> NotFound:
    """Say that an input, or the caller's token, names nobody, or nothing."""
    return NotFound(code="not_found", message="There is nobody, or nothing, by that name.", path=["input", *names])


def _releases(plan: Plan, look: Look) -> dict[str, Release] | InvalidInput | Withheld:
    """Give the plan's rules of each field, if they allow the look."""
    if not 1 <= len(look.fields) <= MOST_FIELDS:
        problem = f"Name 1 to {MOST_FIELDS} fields."
        return InvalidInput(code="invalid_request", message=problem, path=["input", "fields"])
    releases = {}
    for number, path in enumerate(look.fields):
        place = ["input", "fields", str(number)]
        release = release_of(plan, path)
        if release is None:
            problem = "The tracking plan has no sealed field of this name."
            return InvalidInput(code="invalid_request", message=problem, path=place)
        releases[path] = release
        if look.by_themselves:
            continue
        if look.purpose not in release.purposes:
            problem = f"The tracking plan does not allow this field to be used for '{look.purpose}'."
            return Withheld(code="not_covered", message=problem, path=place)
        if look.egress is not None and look.egress not in release.egress:
            problem = f"The tracking plan does not let this field leave as '{look.egress}'."
            return Withheld(code="not_covered", message=problem, path=place)
    return releases


def _objection(person: Person, look: Look, releases: Mapping[str, Release]) -> Withheld | None:
    """Say why the person's own word is against it."""
    if look.by_themselves:
        return None
    if not all(person.holds.allows(look.purpose, sensitive=release.sensitive) for release in releases.values()):
        problem = "At the person's wish this data is not used so."
        return Withheld(code="restricted", message=problem, path=["input", "purpose"])
    if not is_granted(look.purpose, person.consent):
        problem = f"The person has not consented to '{look.purpose}', or has taken it back."
        return Withheld(code="consent_missing", message=problem, path=["input", "purpose"])
    return None


def _frame(person: Person, path: str) -> Frame | None:
    if path in SITE_IDS:
        return person.ids.get(path)
    place = sealed_at(path)
    return person.traits.get(place[0]) if place else None


def _open(info: Info, path: str, frame: Frame | None) -> Any:
    if frame is None:
        return None
    place = sealed_at(path)
    try:
        sealer = info.context.caller.keys.sealer(frame.subject, frame.wrapped_key)
        return sealer.open(place[1] if place else path, frame.frame)
    except Unreadable:
        return None
