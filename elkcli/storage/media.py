"""The media of conversations on disk: files named by what is in them, so that a picture is kept once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, cast

from elkcli.media import sniff
from elkcli.storage import private

_STEP = 1 << 20
_IN_FLIGHT = 3600.0
"""Seconds during which a file that no message names may still be about to get its message."""


class MediaFiles:
    """The directory ``media`` beside the store."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str) -> Path:
        """Where the file called ``name`` lies."""
        return self.directory / name

    def keep(self, source: bytes | Path) -> str:
        """Store the bytes, or a copy of the file, and return its name here. Raises ``OSError``."""
        private.make_directory(self.directory)
        if isinstance(source, bytes):
            name = _name(hashlib.sha256(source), source[:_STEP])
            if not self.path(name).exists():
                self._write(name, lambda file: cast(object, file.write(source)))
            return name
        with source.open("rb") as original:
            first = original.read(_STEP)
            digest = hashlib.sha256(first)
            while piece := original.read(_STEP):
                digest.update(piece)
            name = _name(digest, first)
            if not self.path(name).exists():
                original.seek(0)
                self._write(name, lambda file: shutil.copyfileobj(original, file, _STEP))
        return name

    def _write(self, name: str, fill: Callable[[BinaryIO], object]) -> None:
        aside = private.beside(self.path(name))
        try:
            with private.create(aside) as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())  # the name promises the content, after a power cut too
            aside.replace(self.path(name))
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise

    def read(self, name: str) -> bytes | None:
        """The bytes of the file called ``name``; ``None`` if somebody took it away."""
        try:
            return self.path(name).read_bytes()
        except OSError:
            return None

    def remove(self, names: Iterable[str]) -> None:
        """Delete these files; those that are gone already are no matter."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self.path(name).unlink()

    def strays(self, known: Callable[[str], bool]) -> list[str]:
        """Files that no message names and none is about to: what a killed process left behind."""
        long_ago = time.time() - _IN_FLIGHT
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self.directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat().st_mtime < long_ago and not known(entry.name):
                        found.append(entry.name)
        return found


def _name(digest: hashlib._Hash, head: bytes) -> str:
    kind = sniff(head)
    return f"{digest.hexdigest()}.{kind.extension}" if kind else digest.hexdigest()
