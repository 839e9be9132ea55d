"""A file where the person wants it: whole or not at all, over nothing unasked; a device is written to, not replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from elkcli.storage import private

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}


def is_special(path: Path) -> bool:
    """Whether the name is that of a device or pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def create(path: Path, data: bytes) -> None:
    """A new file with these bytes, whole or not at all. Raises ``FileExistsError`` where the name is taken."""
    if _wrote_to_special(path, data):
        return
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    aside = private.beside(path)
    try:
        _fill(aside, data)
        try:
            os.link(aside, path, follow_symlinks=False)
        except OSError as problem:
            if problem.errno not in _NO_LINKS:
                raise
            _fill(path, data)  # a file system without links: still never over another file
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
    private.sync_directory(path.parent)


def replace(path: Path, data: bytes) -> None:
    """The file at ``path``, old or new, never half."""
    if _wrote_to_special(path, data):
        return
    target = Path(os.path.realpath(path))
    aside = private.beside(target)
    try:
        _fill(aside, data)
        aside.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    private.sync_directory(target.parent)


def _wrote_to_special(path: Path, data: bytes) -> bool:
    """Write to a device or pipe, where it is one: there is nothing to take the place of."""
    special = is_special(path)
    if special:
        path.write_bytes(data)
    return special


def _fill(path: Path, data: bytes) -> None:
    """A new file, readable as the person's umask has it, with its bytes on the disk. Nothing is left of a failure."""
    descriptor = os.open(path, _NEW, 0o666)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) or 0 :]
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
