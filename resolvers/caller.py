"""Who is calling, and what they may."""

from dataclasses import dataclass
from functools import cached_property

from domain.alias import Alias, AliasKind
from domain.errors import Refused
from domain.key import Principal, Scope
from privacy.keys import WorkspaceKeys
from privacy.pseudonym import aliases_for
from resolvers.cursor import Cursors


@dataclass(frozen=True)
class Caller:
    """Who is calling, with the keys of their workspace."""

    principal: Principal
    keys: WorkspaceKeys

    @cached_property
    def cursors(self) -> Cursors:
        """Signs the cursors of the caller's workspace."""
        return Cursors(self.keys.signing_key("cursor"))

    def aliases_for(self, kind: AliasKind, value: str) -> tuple[Alias, ...]:
        """Give the blind indexes to look an identifier up by, in all its spellings; none when it cannot be one."""
        return self.keys.everywhere(aliases_for(kind, value, self.keys))

    def require(self, *scopes: Scope, end_users: bool) -> None:
        """Raise `Refused` unless the caller has all scopes and is no end user where those are not let in."""
        if self.principal.is_end_user and not end_users:
            raise Refused("An end user's token may not do that.", code="wrong_kind_of_key")
        missing = [scope for scope in scopes if scope not in self.principal.scopes]
        if missing:
            raise Refused(f"The key lacks the scope {missing[0]}.", code="missing_scope")
