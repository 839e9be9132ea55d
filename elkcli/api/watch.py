"""Hangs up on a server that takes too long, where httpx's own time-outs cannot be changed any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from elkcli.signals import leave_to_main


class Watch:
    """One alarm for all requests of a client, in a thread that is started with the first.

    httpx fixes the time-out of a reply when its body begins, and has none for the headers as a whole. Moving the end
    further away wakes nobody, so it may be done with each chunk.
    """

    def __init__(self, hang_up: Callable[[], None]) -> None:
        self._hang_up = hang_up
        self._changed = threading.Condition()
        self._ends: float | None = None
        self._looks_at = 0.0
        self._thread: threading.Thread | None = None

    def within(self, seconds: float) -> None:
        """Hang up in so many seconds, unless told otherwise before."""
        with self._changed:
            self._ends = time.monotonic() + seconds
            if self._thread is None:
                self._looks_at = self._ends
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            elif self._ends < self._looks_at:
                self._changed.notify()

    def off(self) -> None:
        """Let the server take its time."""
        with self._changed:
            self._ends = None

    def _run(self) -> None:
        leave_to_main()
        with self._changed:
            while True:
                now = time.monotonic()
                if self._ends is not None and self._ends <= now:
                    self._ends = None
                    self._hang_up()
                # with nothing to wait for, any end that is set is nearer
                self._looks_at = self._ends if self._ends is not None else float("inf")
                self._changed.wait(None if self._ends is None else self._ends - now)
