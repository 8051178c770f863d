"""Which account runs the embedded servers, and where that account can reach their files."""

import hashlib
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

STATE = Path("/var/lib/tagway")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged system account, used when we run as root: Postgres refuses to run as root."""

    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> "Account | None":
        """`nobody` when we are root; None for a plain user, whose servers run as that user."""
        if os.geteuid() != 0:
            return None
        entry = pwd.getpwnam("nobody")
        return cls(entry.pw_uid, entry.pw_gid)

    def reaches(self, path: Path) -> bool:
        """Whether this account may enter every folder above `path` and read and execute `path` itself."""
        real = path.resolve()
        return all(self._may(folder, 0o1) for folder in real.parents) and self._may(real, 0o5)

    def enters(self, folder: Path) -> bool:
        """Whether this account may pass through `folder` and every folder above it."""
        real = folder.resolve()
        return all(self._may(each, 0o1) for each in (real, *real.parents))

    def _may(self, path: Path, bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            bits <<= 6
        elif status.st_gid == self.gid:
            bits <<= 3
        return stat.S_IMODE(status.st_mode) & bits == bits


def make_home(home: Path, account: Account | None) -> Path:
    """Make the folder of one server and return its real path.

    A folder below a private one (a clone in root's home) cannot be entered by the unprivileged account. Permissions of
    folders that are not ours are never widened: the home then lives in `/var/lib/tagway`, and `home` is a link to it.
    """
    if home.is_dir():
        return home.resolve()
    home.parent.mkdir(parents=True, exist_ok=True)
    if account is None:
        home.mkdir(mode=0o700)
    elif account.enters(home.parent):
        make_passage(home)
    else:
        make_passage(STATE)
        digest = hashlib.sha256(os.fsencode(home.absolute())).hexdigest()[:8]
        place = Path(tempfile.mkdtemp(prefix=f"{home.name}-{digest}-", dir=STATE))
        place.chmod(0o711)
        home.unlink(missing_ok=True)  # a link whose place was removed
        home.symlink_to(place)
    return home.resolve()


def make_passage(folder: Path) -> None:
    """Make one folder of ours that others may pass through but not list."""
    if not folder.is_dir():
        folder.mkdir()
        folder.chmod(0o711)


def make_private(folder: Path, account: Account | None) -> None:
    """Make one folder that only the servers' account can use."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account is not None:
        os.chown(folder, account.uid, account.gid)


def write_private(path: Path, text: str, account: Account | None = None) -> None:
    """Write a secret that only we, or only `account`, can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if account is not None:
            os.fchown(descriptor, account.uid, account.gid)
