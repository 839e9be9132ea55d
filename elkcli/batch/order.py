"""Results in the order of their lines, however they come."""

from __future__ import annotations

from collections.abc import Callable

Write = Callable[[bytes, int], None]


class Outlet:
    """Hands results to ``write``: as they come, or with ``ordered`` each behind those of all earlier lines.

    ``place`` numbers a line when it is taken; ``full`` says that so many results are held back that no further line
    should be taken yet.
    """

    def __init__(self, write: Write, *, ordered: bool, window: int) -> None:
        self._write = write
        self._ordered = ordered
        self._window = window
        self._taken = 0
        self._written = 0
        self._held: dict[int, tuple[bytes, int]] = {}

    @property
    def full(self) -> bool:
        """Whether the window between the line taken last and the result written last is used up."""
        return self._ordered and self._taken - self._written >= self._window

    def place(self) -> int:
        """The place of one more line."""
        self._taken += 1
        return self._taken - 1

    def deliver(self, place: int, line: bytes, index: int) -> None:
        """The result of the line at ``place``."""
        if not self._ordered:
            self._write(line, index)
            return
        self._held[place] = (line, index)
        while (ready := self._held.pop(self._written, None)) is not None:
            self._write(*ready)
            self._written += 1

    def close(self) -> None:
        """Write what has arrived but waited for earlier lines: those do not come any more."""
        for place in sorted(self._held):
            self._write(*self._held.pop(place))
