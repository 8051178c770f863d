"""What a site takes the signals of its consent platform to mean: shown, checked and changed."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
import strawberry

from domain.consent import Purpose
from domain.key import Scope
from privacy.signals.gpp import NAMES
from privacy.signals.mapping import InvalidMapping, Meaning, SiteMapping, parse
from resolvers.context import Info
from resolvers.fields import field, mutation
from resolvers.permissions import needs
from resolvers.problems import InvalidInput
from stores.workspaces import read_settings, save_settings

Given = TypeVar("Given")


@strawberry.type
class NameMapping:
    """A name of the consent platform and what an answer under it is about. Without purposes it says nothing."""

    name: str
    purposes: list[Purpose]


@strawberry.type
class PurposeMapping:
    """A purpose and the numbered purposes of a framework that must all be allowed for it."""

    purpose: Purpose
    ids: list[int]


@strawberry.type
class ConsentSettings:
    """What signals of consent mean to this site: its own configuration, with the defaults under it."""

    meaning: strawberry.Private[Meaning]

    @field()
    def categories(self) -> list[NameMapping]:
        """Names in category preferences and in RudderStack's lists, in lower case."""
        return _names(self.meaning.categories)

    @field()
    def one_trust_groups(self) -> list[NameMapping]:
        """Groups of OneTrust: one that is not active refuses its purposes."""
        return _names(self.meaning.groups)

    @field()
    def tcf_purposes(self) -> list[PurposeMapping]:
        """Purposes of the TCF, storage (1) always with them."""
        return _purposes(self.meaning.tcf)

    @field()
    def publisher_purposes(self) -> list[PurposeMapping]:
        """Custom purposes in the publisher's own part of a TC string."""
        return _purposes(self.meaning.publisher)

    @field()
    def vendor_id(self) -> int | None:
        """The site's id in the vendor list, if it relies on being a vendor."""
        return self.meaning.site.vendor_id

    @field()
    def legitimate_interest(self) -> bool:
        """Whether a legitimate interest may stand for consent."""
        return self.meaning.site.legitimate_interest

    @field()
    def gpp_sections(self) -> list[str]:
        """Sections of a GPP string that count. Global Privacy Control counts in any."""
        return [name for name in NAMES.values() if self.meaning.counts(name)]

    @field()
    def longest_days(self) -> int:
        """Age at which a TC string's consent has to be asked for anew."""
        return self.meaning.site.longest_days

    @field()
    def unmapped(self, names: list[str]) -> list[str]:
        """Those of a consent platform's names that say nothing here: an answer under them is passed over."""
        return list(self.meaning.unmapped(tuple(names)))


@strawberry.input
class NameMappingInput:
    """A name of the consent platform, and what an answer under it is about."""

    name: str
    purposes: list[Purpose]


@strawberry.input
class PurposeMappingInput:
    """A purpose, and the numbered purposes that must all be allowed for it; none take it out of the framework."""

    purpose: Purpose
    ids: list[int]


@strawberry.input
class SaveConsentSettingsInput:
    """What to change. What is left out stays, a list replaces the site's own list, null goes back to the default."""

    categories: list[NameMappingInput] | None = strawberry.UNSET
    one_trust_groups: list[NameMappingInput] | None = strawberry.UNSET
    tcf_purposes: list[PurposeMappingInput] | None = strawberry.UNSET
    publisher_purposes: list[PurposeMappingInput] | None = strawberry.UNSET
    vendor_id: int | None = strawberry.UNSET
    legitimate_interest: bool | None = strawberry.UNSET
    gpp_sections: list[str] | None = strawberry.UNSET
    longest_days: int | None = strawberry.UNSET
    client_mutation_id: str | None = None


@strawberry.type
class ConsentSettingsPayload:
    """The settings as they are now; in force everywhere within five seconds."""

    settings: ConsentSettings
    client_mutation_id: str | None


SaveConsentSettingsResult = Annotated[
    ConsentSettingsPayload | InvalidInput, strawberry.union("SaveConsentSettingsResult")
]


@strawberry.type
class ConsentSettingsQueries:
    """What can be asked about a site's consent platform."""

    @field(needs(Scope.PRIVACY_ADMIN))
    async def consent_settings(self, info: Info) -> ConsentSettings:
        """What signals of consent mean to this site."""
        workspace = info.context.caller.principal.workspace
        async with info.context.services.database.workspace(workspace) as connection:
            settings = await read_settings(connection, workspace)
        return ConsentSettings(meaning=Meaning(parse(settings.consent)))


@strawberry.type
class ConsentSettingsMutations:
    """What can be changed about a site's consent platform."""

    @mutation(needs(Scope.PRIVACY_ADMIN))
    async def save_consent_settings(
        self,
        info: Info,
        input: SaveConsentSettingsInput,  # noqa: A002 - Relay's name
    ) -> SaveConsentSettingsResult:
        """Change what signals of consent mean to this site."""
        workspace = info.context.caller.principal.workspace
        try:
            changes = _changes(input)
            async with info.context.services.database.workspace(workspace) as connection, connection.transaction():
                settings = await read_settings(connection, workspace, to_change=True)
                site = _changed(settings.consent, changes)
                await save_settings(connection, workspace, "consent", msgspec.to_builtins(site))
        except InvalidMapping as error:
            return InvalidInput(code="invalid_request", message=str(error), path=["input", *error.path])
        return ConsentSettingsPayload(
            settings=ConsentSettings(meaning=Meaning(site)), client_mutation_id=input.client_mutation_id
        )


def _changed(stored: Mapping[str, Any], changes: Mapping[str, Any]) -> SiteMapping:
    """Lay changes over what is stored and check the whole. Raises `InvalidMapping`."""
    document = {**stored, **changes}
    return parse({name: value for name, value in document.items() if value is not None})


def _changes(input_: SaveConsentSettingsInput) -> dict[str, Any]:
    """Give the fields that were sent, by their names in the stored document."""
    changes: dict[str, Any] = {
        "vendorId": input_.vendor_id,
        "legitimateInterest": input_.legitimate_interest,
        "gppSections": input_.gpp_sections,
        "longestDays": input_.longest_days,
        "categories": _unique("categories", input_.categories, lambda each: (each.name, each.purposes)),
        "oneTrustGroups": _unique("oneTrustGroups", input_.one_trust_groups, lambda each: (each.name, each.purposes)),
        "tcfPurposes": _unique("tcfPurposes", input_.tcf_purposes, lambda each: (each.purpose, each.ids)),
        "publisherPurposes": _unique(
            "publisherPurposes", input_.publisher_purposes, lambda each: (each.purpose, each.ids)
        ),
    }
    return {name: value for name, value in changes.items() if value is not strawberry.UNSET}


def _unique(
    path: str, given: Iterable[Given] | None, pair: Callable[[Given], tuple[str, Any]]
) -> dict[str, Any] | None:
    """Make a list of pairs a table; what was left out, or is null, stays so. Raises `InvalidMapping`."""
    if given is None or given is strawberry.UNSET:
        return given
    table: dict[str, Any] = {}
    for name, value in map(pair, given):
        if name in table:
            raise InvalidMapping("A name is given twice.", path)
        table[name] = value
    return table


def _names(names: Mapping[str, tuple[Purpose, ...]]) -> list[NameMapping]:
    return [NameMapping(name=name, purposes=list(purposes)) for name, purposes in names.items()]


def _purposes(purposes: Mapping[Purpose, tuple[int, ...]]) -> list[PurposeMapping]:
    return [PurposeMapping(purpose=purpose, ids=list(ids)) for purpose, ids in purposes.items()]
