"""What was typed, kept between sessions: one JSON string a line, in a private file that several chats append to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit.history import History

from elkcli.storage.private import beside, create, make_directory, open_to_append

NAME = "input_history"
MOST = 5000
_LONGEST_ENTRY = 64 * 1024  # characters; a pasted book is in the conversation, and not worth reading at every start
_TOO_LARGE = 8 * 1024 * 1024


class InputHistory(History):
    """The input history. What cannot be read or written is only missing: it never stops a chat.

    While ``keeps`` says no, what is typed is found again in this chat only.
    """

    def __init__(self, directory: Path, keeps: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self._path = directory / NAME
        self._keeps = keeps
        self._seen: tuple[int, int] | None = None

    def refresh(self) -> None:
        """Take in what other chats have added since."""
        if self._loaded and self._state() != self._seen:
            self._loaded = False

    def load_history_strings(self) -> Iterable[str]:
        """What was typed, the latest first."""
        self._seen = self._state()
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        for line in lines[: -MOST - 1 : -1]:
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, str):
                    yield entry

    def store_string(self, string: str) -> None:
        """Add an entry: a single write at the end of the file, so that two chats never mix theirs."""
        if len(string) > _LONGEST_ENTRY or not self._keeps():
            return
        with contextlib.suppress(OSError):
            make_directory(self._path.parent)
            with open_to_append(self._path) as file:
                file.write(json.dumps(string).encode() + b"\n")
            before, self._seen = self._seen, self._state()
            if before is not None and self._seen is not None and self._seen[1] > _TOO_LARGE:
                self._shorten()

    def _shorten(self) -> None:
        """Keep the latest entries. One that another chat adds in this very moment may be lost with the old file."""
        lines = self._path.read_bytes().splitlines(keepends=True)[-MOST // 2 :]
        aside = beside(self._path)
        try:
            with create(aside) as file:
                file.writelines(lines)
            aside.replace(self._path)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()

    def _state(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size
