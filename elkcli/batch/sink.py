"""Where the results of a batch go: a file that is gone on with, or a stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from elkcli.batch.output import ResultFile
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.terminal.display import standard_output
from elkcli.terminal.safe import safe_json


class Sink:
    """Takes results. ``file`` is the result file, if it is one.

    When that cannot be written any more, ``failed`` says so and ``halt`` is called; results that come then are printed.
    """

    def __init__(self, environment: Environment, output: str | None, source: Path | None) -> None:
        """Open ``output``, before anything is sent. Raises :class:`ElkError`."""
        self._environment = environment
        self.file: ResultFile | None = None
        self.failed: ElkError | None = None
        self.halt: Callable[[ElkError], None] = lambda error: None
        self._stream: BinaryIO | None = None
        if output is None or output == "-":
            self._stream = standard_output(environment)
            return
        path = environment.directory / Path(output).expanduser()
        with suppress(OSError):
            if source is not None and path.samefile(source):
                raise UsageError("--output is the input itself")
        try:
            if path.is_dir():
                raise UsageError(f"--output: {output} is a directory")
            if path.exists() and not path.is_file():  # a device, a named pipe
                self._stream = path.open("wb", buffering=0)
            else:
                self.file = ResultFile.open(path)
        except OSError as problem:
            raise UsageError(f"--output: cannot write {output}: {problem.strerror}") from problem

    def write(self, line: bytes, index: int) -> None:
        """Take one result. Raises :class:`ElkError` and :class:`OSError` where there is no place left for it."""
        if self.file is None:
            self._print(line)
            return
        if self.failed is None:
            try:
                self.file.write(line, index)
            except ElkError as problem:
                self.failed = problem
                self.halt(problem)
            else:
                return
        try:
            self._print(line)
        except (ElkError, OSError):
            raise self.failed from None

    def _print(self, line: bytes) -> None:
        out = self._stream or standard_output(self._environment)
        visible = out is self._environment.stdout and self._environment.stdout_is_terminal
        out.write(safe_json(line.decode()).encode() if visible else line)
        out.flush()

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
