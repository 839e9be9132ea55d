"""The words of the protocol: messages that are sent, and the pieces an answer is made of. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from elkcli.errors import ElkError

MediaKind: TypeAlias = Literal["image", "audio", "video", "document"]


# What is sent


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text inside a message of several parts."""

    text: str


@dataclass(frozen=True, slots=True)
class MediaPart:
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


@dataclass(frozen=True, slots=True)
class ForeignPart:
    """A content part taken verbatim from ``--messages``."""

    body: dict[str, Any]


Part: TypeAlias = TextPart | MediaPart | ForeignPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``content`` is text, or parts; ``extra`` holds further members (``tool_calls``, ``name``)."""

    role: str
    content: str | tuple[Part, ...] | None
    extra: dict[str, Any] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True)
class Start:
    """The first thing the server said: its id for the answer, the model that serves it, the request id."""

    id: str | None = None
    model: str | None = None
    created: int | float | str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Words of the answer, as they came. ``choice`` counts from 0."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Words the model thought before or beside its answer."""

    text: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, sound or document inside the answer, decoded.

    ``claimed`` is the type the server named; the bytes may say otherwise. Text around it already holds the
    Markdown (``![image](`` … ``)``): the piece stands where the URL stood.
    """

    data: bytes
    claimed: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class SavedMedia:
    """Media of the answer that lies on the disk now.

    ``reference`` is what the text shows in its place. ``width`` and ``height`` are in pixels, 0 if unknown;
    ``size`` in bytes.
    """

    path: str
    reference: str
    kind: MediaKind
    mime: str
    size: int
    width: int = 0
    height: int = 0
    choice: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model wants called. elkcli shows it and calls nothing. ``arguments`` is JSON text."""

    id: str | None
    name: str
    arguments: str
    choice: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the server; ``None`` where it said nothing."""

    prompt: int | None = None
    completion: int | None = None
    total: int | None = None
    reasoning: int | None = None
    cached: int | None = None
    image: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """The server's own object, one chunk or one whole reply, for displays that show it unchanged."""

    body: dict[str, Any]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a word on stderr that is no failure."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """The answer is whole. ``reason`` is the server's ``finish_reason``, verbatim."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """The answer ends here, and not well. Always the last piece."""

    error: ElkError
    reason: str | None = None


Piece: TypeAlias = (
    Start | Text | Reasoning | Media | SavedMedia | ToolCall | Usage | Event | Note | Finished | Failure
)
