"""The prompt: words of the command line, standard input, an editor, attachments, and messages from a file."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from elkcli.commands.reading import read_file
from elkcli.conversation import REQUEST_LIMIT, ForeignPart, Message, Part, TextPart
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.media import sniff
from elkcli.storage.settings import Settings
from elkcli.terminal.messages import Messages

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


class Input:
    """Standard input, read at most once, by the one part of the command line that asks for it."""

    def __init__(self, environment: Environment, messages: Messages) -> None:
        self.environment = environment
        self.messages = messages
        self.taken_by: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether something other than a terminal is connected."""
        return self.environment.stdin is not None and not self.environment.stdin_is_terminal

    def read(self, taker: str, *, expected: bool) -> bytes:
        """All of it. Unless it is ``expected``, a pipe that stays silent for a second is remarked on."""
        if self.taken_by is not None:
            raise UsageError(f"standard input cannot be both {self.taken_by} and {taker}")
        self.taken_by = taker
        stdin = self.environment.stdin
        if stdin is None:
            raise UsageError("standard input is closed")
        remark = threading.Timer(1.0, self._remark)
        remark.daemon = True
        if not expected:
            remark.start()
        parts: list[bytes] = []
        size = 0
        try:
            while chunk := self._some(stdin):
                remark.cancel()
                parts.append(chunk)
                size += len(chunk)
                if size > REQUEST_LIMIT:
                    raise UsageError(
                        f"standard input is longer than {REQUEST_LIMIT >> 20} MiB, which the server refuses"
                    )
        except OSError as problem:
            raise UsageError(f"cannot read standard input: {problem.strerror}") from problem
        finally:
            remark.cancel()
        return b"".join(parts)

    @staticmethod
    def _some(stdin: Any) -> bytes:
        """Some bytes as soon as there are any."""
        return bytes(stdin.read1(1 << 20) if hasattr(stdin, "read1") else stdin.read(1 << 20))

    def _remark(self) -> None:
        self.messages.note("waiting for standard input (--no-stdin ignores it)")


class Prompt:
    """What is asked: text, and the media that came with it."""

    def __init__(self, text: str, parts: list[Part]) -> None:
        self.text = text
        self.parts = parts

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send."""
        return not self.text.strip() and not self.parts

    def message(self) -> Message:
        """The user's message."""
        if not self.parts:
            return Message("user", self.text)
        return Message("user", (*((TextPart(self.text),) if self.text.strip() else ()), *self.parts))


def build(words: Sequence[str], source: Input, *, use_stdin: bool, shrink: bool = False) -> Prompt:
    """Words, then standard input, each joined to the next by a blank line; a word ``-`` puts the input there."""
    parts: list[Part] = []
    sections: list[str] = []
    said: list[str] = []

    def end() -> None:
        if said:
            sections.append(" ".join(said))
            said.clear()

    for word in words:
        if word == "-":
            end()
            if source.environment.stdin_is_terminal:
                source.messages.note("reading the prompt from the terminal; Ctrl-D ends it")
            _piped(source.read("the prompt", expected=True), sections, parts, shrink)
        else:
            said.append(word)
    end()
    if use_stdin and source.taken_by is None and source.is_there:
        _piped(source.read("the prompt", expected=not words), sections, parts, shrink)
    text = "\n\n".join(section for section in sections if section)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("the prompt is not valid UTF-8") from None
    return Prompt(text, parts)


def _piped(data: bytes, sections: list[str], parts: list[Part], shrink: bool) -> None:
    if not data:
        return
    if sniff(data) is not None:
        from elkcli.storage.attachments import TAKEN, as_part

        part = as_part(data, "stdin", shrink=shrink)
        if part is None:
            raise UsageError("standard input is of no kind that the API takes", hint=f"it takes {TAKEN}")
        if not isinstance(part, TextPart):
            parts.append(part)
            return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UsageError(
            f"standard input is not UTF-8 (byte {problem.start})", hint="convert it first, for example with iconv"
        ) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if text.strip():
        sections.append(text)


def attachments(
    names: Sequence[str], source: Input, settings: Settings, *, fetch: bool = False, shrink: bool = False
) -> list[Part]:
    """The parts that ``-a`` names: files, addresses, or ``-`` for standard input. Raises :class:`UsageError`."""
    if not names:
        return []
    from elkcli.storage.attachments import as_part, load

    def download(url: str) -> bytes:
        from elkcli.api.fetch import fetch as get
        from elkcli.api.trust import trust

        return get(url, verify=trust(settings.ca_file))

    parts = []
    for name in names:
        if name != "-":
            parts.append(load(name, source.environment, fetch=download if fetch else None, shrink=shrink))
            continue
        part = as_part(source.read("an attachment", expected=True), "stdin", shrink=shrink)
        if part is None:
            raise UsageError("cannot attach standard input: it is of no kind that the API takes")
        parts.append(part)
    return parts


def edited(text: str, environment: Environment) -> str:
    """``text`` as the person left it in the editor. Raises :class:`ElkError`."""
    import tempfile

    from elkcli.commands.editor import edit

    handle, name = tempfile.mkstemp(prefix="elkcli-", suffix=".md")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        editor = edit(path, environment, undone="nothing was sent")
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except UnicodeDecodeError:
            raise UsageError("what the editor saved is not UTF-8") from None
        except OSError as problem:
            raise ElkError(f"the editor {editor!r} left nothing to read: {problem.strerror}") from problem
    finally:
        path.unlink(missing_ok=True)


def from_json(path: str, source: Input) -> list[Message]:
    """The messages in a JSON file. Raises :class:`UsageError`."""
    if path == "-":
        raw = source.read("the messages", expected=True)
    else:
        raw = read_file(path, source.environment.directory, "--messages")
    try:
        found = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"--messages: {path} is not UTF-8") from None
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"--messages: {path} is not valid JSON: {problem}") from None
    if isinstance(found, dict) and isinstance(found.get("messages"), list):
        found = found["messages"]
    if not isinstance(found, list):
        raise UsageError(f"--messages: {path} holds no JSON array of messages")
    return [_message(entry, f"--messages: {path}, message {number}") for number, entry in enumerate(found, 1)]


def _message(entry: object, where: str) -> Message:
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is no object with role and content")
    role, content = entry.get("role"), entry.get("content")
    if role not in ROLES:
        raise UsageError(f"{where}: role is one of {', '.join(ROLES)}")
    extra = {key: value for key, value in entry.items() if key not in ("role", "content")}
    if isinstance(content, str) or (content is None and extra):
        return Message(role, content, extra)
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return Message(role, tuple(_part(part) for part in content), extra)
    raise UsageError(f"{where}: content is a string or an array of parts")


def _part(part: dict[str, Any]) -> Part:
    if set(part) == {"type", "text"} and part["type"] == "text" and isinstance(part["text"], str):
        return TextPart(part["text"])
    return ForeignPart(part)
