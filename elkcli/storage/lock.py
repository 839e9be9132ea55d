"""One writer at a time: a lock between processes, held by a file beside what is written."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elkcli.errors import ElkError
from elkcli.storage.private import make_directory, open_to_append

PATIENCE = 10.0


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of ``directory``, which is made if need be. Raises :class:`ElkError` after ten seconds."""
    make_directory(directory)
    with open_to_append(directory / ".lock") as file:
        ends = time.monotonic() + PATIENCE
        while not _try(file.fileno()):
            if time.monotonic() > ends:
                raise ElkError(f"another process has held {directory / '.lock'} for {PATIENCE:.0f} seconds")
            time.sleep(0.01)
        yield  # closing the file lets go


def _try(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
