"""Signals as exceptions, so that what came is kept and the terminal restored on the way out."""

from __future__ import annotations

import os
import signal
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


_caught: list[int] = []


def leave_to_main() -> None:
    """In the first line of a thread: let signals reach the main thread alone, and wake it.

    Of two that come together, as SIGHUP and SIGCONT do when a terminal goes away, or SIGTERM and SIGCONT from
    ``timeout``, the system may give both to another thread, and the main one would sleep on.
    """
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT})


def forgive() -> None:
    """A stop was dealt with and the run goes on: the next signal is a first one again."""
    _caught.clear()


def _stop(number: int, frame: FrameType | None) -> None:
    stop = STOPS[signal.Signals(number).name]
    _caught.append(number)
    if len(_caught) > 1:
        os._exit(stop.exit_code)
    raise stop
