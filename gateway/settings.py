"""The settings: read once from the environment, checked, frozen. The only reader of `os.environ`."""

import base64
import difflib
import os
import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self, get_args, get_origin

import msgspec

from domain.errors import CannotRun
from domain.pace import MOST_EVENTS
from gateway.addresses import POSTGRES, REDIS, WEB, check_brokers, check_url, show_url

PREFIX: Final = "TAGWAY_"
_MASTER_KEY_BYTES: Final = 32
_SECRET: Final = frozenset({"master_key", "previous_master_key", "kafka_password"})
_URLS: Final = {"public_url": WEB, "postgres_url": POSTGRES, "redis_url": REDIS}
"""The settings that are URLs, with their schemes."""

_PROVIDER: Final = re.compile(r"local|\w+(\.\w+)*:\w+")

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Points = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class SettingsError(CannotRun):
    """The settings are not usable; each line of the message names one fault."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is told. A field `name` is set by `TAGWAY_NAME`; README explains each."""

    profile: Literal["dev", "production"] = "dev"
    host: str = "127.0.0.1"
    port: Port = 8000
    public_url: str | None = None
    """Where browsers reach the gateway, when that is not http://host:port."""
    base_path: Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9._~-]+)+\Z", max_length=200)] | None = None
    """A path that a site passes on to the gateway, as `/t`: everything is served under it too."""
    data: Path = Path(".tagway")
    """The folder of the embedded servers and of `keys.json`."""
    postgres_url: str | None = None
    redis_url: str | None = None
    kafka_bootstrap: str | None = None
    """Unset: the event log lives in Postgres."""
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How the brokers are spoken to: `ssl` is TLS, `sasl` a login."""
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_user: str | None = None
    kafka_password: str | None = None
    kafka_ca_file: Path | None = None
    """The certificates that sign the brokers', in PEM; unset: those that the machine trusts."""
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None
    """Our own certificate and its key without a password, in PEM, for brokers that ask for one."""
    master_key: str | None = None
    """32 bytes in base64 or hex; wraps the keys of the workspaces."""
    master_key_file: Path | None = None
    previous_master_key: str | None = None
    """The key before this one or the one to come: it opens what it wrapped, and wraps nothing."""
    previous_master_key_file: Path | None = None
    key_provider: str = "local"
    """`local`: the master key above; `package.module:factory`: a key service, see docs/operate.md."""
    postgres_program: Path | None = None
    valkey_program: Path | None = None
    """Programs of the embedded servers, when the installed packages shall not be used."""
    postgres_connections: Count = 10
    """Connections of one process."""
    spool: Path | None = None
    """The folder that keeps requests while the log or Postgres is away; unset: `spool` in the data folder."""
    spool_megabytes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 512
    """The most that one gateway keeps there; 0: nothing, it answers 503 instead."""
    log_partitions: Count = 4
    """Partitions of each topic when it is made: the most builders that can share the work."""
    erasure_journal: Path | None = None
    """The file that remembers erasures beside the database, so that an old backup brings nobody back."""
    log_retention_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 30
    """How long the event log and dead letters are kept; for Kafka's topics, when they are made."""
    build_metrics_port: Port | None = None
    """Where a builder shows its metrics, at /metrics of `host`; unset: nowhere. The gateway's are on its own port."""
    events_per_second: Points = 20_000
    """Events that one key may send each second."""
    events_at_once: Annotated[int, msgspec.Meta(ge=MOST_EVENTS, le=1_000_000_000)] = 200_000
    """Events that one key may send at once after a pause; the largest request must fit."""
    looks_per_minute: Limit = 60
    people_per_day: Limit = 1_000
    """How much personal data one key may be shown."""
    holidays: tuple[date, ...] = ()
    """Days that are no business days beside Saturdays and Sundays, as `2026-11-26,2026-12-25`."""
    train_hours: Count = 24
    """How often `tagway train --watch` trains a workspace that has new events."""
    train_events: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """After how many new events it trains earlier."""
    query_manifest: Path | None = None
    """The file with the documents that every key and visitor may run; in production others need `queries:adhoc`."""
    query_points: Points = 200_000
    """Points that one key may save up for GraphQL; an operation costs one for each object it may return."""
    query_points_per_second: Points = 20_000
    """Points that one key gets back each second."""
    token_issuers: Path | None = None
    """The JSON file that lists identity providers whose tokens speak for visitors, see docs/operate.md."""
    traces: Literal["off", "otlp"] = "off"
    """`otlp`: spans are sent to where OTEL_EXPORTER_OTLP_ENDPOINT says; needs `tagway[traces]`."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the `TAGWAY_` names of a mapping. Empty values count as unset. Raises `SettingsError`."""
        given = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
        known = {PREFIX + field.upper(): field for field in cls.__struct_fields__}
        faults = [_unknown(name, list(known)) for name in given if name not in known]
        values = {known[name]: value for name, value in given.items() if name in known}
        settings = cls()
        for name, value in values.items():  # one by one, to report every fault at once and none with its value
            try:
                settings = msgspec.structs.replace(settings, **_convert(cls, name, value))
            except (msgspec.ValidationError, ValueError) as error:
                faults.append(f"{PREFIX}{name.upper()}: {_reason(error)}")
        faults += _contradictions(settings) if not faults else []
        if faults:
            raise SettingsError("\n".join(faults))
        return settings

    def needs(self, *names: str) -> None:
        """Raise `SettingsError` unless these fields are set."""
        missing = [PREFIX + name.upper() for name in names if getattr(self, name) is None]
        if missing:
            raise SettingsError(f"set {' and '.join(missing)}, or run `tagway up`, which brings its own stores")

    def read_master_key(self) -> bytes:
        """Return the 32 bytes of the master key. Raises `SettingsError` when there is none or it is malformed."""
        key = _read_key(self.master_key, self.master_key_file)
        if key is None:
            raise SettingsError("set TAGWAY_MASTER_KEY or TAGWAY_MASTER_KEY_FILE")
        return key

    def read_previous_master_key(self) -> bytes | None:
        """Return the master key before this one, if it is named. Raises `SettingsError` when it is malformed."""
        return _read_key(self.previous_master_key, self.previous_master_key_file)

    @property
    def spool_folder(self) -> Path:
        """Where requests are kept while a store is away."""
        return self.spool or self.data / "spool"

    @property
    def log_retention(self) -> timedelta:
        """How long the event log is kept."""
        return timedelta(days=self.log_retention_days)

    @property
    def address(self) -> str:
        """Where browsers reach the gateway, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def environment(self) -> dict[str, str]:
        """Return what `read` turns back into these settings: the environment for a child process."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        return {PREFIX + name.upper(): _written(value) for name, value in given.items() if value is not None}

    def describe(self) -> list[tuple[str, str]]:
        """Return (name, value) of every setting, secrets hidden."""
        return [(PREFIX + name.upper(), _shown(name, getattr(self, name))) for name in self.__struct_fields__]


def read_settings() -> Settings:
    """Read the settings of this process. Raises `SettingsError`."""
    return Settings.read(os.environ)


def child_environment(settings: Settings) -> dict[str, str]:
    """Return our environment with its `TAGWAY_` names replaced by `settings`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | settings.environment()


def _read_key(text: str | None, file: Path | None) -> bytes | None:
    if file is not None:
        try:
            text = file.read_text("ascii")
        except OSError as error:
            raise SettingsError(f"the master key file cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError("the master key file is no text: write its 32 bytes in base64 or hex") from None
    return decode_master_key(text) if text else None


def decode_master_key(text: str) -> bytes:
    """Decode 32 bytes from base64 (either alphabet) or hex. Raises `SettingsError`."""
    text = text.strip()
    try:
        if re.fullmatch(r"[0-9a-fA-F]{64}", text):
            return bytes.fromhex(text)
        key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except ValueError:  # also of letters outside ASCII, which are not even wrong base64
        key = b""
    if len(key) != _MASTER_KEY_BYTES:
        raise SettingsError("the master key must be 32 bytes in base64 or hex")
    return key


def _convert(cls: type[Settings], name: str, value: str) -> dict[str, object]:
    kind = cls.__annotations__[name]
    if kind in (Path, Path | None):
        return {name: Path(value)}
    if name in _URLS:
        check_url(value, _URLS[name])
    if name == "kafka_bootstrap":
        check_brokers(value)
    if name == "key_provider" and not _PROVIDER.fullmatch(value):
        raise ValueError("is neither `local` nor package.module:factory")
    if kind == tuple[date, ...]:
        return {name: msgspec.convert([day.strip() for day in value.split(",")], kind)}
    choices = _choices(kind)
    if choices and value not in choices:
        raise ValueError(f"is not one of {', '.join(choices)}")
    return {name: msgspec.convert(value, kind, strict=False)}


def _choices(kind: object) -> tuple[str, ...]:
    """Return the texts that a kind is limited to, if it is."""
    literals = [each for each in (kind, *get_args(kind)) if get_origin(each) is Literal]
    return get_args(literals[0]) if literals else ()


def _contradictions(settings: Settings) -> list[str]:
    """Say what single values cannot show."""
    faults = []
    if settings.master_key and settings.master_key_file:
        faults.append("TAGWAY_MASTER_KEY and TAGWAY_MASTER_KEY_FILE are both set: keep one")
    if settings.previous_master_key and settings.previous_master_key_file:
        faults.append("TAGWAY_PREVIOUS_MASTER_KEY and TAGWAY_PREVIOUS_MASTER_KEY_FILE are both set: keep one")
    if settings.profile == "production":
        master_key = settings.master_key or settings.master_key_file
        needed = {"TAGWAY_POSTGRES_URL": settings.postgres_url, "TAGWAY_REDIS_URL": settings.redis_url}
        if settings.key_provider == "local":
            needed["TAGWAY_MASTER_KEY or TAGWAY_MASTER_KEY_FILE"] = "set" if master_key else None
        faults += [f"TAGWAY_PROFILE=production needs {name}" for name, value in needed.items() if not value]
    return faults + _kafka_contradictions(settings)


def _kafka_contradictions(settings: Settings) -> list[str]:
    """Hold what is said about the brokers to `TAGWAY_KAFKA_SECURITY`, so that nothing goes in the clear by mistake."""
    security = settings.kafka_security
    login = ("kafka_sasl_mechanism", "kafka_user", "kafka_password")
    own = ("kafka_certificate_file", "kafka_key_file")
    given = {name for name in (*login, *own, "kafka_ca_file") if getattr(settings, name) is not None}
    asked = f"{PREFIX}KAFKA_SECURITY={security}"
    faults = []
    if settings.kafka_bootstrap is None and (given or security != "plaintext"):
        return [f"{PREFIX}KAFKA_BOOTSTRAP is not set, and what is said about its brokers is: set it, or take that away"]
    if security.startswith("sasl"):
        faults += [f"{asked} needs {PREFIX}{name.upper()}" for name in login if name not in given]
    if useless := [name for name in login if name in given and not security.startswith("sasl")]:
        faults.append(f"{asked} has no use for {_listed(useless)}: did you mean sasl_ssl?")
    if useless := [name for name in (*own, "kafka_ca_file") if name in given and not security.endswith("ssl")]:
        meant = security.replace("plaintext", "ssl")
        faults.append(f"{asked} has no use for {_listed(useless)}: did you mean {meant}?")
    if len(given.intersection(own)) == 1:
        faults.append(f"{_listed(own)} belong together: set both")
    return faults


def _listed(names: Collection[str]) -> str:
    return " and ".join(PREFIX + name.upper() for name in names)


def _reason(error: Exception) -> str:
    return str(error).split(", got", maxsplit=1)[0]


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"{name} is not a setting" + (f": did you mean {close[0]}?" if close else "")


def _written(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _shown(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in _SECRET:
        return "(set)"
    if name in _URLS:
        return show_url(str(value))
    return _written(value)
