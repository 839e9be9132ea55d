"""Displays: each shows the pieces of an answer in one format. This file has those that need no rich."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from elkcli.conversation import (
    Event,
    Failure,
    Finished,
    Piece,
    Reasoning,
    SavedMedia,
    Start,
    Text,
    ToolCall,
    Usage,
)
from elkcli.environment import Environment
from elkcli.errors import ElkError, Incomplete
from elkcli.terminal.safe import SafeStream, safe, safe_json


class Display(Protocol):
    """Shows pieces as they come. Nothing is written before the first of them."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, piece: Piece) -> None:
        """Show ``piece``, or pass over it."""


def standard_output(environment: Environment) -> BinaryIO:
    """stdout, or the failure that it was closed."""
    if environment.stdout is None:
        raise ElkError("standard output is closed")
    return environment.stdout


class TextDisplay:
    """The model's words: byte for byte in a pipe, made safe at a terminal. A newline ends them where they have none."""

    def __init__(self, environment: Environment, *, reasoning: bool = False, spinner: Any = None) -> None:
        self._out = standard_output(environment)
        self._environment = environment
        self._safe = SafeStream() if environment.stdout_is_terminal else None
        self._reasoning = reasoning
        self._spinner = spinner
        self._thinking: SafeStream | None = None
        self._dims = environment.stderr_is_terminal and environment.variables.get("TERM") != "dumb"
        self._last = ""
        self._later: dict[int, list[str]] = {}
        self._calls: list[str] = []

    def __enter__(self) -> TextDisplay:
        if self._spinner is not None:
            self._spinner.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quiet()
        if self._thinking is not None:
            self._think_end()
        if kind is None or not issubclass(kind, OSError):
            for _, texts in sorted(self._later.items()):
                self._end_line()
                if self._last:
                    self._write("\n")
                self._last = ""
                self._write("".join(texts))
            for call in self._calls:
                self._end_line()
                self._write(call)
            self._end_line()

    def show(self, piece: Piece) -> None:
        """Write text at once; further choices and tool calls wait for the end."""
        if isinstance(piece, Text):
            if piece.choice == 0:
                self._write(piece.text)
            else:
                self._later.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, SavedMedia):
            if piece.choice == 0:
                self._write(piece.reference)
            else:
                self._later.setdefault(piece.choice, []).append(piece.reference)
        elif isinstance(piece, Reasoning):
            if self._reasoning and piece.choice == 0:
                self._think(piece.text)
        elif isinstance(piece, ToolCall):
            self._calls.append(json.dumps(piece.as_json(), ensure_ascii=False))  # shown: elkcli calls nothing

    def _write(self, text: str) -> None:
        if not text:
            return
        if self._spinner is not None:
            self._quiet()
        if self._thinking is not None:
            self._think_end()
        self._last = text[-1]
        self._out.write((text if self._safe is None else self._safe.feed(text)).encode())
        self._out.flush()

    def _end_line(self) -> None:
        if self._safe is not None and (held := self._safe.close()):
            self._out.write(held.encode())
        if self._last and self._last != "\n":
            self._write("\n")

    def _quiet(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def _think(self, text: str) -> None:
        self._quiet()
        stderr = self._environment.stderr
        with suppress(OSError):
            if self._thinking is None:
                self._thinking = SafeStream()
                stderr.write("\x1b[2m" if self._dims else "")
            stderr.write(self._thinking.feed(text))
            stderr.flush()

    def _think_end(self) -> None:
        held = self._thinking.close() if self._thinking is not None else ""
        self._thinking = None
        with suppress(OSError):
            self._environment.stderr.write(held + ("\x1b[0m\n\n" if self._dims else "\n\n"))
            self._environment.stderr.flush()


class ExtractDisplay:
    """Only code blocks of the answer, without their fences, once it has ended."""

    def __init__(self, environment: Environment, which: str) -> None:
        self._out = standard_output(environment)
        self._safe = environment.stdout_is_terminal
        self._which = which
        self._texts: dict[int, list[str]] = {}
        self._failed = False

    def __enter__(self) -> ExtractDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        from elkcli.codeblocks import code_blocks, pick

        blocks = pick(
            [block for _, texts in sorted(self._texts.items()) for block in code_blocks("".join(texts))], self._which
        )
        code = "".join(block.code for block in blocks)
        self._out.write((safe(code) if self._safe else code).encode())
        self._out.flush()
        if not blocks and kind is None and not self._failed:
            what = "no code block" if self._which == "all" else f"no code block {self._which}"
            raise Incomplete(f"{what} in the answer", hint="without --extract the whole answer is printed")

    def show(self, piece: Piece) -> None:
        """Keep the words. An answer that failed has its own error, which a missing block must not hide."""
        if isinstance(piece, Text):
            self._texts.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, SavedMedia):
            self._texts.setdefault(piece.choice, []).append(piece.reference)
        elif isinstance(piece, Failure):
            self._failed = True


class JsonlDisplay:
    """Events as they arrive, one object a line, each with a ``type``.

    With ``raw`` the server's own objects, one a line, and nothing else.
    """

    def __init__(self, environment: Environment, *, raw: bool = False) -> None:
        self._out = standard_output(environment)
        self._safe = environment.stdout_is_terminal
        self._raw = raw
        self._began = time.monotonic()

    def __enter__(self) -> JsonlDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def show(self, piece: Piece) -> None:
        """Write the event that ``piece`` is."""
        if self._raw:
            if isinstance(piece, Event):
                self._line(piece.body)
            return
        if isinstance(piece, Start):
            self._line(
                {
                    "type": "start",
                    "id": piece.id,
                    "model": piece.model,
                    "created": piece.created,
                    "request_id": piece.request_id,
                }
            )
        elif isinstance(piece, Text):
            self._line({"type": "text", "text": piece.text, "choice": piece.choice})
        elif isinstance(piece, Reasoning):
            self._line({"type": "reasoning", "text": piece.text, "choice": piece.choice})
        elif isinstance(piece, SavedMedia):
            self._line(
                {
                    "type": "image" if piece.kind == "image" else "media",
                    "path": piece.path,
                    "mime": piece.mime,
                    "bytes": piece.size,
                    "width": piece.width or None,
                    "height": piece.height or None,
                    "choice": piece.choice,
                }
            )
            self._line({"type": "text", "text": piece.reference, "choice": piece.choice})
        elif isinstance(piece, ToolCall):
            self._line({**piece.as_json(), "type": "tool_call", "choice": piece.choice})
        elif isinstance(piece, Usage):
            self._line(
                {
                    "type": "usage",
                    "prompt_tokens": piece.prompt,
                    "completion_tokens": piece.completion,
                    "total_tokens": piece.total,
                    "reasoning_tokens": piece.reasoning,
                    "cached_tokens": piece.cached,
                }
            )
        elif isinstance(piece, Finished):
            seconds = round(time.monotonic() - self._began, 3)
            self._line({"type": "end", "finish_reason": piece.reason, "seconds": seconds})
        elif isinstance(piece, Failure):
            self._line({"type": "error", "error": piece.error.as_json(), "finish_reason": piece.reason})

    def _line(self, event: dict[str, Any]) -> None:
        text = json.dumps(event, ensure_ascii=False)
        self._out.write((safe_json(text) if self._safe else text).encode("utf-8", "backslashreplace") + b"\n")
        self._out.flush()
