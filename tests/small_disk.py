"""A small file system of its own, which a test can fill."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoDisk(Exception):
    """No file system can be mounted here, and why."""


class Disk:
    """A small file system at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        try:
            with (self.folder / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(b"x" * 512)
        except OSError:
            return

    def empty(self) -> None:
        (self.folder / "filler").unlink(missing_ok=True)

    def mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.folder], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size: str = "256k") -> Iterator[Disk]:
    """A disk at *folder*, which must not be there yet. Raises NoDisk."""
    if shutil.which("mount") is None:
        raise NoDisk("mount is not there")
    made = Disk(folder)
    folder.mkdir()
    try:
        made.mount(f"size={size}")
    except subprocess.CalledProcessError as error:
        raise NoDisk(f"no file system can be mounted here: {error.stderr.decode().strip()}") from error
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
