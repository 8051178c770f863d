"""Who is calling: write keys, secret keys, and the short-lived tokens of a site's visitors."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import jwt

from domain.clock import Clock
from domain.errors import Refused, StoreUnavailable
from domain.key import ApiKey, KeyKind, Principal, Scope
from gateway.issuers import Issuer, Issuers
from gateway.patience import within
from gateway.workspace import Workspace, Workspaces
from stores.keys import find_key
from stores.postgres import Database

Kept = TypeVar("Kept")

END_USER_SCOPES: Final = frozenset(
    {Scope.PROFILES_READ, Scope.EVENTS_READ, Scope.SEGMENTS_READ, Scope.RECOMMENDATIONS_READ}
)
"""What a visitor may do, and only to their own profile."""

_AUDIENCE: Final = "tagway"
_ALGORITHM: Final = "HS256"
LONGEST_TOKEN: Final = timedelta(hours=1)
_CLOCKS_APART: Final = timedelta(minutes=5)
"""How far ahead of ours the clock of whoever signs tokens may go."""
_KEY_FRESH_SECONDS: Final = 2.0
_KEY_WITHIN: Final = 0.5
"""How long a request waits to hear whether a key that is known is still good."""
_KEYS_REMEMBERED: Final = 10_000
_STRANGERS_REMEMBERED: Final = 10_000
"""Values that are no keys, apart from those that are: anyone may make them up, and none may take the place of a key."""
_LONGEST_KEY: Final = 200


class Authenticator:
    """Tells keys and tokens apart and checks them. A revoked key is refused within five seconds.

    All methods raise `Refused` with a code of the error table, and `StoreUnavailable`.
    """

    def __init__(
        self,
        database: Database,
        workspaces: Workspaces,
        clock: Clock,
        ticks: Callable[[], float] = time.monotonic,
        *,
        issuers: Issuers | None = None,
    ) -> None:
        self._database = database
        self._workspaces = workspaces
        self._clock = clock
        self._ticks = ticks
        self._issuers = issuers or Issuers(())
        self._keys: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()
        self._strangers: OrderedDict[str, float] = OrderedDict()

    async def write_key(self, value: str, origin: str | None) -> ApiKey:
        """Return the write key of this value, if a browser at `origin` (None outside browsers) may use it.

        While Postgres is away a key that this process knows stays good, so that the spool can take what it sends.
        """
        checked_at, known = self._keys.get(value, (0.0, None))
        if known is not None and self._ticks() - checked_at < _KEY_FRESH_SECONDS:
            key = known
        else:
            try:
                key = await (within(_KEY_WITHIN, self._key(value)) if known else self._key(value))
            except (StoreUnavailable, TimeoutError):
                key = self._remembered(value)
        if key.kind is not KeyKind.WRITE:
            raise Refused(code="wrong_kind_of_key")
        if origin is not None and key.origins and origin not in key.origins:
            raise Refused(code="origin_not_allowed")
        return key

    async def bearer(self, authorization: str | None) -> Principal:
        """Return who an `Authorization: Bearer` header speaks for: a secret key's holder or an end user."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused(code="missing_key")
        return await self.token(token.strip())

    async def token(self, token: str) -> Principal:
        """Return who a secret key or an end-user token speaks for."""
        if token.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts, a key none
            return await self._end_user(token)
        key = await self._key(token)
        if key.kind is not KeyKind.SECRET:
            raise Refused(code="wrong_kind_of_key")
        return Principal(key.workspace, key.scopes, key_id=key.id, pace=key.pace)

    async def _key(self, value: str) -> ApiKey:
        never = float("-inf")
        checked_at, key = self._keys.get(value) or (self._strangers.get(value, never), None)
        if self._ticks() - checked_at >= _KEY_FRESH_SECONDS:
            key = await self._look_up(value)
        if key is None:
            raise Refused(code="unknown_key")
        return key

    def _remembered(self, value: str) -> ApiKey:
        """Return a key as it was last read, and do not ask for it again at once. Raises `StoreUnavailable`."""
        if value not in self._keys:
            raise StoreUnavailable
        _, key = self._keys[value]
        self._keys[value] = (self._ticks(), key)
        return key

    async def _look_up(self, value: str) -> ApiKey | None:
        if len(value) > _LONGEST_KEY:
            return None
        checked_at = self._ticks()
        async with self._database.workspace(None) as connection:
            key = await find_key(connection, value)
        if key is None:
            self._keys.pop(value, None)
            _remember(self._strangers, value, checked_at, _STRANGERS_REMEMBERED)
        else:
            _remember(self._keys, value, (checked_at, key), _KEYS_REMEMBERED)
        return key

    async def _end_user(self, token: str) -> Principal:
        try:
            unproven = jwt.decode(token, options={"verify_signature": False})
            issuer = self._issuers.find(unproven)
            if issuer is not None:
                return _speaker(issuer, await self._issuers.claims(issuer, token), self._clock())
            workspace = await self._workspaces.get(UUID(str(unproven.get("ws"))))
            claims = read_end_user_token(token, workspace, self._clock())
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise Refused(code="invalid_token") from error
        except Refused as error:
            raise Refused(code="invalid_token") from error
        return Principal(workspace.id, END_USER_SCOPES, anonymous_id=claims.get("anon"), user_id=claims.get("user"))


def _remember(places: OrderedDict[str, Kept], value: str, kept: Kept, most: int) -> None:
    """Keep what was found, in the place of what was asked for longest ago."""
    places[value] = kept
    places.move_to_end(value)
    if len(places) > most:
        places.popitem(last=False)


def mint_end_user_token(
    workspace: Workspace,
    *,
    anonymous_id: str | None = None,
    user_id: str | None = None,
    now: datetime,
    valid: timedelta = LONGEST_TOKEN,
) -> str:
    """Make a token for one visitor, named by exactly one identifier, for at most an hour."""
    if (anonymous_id is None) == (user_id is None):
        raise ValueError("a token speaks for one anonymous id or one user id")
    who = {"anon": anonymous_id} if user_id is None else {"user": user_id}
    claims = {"ws": str(workspace.id), "aud": _AUDIENCE, "iat": now, "exp": now + min(valid, LONGEST_TOKEN), **who}
    return jwt.encode(claims, workspace.keys.signing_key("end-user"), algorithm=_ALGORITHM)


def read_end_user_token(token: str, workspace: Workspace, now: datetime) -> dict[str, Any]:
    """Check a token and return its claims.

    Raises `jwt.InvalidTokenError`, `ValueError`, `TypeError` and `OverflowError`: the claims may be anything.
    """
    claims: dict[str, Any] = jwt.decode(
        token,
        workspace.keys.signing_key("end-user"),
        algorithms=[_ALGORITHM],
        audience=_AUDIENCE,
        # The times are checked below, by our clock.
        options={"require": ["exp", "iat", "aud", "ws"], "verify_exp": False, "verify_iat": False},
    )
    _check_times(claims, now, LONGEST_TOKEN)
    who = [claims[name] for name in ("anon", "user") if name in claims]
    if len(who) != 1 or not isinstance(who[0], str) or not who[0]:
        raise ValueError("speaks for nobody in particular")
    return claims


def token_in(connection_params: Mapping[str, Any]) -> str:
    """Find the token in a socket's first message: `{"token": …}` or `{"Authorization": "Bearer …"}`.

    Raises `Refused` when there is none.
    """
    named = {str(name).lower(): value for name, value in connection_params.items()}
    token = named.get("token")
    if not token and isinstance(authorization := named.get("authorization"), str):
        scheme, _, credentials = authorization.partition(" ")
        token = credentials.strip() if scheme.lower() == "bearer" else None
    if not isinstance(token, str) or not token:
        raise Refused(code="missing_key")
    return token


def _speaker(issuer: Issuer, claims: dict[str, Any], now: datetime) -> Principal:
    """Return whom a provider's token, whose signature is checked, speaks for. Raises `ValueError`, `TypeError`."""
    _check_times(claims, now, timedelta(hours=issuer.hours))
    user = claims[issuer.claim]
    if not isinstance(user, str) or not user:
        raise ValueError("speaks for nobody in particular")
    return Principal(issuer.workspace, END_USER_SCOPES, user_id=user)


def _check_times(claims: dict[str, Any], now: datetime, longest: timedelta) -> None:
    issued, expires = (datetime.fromtimestamp(int(claims[name]), UTC) for name in ("iat", "exp"))
    # One that is issued in the future would be good until then, and its life besides.
    if not now < expires <= min(issued, now + _CLOCKS_APART) + longest:
        raise ValueError("expired, or valid for too long")
