"""What the painter's thread does: it turns what came into rows, and brings them to the screens."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from elkcli.conversation import SavedMedia
from elkcli.environment import Environment
from elkcli.terminal.page import Page
from elkcli.terminal.safe import SafeStream
from elkcli.terminal.screen import Line, Screen, Write, can_repaint, measure, same_terminal, writer
from elkcli.terminal.spinner import Spinner
from elkcli.terminal.theme import Theme

# At most so many paints a second, and at most this share of the time: the rest is the network's.
_INTERVAL = 1 / 18
_SHARE = 1 / 5


# So much text is turned into rows before they are shown: an answer that comes in one piece is seen at once, too.
_SLICE = 16_384


class Painter:
    """Draws answer, thoughts and notes. All share one screen where stdout and stderr lead to the same terminal."""

    def __init__(
        self,
        environment: Environment,
        spinner: Spinner,
        *,
        color: bool,
        theme: str,
        preview: Callable[[SavedMedia, int], str] | None,
    ) -> None:
        out = environment.stdout
        assert out is not None
        repaint = can_repaint(environment)
        out_live, side_live = environment.stdout_is_terminal and repaint, environment.stderr_is_terminal and repaint
        self._spinner = spinner
        self._waiting = True
        self._preview = preview
        self._to_answer = writer(out)
        self._to_side = _forgiving(writer(environment.stderr))
        self._main = self._side = Screen(live=out_live, size=lambda: measure(environment, out))
        if not same_terminal(environment):
            self._side = Screen(live=side_live, size=lambda: measure(environment, environment.stderr))
        self._theme = Theme(theme, _look(out_live, color), environment.variables)
        self._side_theme = Theme(theme, _look(side_live, color), environment.variables)
        self._rows: dict[Screen, list[Line]] = {self._main: [], self._side: []}
        self._answer = self._page()
        self._printed = False
        self._think_page = environment.stderr_is_terminal
        self._thought: Page | None = None
        self._murmur: SafeStream | None = None  # thoughts where stderr is no terminal

    def lose(self) -> None:
        """The terminal was someone else's for a while."""
        self._main.lose()
        self._side.lose()

    def draw(self, came: list[tuple[str, Any]], *, last: bool) -> float:
        """Draw what came; how long to wait before the next time."""
        begun = time.thread_time()
        for screen in self._rows:
            screen.look()
        self._answer.width = self._main.columns
        if self._thought is not None:
            self._thought.width = max(self._side.columns - len(_MARGIN), 1)
        for kind, value in came:
            self._take(kind, value)
        if last:
            self._stop_waiting()
            self._end_thought()
            self._end_answer()
        self._show(tails=not last)
        return min(max(_INTERVAL, (time.thread_time() - begun) * (1 / _SHARE - 1)), 1.0)

    def _take(self, kind: str, value: Any) -> None:
        if kind == "note":
            if self._waiting:
                self._spinner.note(value)
            else:
                self._beside(value)
            return
        self._stop_waiting()
        if kind == "text":
            self._end_thought()
            for start in range(0, len(value), _SLICE):
                self._out(self._answer.feed(value[start : start + _SLICE]))
                if len(value) > _SLICE:
                    self._show(tails=False)
        elif kind == "thought":
            self._think(value)
        elif kind == "block":  # on lines of its own, whatever came before
            self._end_thought()
            self._out(self._answer.feed("\n" * (2 if self._answer.in_line else 1) + value))
        elif kind == "picture":
            self._answer.after_line(lambda width: self._picture(value, width))
        elif kind == "choice":
            self._end_thought()
            self._end_answer()
            if self._printed:
                self._out([""])
            self._answer = self._page()

    # The answer

    def _page(self) -> Page:
        return Page(self._theme, self._main.columns)

    def _end_answer(self) -> None:
        self._out(self._answer.close())

    def _out(self, rows: list[str]) -> None:
        if rows:
            self._printed = True
            self._rows[self._main] += [(self._to_answer, row) for row in rows]

    def _picture(self, media: SavedMedia, width: int) -> str:
        try:
            return self._preview(media, width) if self._preview is not None else ""
        except Exception:  # noqa: BLE001 - the file is saved and named; a picture that cannot be drawn is no failure of the answer
            return ""

    # What goes beside it

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._spinner.stop()

    def _beside(self, *rows: str) -> None:
        self._rows[self._side] += [(self._to_side, row) for row in rows]

    def _think(self, text: str) -> None:
        if not self._think_page:
            self._murmur = self._murmur or SafeStream()
            self._to_side(self._murmur.feed(text))
            return
        if self._thought is None:
            margin = self._side_theme.paint(_MARGIN, "frame")
            width = max(self._side.columns - len(_MARGIN), 1)
            self._thought = Page(self._side_theme, width, base=("thought",), margin=margin)
        self._beside(*self._thought.feed(text))

    def _end_thought(self) -> None:
        if self._murmur is not None:
            self._to_side(self._murmur.close() + "\n\n")
            self._murmur = None
        if self._thought is not None:
            self._beside(*self._thought.close(), "")
            self._thought = None

    # Both

    def _show(self, *, tails: bool) -> None:
        tail: dict[Screen, list[Line]] = {self._main: [], self._side: []}
        if tails and self._thought is not None and self._side.live:
            tail[self._side] += [(self._to_side, row) for row in self._thought.tail(self._side.rows)]
        if tails and self._main.live:
            tail[self._main] += [(self._to_answer, row) for row in self._answer.tail(self._main.rows)]
        for screen, rows in self._rows.items():
            screen.paint(rows, tail[screen])
            rows.clear()


_MARGIN = "┊ "


def _look(live: bool, color: bool) -> str:
    if color:
        return "color"
    return "plain" if live else "none"


def _forgiving(write: Write) -> Write:
    """Words beside the answer that nobody takes are no reason to lose the answer."""

    def quiet(text: str) -> None:
        with suppress(OSError, ValueError):
            write(text)

    return quiet
