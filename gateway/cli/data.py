"""The data folder of `tagway up`: one owner at a time, secrets that only we can read, and what other commands find."""

import base64
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from domain.errors import CannotRun
from gateway.settings import Settings
from stores.embedded.account import make_passage, write_private


class AlreadyUp(CannotRun):
    """Another `tagway up` runs on this data."""


class DevKeys(msgspec.Struct, frozen=True):
    """What `keys.json` holds: the development workspace's id and the keys that `make up` prints."""

    workspace: str
    write_key: str
    secret_key: str


class DataFolder:
    """The files of one data folder, made when it does not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.keys = self.path / "keys.json"
        self.stores = self.path / "stores.json"
        self.master_key = self.path / "master.key"
        self.spool = self.path / "spool"
        self.erasure_journal = self.path / "erasures.jsonl"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Own the folder; the kernel gives it back however we end. Raises `AlreadyUp`."""
        if os.geteuid() == 0:
            make_passage(self.path)  # root's servers run as another account, which must pass through
        else:
            self.path.mkdir(mode=0o700, exist_ok=True)
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise AlreadyUp(f"tagway up already runs on {self.path} (process {file.read().strip()})") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                self.stores.unlink(missing_ok=True)

    def make_master_key(self) -> Path:
        """Return the file of the master key, made at the first call. Lose it and what it sealed is lost."""
        if not self.master_key.exists():
            write_private(self.master_key, base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        return self.master_key

    def read_keys(self) -> list[DevKeys]:
        """Return the keys that earlier runs printed, those of the folder's own stores first."""
        files = [self.keys, *sorted(self.path.glob("keys-*.json"))]
        return [keys for file in files if (keys := _read_keys(file)) is not None]

    def write_keys(self, keys: DevKeys, *, own: bool) -> Path:
        """Keep the keys for the next run and for those who try it out, and return the file that holds them.

        `own` says that they are of the folder's own stores. Those of other stores never take their place.
        """
        file = self.keys
        kept = _read_keys(file)
        if not own and kept is not None and kept.workspace != keys.workspace:
            file = self.path / f"keys-{keys.workspace}.json"
        if _read_keys(file) != keys:
            write_private(file, msgspec.json.format(msgspec.json.encode(keys)).decode() + "\n")
        return file

    def publish(self, settings: Settings) -> None:
        """Tell the other commands where the running stores are, for as long as we own the folder."""
        write_private(self.stores, msgspec.json.encode(settings.environment()).decode())


def _read_keys(file: Path) -> DevKeys | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=DevKeys)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def find_made_key(settings: Settings) -> Settings:
    """Return the settings with the master key that `tagway up` has made in the data folder, where none was set."""
    made = DataFolder(settings.data).master_key
    if settings.master_key is None and settings.master_key_file is None and made.exists():
        return msgspec.structs.replace(settings, master_key_file=made)
    return settings


def find_stores(settings: Settings) -> Settings:
    """Return the settings with the stores of a running `tagway up`, where none were set. Raises `SettingsError`."""
    folder = DataFolder(settings.data)
    if settings.postgres_url is not None or not folder.stores.exists():
        return settings
    running = Settings.read(msgspec.json.decode(folder.stores.read_bytes(), type=dict[str, str]))
    brokers = running if settings.kafka_bootstrap is None else settings
    return msgspec.structs.replace(
        settings,
        postgres_url=running.postgres_url,
        redis_url=settings.redis_url or running.redis_url,
        **{name: getattr(brokers, name) for name in Settings.__struct_fields__ if name.startswith("kafka_")},
        erasure_journal=settings.erasure_journal or running.erasure_journal,
        master_key_file=settings.master_key_file or (None if settings.master_key else running.master_key_file),
    )
