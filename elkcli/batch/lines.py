"""The input of a batch: lines of JSON, or rows of CSV, read one at a time and never all at once."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import queue
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from elkcli.conversation import REQUEST_LIMIT
from elkcli.environment import Environment
from elkcli.errors import UsageError

READ_AHEAD = 256


@dataclass(slots=True)
class Line:
    """One line, or why it cannot be read. ``index`` counts from 0, blank lines too: line ``index + 1`` of the file.

    ``position`` is how many bytes of the input had been read with it.
    """

    index: int
    value: Any = None
    problem: str | None = None
    position: int = 0


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


_json = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def json_lines(stream: BinaryIO) -> Iterator[Line]:
    """The lines of ``stream``, blank ones left out."""
    position = 0
    index = -1
    while raw := stream.readline(REQUEST_LIMIT + 1):
        index += 1
        position += len(raw)
        if len(raw) > REQUEST_LIMIT and not raw.endswith(b"\n"):
            while raw := stream.readline(1 << 20):
                position += len(raw)
                if raw.endswith(b"\n"):
                    break
            yield Line(index, problem=f"the line is longer than {REQUEST_LIMIT >> 20} MiB", position=position)
            continue
        if index == 0:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if raw.isspace() or not raw:
            continue
        yield _line(index, raw, position)


def _line(index: int, raw: bytes, position: int) -> Line:
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as problem:
        return Line(index, problem=f"the line is not UTF-8 (byte {problem.start})", position=position)
    try:
        value = _json.decode(text)
    except RecursionError:
        return Line(index, problem="the line is nested too deeply", position=position)
    except ValueError as problem:
        return Line(index, problem=f"the line is not JSON: {problem}", position=position)
    if not isinstance(value, (str, dict)):
        return Line(index, problem="the line is neither a JSON string nor an object", position=position)
    return Line(index, value, position=position)


class _Counted(io.RawIOBase):
    """Counts what is read through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read1(len(buffer)) if hasattr(self._stream, "read1") else self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def csv_rows(stream: BinaryIO) -> tuple[list[str], Iterator[Line]]:
    """The names in the first row of ``stream``, and the rows below it as objects. Raises :class:`UsageError`."""
    csv.field_size_limit(REQUEST_LIMIT)
    counted = _Counted(stream)
    text = io.TextIOWrapper(io.BufferedReader(counted), encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text)
    try:
        names = next(reader, [])
    except csv.Error as problem:
        raise UsageError(f"--csv: the first row cannot be read: {problem}") from None
    if not any(names):
        raise UsageError("--csv: no first row with the names of the columns")
    return names, _rows(reader, names, counted)


def _rows(reader: Any, names: list[str], counted: _Counted) -> Iterator[Line]:
    index = -1
    while True:
        index += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            yield Line(index, problem=f"the row is not CSV: {problem}", position=counted.position)
            continue
        if not row:
            continue
        if any(not cell.isascii() and re.search("[\ud800-\udfff]", cell) for cell in row):
            yield Line(index, problem="the row is not UTF-8", position=counted.position)
        elif len(row) > len(names):
            problem_ = f"the row has {len(row)} cells, and the first row {len(names)}"
            yield Line(index, problem=problem_, position=counted.position)
        else:
            yield Line(
                index, dict(zip(names, row + [""] * (len(names) - len(row)), strict=True)), None, counted.position
            )


def never_waits(stream: BinaryIO) -> bool:
    """Whether reading ``stream`` returns at once: a file on a disk, or memory."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, AttributeError, ValueError):
        return True


class Source:
    """Where the lines come from."""

    def __init__(self, environment: Environment, name: str | None, *, csv: bool) -> None:
        self.path: Path | None = None
        self.size: int | None = None
        if name in (None, "-"):
            if environment.stdin is None:
                raise UsageError("standard input is closed")
            self.stream: BinaryIO = environment.stdin
        else:
            self.path = environment.directory / Path(name or "").expanduser()
            try:
                self.stream = self.path.open("rb")
            except (OSError, ValueError) as problem:
                why = getattr(problem, "strerror", None) or problem
                raise UsageError(f"cannot read {name}: {why}") from problem
        self.waits = not never_waits(self.stream)
        with suppress(OSError, AttributeError, ValueError):
            about = os.fstat(self.stream.fileno())
            self.size = about.st_size if stat.S_ISREG(about.st_mode) else None
        self.names: list[str] | None = None
        self._csv = csv

    def close(self) -> None:
        """Close a file that was opened here."""
        if self.path is not None:
            self.stream.close()

    def lines(self) -> Iterator[Line]:
        """The lines, read as they are needed."""
        if not self._csv:
            return json_lines(self.stream)
        self.names, rows = csv_rows(self.stream)
        return rows


class Feed:
    """Lines for an event loop. Where reading can block, a thread reads a little ahead."""

    def __init__(self, lines: Iterator[Line], *, threaded: bool) -> None:
        self._lines = lines
        self._queue: queue.Queue[Line | BaseException | None] | None = queue.Queue(READ_AHEAD) if threaded else None
        self._there = asyncio.Event()
        self._ended = False

    async def next(self) -> Line | None:
        """The next line; ``None`` at the end. Raises what reading raised."""
        if self._ended:
            return None
        if self._queue is None:
            line = next(self._lines, None)
        else:
            line = await self._from_thread(self._queue)
        self._ended = line is None
        return line

    async def _from_thread(self, lines: queue.Queue[Line | BaseException | None]) -> Line | None:
        if not hasattr(self, "_thread"):
            loop = asyncio.get_running_loop()
            # a daemon: it may wait for input for ever, and nobody is to wait for it
            self._thread = threading.Thread(target=self._read, args=(lines, loop), daemon=True)
            self._thread.start()
        while lines.empty():
            self._there.clear()
            if lines.empty():
                await self._there.wait()
        found = lines.get_nowait()
        if isinstance(found, BaseException):
            self._ended = True
            raise found
        return found

    def _read(self, lines: queue.Queue[Line | BaseException | None], loop: asyncio.AbstractEventLoop) -> None:
        last: BaseException | None = None
        try:
            for line in self._lines:
                lines.put(line)
                loop.call_soon_threadsafe(self._there.set)
        except Exception as problem:  # noqa: BLE001 - it is raised where the line was wanted
            last = problem
        lines.put(last)
        with suppress(RuntimeError):  # the loop may be gone
            loop.call_soon_threadsafe(self._there.set)
