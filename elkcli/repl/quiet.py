"""The terminal while an answer comes: what is typed is not echoed into it, and waits for the next prompt."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

from elkcli.environment import Environment

PASTE_MARKS_ON, PASTE_MARKS_OFF = b"\x1b[?2004h", b"\x1b[?2004l"


@contextlib.contextmanager
def quiet(
    environment: Environment, begun: Callable[[], None], over: Callable[[], None], *, again: bool = True
) -> Iterator[None]:
    """No echo, keys as they are typed (Ctrl-C and Ctrl-Z still act), pastes marked as pastes.

    ``begun`` is called when the terminal is so, for what was typed before; ``over`` at the end, while it still is.
    ``again``: it is made so once more after Ctrl-Z and `fg`.
    """
    try:
        import termios
    except ImportError:  # Windows has another kind of terminal
        yield from _as_it_is(begun)
        return
    stdin = environment.stdin
    if stdin is None or not environment.stdin_is_terminal:
        yield from _as_it_is(begun)
        return
    try:
        descriptor = stdin.fileno()
        before = termios.tcgetattr(descriptor)
    except (OSError, termios.error):
        yield from _as_it_is(begun)
        return
    during = list(before)
    during[0] = before[0] & ~termios.ICRNL  # Enter stays what the prompt takes for Enter
    during[3] = before[3] & ~(termios.ECHO | termios.ICANON)
    marks = environment.stdout if environment.stdout_is_terminal else None

    def hush() -> None:
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(descriptor) == os.getpgrp():  # from the background it would stop us
                termios.tcsetattr(descriptor, termios.TCSANOW, during)

    def resumed() -> None:
        hush()
        with contextlib.suppress(OSError, ValueError):
            if marks is not None:  # past the buffer, which may be in use
                os.write(marks.fileno(), PASTE_MARKS_ON)

    hush()
    _write(marks, PASTE_MARKS_ON)
    try:
        begun()
        with _resuming(resumed) if again else contextlib.nullcontext():
            yield
    finally:
        try:
            over()
        finally:
            _write(marks, PASTE_MARKS_OFF)
            with contextlib.suppress(termios.error):
                termios.tcsetattr(descriptor, termios.TCSANOW, before)


def _as_it_is(begun: Callable[[], None]) -> Iterator[None]:
    begun()
    yield


@contextlib.contextmanager
def _resuming(resumed: Callable[[], None]) -> Iterator[None]:
    """After Ctrl-Z and `fg` the terminal is as the shell had it: make it quiet again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGCONT, lambda number, frame: resumed())
    try:
        yield
    finally:
        signal.signal(signal.SIGCONT, signal.SIG_DFL if before is None else before)


def _write(stream: object, data: bytes) -> None:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.write(data)  # type: ignore[attr-defined]
            stream.flush()  # type: ignore[attr-defined]
