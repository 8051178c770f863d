"""Trying a disk before it is needed."""

import os
import tempfile
from pathlib import Path


def try_to_write(folder: Path) -> None:
    """Write a byte to the folder's disk, sync it and leave nothing. Raises `OSError`.

    Rights alone do not tell: a disk may be mounted to be read only, or be full.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0")
        file.flush()
        os.fsync(file.fileno())
