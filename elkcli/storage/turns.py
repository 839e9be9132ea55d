"""Turns as rows and back: what was sent and what came, as the store holds it and as the rest of elkcli knows it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from elkcli.conversation import ForeignPart, MediaPart, Message, Part, SavedMedia, TextPart, Usage
from elkcli.storage.media import MediaFiles
from elkcli.unicode import whole

TOKENS = ("prompt", "completion", "total", "reasoning", "cached", "image")
"""The counts of :class:`Usage`; their columns are called ``prompt_tokens`` and so on."""
_LONG = 16384
"""Characters of JSON from which on a foreign part is a file: a picture as base64, most likely."""


class Answer(NamedTuple):
    """One answer to a turn. Its ``media`` lie in the store; ``reference`` is what ``text`` calls them."""

    choice: int
    text: str
    reasoning: str = ""
    media: tuple[SavedMedia, ...] = ()
    tool_calls: tuple[dict[str, Any], ...] = ()

    def __bool__(self) -> bool:
        """Whether there is something to go on with; thoughts alone are not."""
        return bool(self.text or self.media or self.tool_calls)


class Turn(NamedTuple):
    """One exchange: what was sent anew (most often a single message), and what came.

    ``status`` is ``whole``, ``cut`` (something came, then it ended badly), ``failed`` (nothing came) or ``open``: still
    coming, or the process was killed. ``model`` is the one that was asked, ``served`` the one that answered.
    """

    id: int
    started: float
    status: str
    seconds: float | None = None
    model: str | None = None
    served: str | None = None
    profile: str | None = None
    response_id: str | None = None
    request_id: str | None = None
    finish_reason: str | None = None
    error: str | None = None
    usage: Usage = Usage()
    sent: tuple[Message, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def answer(self) -> Answer | None:
        """The answer that the conversation goes on with: the first. ``None`` if nothing came."""
        return self.answers[0] if self.answers and self.answers[0] else None

    @property
    def partial(self) -> bool:
        """Whether there is an answer, but not the whole of it."""
        return self.answer is not None and self.status != "whole"


def read(connection: sqlite3.Connection, files: MediaFiles, conversation: str) -> list[Turn]:
    """Every turn that was not taken back. Media are told by their path, and not read. Raises ``sqlite3.Error``."""
    rows = connection.execute(
        """SELECT id, started, status, seconds, model, served, profile, response_id, request_id, finish_reason, error,
            prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, image_tokens
        FROM turns WHERE conversation = ? AND undone = 0 ORDER BY id""",
        (conversation,),
    ).fetchall()
    media: dict[int, list[Any]] = {}
    for row in connection.execute(
        """SELECT d.message, d.kind, d.mime, d.file, d.url, d.name, d.reference, d.size, d.width, d.height
        FROM turns t JOIN messages m ON m.turn = t.id JOIN media d ON d.message = m.id
        WHERE t.conversation = ? AND t.undone = 0 ORDER BY d.message, d.position""",
        (conversation,),
    ):
        media.setdefault(row[0], []).append(row[1:])
    coming = _coming(connection, conversation) if any(row[2] == "open" for row in rows) else {}
    sent: dict[int, list[Message]] = {}
    answers: dict[int, list[Answer]] = {}
    for turn, message, role, choice, text, parts, extra, reasoning in connection.execute(
        """SELECT m.turn, m.id, m.role, m.choice, m.text, m.parts, m.extra, m.reasoning
        FROM turns t JOIN messages m ON m.turn = t.id
        WHERE t.conversation = ? AND t.undone = 0 ORDER BY t.id, m.position""",
        (conversation,),
    ):
        with_it = media.get(message, [])
        more = json.loads(extra) if extra else {}
        if choice is None:
            sent.setdefault(turn, []).append(Message(role, _content(text, parts, with_it, files), more))
            continue
        answers.setdefault(turn, []).append(
            Answer(
                choice,
                coming.get((message, "text"), text),
                coming.get((message, "reasoning"), reasoning or ""),
                tuple(_saved(one, choice, files) for one in with_it),
                tuple(more.get("tool_calls", ())),
            )
        )
    return [
        Turn(*row[:11])._replace(
            usage=Usage(*row[11:]),
            sent=tuple(sent.get(row[0], ())),
            answers=tuple(answers.get(row[0], ())),
        )
        for row in rows
    ]


def _coming(connection: sqlite3.Connection, conversation: str) -> dict[tuple[int, str], str]:
    """The text of answers that have no end yet, by message and kind."""
    pieces: dict[tuple[int, str], list[str]] = {}
    for message, kind, text in connection.execute(
        """SELECT s.message, s.kind, s.text FROM turns t JOIN messages m ON m.turn = t.id
        JOIN segments s ON s.message = m.id WHERE t.conversation = ? AND t.status = 'open'
        ORDER BY s.message, s.kind, s.start""",
        (conversation,),
    ):
        pieces.setdefault((message, kind), []).append(text)
    return {key: "".join(some) for key, some in pieces.items()}


def _content(text: str, parts: str | None, media: Sequence[Any], files: MediaFiles) -> str | tuple[Part, ...] | None:
    if parts is None:
        return text
    listed = json.loads(parts)
    return None if listed is None else tuple(_part(part, media, files) for part in listed)


def _part(part: Any, media: Sequence[Any], files: MediaFiles) -> Part:
    if isinstance(part, str):
        return TextPart(part)
    if "foreign" in part:
        return ForeignPart(part["foreign"])
    kind, mime, file, url, name, *_ = media[part["stored" if "stored" in part else "media"]]
    if "stored" in part:
        body = files.read(file)
        return TextPart("[a part that is no longer stored]") if body is None else ForeignPart(json.loads(body))
    return MediaPart(kind, mime, None, url, name, str(files.path(file)) if file else None)


def _saved(row: Any, choice: int, files: MediaFiles) -> SavedMedia:
    kind, mime, file, _, _, reference, size, width, height = row
    path = str(files.path(file))
    return SavedMedia(path, reference or path, kind, mime, size or 0, width or 0, height or 0, choice)


def as_message(answer: Answer) -> Message:
    """The answer as it is sent again: a picture stands where the text showed it, without the Markdown around it."""
    extra = {"tool_calls": list(answer.tool_calls)} if answer.tool_calls else {}
    if not answer.media:
        return Message("assistant", answer.text or None, extra)
    parts: list[Part] = []
    rest = answer.text
    for media in answer.media:
        if shown := re.search(rf"!\[[^\]\n]*\]\(<?{re.escape(media.reference)}>?\)", rest):
            if before := rest[: shown.start()]:
                parts.append(TextPart(before))
            rest = rest[shown.end() :]
        parts.append(MediaPart(media.kind, media.mime, None, None, Path(media.path).name, media.path))
    if rest:
        parts.append(TextPart(rest))
    return Message("assistant", tuple(parts), extra)


def as_stored(message: Message) -> tuple[str, str | None, list[MediaPart | bytes]]:
    """A message as it is stored: its words, its parts as JSON where it has any, and the media they name.

    A foreign part that is long comes as bytes, to be kept like the media.
    """
    if isinstance(message.content, str):
        return clean(message.content), None, []
    if message.content is None:
        return "", "null", []
    words: list[str] = []
    media: list[MediaPart | bytes] = []
    listed: list[object] = []
    for part in message.content:
        if isinstance(part, TextPart):
            words.append(part.text)
            listed.append(clean(part.text))
        elif isinstance(part, MediaPart):
            listed.append({"media": len(media)})
            media.append(part)
        else:
            if isinstance(text := part.body.get("text"), str):
                words.append(text)
            body = json.dumps(part.body)
            if len(body) > _LONG:
                listed.append({"stored": len(media)})
                media.append(body.encode("ascii"))
            else:
                listed.append({"foreign": part.body})
    return clean("\n\n".join(words)), json.dumps(listed), media


def clean(text: str) -> str:
    """``text`` as SQLite can hold it: halves of a surrogate pair are joined, and those left alone replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return whole(text)
    return text


def tokens(usage: Usage) -> tuple[int | None, ...]:
    """The counts of ``usage`` in the order of :data:`TOKENS`, without numbers that no server means."""
    counts = (getattr(usage, name) for name in TOKENS)
    return tuple(count if isinstance(count, int) and 0 <= count < 2**53 else None for count in counts)
