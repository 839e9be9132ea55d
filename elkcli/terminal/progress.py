"""The progress of a batch on stderr: a bar that moves at a terminal, a plain line a minute elsewhere."""

from __future__ import annotations

import time
from dataclasses import dataclass

from elkcli.environment import Environment
from elkcli.terminal.messages import Messages
from elkcli.terminal.screen import measure

EVERY = 60.0
WINDOW = 30.0  # seconds over which the rate is taken


@dataclass(frozen=True)
class State:
    """Where a batch is. ``fraction`` is how much of the input is done, where that can be told."""

    done: int
    failed: int
    tokens: int
    money: float | None = None
    fraction: float | None = None
    waiting: float = 0.0
    at_once: int = 0


class Meter:
    """Turns states into rates and the time that is left."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seen: list[tuple[float, int]] = [(self._began, 0)]
        self._first: float | None = None

    def rate(self, state: State) -> float:
        """Lines a second, over the last half minute."""
        now = time.monotonic()
        self._seen.append((now, state.done))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW:
            self._seen.pop(0)
        then, done = self._seen[0]
        return (state.done - done) / (now - then) if now > then else 0.0

    def left(self, state: State) -> float | None:
        """Seconds until the end, if it goes on like this. What was done before this run took no time."""
        if self._first is None:
            self._first = state.fraction
        if state.fraction is None or self._first is None or state.fraction <= self._first:
            return None
        return (time.monotonic() - self._began) * (1 - state.fraction) / (state.fraction - self._first)


def told(state: State, rate: float, left: float | None) -> str:
    """A state in words."""
    parts = [f"{state.done:,} done"]
    if state.failed:
        parts.append(f"{state.failed:,} failed")
    parts.append(f"{rate:,.1f}/s")
    if state.waiting > 1:
        parts.append(f"rate limited, waiting {state.waiting:.0f} s")
    elif left is not None:
        parts.append(f"{clock(left)} left")
    if state.tokens:
        parts.append(f"{state.tokens:,} tokens")
    if state.money is not None:
        parts.append(f"{state.money:,.4f}".rstrip("0").rstrip("."))
    return " · ".join(parts)


def clock(seconds: float) -> str:
    """A duration as a person reads it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """Shows states; ``every`` is how often it wants one, in seconds."""

    every = EVERY

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._meter = Meter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, state: State) -> None:
        """Say where the batch is."""
        self._messages.note(told(state, self._meter.rate(state), self._meter.left(state)))


class Bar(Progress):
    """A line that is drawn again and again at a terminal. Remarks are written above it."""

    every = 0.1

    def __init__(self, environment: Environment, messages: Messages) -> None:
        super().__init__(messages)
        from rich.console import Console
        from rich.live import Live

        self._console = Console(
            file=environment.stderr,
            force_terminal=True,
            no_color=not messages.color,
            width=measure(environment, environment.stderr)[0],
            legacy_windows=False,
        )
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False,
                          redirect_stderr=False)  # fmt: skip

    def __enter__(self) -> Bar:
        self._live.start()
        self._messages.route = self._above
        return self

    def __exit__(self, *_: object) -> None:
        self._messages.route = None
        self._live.stop()

    def _above(self, line: str) -> None:
        from rich.text import Text

        self._console.print(Text.from_ansi(line))

    def show(self, state: State) -> None:
        """Draw the line anew."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        words = Text(told(state, self._meter.rate(state), self._meter.left(state)), no_wrap=True, overflow="ellipsis")
        row = Table.grid(padding=(0, 1))
        if state.fraction is not None:
            bar = ProgressBar(total=1.0, completed=min(state.fraction, 1.0), width=16)
            row.add_row(bar, f"{100 * min(state.fraction, 1.0):3.0f} %", words)
        else:
            row.add_row(words)
        self._live.update(row, refresh=True)
