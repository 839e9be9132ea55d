"""Displays: each shows the pieces of an answer in one format. This file has those that need no rich."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from elkcli.codeblocks import code_blocks, pick
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
from elkcli.terminal.safe import safe


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


def as_text(call: ToolCall) -> str:
    """A tool call as one line of JSON: elkcli calls nothing."""
    return json.dumps(
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}},
        ensure_ascii=False,
    )


class TextDisplay:
    """The model's words: byte for byte in a pipe, made safe at a terminal. A newline ends them where they have none."""

    def __init__(self, environment: Environment, *, reasoning: bool = False, spinner: Any = None) -> None:
        self._out = standard_output(environment)
        self._environment = environment
        self._safe = environment.stdout_is_terminal
        self._reasoning = reasoning
        self._spinner = spinner
        self._thinking = False
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
        if self._thinking:
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
            self._calls.append(as_text(piece))

    def _write(self, text: str) -> None:
        if not text:
            return
        if self._spinner is not None:
            self._quiet()
        if self._thinking:
            self._think_end()
        self._last = text[-1]
        self._out.write((safe(text) if self._safe else text).encode())
        self._out.flush()

    def _end_line(self) -> None:
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
            if not self._thinking:
                self._thinking = True
                stderr.write("\x1b[2m" if self._environment.stderr_is_terminal else "")
            stderr.write(safe(text))
            stderr.flush()

    def _think_end(self) -> None:
        self._thinking = False
        with suppress(OSError):
            self._environment.stderr.write("\x1b[0m\n\n" if self._environment.stderr_is_terminal else "\n\n")
            self._environment.stderr.flush()


class ExtractDisplay:
    """Only code blocks of the answer, without their fences, once it has ended."""

    def __init__(self, environment: Environment, which: str) -> None:
        self._out = standard_output(environment)
        self._safe = environment.stdout_is_terminal
        self._which = which
        self._texts: list[str] = []

    def __enter__(self) -> ExtractDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        blocks = pick(code_blocks("".join(self._texts)), self._which)
        code = "".join(block.code for block in blocks)
        self._out.write((safe(code) if self._safe else code).encode())
        self._out.flush()
        if not blocks and kind is None:
            what = "no code block" if self._which == "all" else f"no code block {self._which}"
            raise Incomplete(f"{what} in the answer", hint="without --extract the whole answer is printed")

    def show(self, piece: Piece) -> None:
        """Keep the words."""
        if isinstance(piece, Text) and piece.choice == 0:
            self._texts.append(piece.text)
        elif isinstance(piece, SavedMedia) and piece.choice == 0:
            self._texts.append(piece.reference)


class JsonDisplay:
    """One object in the shape of the API's reply, whether it came whole or in chunks. Needs ``Event`` pieces.

    Where media were saved, ``content`` refers to their files instead of carrying them.
    """

    def __init__(self, environment: Environment) -> None:
        self._out = standard_output(environment)
        self._collected = Collected()
        self._texts: dict[int, list[str]] = {}
        self._saved = False

    def __enter__(self) -> JsonDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        reply = self._collected.reply()
        if reply is None:
            return
        if self._saved:
            self._refer(reply)
        self._out.write(json.dumps(reply, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace") + b"\n")
        self._out.flush()

    def show(self, piece: Piece) -> None:
        """Collect."""
        if isinstance(piece, Event):
            self._collected.add(piece)
        elif isinstance(piece, Text):
            self._texts.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, SavedMedia):
            self._saved = True
            self._texts.setdefault(piece.choice, []).append(piece.reference)

    def _refer(self, reply: dict[str, Any]) -> None:
        for choice in reply.get("choices") or []:
            message = choice.get("message") if isinstance(choice, dict) else None
            if isinstance(message, dict):
                message["content"] = "".join(self._texts.get(choice.get("index", 0), []))
                message.pop("images", None)


class Collected:
    """The chunks of a stream as the one object that the API would have sent."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] | None = None
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}
        self._calls: dict[tuple[int, int], dict[str, Any]] = {}
        self._any = False

    def add(self, event: Event) -> None:
        """One object of the server; an error object is passed over."""
        body = event.body
        if event.whole:
            if body.get("choices") or not body.get("error"):
                self._whole = body
            return
        if body.get("error") and not body.get("choices"):
            return
        self._any = True
        for key, value in body.items():
            if key == "choices" or (key == "usage" and not _counts(value) and _counts(self._head.get("usage"))):
                continue
            if value is not None or key not in self._head:
                if key in ("id", "model", "created") and self._head.get(key) and not value:
                    continue
                self._head[key] = value
        for choice in body.get("choices") or []:
            if isinstance(choice, dict):
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        entry = self._choices.setdefault(index, {"index": index, "message": {"role": "assistant", "content": None}})
        for key, value in choice.items():
            if key in ("index", "delta", "message"):
                continue
            if value is not None or key not in entry:
                entry[key] = value
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            message = choice.get("message")
            delta = message if isinstance(message, dict) and (index, "content") not in self._texts else {}
        for key, value in delta.items():
            self._member(entry["message"], index, key, value)

    def _member(self, message: dict[str, Any], index: int, key: str, value: Any) -> None:
        if key == "tool_calls" and isinstance(value, list):
            for position, call in enumerate(value):
                if isinstance(call, dict):
                    self._call(message, index, position, call)
        elif isinstance(value, str) and key not in ("role", "name"):
            self._texts.setdefault((index, key), []).append(value)
        elif isinstance(value, list) and isinstance(message.get(key), list):
            message[key].extend(value)
        elif value is not None or key not in message:
            message[key] = value

    def _call(self, message: dict[str, Any], index: int, position: int, call: dict[str, Any]) -> None:
        number = call.get("index")
        number = number if isinstance(number, int) else position
        known = self._calls.get((index, number))
        if known is None:
            known = self._calls[index, number] = {
                "id": None,
                "type": "function",
                "function": {"name": "", "arguments": ""},
            }
            message["tool_calls"] = [*(message.get("tool_calls") or []), known]
        known["id"] = call.get("id") or known["id"]
        function = call.get("function")
        if isinstance(function, dict):
            known["function"]["name"] = function.get("name") or known["function"]["name"]
            if isinstance(function.get("arguments"), str):
                known["function"]["arguments"] += function["arguments"]

    def reply(self) -> dict[str, Any] | None:
        """The object, or ``None`` where nothing of an answer came."""
        if self._whole is not None or not self._any:
            return self._whole
        for (index, key), texts in self._texts.items():
            message = self._choices[index]["message"]
            parts = message.get(key)
            if isinstance(parts, list):
                parts.append({"type": "text", "text": "".join(texts)})
            else:
                message[key] = "".join(texts)
        head = {"id": None, "object": "chat.completion", "created": None, "model": None, **self._head}
        head["object"] = "chat.completion"
        usage = head.pop("usage", None)
        head["choices"] = [
            {"finish_reason": None, **choice} if "finish_reason" not in choice else choice
            for _, choice in sorted(self._choices.items())
        ]
        head["usage"] = usage
        return head


def _counts(usage: object) -> bool:
    return isinstance(usage, dict) and any(
        usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )


class JsonlDisplay:
    """Events as they arrive, one object a line, each with a ``type``.

    With ``raw`` the server's own objects, one a line, and nothing else.
    """

    def __init__(self, environment: Environment, *, raw: bool = False) -> None:
        self._out = standard_output(environment)
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
        elif isinstance(piece, ToolCall):
            self._line({"type": "tool_call", **json.loads(as_text(piece)), "choice": piece.choice})
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
        self._out.write(json.dumps(event, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self._out.flush()
