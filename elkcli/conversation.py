"""The words of the protocol: messages that are sent, and the pieces an answer is made of. No I/O."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from elkcli.errors import ElkError
from elkcli.value import Value

MediaKind: TypeAlias = Literal["image", "audio", "video", "document"]

REQUEST_LIMIT = 128 * 1024 * 1024
"""Bytes of a whole request, as the relay takes it (wire.md §3.2)."""


# What is sent


class TextPart(Value):
    """Text inside a message of several parts."""

    text: str


class MediaPart(Value):
    """A picture, sound or document inside a message: its bytes, or the URL where the server finds it.

    ``mime`` is told by the bytes where there are any. ``name`` is a bare file name. ``path`` says where the
    bytes lie on this disk, so that history can refer to them.
    """

    kind: MediaKind
    mime: str
    data: bytes | None = None
    url: str | None = None
    name: str | None = None
    path: str | None = None


class ForeignPart(Value):
    """A content part taken verbatim from ``--messages``."""

    body: dict[str, Any]


Part: TypeAlias = TextPart | MediaPart | ForeignPart


class Message(Value):
    """One message. ``content`` is text, or parts; ``extra`` holds further members (``tool_calls``, ``name``)."""

    role: str
    content: str | tuple[Part, ...] | None
    extra: dict[str, Any] = {}  # noqa: RUF012 - values are never changed

    @property
    def text(self) -> str:
        """The words of the message, without its media."""
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(part.text for part in self.content or () if isinstance(part, TextPart))

    @property
    def media(self) -> tuple[MediaPart, ...]:
        """The media of the message, in order."""
        if self.content is None or isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if isinstance(part, MediaPart))


# What comes back


class Start(Value):
    """The first thing the server said: its id for the answer, the model that serves it, the request id."""

    id: str | None = None
    model: str | None = None
    created: int | float | str | None = None
    request_id: str | None = None


class Text(Value):
    """Words of the answer, as they came. ``choice`` counts from 0."""

    text: str
    choice: int = 0


class Reasoning(Value):
    """Words the model thought before or beside its answer."""

    text: str
    choice: int = 0


class Media(Value):
    """A picture, sound or document inside the answer, decoded.

    ``claimed`` is the type the server named; the bytes may say otherwise. Text around it already holds the
    Markdown (``![image](`` … ``)``): the piece stands where the URL stood.
    """

    data: bytes
    claimed: str
    choice: int = 0


class SavedMedia(Value):
    """Media of the answer that lies on the disk now.

    ``reference`` is what the text shows in its place. ``width`` and ``height`` are in pixels, 0 if unknown;
    ``size`` in bytes. ``problem`` says why they lie elsewhere than they should, where they do.
    """

    path: str
    reference: str
    kind: MediaKind
    mime: str
    size: int
    width: int = 0
    height: int = 0
    choice: int = 0
    problem: str = ""


class ToolCall(Value):
    """A function the model wants called. elkcli shows it and calls nothing. ``arguments`` is JSON text."""

    id: str | None
    name: str
    arguments: str
    choice: int = 0

    def as_json(self) -> dict[str, Any]:
        """The call in the API's shape."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


class Usage(Value):
    """Tokens counted by the server; ``None`` where it said nothing."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    reasoning: int | None = None
    cached: int | None = None
    image: int | None = None


def tokens(usage: Usage | None) -> int:
    """All tokens of an answer, as far as the server counted."""
    if usage is None:
        return 0
    return usage.total if usage.total is not None else (usage.prompt or 0) + (usage.completion or 0)


def added(one: Usage | None, other: Usage) -> Usage:
    """The counts of both; ``None`` where neither told."""
    if one is None:
        return other

    def plus(first: int | None, second: int | None) -> int | None:
        return (first or 0) + (second or 0) if first is not None or second is not None else None

    return Usage(
        plus(one.prompt, other.prompt),
        plus(one.completion, other.completion),
        plus(one.total, other.total),
        plus(one.reasoning, other.reasoning),
        plus(one.cached, other.cached),
        plus(one.image, other.image),
    )


class Event(Value):
    """The server's own object, one chunk or one whole reply, for displays that show it unchanged."""

    body: dict[str, Any]
    whole: bool = False


def in_order(choices: list[Any]) -> list[dict[str, Any]]:
    """The choices of a whole reply in order: by ``index`` where each has its own, else as they stand.

    Their place in this list is what counts: the sample reply of the API page numbers its only choice 1.
    """
    found = [choice for choice in choices if isinstance(choice, dict)]
    numbers = [choice.get("index") for choice in found]
    if all(type(number) is int for number in numbers) and len(set(numbers)) == len(numbers):
        found.sort(key=lambda choice: int(choice["index"]))
    return found


class Note(Value):
    """Something worth a word on stderr that is no failure."""

    text: str
    warning: bool = False


class Finished(Value):
    """The answer is whole. ``reason`` is the server's ``finish_reason``, verbatim."""

    reason: str | None


class Failure(Value):
    """The answer ends here, and not well. Always the last piece."""

    error: ElkError
    reason: str | None = None


Piece: TypeAlias = Start | Text | Reasoning | Media | SavedMedia | ToolCall | Usage | Event | Note | Finished | Failure
