"""A terminal that is written to in two ways: rows that stay, and below them a tail that may still change."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from elkcli.environment import Environment

# A terminal that wraps by itself where we do not expect it would shift the rows we count: in the tail it may not.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
# Erasing all from the first column of the first row on is not used: tmux takes it for a screen that is cleared, and
# keeps what was on it in the scrollback.
_CLEAR = "\x1b[K\x1b[C\x1b[J\r"
_HOLD, _RELEASE = "\x1b[?2026h", "\x1b[?2026l"

Write = Callable[[str], None]
Line = tuple[Write, str]


def writer(stream: Any) -> Write:
    """How to write to a stream from a thread of our own.

    A real file is written by its descriptor: a thread that hangs in a buffered stream's write would keep its lock, and
    with it the end of the whole program.
    """
    try:
        number = stream.fileno()
    except (OSError, AttributeError, ValueError):
        number = -1
    binary = not hasattr(stream, "encoding")
    if number < 0:

        def to_stream(text: str) -> None:
            stream.write(text.encode("utf-8", "backslashreplace") if binary else text)
            stream.flush()

        return to_stream

    def to_descriptor(text: str) -> None:
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        while left:
            try:
                left = left[os.write(number, left) :]
            except BlockingIOError:
                select.select([], [number], [])

    with suppress(OSError):
        stream.flush()
    return to_descriptor


def same_terminal(environment: Environment) -> bool:
    """Whether stdout and stderr lead to one screen."""
    if not environment.at_terminal or environment.stdout is None:
        return False
    try:
        one, other = os.fstat(environment.stdout.fileno()), os.fstat(environment.stderr.fileno())
    except (OSError, AttributeError, ValueError):
        return True
    return one.st_rdev == other.st_rdev


def measure(environment: Environment, stream: Any) -> tuple[int, int]:
    """Columns and rows of the terminal behind ``stream``; ``COLUMNS`` goes before what the terminal says."""
    columns, rows = 80, 24
    with suppress(OSError, AttributeError, ValueError):
        size = os.get_terminal_size(stream.fileno())
        columns, rows = size.columns or columns, size.lines or rows
    wanted = environment.variables.get("COLUMNS", "")
    if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 10_000:
        columns = int(wanted)
    return columns, rows


def can_repaint(environment: Environment) -> bool:
    """Whether the terminal moves its cursor."""
    return environment.variables.get("TERM", "") not in {"dumb", "unknown"}


class Screen:
    """The bottom of a terminal. Without ``live`` nothing is ever repainted, and the tail is not shown."""

    def __init__(self, *, live: bool, size: Callable[[], tuple[int, int]]) -> None:
        self.live = live
        self.columns, self.rows = size()
        self._size = size
        self._tail: list[str] = []  # the rows on the screen that may change; the cursor is at the end of the last
        self._writer: Write | None = None
        self._lost = False
        self._resized = False

    def look(self) -> None:
        """Ask for the size again: windows change."""
        columns, rows = self._size()
        if (columns, rows) != (self.columns, self.rows):
            self.columns, self.rows, self._resized = columns, rows, True

    def lose(self) -> None:
        """Something else wrote to the terminal: the rows above the cursor are not ours any more."""
        self._lost = True

    def paint(self, rows: Sequence[Line], tail: Sequence[Line]) -> None:
        """Print ``rows`` for good and show ``tail`` below them, each row through its own writer.

        What stands there already is left as it is, but for rows that become final: the terminal may have cut them,
        where it is narrower than it says (tmux tells a new size a quarter of a second late) or has other widths.
        """
        if not self.live:
            _send([(write, row + "\n") for write, row in rows])
            return
        tail = tail[-max(self.rows - 1, 1) :]
        new = [*rows, *tail]
        old = [] if self._lost else self._tail
        keep = self._common(old, new, len(rows))
        out: list[Line] = []
        control = new[keep][0] if keep < len(new) else self._writer
        if control is None:
            return
        if self._lost and self._tail:
            out.append((control, "\r\n"))
        elif keep < len(old):
            # A row more than the tail has is never erased, also where a narrower window has broken its rows: what is
            # printed for good is worth more than a clean picture
            up = min(len(old) - 1 - keep, self.rows - 1)
            out.append((control, _HOLD + (f"\r\x1b[{up}A{_CLEAR}" if up else "\r\x1b[K")))
        elif old and (keep < len(new) or not tail):
            out.append((control, "\r\n"))
        for number in range(keep, len(new)):
            write, row = new[number]
            if number < len(rows):
                out.append((write, row + "\r\n"))
            elif number < len(new) - 1:
                out.append((write, f"{_NO_WRAP}{row}{_WRAP}\r\n"))
            else:
                out.append((write, f"{_NO_WRAP}{row}{_WRAP}"))
        if keep < len(old):
            out.append((new[-1][0] if keep < len(new) else control, _RELEASE))
        if new:
            self._writer = new[-1][0]
        self._tail, self._lost, self._resized = [row for _, row in tail], False, False
        _send(out)

    def _common(self, old: list[str], new: Sequence[Line], final: int) -> int:
        """How many rows of the tail stand as they should."""
        if self._resized:
            return 0
        keep = 0
        for one, (_, other) in zip(old, new, strict=False):
            if one != other or (other and keep < final):
                break
            keep += 1
        if final < len(new) == keep < len(old):  # shorter than before: the cursor has to come back to its last row
            keep -= 1
        return keep


def _send(lines: Sequence[Line]) -> None:
    """Write, with as few calls as the order of the streams allows."""
    start = 0
    for at in range(1, len(lines) + 1):
        if at == len(lines) or lines[at][0] is not lines[start][0]:
            lines[start][0]("".join(text for _, text in lines[start:at]))
            start = at
