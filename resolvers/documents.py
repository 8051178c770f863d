"""Which documents may be run, and where their texts are found: sent along, or known here by their digest."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from domain.errors import Refused
from domain.key import Scope
from resolvers.caller import Caller

_MOST_BYTES: Final = 8 * 1024 * 1024


class Documents:
    """Trusted documents by id, and those that keys with `queries:adhoc` had it remember.

    `trusted` maps ids to texts; a text is trusted however it is named. With `anything` no document has to be trusted.
    """

    def __init__(self, trusted: Mapping[str, str], *, anything: bool) -> None:
        self._trusted = {_bare(name): text for name, text in trusted.items()}
        self._trusted |= {digest(text): text for text in trusted.values()}
        self._anything = anything
        self._remembered: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0

    def find(
        self,
        text: str | None,
        document_id: str | None,
        extensions: Mapping[str, Any] | None,
        caller: Caller | None,
    ) -> str | None:
        """Find the text of what is to be run; None if nothing was asked.

        By its id (GraphQL over HTTP, appendix on persisted documents), or by Apollo's
        `extensions.persistedQuery.sha256Hash`, which has a document remembered that comes with it. Raises `Refused`.
        """
        persisted = (extensions or {}).get("persistedQuery")
        hashed = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
        name = document_id or (hashed if isinstance(hashed, str) else None)
        if text:
            return self._sent(text, hashed, caller)
        if name is None:
            return None
        found = self._trusted.get(_bare(name))
        if found is None and self._may_ask_anything(caller):
            found = self._remembered.get(_bare(name))
        if found is None:
            raise Refused("PersistedQueryNotFound", code="unknown_document")  # the words Apollo's client looks for
        return found

    def _sent(self, text: str, hashed: Any, caller: Caller | None) -> str:
        if self._anything and hashed is None:
            return text
        known = digest(text)
        if known not in self._trusted and not self._may_ask_anything(caller):
            raise Refused(code="untrusted_document")
        if hashed is not None:
            if hashed != known:
                raise Refused("`sha256Hash` is not the document's.")
            self._remember(known, text)
        return text

    def _may_ask_anything(self, caller: Caller | None) -> bool:
        return self._anything or (caller is not None and Scope.QUERIES_ADHOC in caller.principal.scopes)

    def _remember(self, known: str, text: str) -> None:
        if known not in self._remembered and known not in self._trusted:
            self._remembered[known] = text
            self._bytes += len(text)
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._remembered.popitem(last=False)[1])


def digest(text: str) -> str:
    """Give the SHA-256 of a document, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _bare(name: str) -> str:
    return name.removeprefix("sha256:")
