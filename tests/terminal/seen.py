"""A terminal in memory, and answers drawn on it piece by piece without a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyte
from pyte.screens import wcwidth

from elkcli.terminal.page import Page
from elkcli.terminal.screen import Screen
from elkcli.terminal.theme import Theme


class Glass(pyte.HistoryScreen):
    """pyte's screen, but that an invisible joiner does not swallow the text after it, as it does in ``draw``."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, history=100_000, ratio=0.5)

    def draw(self, data: str) -> None:
        super().draw("".join(character for character in data if wcwidth(character) > 0))

    @property
    def text(self) -> str:
        """All that was ever on it, as a person would scroll back to."""
        above = ["".join(line[x].data for x in range(self.columns)) for line in self.history.top]
        return "\n".join(line.rstrip() for line in [*above, *self.display]).rstrip()


class Desk:
    """An answer on a ``Glass`` of this size. Everything written is kept in ``written``."""

    def __init__(
        self,
        columns: int = 40,
        rows: int = 10,
        *,
        look: str = "plain",
        theme: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.glass = Glass(columns, rows)
        self._stream = pyte.Stream(self.glass)
        self.written = ""
        self.size = (columns, rows)
        self.page = Page(Theme(theme, look, variables or {}), columns)
        self.screen = Screen(live=True, size=lambda: self.size)

    def write(self, text: str) -> None:
        self.written += text
        self._stream.feed(text)

    def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)
        self.glass.resize(rows, columns)

    def feed(self, text: str, *, paint: bool = True) -> Desk:
        self.screen.look()
        self.page.width = self.screen.columns
        rows: list[tuple[Any, str]] = [(self.write, row) for row in self.page.feed(text)]
        tail = [(self.write, row) for row in self.page.tail(self.screen.rows)]
        if paint:
            self.screen.paint(rows, tail)
        return self

    def close(self) -> str:
        self.screen.look()
        self.page.width = self.screen.columns
        self.screen.paint([(self.write, row) for row in self.page.close()], [])
        return self.glass.text


def rendered(
    chunks: Sequence[str], columns: int = 40, rows: int = 10, *, look: str = "plain", theme: str = "auto"
) -> str:
    """What is left on screen and above it, of an answer that came in these chunks."""
    desk = Desk(columns, rows, look=look, theme=theme)
    for chunk in chunks:
        desk.feed(chunk)
    return desk.close()
