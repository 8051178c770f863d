"""Who else may speak for a site's visitors: identity providers, whose tokens are checked by their published keys.

RFC 7517 (JSON Web Key Sets) and RFC 8725 (JWT best practices): the key says which algorithm it is for, never the token.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import jwt
import msgspec
import structlog

from domain.errors import StoreUnavailable
from gateway.addresses import show_url
from gateway.settings import SettingsError

_RENEWED_SECONDS: Final = 240.0
"""Keys are read anew after this, while those that are known still serve."""
_FRESH_SECONDS: Final = 300.0
"""A key that is no longer published is refused after this."""
_KEPT_SECONDS: Final = 3_600.0
"""How long keys are trusted while nobody can say whether they are still published."""
_ASKED_EVERY: Final = 10.0
"""The least time between two looks, however many tokens name keys that are not known."""
_WITHIN: Final = 5.0
_LARGEST: Final = 256 * 1024
_LEAST_RSA_BITS: Final = 2048
_ALGORITHMS: Final[Mapping[tuple[str, str | None], str]] = {
    ("RSA", None): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}
"""The one algorithm of each kind of key. Symmetric keys have none: what is published is no secret."""

_log = structlog.get_logger(__name__)


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider, as the file lists it: its tokens speak for people of one workspace."""

    issuer: Annotated[str, msgspec.Meta(min_length=1)]
    """What its tokens have in `iss`, to the letter."""
    audience: Annotated[str, msgspec.Meta(min_length=1)]
    workspace: UUID
    jwks: Annotated[str, msgspec.Meta(min_length=1)]
    """The https address of its keys, or a file; http for this machine only."""
    claim: str = "sub"
    """The claim that holds the site's user id."""
    hours: Annotated[int, msgspec.Meta(ge=1, le=24)] = 1
    """The longest life of a token that is accepted."""


def read_issuers(path: Path | None) -> tuple[Issuer, ...]:
    """Read the file of issuers; without one there are none. Raises `SettingsError`."""
    if path is None:
        return ()
    try:
        found = msgspec.json.decode(path.read_bytes(), type=tuple[Issuer, ...])
    except OSError as error:
        raise SettingsError(f"TAGWAY_TOKEN_ISSUERS cannot be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SettingsError(f"TAGWAY_TOKEN_ISSUERS: {error}") from None
    if len({each.issuer for each in found}) < len(found):
        raise SettingsError("TAGWAY_TOKEN_ISSUERS: an issuer is listed twice")
    for each in found:
        parts = urlsplit(each.jwks)
        if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
            raise SettingsError(f"TAGWAY_TOKEN_ISSUERS: {_shown(each.jwks)} must be https")
    return found


class Issuers:
    """Checks tokens of listed issuers."""

    def __init__(self, listed: Sequence[Issuer], ticks: Callable[[], float] = time.monotonic) -> None:
        self._listed = {each.issuer: (each, KeySet(each.jwks, ticks)) for each in listed}

    def find(self, claims: Mapping[str, Any]) -> Issuer | None:
        """Return the issuer that an unproven token names; None for ours."""
        name = claims.get("iss")
        found = self._listed.get(name) if isinstance(name, str) else None
        return found[0] if found else None

    async def claims(self, issuer: Issuer, token: str) -> dict[str, Any]:
        """Check signature and audience of a token, and return its claims; its times are the caller's to check.

        Raises `jwt.InvalidTokenError`, and `StoreUnavailable` while the issuer's keys cannot be had.
        """
        header = jwt.get_unverified_header(token)
        key = await self._listed[issuer.issuer][1].key(header.get("kid"))
        if key is None:
            raise jwt.InvalidTokenError("not one of the issuer's keys")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            audience=issuer.audience,
            issuer=issuer.issuer,
            options={"require": ["exp", "iat", "aud", "iss", issuer.claim], "verify_exp": False, "verify_iat": False},
        )
        return claims

    async def check(self) -> list[str]:
        """Ask every issuer for its keys; name those that give none that can be used."""
        return [name for name, (_, keys) in self._listed.items() if not await keys.read_anew()]


class KeySet:
    """The published keys of one issuer, by their ids.

    They are read beside those who ask. Who names a key that is known waits only where nothing was heard of the issuer
    for five minutes, and no more once it has given no answer.
    """

    def __init__(self, place: str, ticks: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._ticks = ticks
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._reading: asyncio.Task[bool] | None = None
        self._is_away = False

    async def key(self, name: object) -> jwt.PyJWK | None:
        """Return the key of this id; None when the issuer publishes no such key. Raises `StoreUnavailable`."""
        if not isinstance(name, str):
            return None
        if name not in self._keys or self._age > _RENEWED_SECONDS:
            reading = self._read()
            if reading is not None and not (name in self._keys and self._may_serve):
                await asyncio.shield(reading)  # for all who wait, whoever of them goes
        if self._age > _KEPT_SECONDS:
            raise StoreUnavailable("the keys of the token's issuer cannot be read")
        return self._keys.get(name)

    async def read_anew(self) -> bool:
        """Take the keys that are published now; False, and all as it was, when they cannot be had."""
        self._asked_at = self._ticks()
        try:
            keys = _usable(await _fetch(self._place))
        except (OSError, TimeoutError, ValueError, RecursionError, aiohttp.ClientError) as error:
            _log.warning("issuer_keys_not_read", place=_shown(self._place), problem=type(error).__name__)
            self._is_away = True
            return False
        self._keys, self._read_at, self._is_away = keys, self._ticks(), False
        return bool(keys)

    def _read(self) -> asyncio.Task[bool] | None:
        """Have the keys read, unless that was tried just now; return the attempt that is under way."""
        if (self._reading is None or self._reading.done()) and self._ticks() - self._asked_at >= _ASKED_EVERY:
            self._reading = asyncio.create_task(self.read_anew())
        return self._reading

    @property
    def _may_serve(self) -> bool:
        return self._age <= (_KEPT_SECONDS if self._is_away else _FRESH_SECONDS)

    @property
    def _age(self) -> float:
        return self._ticks() - self._read_at


def _shown(place: str) -> str:
    """Write where keys lie without what may be secret of an address."""
    return show_url(place) if "://" in place else place


async def _fetch(place: str) -> bytes:
    """Read a set of keys, of a bounded size, in bounded time. Raises `OSError`, `ClientError`, `TimeoutError`."""
    if urlsplit(place).scheme not in {"http", "https"}:
        return await asyncio.to_thread(Path(place).read_bytes)
    timeout = aiohttp.ClientTimeout(total=_WITHIN)
    async with (
        aiohttp.ClientSession(timeout=timeout) as http,
        http.get(place, allow_redirects=False, raise_for_status=True) as response,
    ):
        body = await response.content.read(_LARGEST + 1)
        while len(body) <= _LARGEST and (more := await response.content.read(_LARGEST)):
            body += more
    if response.status != 200 or len(body) > _LARGEST:  # noqa: PLR2004 - nor is a redirect an answer
        raise ValueError("not a set of keys")
    return body


def _usable(body: bytes) -> dict[str, jwt.PyJWK]:
    """Pick the keys that sign, by their ids; those that we cannot use are left out. Raises `ValueError`."""
    listed = msgspec.json.decode(body)
    if not isinstance(listed, dict) or not isinstance(listed.get("keys"), list):
        raise ValueError("not a set of keys")  # noqa: TRY004 - it is what was received, not what was passed
    picked: dict[str, jwt.PyJWK] = {}
    for each in listed["keys"]:
        key = _read_key(each) if isinstance(each, dict) else None
        if key is not None and key.key_id is not None:
            picked[key.key_id] = key
    return picked


def _read_key(each: dict[str, Any]) -> jwt.PyJWK | None:
    algorithm = _ALGORITHMS.get((str(each.get("kty")), each.get("crv")))
    if algorithm is None or each.get("alg", algorithm) != algorithm or each.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(each, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if algorithm == "RS256" and key.key.key_size < _LEAST_RSA_BITS:
        return None
    return key if isinstance(key.key_id, str) else None
