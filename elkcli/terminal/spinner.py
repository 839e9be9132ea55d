"""The sign of waiting: a small spinner with the seconds so far, on stderr, gone without trace."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from elkcli.environment import Environment
from elkcli.signals import leave_to_main
from elkcli.terminal.screen import can_repaint, writer

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PATIENCE = 0.15
_STEP = 0.1


class Spinner:
    """Turns from ``start`` to ``stop``, where stderr is a terminal that moves its cursor; elsewhere it does nothing."""

    def __init__(self, environment: Environment) -> None:
        self._on = environment.stderr_is_terminal and can_repaint(environment)
        self._environment = environment
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawn = False

    def start(self) -> None:
        """Begin to wait; something is seen only if it takes a moment."""
        if self._on and self._thread is None:
            self._write = writer(self._environment.stderr)
            self._stopped.clear()
            self._thread = threading.Thread(target=self._turn, name="spinner", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take it away. A second call does no harm."""
        self._stopped.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(RuntimeError):  # a signal came before it had begun
                thread.join(0.3)  # a terminal that is stopped must not stop us

    def note(self, line: str) -> None:
        """Write a line where the spinner stands; it goes on below."""
        with self._lock:
            self._clear()
            writer(self._environment.stderr)(line + "\n")

    def _turn(self) -> None:
        leave_to_main()
        begun = time.monotonic()
        wait, frame = _PATIENCE, 0
        with suppress(OSError, ValueError):
            while not self._stopped.wait(wait):
                wait = _STEP
                seconds = time.monotonic() - begun
                with self._lock:
                    self._drawn = True
                    self._write(f"\r\x1b[2m{_FRAMES[frame % len(_FRAMES)]} {seconds:.0f}s\x1b[0m\x1b[K")
                frame += 1
            with self._lock:
                self._clear()

    def _clear(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write("\r\x1b[K")
