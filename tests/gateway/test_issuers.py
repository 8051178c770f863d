import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import jwt
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from domain.errors import StoreUnavailable
from gateway.issuers import Issuer, Issuers, KeySet, read_issuers
from gateway.settings import Settings, SettingsError
from gateway.wiring import open_resources
from tests.fixtures.gateway import Gateway, event, listening
from tests.patience import AT_ALL

NAME, AUDIENCE = "https://login.shop.example/", "tagway"
RSA = rsa.generate_private_key(65537, 2048)
WEAK = rsa.generate_private_key(65537, 1024)
P256 = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
NOW = datetime.now(UTC)
LISTED = {"issuer": NAME, "audience": AUDIENCE, "workspace": str(uuid4()), "jwks": "keys.json"}


def published(key: Any, name: str, **more: Any) -> dict[str, Any]:
    kinds: dict[type, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((kind for of, kind in kinds.items() if isinstance(key, of)), OKPAlgorithm)
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": name, **more}


MIXED = [
    published(RSA, "k1"),
    published(WEAK, "weak"),
    published(P384, "p384"),
    published(RSA, "encrypts", use="enc"),
    published(RSA, "odd", alg="RS512"),
    {"kty": "oct", "kid": "k1", "k": "c2hhcmVkLXNlY3JldC1vZi1tYW55LWJ5dGVzLWhlcmU"},
    {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
    {"kty": []},
]


class Provider:
    """An identity provider, as far as keys go."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.asked = 0
        self.status = 200
        self.url = ""
        self.silent = asyncio.Event()
        """Once it is set, questions wait until `speaks` is set."""
        self.speaks = asyncio.Event()

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.silent.is_set():
            await self.speaks.wait()
        return web.json_response({"keys": self.keys}, status=self.status)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    app = web.Application()
    app.router.add_get("/jwks.json", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
    yield made
    made.speaks.set()
    await runner.cleanup()


class Ticks:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def issuer_at(place: str, workspace: UUID | None = None) -> Issuer:
    return Issuer(NAME, AUDIENCE, workspace or uuid4(), place)


def signed(key: Any, algorithm: str, kid: str | None = "k1", **changes: Any) -> str:
    claims = {"iss": NAME, "aud": AUDIENCE, "sub": "u-1", "iat": NOW, "exp": NOW + timedelta(minutes=30), **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm, headers=None if kid is None else {"kid": kid})


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (P256, "ES256"), (ED, "EdDSA")])
async def test_a_key_is_good_for_its_own_algorithm(provider: Provider, key: Any, algorithm: str) -> None:
    provider.keys = [published(key, "k1")]
    issuer = issuer_at(provider.url)
    issuers = Issuers([issuer])
    claims = await issuers.claims(issuer, signed(key, algorithm))
    assert claims["sub"] == "u-1"
    assert issuers.find(claims) is issuer
    assert issuers.find({"iss": NAME + "x"}) is issuers.find({"iss": [NAME]}) is issuers.find({}) is None


def _public_pem() -> bytes:
    return RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _hmac(secret: bytes) -> str:
    """Sign by HS256, by hand: PyJWT would not take a public key for a secret."""
    claims = {"iss": NAME, "aud": AUDIENCE, "sub": "u-1", "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60}
    parts = [_base64(json.dumps(each).encode()) for each in ({"alg": "HS256", "kid": "k1"}, claims)]
    return ".".join([*parts, _base64(hmac.digest(secret, ".".join(parts).encode(), "sha256"))])


def _base64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(_hmac(_public_pem()), id="the public key as a secret"),
        pytest.param(_hmac(b"shared-secret-of-many-bytes-here"), id="a symmetric key of the set"),
        pytest.param(signed("", "none"), id="unsigned"),
        pytest.param(signed(RSA, "RS384"), id="another algorithm of the same key"),
        pytest.param(signed(RSA, "PS256"), id="another padding"),
        pytest.param(signed(P256, "ES256"), id="another key"),
        pytest.param(signed(RSA, "RS256", kid=None), id="no key named"),
        pytest.param(signed(RSA, "RS256", kid="k2"), id="an unknown key"),
        pytest.param(signed(RSA, "RS256", kid="encrypts"), id="a key for another use"),
        pytest.param(signed(RSA, "RS256", kid="odd"), id="a key for another algorithm"),
        pytest.param(signed(RSA, "RS256", aud="other"), id="another audience"),
        pytest.param(signed(RSA, "RS256", aud=None), id="no audience"),
        pytest.param(signed(RSA, "RS256", iss=NAME + "x"), id="another issuer"),
        pytest.param(signed(RSA, "RS256", exp=None), id="no end"),
        pytest.param(signed(RSA, "RS256", iat=None), id="no beginning"),
        pytest.param(signed(RSA, "RS256", sub=None), id="nobody"),
    ],
)
async def test_what_the_key_does_not_say_is_refused(provider: Provider, token: str) -> None:
    provider.keys = MIXED
    issuer = issuer_at(provider.url)
    issuers = Issuers([issuer])
    assert await issuers.claims(issuer, signed(RSA, "RS256"))
    with pytest.raises(jwt.InvalidTokenError):
        await issuers.claims(issuer, token)


async def test_keys_that_are_weak_or_for_something_else_are_left_out(provider: Provider) -> None:
    provider.keys = MIXED
    keys = KeySet(provider.url)
    assert await keys.read_anew()
    assert list(keys._keys) == ["k1"]


async def test_keys_are_rotated_with_both_good_meanwhile(provider: Provider) -> None:
    ticks, issuer = Ticks(), issuer_at(provider.url)
    issuers = Issuers([issuer], ticks)
    old, new = signed(RSA, "RS256", "old"), signed(P256, "ES256", "new")
    provider.keys = [published(RSA, "old")]
    await issuers.claims(issuer, old)
    provider.keys = [published(RSA, "old"), published(P256, "new")]
    ticks.now += 11
    await issuers.claims(issuer, new)  # an unknown key is asked for at once
    await issuers.claims(issuer, old)
    assert provider.asked == 2
    provider.keys = [published(P256, "new")]
    ticks.now += 301
    await issuers.claims(issuer, new)
    with pytest.raises(jwt.InvalidTokenError):
        await issuers.claims(issuer, old)


async def test_unknown_keys_are_asked_for_at_a_bounded_pace(provider: Provider) -> None:
    ticks, issuer = Ticks(), issuer_at(provider.url)
    issuers = Issuers([issuer], ticks)
    provider.keys = [published(RSA, "k1")]
    for number in range(50):
        with pytest.raises(jwt.InvalidTokenError):
            await issuers.claims(issuer, signed(RSA, "RS256", f"made-up-{number}"))
        ticks.now += 1
    assert provider.asked == 5


async def test_keys_outlive_a_provider_that_is_away_for_an_hour(provider: Provider) -> None:
    ticks, issuer = Ticks(), issuer_at(provider.url)
    issuers = Issuers([issuer], ticks)
    provider.keys, provider.status = [published(RSA, "k1")], 500
    with pytest.raises(StoreUnavailable):
        await issuers.claims(issuer, signed(RSA, "RS256"))
    provider.status = 200
    ticks.now += 11
    assert await issuers.claims(issuer, signed(RSA, "RS256"))
    provider.status = 302
    ticks.now += 3_599
    assert await issuers.claims(issuer, signed(RSA, "RS256"))
    ticks.now += 2
    with pytest.raises(StoreUnavailable):
        await issuers.claims(issuer, signed(RSA, "RS256"))
    assert await issuers.check() == [NAME]


async def _asked(provider: Provider, times: int) -> None:
    async with asyncio.timeout(AT_ALL):
        while provider.asked < times:
            await asyncio.sleep(0.01)


async def _claims_for_ever(issuers: Issuers, issuer: Issuer) -> None:
    async with asyncio.timeout(AT_ALL):
        while await issuers.claims(issuer, signed(RSA, "RS256")):
            await asyncio.sleep(0.01)


async def test_nobody_whose_key_is_known_waits_for_a_provider_that_is_away(provider: Provider) -> None:
    ticks, issuer = Ticks(), issuer_at(provider.url)
    issuers = Issuers([issuer], ticks)
    provider.keys = [published(RSA, "k1")]
    await issuers.claims(issuer, signed(RSA, "RS256"))
    provider.status = 500
    ticks.now += 301
    await issuers.claims(issuer, signed(RSA, "RS256"))
    provider.silent.set()
    ticks.now += 11
    async with asyncio.timeout(2):
        await issuers.claims(issuer, signed(RSA, "RS256"))
    await _asked(provider, 3)


async def test_keys_are_read_anew_before_they_are_old(provider: Provider) -> None:
    ticks, issuer = Ticks(), issuer_at(provider.url)
    issuers = Issuers([issuer], ticks)
    provider.keys = [published(RSA, "k1")]
    await issuers.claims(issuer, signed(RSA, "RS256"))
    provider.silent.set()
    ticks.now += 241
    await issuers.claims(issuer, signed(RSA, "RS256"))
    await _asked(provider, 2)
    provider.keys = [published(RSA, "k2")]
    provider.speaks.set()
    with pytest.raises(jwt.InvalidTokenError):
        await _claims_for_ever(issuers, issuer)
    assert await issuers.claims(issuer, signed(RSA, "RS256", "k2"))


async def test_who_goes_while_keys_are_read_takes_them_from_nobody_else(provider: Provider) -> None:
    issuer = issuer_at(provider.url)
    issuers = Issuers([issuer])
    provider.keys = [published(RSA, "k1")]
    provider.silent.set()
    impatient, patient = (asyncio.create_task(issuers.claims(issuer, signed(RSA, "RS256"))) for _ in range(2))
    await _asked(provider, 1)
    impatient.cancel()
    provider.speaks.set()
    assert (await patient)["sub"] == "u-1"


async def test_an_address_of_keys_shows_no_secret_of_it_in_the_logs(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.status = 500
    place = provider.url.replace("127.0.0.1", "tagway:hush@127.0.0.1") + "?apikey=hush"
    assert not await KeySet(place).read_anew()
    said = "".join(capsys.readouterr())
    assert "issuer_keys_not_read" in said
    assert "hush" not in said


@pytest.mark.parametrize("body", [b"[" * 200_000, b"", b"[]", b'{"keys": {}}', b'{"keys": "k"}', b" " * 300_000])
async def test_a_set_that_is_none_gives_no_keys(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(body)
    assert await Issuers([issuer_at(str(path))]).check() == [NAME]


async def test_a_visitor_of_a_provider_sees_their_own_profile_only(
    gateway: Gateway, gateway_settings: Settings, tmp_path: Path
) -> None:
    keys, listed = tmp_path / "keys.json", tmp_path / "issuers.json"
    keys.write_text(json.dumps({"keys": [published(ED, "k1")]}))
    listed.write_bytes(msgspec.json.encode([issuer_at(str(keys), gateway.tenant.workspace)]))
    await gateway.batch(event(userId="u-1"))
    settings = msgspec.structs.replace(gateway_settings, token_issuers=listed)
    query = {"query": "{ profile { id } segments { totalCount } }"}
    answers = []
    async with open_resources(settings) as resources, listening(resources) as url, aiohttp.ClientSession() as http:
        for token in (
            signed(ED, "EdDSA"),
            signed(ED, "EdDSA", exp=NOW - timedelta(seconds=1)),
            signed(ED, "EdDSA", exp=NOW + timedelta(hours=2)),
            signed(ED, "EdDSA", iat=NOW + timedelta(days=9), exp=NOW + timedelta(days=9, minutes=30)),
            signed(ED, "EdDSA", sub=""),
            signed(ED, "EdDSA", sub="u-1", ws=str(uuid4())),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            async with http.post(f"{url}/graphql", json=query, headers=headers) as response:
                answers.append(response.status)
        principal = await resources.authenticator.token(signed(ED, "EdDSA"))
    assert answers == [200, 401, 401, 401, 401, 200]
    assert (principal.workspace, principal.user_id, principal.is_end_user) == (gateway.tenant.workspace, "u-1", True)


@pytest.mark.parametrize(
    ("listed", "fault"),
    [
        ("{}", "array"),
        ([{}], "missing required field"),
        ([{**LISTED, "workspace": "7"}], "UUID"),
        ([{**LISTED, "jwks": "http://login.example/keys"}], "https"),
        (
            [{**LISTED, "jwks": "http://a:hush@login.example/keys?key=hush"}],
            "a:…@login.example/keys must",
        ),
        ([{**LISTED, "hours": 25}], "24"),
        ([LISTED, LISTED], "twice"),
    ],
)
def test_a_file_of_issuers_that_is_wrong_is_told_so(tmp_path: Path, listed: Any, fault: str) -> None:
    path = tmp_path / "issuers.json"
    path.write_text(listed if isinstance(listed, str) else json.dumps(listed))
    with pytest.raises(SettingsError, match=fault):
        read_issuers(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_issuers(tmp_path / "none.json")
