"""A real terminal: elkcli runs at one end of a pty, and at the other the screen is kept as a person would see it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pyte

KEYS = {
    "enter": "\r", "tab": "\t", "escape": "\x1b", "backspace": "\x7f", "up": "\x1b[A", "down": "\x1b[B",
    "right": "\x1b[C", "left": "\x1b[D", "alt-enter": "\x1b\r", "ctrl-c": "\x03", "ctrl-d": "\x04",
    "ctrl-j": "\n", "ctrl-r": "\x12", "ctrl-z": "\x1a", "ctrl-u": "\x15", "ctrl-a": "\x01",
}  # fmt: skip

# Makes the terminal the controlling one, so that Ctrl-C is a signal; a hook of Popen's would be unsafe beside threads
TAKE = """
import fcntl, os, sys, termios
slave = int(sys.argv[1])
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
os.close(slave)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Terminal:
    """A program at a terminal of ``columns`` by ``rows``.

    ``pipes`` names the streams that are not the terminal: ``{"stdin": b"…", "stdout": file}``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
    ) -> None:
        self.received = b""
        self.view = cast(Any, pyte.HistoryScreen(columns, rows, history=5000))
        self._stream: Any = pyte.ByteStream(self.view)
        self.master, slave = os.openpty()
        self._poll = select.poll()  # unlike select, it minds no descriptor above 1023
        self._poll.register(self.master, select.POLLIN)
        self._size(columns, rows)
        # the answers a terminal gives when asked where the cursor is, and what it is
        self.view.write_process_input = lambda text: os.write(self.master, text.encode())
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", TAKE, str(slave), *command],
            cwd=cwd,
            env={"TERM": "xterm-256color", **env},
            stdin=slave if stdin is None else stdin,
            stdout=slave if stdout is None else stdout,
            stderr=slave if stderr is None else stderr,
            start_new_session=True,
            pass_fds=[slave],
        )
        os.close(slave)

    # What a person does

    def type(self, text: str) -> Terminal:
        """Type text as it is."""
        os.write(self.master, text.encode())
        return self

    def press(self, *keys: str) -> Terminal:
        """Press keys by name: ``enter``, ``ctrl-c``, ``up`` …"""
        for key in keys:
            os.write(self.master, KEYS[key].encode())
        return self

    def paste(self, text: str) -> Terminal:
        """Paste, as a terminal with bracketed paste does."""
        return self.type(f"\x1b[200~{text}\x1b[201~")

    def enter(self, text: str) -> Terminal:
        """Type a line and send it. The pause keeps it from looking like a paste."""
        self.type(text)
        self.settle(0.05)
        return self.press("enter")

    def resize(self, columns: int, rows: int) -> Terminal:
        self.view.resize(rows, columns)
        self._size(columns, rows)
        return self

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def leave(self, *, within: float = 5.0) -> int:
        """Close the window, and return the code of what ran in it."""
        os.close(self.master)
        self._open = False
        code = self._process.wait(within)
        return code if code >= 0 else 128 - code

    # What a person sees

    @property
    def lines(self) -> list[str]:
        """The lines of the screen, without trailing blanks."""
        return [line.rstrip() for line in self.view.display]

    @property
    def screen(self) -> str:
        """The screen as text, without blank lines at the end."""
        return "\n".join(self.lines).rstrip()

    @property
    def scrolled(self) -> str:
        """What has left the screen at the top, and the screen."""
        above = ["".join(row[x].data for x in range(self.view.columns)).rstrip() for row in self.view.history.top]
        return "\n".join([*above, self.screen])

    def see(self, wanted: str | Callable[[Terminal], object], *, within: float = 10.0) -> Terminal:
        """Wait until text is on the screen or a condition holds."""
        deadline = time.monotonic() + within
        while not (wanted in self.scrolled if isinstance(wanted, str) else wanted(self)):
            if time.monotonic() > deadline or not self._read(0.05):
                if wanted in self.scrolled if isinstance(wanted, str) else wanted(self):
                    return self
                raise AssertionError(f"never saw {wanted!r}; the screen:\n{self.scrolled}")
        return self

    def settle(self, seconds: float = 0.2) -> Terminal:
        """Read until nothing has come for a while."""
        while self._read(seconds, once=True):
            pass
        return self

    def exit(self, *, within: float = 10.0) -> int:
        """Wait for the end and return the code as a shell shows it."""
        deadline = time.monotonic() + within
        while self._read(0.05):
            assert time.monotonic() < deadline, f"still running; the screen:\n{self.scrolled}"
        code = self._process.wait(max(0.1, deadline - time.monotonic()))
        return code if code >= 0 else 128 - code

    def end(self) -> None:
        """End it, whatever it is doing."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        while self._open and self._read(0, once=True):
            pass
        if self._open:
            os.close(self.master)
            self._open = False

    _open = True

    def _read(self, seconds: float, *, once: bool = False) -> bool:
        """Take in what has come. False at the end of it all, or with ``once`` when nothing came."""
        if not self._open:
            return False
        if not self._poll.poll(int(seconds * 1000)):
            return not once and self._process.poll() is None
        try:
            data = os.read(self.master, 65536)
        except OSError as problem:
            if problem.errno != errno.EIO:
                raise
            data = b""
        if not data:
            os.close(self.master)
            self._open = False
            return False
        self.received += data
        self._stream.feed(data)
        return True

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
