"""Full text search over the messages, in plain words: nothing a person types is an error."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from elkcli.storage import schema

_WIDTH = 160
_BEFORE = 24
# Thai and Lao, Burmese, Khmer, and from the radicals on Chinese, Japanese, Korean
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0xA4CF),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class Hit(NamedTuple):
    """A message in which every word was found."""

    message: int
    conversation: str
    role: str
    excerpt: str


def forget(connection: sqlite3.Connection, turns: str) -> None:
    """Take the messages of some turns (a subquery) out of the index, in the caller's transaction, before they go."""
    try:
        connection.execute(
            "INSERT INTO words (words, rowid, text) "  # noqa: S608 - our own words
            f"SELECT 'delete', id, text FROM messages WHERE indexed = 1 AND turn IN ({turns})"
        )
    except sqlite3.OperationalError as problem:
        if not schema.lacks_fts(problem):
            raise


def search(connection: sqlite3.Connection, text: str, limit: int) -> list[Hit]:
    """The latest ``limit`` conversations with a message that has all words of ``text``, one hit each."""
    terms = text.replace("\0", " ").split()
    if not terms or limit < 1:
        return []
    hits = _distinct(_matches(connection, terms), limit) + _among_the_unfinished(connection, terms)
    hits.sort(reverse=True)
    return _distinct(iter(hits), limit)


def _distinct(hits: Iterator[Hit], limit: int) -> list[Hit]:
    found: dict[str, Hit] = {}
    for hit in hits:
        found.setdefault(hit.conversation, hit)
        if len(found) == limit:
            break
    return list(found.values())


def _matches(connection: sqlite3.Connection, terms: list[str]) -> Iterator[Hit]:
    words = [term for term in terms if any(char.isalnum() for char in term)]
    if words and not any(_unspaced(char) for word in words for char in word) and _ready(connection):
        where = "w.words MATCH ?"
        values = [" ".join('"' + word.replace('"', '""') + '"*' for word in words)]
        source = "words w CROSS JOIN messages m ON m.id = w.rowid"
        order = "w.rowid"
    else:
        where = " AND ".join(["m.text LIKE ? ESCAPE '\\'"] * len(terms))
        values = ["%" + re.sub(r"([%_\\])", r"\\\1", term) + "%" for term in terms]
        source, order = "messages m", "m.id"
    for message, conversation, role, said in connection.execute(
        f"SELECT m.id, t.conversation, m.role, m.text FROM {source} CROSS JOIN turns t ON t.id = m.turn "  # noqa: S608
        f"WHERE {where} AND t.undone = 0 ORDER BY {order} DESC",
        values,
    ):
        yield Hit(message, conversation, role, excerpt(said, terms))


def _unspaced(char: str) -> bool:
    """Whether ``char`` is of a script written without spaces: a sentence is one token to the index, so that a word in
    it is found by looking at the text only."""
    code = ord(char)
    return code >= 0x0E00 and any(first <= code <= last for first, last in _UNSPACED)


def _ready(connection: sqlite3.Connection) -> bool:
    """Whether there is an index with all messages in it; long ones, and those of an SQLite without FTS5, are added
    now."""
    late = (
        "SELECT m.id FROM messages m WHERE m.indexed = 0 AND NOT (m.choice IS NOT NULL "
        "AND (SELECT status FROM turns WHERE id = m.turn) = 'open')"
    )
    try:
        if connection.execute(late + " LIMIT 1").fetchone():
            with schema.writing(connection):
                connection.execute(schema.WORDS)
                for (message,) in connection.execute(late).fetchall():  # one text after another: some are huge
                    (text,) = connection.execute("SELECT text FROM messages WHERE id = ?", (message,)).fetchone()
                    schema.index(connection, message, text)
        connection.execute("SELECT rowid FROM words LIMIT 1").fetchone()
    except sqlite3.OperationalError as problem:
        if schema.lacks_fts(problem) or schema.is_read_only(problem):
            return False
        raise
    return True


def _among_the_unfinished(connection: sqlite3.Connection, terms: list[str]) -> list[Hit]:
    """Answers without an end are few, and not in the index."""
    texts: dict[tuple[int, str], list[str]] = {}
    for message, conversation, text in connection.execute(
        """SELECT m.id, t.conversation, s.text FROM segments s JOIN messages m ON m.id = s.message
        JOIN turns t ON t.id = m.turn WHERE s.kind = 'text' AND t.undone = 0 ORDER BY s.message, s.start"""
    ):
        texts.setdefault((message, conversation), []).append(text)
    hits = []
    for (message, conversation), pieces in texts.items():
        said = "".join(pieces)
        folded = said.casefold()
        if all(term.casefold() in folded for term in terms):
            hits.append(Hit(message, conversation, "assistant", excerpt(said, terms)))
    return hits


def excerpt(text: str, terms: list[str]) -> str:
    """One line of ``text`` around the first of ``terms`` that is in it."""
    found = next((match for term in terms if (match := re.search(re.escape(term), text, re.IGNORECASE))), None)
    at = found.start() if found else 0
    first = max(0, at - _BEFORE)
    piece = text[first : first + _WIDTH]
    if first and " " in piece[: at - first]:
        piece = piece[piece.index(" ") :]
    return ("…" if first else "") + " ".join(piece.split()) + ("…" if first + _WIDTH < len(text) else "")
