"""Files and directories for their owner only, born so: 0600 in 0700, with no moment in which others could look."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_APPEND = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_APPEND |= getattr(os, "O_NONBLOCK", 0)  # a named pipe in the file's place is refused, and does not wait for a reader


def make_directory(path: Path) -> None:
    """Make ``path`` and every missing parent, 0700. One that is there already keeps its mode. Raises ``OSError``."""
    if not path.parent.is_dir():
        make_directory(path.parent)
    try:
        path.mkdir(mode=0o700)
    except OSError:  # another process was faster, or it has always been there; some systems say EROFS before EEXIST
        if not path.is_dir():
            raise


def create(path: Path) -> BinaryIO:
    """A new file, 0600, open for writing. Raises ``FileExistsError``: a name that is taken, by a link too."""
    return os.fdopen(os.open(path, _NEW, 0o600), "wb")


def open_to_append(path: Path) -> BinaryIO:
    """The file at ``path``, 0600 also where others could read it so far, unbuffered, each write at its end."""
    descriptor = os.open(path, _APPEND, 0o600)
    if os.name == "posix" and os.fstat(descriptor).st_mode & 0o077:
        with contextlib.suppress(OSError):  # somebody else's, or a disk without modes
            os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab", buffering=0)


def replace(path: Path, data: bytes) -> None:
    """Make ``data`` the whole content of ``path``, 0600: after a crash the old or the new is there, never half.

    A link is followed, so that a configuration kept elsewhere stays there. Raises ``OSError``.
    """
    target = Path(os.path.realpath(path))
    aside = beside(target)
    try:
        with create(aside) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    sync_directory(target.parent)


def beside(path: Path) -> Path:
    """A name in the same directory that nobody else has, for a file that will be renamed to ``path``."""
    return path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}.tmp")


def sync_directory(path: Path) -> None:
    """Make renames in ``path`` last through a power cut, where the system can."""
    with contextlib.suppress(OSError):  # not on Windows, nor on every network disk: the rename itself stands
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
