"""An exchange that is going on, in memory, and the statements that bring the store up to date with it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from elkcli.conversation import MediaPart, Message, SavedMedia, Start, Usage
from elkcli.storage import schema
from elkcli.storage.media import MediaFiles
from elkcli.storage.turns import TOKENS, as_stored, clean, tokens

ID_LENGTH = 8
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_AFTER_WHAT_IS_SENT = 1_000_000
_INDEXED_AT_ONCE = 1 << 15
"""Characters. A longer text takes time and memory to index, which the next search has and the end of an answer not."""


class Question(NamedTuple):
    """What is sent, to which conversation, and from where."""

    messages: Sequence[Message]
    conversation: str | None
    name: str | None
    system: str | None
    model: str | None
    profile: str | None
    directory: str | None
    terminal: str | None
    started: float
    files: dict[tuple[int, int], str]

    def keep_media(self, store: MediaFiles) -> None:
        """Store the media of the messages, so that the rows can name them. Raises ``OSError``."""
        for at, message in enumerate(self.messages):
            for place, part in enumerate(as_stored(message)[2]):
                if isinstance(part, bytes):
                    self.files[at, place] = store.keep(part)
                elif part.data is not None:
                    self.files[at, place] = store.keep(part.data)
                elif part.path is not None:
                    self.files[at, place] = store.keep(Path(part.path))


class Draft:
    """One answer as far as it has come."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.media: list[tuple[str, SavedMedia]] = []
        self.calls: list[dict[str, Any]] = []

    def __bool__(self) -> bool:
        return bool(self.text or self.media or self.calls)


class Exchange:
    """All that is known of an exchange. ``status`` is as in :class:`~elkcli.storage.turns.Turn`."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.drafts: dict[int, Draft] = {}
        self.start = Start()
        self.usage = Usage()
        self.status = "open"
        self.reason: str | None = None
        self.error: str | None = None
        self.seconds: float | None = None
        self.ended = 0.0


class Row(NamedTuple):
    """How much of a draft is on disk: its message, pieces and characters of text and reasoning, media, tool calls."""

    message: int
    pieces: tuple[int, int] = (0, 0)
    characters: tuple[int, int] = (0, 0)
    media: int = 0
    calls: int = 0


class Written(NamedTuple):
    """How much of an exchange is on disk. Never changed, only replaced: a signal between two steps breaks nothing."""

    turn: int | None = None
    conversation: str | None = None
    answers: Mapping[int, Row] = MappingProxyType({})
    whole: bool = False
    deleted: bool = False


def write(connection: sqlite3.Connection, exchange: Exchange, before: Written) -> Written:
    """Write what is not on disk yet, in the caller's transaction. Raises ``sqlite3.Error``."""
    if before.turn is None:
        before = _write_question(connection, exchange.question)
    counts = ", ".join(f"{name}_tokens = ?" for name in TOKENS)
    there = connection.execute(
        "UPDATE turns SET status = ?, answered = ?, seconds = ?, served = ?, response_id = ?, request_id = ?, "  # noqa: S608 - our own words
        f"finish_reason = ?, error = ?, {counts} WHERE id = ?",
        (
            exchange.status,
            any(list(exchange.drafts.values())),
            exchange.seconds,
            _words(exchange.start.model),
            _words(exchange.start.id),
            _words(exchange.start.request_id),
            _words(exchange.reason),
            _words(exchange.error),
            *tokens(exchange.usage),
            before.turn,
        ),
    ).rowcount
    if not there:  # by the user, in another window, who does not want it kept
        return before._replace(deleted=True)
    rows = dict(before.answers)
    for choice, draft in sorted(exchange.drafts.items()):
        row = rows.get(choice) or _new_row(connection, before.turn, choice)
        write_text = _write_segments if exchange.status == "open" else _write_whole
        rows[choice] = write_text(connection, draft, _write_media_and_calls(connection, draft, row))
    if exchange.status == "open":
        return before._replace(answers=rows)
    connection.execute(
        "UPDATE conversations SET updated = max(updated, ?) WHERE id = ?", (exchange.ended, before.conversation)
    )
    return before._replace(answers=rows, whole=True)


def _words(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _write_question(connection: sqlite3.Connection, question: Question) -> Written:
    conversation = question.conversation
    if question.name is not None:
        named = connection.execute("SELECT id FROM conversations WHERE name = ?", (question.name,)).fetchone()
        conversation = named[0] if named else conversation
    conversation = conversation or _new_id(connection)
    connection.execute(
        """INSERT INTO conversations (id, name, title, system, model, profile, directory, created, updated)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
            system = coalesce(excluded.system, system), model = coalesce(excluded.model, model),
            profile = coalesce(excluded.profile, profile), updated = max(updated, excluded.updated)""",
        (
            conversation,
            question.name,
            _title(question.messages),
            _words(question.system),
            _words(question.model),
            _words(question.profile),
            _words(question.directory),
            question.started,
            question.started,
        ),
    )
    turn = connection.execute(
        "INSERT INTO turns (conversation, started, status, terminal, model, profile) VALUES (?, ?, 'open', ?, ?, ?)",
        (
            conversation,
            question.started,
            _words(question.terminal),
            _words(question.model),
            _words(question.profile),
        ),
    ).lastrowid
    for position, message in enumerate(question.messages):
        text, parts, media = as_stored(message)
        extra = json.dumps(message.extra) if message.extra else None
        number = connection.execute(
            "INSERT INTO messages (turn, position, role, text, parts, extra) VALUES (?, ?, ?, ?, ?, ?)",
            (turn, position, clean(message.role), text, parts, extra),
        ).lastrowid
        _index(connection, number or 0, text)
        for place, part in enumerate(media):
            row: tuple[str | None, ...] = ("document", "application/json", None, None)
            if isinstance(part, MediaPart):
                row = (part.kind, clean(part.mime), _words(part.url), _words(part.name))
            connection.execute(
                "INSERT INTO media (message, position, file, kind, mime, url, name) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, place, question.files.get((position, place)), *row),
            )
    return Written(turn, conversation)


def _new_id(connection: sqlite3.Connection) -> str:
    while True:
        number = int.from_bytes(os.urandom(5), "big")
        chosen = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(ID_LENGTH))
        if not connection.execute("SELECT 1 FROM conversations WHERE id = ?", (chosen,)).fetchone():
            return chosen


def _new_row(connection: sqlite3.Connection, turn: int | None, choice: int) -> Row:
    number = connection.execute(
        "INSERT INTO messages (turn, position, role, choice, text) VALUES (?, ?, 'assistant', ?, '')",
        (turn, _AFTER_WHAT_IS_SENT + choice, choice),
    ).lastrowid
    return Row(number or 0)


def _write_media_and_calls(connection: sqlite3.Connection, draft: Draft, row: Row) -> Row:
    media, calls = list(draft.media), list(draft.calls)  # the thread that receives may add to them just now
    for position, (file, saved) in enumerate(media[row.media :], row.media):
        connection.execute(
            "INSERT INTO media (message, position, kind, mime, file, reference, size, width, height) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.message,
                position,
                saved.kind,
                clean(saved.mime),
                file,
                clean(saved.reference),
                saved.size,
                saved.width,
                saved.height,
            ),
        )
    if len(calls) > row.calls:
        extra = json.dumps({"tool_calls": calls})
        connection.execute("UPDATE messages SET extra = ? WHERE id = ?", (extra, row.message))
    return row._replace(media=len(media), calls=len(calls))


def _write_segments(connection: sqlite3.Connection, draft: Draft, row: Row) -> Row:
    pieces, characters = list(row.pieces), list(row.characters)
    for which, (kind, source) in enumerate((("text", draft.text), ("reasoning", draft.reasoning))):
        new = source[pieces[which] :]
        if new:
            text = clean("".join(new))
            connection.execute(
                "INSERT INTO segments (message, kind, start, text) VALUES (?, ?, ?, ?)",
                (row.message, kind, characters[which], text),
            )
            pieces[which] += len(new)
            characters[which] += max(1, len(text))
    return row._replace(pieces=(pieces[0], pieces[1]), characters=(characters[0], characters[1]))


def _write_whole(connection: sqlite3.Connection, draft: Draft, row: Row) -> Row:
    text, reasoning = clean("".join(draft.text)), clean("".join(draft.reasoning))
    connection.execute(
        "UPDATE messages SET text = ?, reasoning = ? WHERE id = ?", (text, reasoning or None, row.message)
    )
    connection.execute("DELETE FROM segments WHERE message = ?", (row.message,))
    _index(connection, row.message, text)
    return row


def _index(connection: sqlite3.Connection, message: int, text: str) -> None:
    if len(text) <= _INDEXED_AT_ONCE:
        schema.index(connection, message, text)


def _title(messages: Sequence[Message]) -> str:
    asked = next((message for message in reversed(messages) if message.role == "user"), None)
    if asked is None:
        return "(no question)"
    words = one_line(clean(asked.text), 60)
    return words or ", ".join(one_line(clean(part.name or part.kind), 60) for part in asked.media) or "(no words)"


def one_line(text: str, width: int) -> str:
    """The first words of ``text``, printable, on one line, at most ``width`` characters."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text[: width * 8]).split())
    if len(words) <= width:
        return words
    cut = words[: width - 1]
    whole = cut if words[width - 1] == " " else cut.rpartition(" ")[0]
    return (whole if len(whole) > width // 2 else cut) + "…"
