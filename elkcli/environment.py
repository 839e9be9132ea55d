"""The outside world as one value: streams, variables, directories, clock. Made once, in ``main``."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TextIO

from elkcli.value import Value

NAP = 0.5
"""Seconds that the main thread may wait without a look at the signals.

One that comes in the instant before a wait begins does not end it: Python has looked already, and the system wakes only
who waits.
"""


def sleep(seconds: float) -> None:
    """Do nothing for so long."""
    while seconds > NAP:
        time.sleep(NAP)
        seconds -= NAP
    time.sleep(seconds)


def waited(wait: Callable[[float], object], seconds: float) -> bool:
    """Whether ``wait``, which is told how long to wait at most, had its way within ``seconds``."""
    ends = time.monotonic() + seconds
    while not wait(max(0.0, min(NAP, ends - time.monotonic()))):
        if time.monotonic() >= ends:
            return False
    return True


class Environment(Value):
    """Everything a run takes from outside. Tests make their own; only ``real`` touches ``sys`` and ``os``.

    ``stdin`` and ``stdout`` carry bytes and are ``None`` where the caller closed them.
    """

    arguments: list[str]
    variables: Mapping[str, str]
    stdin: BinaryIO | None
    stdout: BinaryIO | None
    stderr: TextIO
    stdin_is_terminal: bool = False
    stdout_is_terminal: bool = False
    stderr_is_terminal: bool = False
    directory: Path = Path()
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = staticmethod(sleep)

    @classmethod
    def real(cls) -> Environment:
        """The process's own world."""
        _wait_for_streams()
        stdin, stdout, stderr = sys.stdin, sys.stdout, sys.stderr
        if stderr is None:  # closed by the caller (2>&-): what goes there is lost, as the caller asked
            stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
        elif isinstance(stderr, io.TextIOWrapper):
            stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        try:
            directory = Path.cwd()
        except FileNotFoundError:  # the directory was deleted under our feet
            directory = Path(os.environ.get("PWD", "/"))
        return cls(
            arguments=sys.argv[1:],
            variables=os.environ,
            stdin=stdin.buffer if stdin is not None else None,
            stdout=stdout.buffer if stdout is not None else None,
            stderr=stderr,
            stdin_is_terminal=stdin is not None and stdin.isatty(),
            stdout_is_terminal=stdout is not None and stdout.isatty(),
            stderr_is_terminal=stderr.isatty(),
            directory=directory,
        )

    @property
    def config_dir(self) -> Path:
        """Where ``config.toml`` and ``credentials.toml`` lie."""
        if chosen := self.variables.get("ELKCLI_CONFIG_DIR"):
            return Path(chosen).expanduser()
        from platformdirs import user_config_path

        return user_config_path("elkcli", appauthor=False)

    @property
    def data_dir(self) -> Path:
        """Where history, media and caches lie."""
        if chosen := self.variables.get("ELKCLI_DATA_DIR"):
            return Path(chosen).expanduser()
        from platformdirs import user_data_path

        return user_data_path("elkcli", appauthor=False)

    @property
    def at_terminal(self) -> bool:
        """Whether a person watches: answers and remarks both go to a terminal."""
        return self.stdout_is_terminal and self.stderr_is_terminal


def _wait_for_streams() -> None:
    """Have reads and writes wait, also where whoever started us left the streams non-blocking.

    Else a reader that is slow loses the answer, and a writer that is slow its words.
    """
    if os.name != "posix":
        return
    for descriptor in (0, 1, 2):
        try:
            if not os.get_blocking(descriptor):
                os.set_blocking(descriptor, True)
        except OSError:  # closed by the caller
            continue
