import base64
from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import Settings, SettingsError, decode_master_key

_KEY = base64.b64encode(bytes(range(32))).decode()
_PRODUCTION = {
    "TAGWAY_PROFILE": "production",
    "TAGWAY_POSTGRES_URL": "postgresql://tagway:hush-pg@db.example:5432/tagway?sslmode=require&password=hush-query",
    "TAGWAY_REDIS_URL": "redis://:hush-redis@cache.example:6379/0",
    "TAGWAY_MASTER_KEY": _KEY,
}


def test_the_defaults_are_the_embedded_mode() -> None:
    settings = Settings.read({"PATH": "/bin"})
    assert (settings.port, settings.postgres_url, settings.profile) == (8000, None, "dev")
    assert settings.address == "http://127.0.0.1:8000"


def test_values_are_typed() -> None:
    settings = Settings.read({"TAGWAY_PORT": "9000", "TAGWAY_DATA": "/var/data", "TAGWAY_REDIS_URL": ""})
    assert (settings.port, settings.data, settings.redis_url) == (9000, Path("/var/data"), None)


def test_every_fault_is_named_and_no_value_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({"TAGWAY_PORT": "hush", "TAGWAY_PROFILE": "hush", "TAGWAY_POSTGRES_ULR": "hush"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "TAGWAY_POSTGRES_ULR is not a setting: did you mean TAGWAY_POSTGRES_URL?" in lines
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TAGWAY_REDIS_URL", "http://cache.example"),
        ("TAGWAY_POSTGRES_URL", "db.example/tagway"),
        ("TAGWAY_PUBLIC_URL", "shop.example"),
        ("TAGWAY_KAFKA_BOOTSTRAP", "broker"),
        ("TAGWAY_KAFKA_BOOTSTRAP", "kafka://broker:9092"),
        ("TAGWAY_KAFKA_BOOTSTRAP", "broker:9092,"),
    ],
)
def test_an_address_of_another_kind_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: is not"):
        Settings.read({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_URL", "postgresql://tagway:hu[sh@db.example/tagway"),
        ("POSTGRES_URL", "postgresql://tagway:hush#hush@db.example/tagway"),
        ("POSTGRES_URL", "postgresql://tagway:12/hush@db.example/tagway"),
        ("POSTGRES_URL", "postgresql://tagway:12?hush@db.example/tagway"),
        ("POSTGRES_URL", "postgresql://tagway:hush@hush@db.example/tagway"),
        ("POSTGRES_URL", "postgresql://db.example:hush/tagway"),
        ("POSTGRES_URL", "postgresql://one.example:5432,two.example:99999/tagway"),
        ("POSTGRES_URL", "postgresql://one.example,,two.example/tagway"),
        ("REDIS_URL", "redis://:hu[sh@cache.example"),
        ("REDIS_URL", "redis://:super/hush@cache.example:6379/0"),
        ("REDIS_URL", "redis://:12/hush@cache.example:6379/0"),
        ("REDIS_URL", "redis://cache.example:hush"),
        ("PUBLIC_URL", "https://:8000"),
        ("KAFKA_BOOTSTRAP", "broker.example:9092,broker.example:9999999"),
    ],
)
def test_an_address_that_would_end_a_driver_is_refused_unseen(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"TAGWAY_{name}: .* up to 65535|TAGWAY_PUBLIC_URL") as caught:
        Settings.read({f"TAGWAY_{name}": value})
    assert "hush" not in str(caught.value)
    assert "hu[sh" not in str(caught.value)
    shown = str(msgspec.structs.replace(Settings(), **{name.lower(): value}).describe())
    assert "hush" not in shown
    assert "hu[sh" not in shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("POSTGRES_URL", "postgresql:///tagway?host=/run/postgresql&user=tagway", "postgresql:///tagway"),
        ("POSTGRES_URL", "postgresql://tagway:hush@/tagway?host=/run/postgresql", "postgresql://tagway:…@/tagway"),
        (
            "POSTGRES_URL",
            "postgresql://tagway@%2Frun%2Fpostgresql/tagway",
            "postgresql://tagway@%2Frun%2Fpostgresql/tagway",
        ),
        (
            "POSTGRES_URL",
            "postgres://a:hush@one:5432,[::1]:5433,two/tagway",
            "postgres://a:…@one:5432,[::1]:5433,two/tagway",
        ),
        ("POSTGRES_URL", "postgresql://tagway:hush%23%2F@db.example/tagway", "postgresql://tagway:…@db.example/tagway"),
        ("REDIS_URL", "unix://:hush@/run/valkey@1.sock?db=2", "unix://:…@/run/valkey@1.sock"),
        ("REDIS_URL", "unix:///run/valkey@1.sock", "unix:///run/valkey@1.sock"),
        ("REDIS_URL", "redis://:hush@hush@cache.example/0", "redis://:…@cache.example/0"),
        ("REDIS_URL", "redis://:6379/0", "redis://:6379/0"),
        ("REDIS_URL", "rediss://[::1]:6379/0?ssl_cert_reqs=none", "rediss://[::1]:6379/0"),
    ],
)
def test_what_a_driver_takes_is_taken_and_shown_without_its_password(name: str, value: str, shown: str) -> None:
    assert dict(Settings.read({f"TAGWAY_{name}": value}).describe())[f"TAGWAY_{name}"] == shown


def test_brokers_are_listed_with_commas() -> None:
    assert Settings.read({"TAGWAY_KAFKA_BOOTSTRAP": "one.example:9092, two.example:9092"}).kafka_bootstrap


def _kafka(**settings: str) -> dict[str, str]:
    given = {"bootstrap": "broker.example:9093", **settings}
    return {f"TAGWAY_KAFKA_{name.upper()}": value for name, value in given.items()}


_LOGIN = {"sasl_mechanism": "SCRAM-SHA-512", "user": "tagway", "password": "hush-kafka"}


@pytest.mark.parametrize(
    "settings",
    [
        _kafka(security="ssl"),
        _kafka(security="ssl", ca_file="ca.pem", certificate_file="own.pem", key_file="own.key"),
        _kafka(security="sasl_ssl", ca_file="ca.pem", **_LOGIN),
        _kafka(security="sasl_plaintext", **_LOGIN),
    ],
)
def test_what_brokers_ask_for_reads_back(settings: dict[str, str]) -> None:
    read = Settings.read(settings)
    assert Settings.read(read.environment()) == read
    assert "hush" not in str(read.describe())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (_kafka(security="sasl_ssl", user="tagway"), "sasl_ssl needs TAGWAY_KAFKA_SASL_MECHANISM"),
        (_kafka(security="sasl_ssl", user="tagway"), "sasl_ssl needs TAGWAY_KAFKA_PASSWORD"),
        (_kafka(**_LOGIN), "plaintext has no use for TAGWAY_KAFKA_SASL_MECHANISM and TAGWAY_KAFKA_USER and"),
        (_kafka(security="ssl", user="tagway"), "ssl has no use for TAGWAY_KAFKA_USER: did you mean sasl_ssl?"),
        (_kafka(ca_file="ca.pem"), "plaintext has no use for TAGWAY_KAFKA_CA_FILE: did you mean ssl?"),
        (_kafka(security="sasl_plaintext", ca_file="ca.pem", **_LOGIN), "did you mean sasl_ssl?"),
        (_kafka(security="ssl", key_file="own.key"), "KEY_FILE belong together"),
        ({"TAGWAY_KAFKA_SECURITY": "ssl"}, "TAGWAY_KAFKA_BOOTSTRAP is not set"),
        (_kafka(security="tls"), "TAGWAY_KAFKA_SECURITY: is not one of plaintext, ssl,"),
        (_kafka(sasl_mechanism="hush"), "TAGWAY_KAFKA_SASL_MECHANISM: is not one of PLAIN,"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read(settings)
    assert said in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("missing", ["TAGWAY_POSTGRES_URL", "TAGWAY_REDIS_URL", "TAGWAY_MASTER_KEY"])
def test_production_refuses_to_start_without(missing: str) -> None:
    Settings.read(_PRODUCTION)
    with pytest.raises(SettingsError, match=missing):
        Settings.read({name: value for name, value in _PRODUCTION.items() if name != missing})


def test_a_description_hides_secrets() -> None:
    described = dict(Settings.read(_PRODUCTION).describe())
    assert described["TAGWAY_POSTGRES_URL"] == "postgresql://tagway:…@db.example:5432/tagway"
    assert described["TAGWAY_MASTER_KEY"] == "(set)"
    assert "hush" not in str(described)
    assert _KEY not in str(described)


def test_an_environment_reads_back_as_the_same_settings() -> None:
    settings = Settings.read(_PRODUCTION | {"TAGWAY_PORT": "81", "TAGWAY_HOLIDAYS": "2026-11-26, 2026-12-25"})
    assert settings.holidays == (date(2026, 11, 26), date(2026, 12, 25))
    assert Settings.read(settings.environment()) == settings


def test_the_master_key_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_text(_KEY + "\n")
    assert Settings.read({"TAGWAY_MASTER_KEY_FILE": str(file)}).read_master_key() == bytes(range(32))
    with pytest.raises(SettingsError):
        Settings.read({"TAGWAY_MASTER_KEY_FILE": str(tmp_path / "none")}).read_master_key()


def test_a_master_key_file_of_raw_bytes_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    file.write_bytes(bytes(range(224, 256)))
    with pytest.raises(SettingsError, match="is no text: write its 32 bytes in base64 or hex"):
        Settings(master_key_file=file).read_master_key()


@given(st.binary(min_size=32, max_size=32))
def test_a_master_key_may_be_base64_or_hex(key: bytes) -> None:
    for text in (key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("=")):
        assert decode_master_key(text) == key


@pytest.mark.parametrize("text", ["", "short", "z" * 64, "ä" * 43, base64.b64encode(bytes(31)).decode()])
def test_other_master_keys_are_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        decode_master_key(text)
