"""Deleting conversations so that their words are gone from the disk, and not only from the listing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from elkcli.errors import ElkError
from elkcli.storage import schema, search, spending
from elkcli.storage.media import MediaFiles

_CONVERSATIONS = "SELECT id FROM doomed"
_TURNS = f"SELECT id FROM turns WHERE conversation IN ({_CONVERSATIONS})"  # noqa: S608 - our own words
_MESSAGES = f"SELECT id FROM messages WHERE turn IN ({_TURNS})"  # noqa: S608


def delete(connection: sqlite3.Connection, files: MediaFiles, conversations: Iterable[str]) -> bool:
    """Delete these conversations and the media nothing else refers to; true if their words left the disk at once."""
    connection.execute("PRAGMA secure_delete = ON")  # what is freed is overwritten with zeros
    connection.execute("PRAGMA temp_store = MEMORY")
    with schema.writing(connection):
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (id TEXT PRIMARY KEY)")
        connection.execute("DELETE FROM doomed")
        connection.executemany("INSERT OR IGNORE INTO doomed VALUES (?)", ((one,) for one in conversations))
        spending.keep_counts(connection, _CONVERSATIONS)
        search.forget(connection, _TURNS)
        stored = f"SELECT DISTINCT file FROM media WHERE file IS NOT NULL AND message IN ({_MESSAGES})"  # noqa: S608
        media = [row[0] for row in connection.execute(stored)]
        connection.execute(f"DELETE FROM conversations WHERE id IN ({_CONVERSATIONS})")  # noqa: S608

        def known(file: str) -> bool:
            return bool(connection.execute("SELECT 1 FROM media WHERE file = ? LIMIT 1", (file,)).fetchone())

        # inside the transaction: a process that is just storing the same picture waits for it
        files.remove(file for file in media if not known(file))
        files.remove(files.strays(known))
    return _scrub(connection)


def _scrub(connection: sqlite3.Connection) -> bool:
    """Empty what SQLite keeps of old content: the index's deleted entries, free pages, the write-ahead log."""
    try:
        try:
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        except sqlite3.OperationalError as problem:
            if schema.is_busy(problem) or schema.is_full(problem):
                raise
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        if connection.execute("PRAGMA freelist_count").fetchone()[0] * 4 > pages:
            _shrink(connection)
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError as problem:
        if schema.is_full(problem):
            raise ElkError("deleted, but some of the words stay on the disk, which has no space left") from problem
        if not schema.is_busy(problem):
            raise
        return False
    return not busy


def _shrink(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("VACUUM")
    except sqlite3.OperationalError as problem:
        if not schema.is_full(problem):  # it needs room to make room; what was freed is zeros without it
            raise
