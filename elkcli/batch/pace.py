"""The pace of a batch: how many requests at once, and the slow-down that all of them share when the server says 429."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import random

# seconds of nothing but 429 after which it is no longer about the rate; limits by the minute open again before that
DRY_AFTER_ANSWERS = 75.0
DRY_FROM_THE_START = 10.0
LEAST_PAUSE = 0.05
LONGEST_PAUSE = 10.0


class Pace:
    """A gate before every request. It narrows by a third at each 429 and widens with each answer, up to ``most``.

    A 429 also makes everybody wait: as long as the server asks, else briefly, and twice as long each time no answer
    came in between. What was sent before the last narrowing does not narrow it again.
    """

    def __init__(self, most: int, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self.most = most
        self.allowed = float(most)
        self.active = 0
        self.rounds = 0
        self._until = 0.0
        self._era = 0
        self._answered = False
        self._dry_since: float | None = None
        self._clock = clock
        self._sleep = sleep
        self._freed = asyncio.Event()

    async def enter(self) -> int:
        """Wait for a turn. Returns the era to hand back with what came of it."""
        while True:
            if self._until:
                until = self._until
                wait = until - self._clock()
                if wait > 0:
                    await self._sleep(wait + random() * min(1.0, 0.1 * wait))  # noqa: S311 - spreads, guards no secret
                if self._until == until:
                    self._until = 0.0
                continue
            if self.active < max(1, int(self.allowed)):
                self.active += 1
                return self._era
            self._freed.clear()
            await self._freed.wait()

    def leave(self) -> None:
        """The request is over, well or not."""
        self.active -= 1
        self._freed.set()

    def answered(self) -> None:
        """The server answered: widen."""
        self.rounds = 0
        self._answered, self._dry_since = True, None
        if self.allowed < self.most:
            self.allowed = min(float(self.most), self.allowed + max(1 / self.allowed, self.most / 64))
            self._freed.set()

    def refused(self, era: int, asked: float | None) -> None:
        """The server said 429: narrow, and wait."""
        if self._dry_since is None:
            self._dry_since = self._clock()
        if era == self._era:
            self._era += 1
            self.allowed = max(1.0, min(self.allowed, self.active + 1.0) * 0.7)
            pause = min(LONGEST_PAUSE, LEAST_PAUSE * 2**self.rounds) * (0.5 + random())  # noqa: S311
            self.rounds += 1
            self._wait(max(pause, asked or 0.0))
        elif asked:
            self._wait(asked)

    def _wait(self, seconds: float) -> None:
        self._until = max(self._until, self._clock() + seconds)

    @property
    def hopeful(self) -> bool:
        """Whether going on may help: 429 has not been all that the server says for too long."""
        if self._dry_since is None:
            return True
        return self._clock() - self._dry_since < (DRY_AFTER_ANSWERS if self._answered else DRY_FROM_THE_START)

    @property
    def waiting(self) -> float:
        """Seconds that everybody still waits."""
        return max(0.0, self._until - self._clock()) if self._until else 0.0
