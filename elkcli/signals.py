"""Signals as exceptions, so that what came is kept and the terminal restored on the way out.

Python swallows an exception that is raised in some places: in a callback of its import locks, while it compiles, where
a class names its descriptors (there it becomes another one). All these are within imports, where none is raised: it
waits until they are over.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from elkcli.errors import HungUp, Interrupted, Stopped, Terminated

STOPS: dict[str, type[Stopped]] = {"SIGINT": Interrupted, "SIGTERM": Terminated, "SIGHUP": HungUp}
"""The signals that end a run, by name: a system may lack some."""


def listen() -> None:
    """Raise :class:`Stopped` in the main thread at SIGINT, SIGTERM and SIGHUP; a second one ends the process.

    A signal that the caller ignores (``nohup``, a background job of a script) stays ignored.
    """
    for name in STOPS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _not_swallowed


_SOON = 0.005  # seconds
_caught: list[int] = []


def leave_to_main() -> None:
    """In the first line of a thread: let signals reach the main thread alone, and wake it.

    Of two that come together, as SIGHUP and SIGCONT do when a terminal goes away, or SIGTERM and SIGCONT from
    ``timeout``, the system may give both to another thread, and the main one would sleep on.
    """
    if hasattr(signal, "pthread_sigmask"):
        ours = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT, signal.SIGALRM}
        signal.pthread_sigmask(signal.SIG_BLOCK, ours)


def forgive() -> None:
    """A stop was dealt with and the run goes on: the next signal is a first one again."""
    _caught.clear()


def beyond_imports(frame: FrameType | None, work: Callable[[], None]) -> None:
    """Do ``work``, which raises, for a signal that interrupted ``frame``: now, or once no import is going on."""
    if not _importing(frame) or not _soon(work):
        work()


def _soon(work: Callable[[], None]) -> bool:
    """Have ``work`` done in the main thread in a moment. False where the system cannot."""
    if not hasattr(signal, "setitimer"):
        return False
    signal.signal(signal.SIGALRM, lambda number, frame: beyond_imports(frame, work))
    signal.setitimer(signal.ITIMER_REAL, _SOON)
    return True


def _stop(number: int, frame: FrameType | None) -> None:
    stop = STOPS[signal.Signals(number).name]
    _caught.append(number)
    if len(_caught) > 1:
        os._exit(stop.exit_code)

    def throw() -> None:
        raise stop

    beyond_imports(frame, throw)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _not_swallowed(ignored: sys.UnraisableHookArgs) -> None:
    """Raise again what ended in a destructor or a callback, from where Python lets nothing out."""
    stop = ignored.exc_value
    if not isinstance(stop, Stopped):
        sys.__unraisablehook__(ignored)
        return

    def throw() -> None:
        raise stop

    _soon(throw)
