"""The result file of a batch: appended to while it runs, read again to go on, put in order when it is whole.

Each result is one write at the end of the file, as soon as it is there, so that kill -9 loses none. A later run keeps
the results, drops the failures (their lines are sent again) and mends a last line that was torn.
"""

from __future__ import annotations

import json
import os
import re
import sys
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from elkcli.batch.jobs import Job, key_of
from elkcli.batch.marks import Marks
from elkcli.batch.results import encoded
from elkcli.errors import ElkError, UsageError
from elkcli.storage.private import beside, sync_directory

# how our own lines begin; anything else that is a result is read as JSON
_MOST = 10**15  # no input has more lines, and what is counted in sixty-four bits takes no number of any length
_HEAD = re.compile(rb'\{"id": (null|-?[0-9.eE+-]+|"(?:[^"\\]|\\.)*"), "index": (\d{1,15}), ')
_NEW_LINE = b'{"id":'


class ResultFile:
    """An open result file. Make it with ``open``; ``earlier`` marks what it holds already."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self.earlier = Marks()
        self.kept = 0
        self.dropped = 0
        self.tokens = 0
        self._moved: dict[tuple[int, int], int] = {}  # where results are to go whose line is elsewhere in the input now
        self._last = -1
        self._in_order = True

    @classmethod
    def open(cls, path: Path) -> ResultFile:
        """Open ``path`` to go on with it, or make it. Raises :class:`UsageError` where it holds something else."""
        real = Path(os.path.realpath(path))
        try:
            file = _opened(real)
        except OSError as problem:
            raise UsageError(f"--output: cannot write {path}: {problem.strerror}") from problem
        results = cls(real, file)
        try:
            _lock(file, path)
            end, torn = results._survey(path)
            if results.dropped:
                results._rewrite(results._good_lines(end))
            elif torn:
                results._file.truncate(end)
        except OSError as problem:
            results.close()
            raise UsageError(f"--output: cannot write {path}: {problem.strerror}") from problem
        except UsageError:
            results.close()
            raise
        return results

    # Going on

    def has(self, job: Job) -> bool:
        """Whether a result of ``job`` is there, which then counts no more. Without a digest it is told by its index."""
        place = self.earlier.take(job.key, job.index)
        if place is None and job.id is None:
            place = self.earlier.take(key_of(None, job.index, None), job.index)
        if place is None:
            return False
        if place != job.index:
            self._moved[job.key, place] = job.index
        return True

    def _survey(self, shown: Path) -> tuple[int, bool]:
        """Read what is there. Returns where the whole lines end, and whether something torn follows."""
        end = 0
        for number, (start, raw) in enumerate(_lines(self._file), 1):
            found = _result(raw)
            whole = raw.endswith(b"\n")
            if found is None and not whole and _may_be_torn(raw):
                return end, True
            if found is None:
                raise UsageError(
                    f"--output: {shown}, line {number} is no result of a batch; the file is left as it is",
                    hint="name another file",
                )
            end = start + len(raw)
            if not whole:  # killed between a line and its end
                self._file.write(b"\n")
                end += 1
            self._count(found)
        return end, False

    def _count(self, found: dict[str, Any]) -> None:
        if "error" in found:
            self.dropped += 1
            return
        digest = found.get("digest")
        index: int = found["index"]
        self.earlier.add(key_of(found.get("id"), index, digest if isinstance(digest, str) else None), index)
        self.kept += 1
        self._see(index)
        usage = found.get("usage")
        total = usage.get("total_tokens") if isinstance(usage, dict) else None
        if isinstance(total, int) and not isinstance(total, bool):
            self.tokens += total

    def _good_lines(self, end: int) -> Iterator[bytes]:
        for start, raw in _lines(self._file):
            if start >= end:
                return
            found = _result(raw)
            if found is not None and "error" not in found:
                yield raw

    # Writing

    def write(self, line: bytes, index: int) -> None:
        """Append one result, or none of it. Raises :class:`ElkError`."""
        try:
            rest = line
            while rest:  # a disk that is nearly full takes a part
                rest = rest[self._file.write(rest) :]
            self._see(index)
        except OSError as problem:
            with suppress(OSError):
                end = os.fstat(self._file.fileno()).st_size - (len(line) - len(rest))
                os.ftruncate(self._file.fileno(), end)
            raise ElkError(f"cannot write {self.path}: {problem.strerror}") from problem

    def _see(self, index: int) -> None:
        if index <= self._last:
            self._in_order = False
        self._last = max(self._last, index)

    def restore(self) -> bool:
        """Put the results back where somebody removed the file meanwhile: they were paid for. Whether that was so.

        What has taken the file's place is left alone: ``path`` is then a name beside it. Raises :class:`ElkError`.
        """
        try:
            if sys.platform == "win32" or os.fstat(self._file.fileno()).st_nlink:
                return False
            name, number = self.path.name, 1
            while self.path.exists():
                self.path, number = self.path.with_name(f"{name}.{number}"), number + 1
            self._rewrite(raw for _, raw in _lines(self._file))
        except OSError as problem:
            raise ElkError(f"{self.path} was removed, and cannot be written again: {problem.strerror}") from problem
        return True

    def finish(self, *, order: bool) -> bool:
        """Put the results in the order of the input, one for each line. False where the disk has no room for that.

        Without ``order`` that is done only where a result may be there that no line of the input asked for.
        """
        try:
            if self._moved or (not self._in_order and (order or len(self.earlier))):
                self._rewrite(self._ordered())
            os.fsync(self._file.fileno())
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the file, and let other processes have it."""
        with suppress(OSError):
            self._file.close()

    def _ordered(self) -> Iterator[bytes]:
        """The lines by index; of several for an index that are told by digest, the latest."""
        places = array("Q")  # by index: where the line begins, and whether it is told by an id; eight bytes a line
        more: dict[int, list[int]] = {}
        for start, raw in _lines(self._file):
            index, id_ = _head(raw)
            has_id = id_ is not None
            if has_id and self._moved:
                index = self._moved.get((key_of(id_, index, None), index), index)
            if index >= len(places):
                if index > 64 * (len(places) + 1_000_000):
                    raise OSError("an index out of all proportion")
                places.frombytes(bytes(8 * (max(index + 1, 2 * len(places)) - len(places))))
            place = (start + 1) << 1 | has_id
            if places[index] and (has_id or places[index] & 1):
                more.setdefault(index, []).append(places[index])
            places[index] = place
        with self.path.open("rb") as file:
            for index, place in enumerate(places):
                for one in (*more.get(index, ()), place) if place else ():
                    file.seek((one >> 1) - 1)
                    raw = file.readline()
                    yield _placed(raw, index) if self._moved else raw

    def _rewrite(self, lines: Iterator[bytes]) -> None:
        """Make ``lines`` the whole file, all or nothing, and go on appending to it."""
        aside = beside(self.path)
        mode = os.fstat(self._file.fileno()).st_mode & 0o777
        try:
            descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), mode)
            with os.fdopen(descriptor, "wb") as file:
                if hasattr(os, "fchmod"):
                    os.fchmod(file.fileno(), mode)
                for line in lines:
                    file.write(line)
                file.flush()
                os.fsync(file.fileno())
            if sys.platform == "win32":
                self._file.close()
            aside.replace(self.path)
        except BaseException:
            with suppress(OSError):
                aside.unlink()
            raise
        sync_directory(self.path.parent)
        self._file.close()
        self._file = _opened(self.path)
        _lock(self._file, self.path)


def _opened(path: Path) -> BinaryIO:
    flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "ab+", buffering=0)


def _lock(file: BinaryIO, shown: Path) -> None:
    """Keep a second batch from writing the same results."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"--output: another batch is writing {shown}") from None
    except OSError:
        pass  # a file system without locks


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Where each line of the file begins, and the line."""
    with open(os.dup(file.fileno()), "rb") as reader:  # noqa: PTH123 - a descriptor has no path
        reader.seek(0)
        start = 0
        for raw in reader:
            yield start, raw
            start += len(raw)


def _result(raw: bytes) -> dict[str, Any] | None:
    """A line of the file as a result, or ``None``."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not ("response" in found or "error" in found):
        return None
    index = found.get("index")
    return found if isinstance(index, int) and not isinstance(index, bool) and 0 <= index < _MOST else None


def _head(raw: bytes) -> tuple[int, Any]:
    """The index of a result, and its id."""
    if found := _HEAD.match(raw):
        return int(found[2]), None if found[1] == b"null" else json.loads(found[1])
    read = _result(raw)
    if read is None:
        raise OSError("the file was changed by somebody else")
    return read["index"], read.get("id")


def _placed(raw: bytes, index: int) -> bytes:
    """A result with this index."""
    if found := _HEAD.match(raw):
        return raw[: found.start(2)] + str(index).encode() + raw[found.end(2) :]
    return encoded({**(_result(raw) or {}), "index": index})


def _may_be_torn(raw: bytes) -> bool:
    return raw.startswith(_NEW_LINE) or _NEW_LINE.startswith(raw) or not raw.strip(b"\0")
