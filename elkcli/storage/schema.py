"""The file ``history.db``: how it is opened, what its tables are, and what its failures mean."""

from __future__ import annotations

import errno
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from elkcli.errors import ElkError
from elkcli.storage import private

NAME = "history.db"
MEDIA = "media"
PATIENCE = 10.0
"""Seconds to wait for other processes. Each writes for a millisecond or so: fifty at once are no reason to fail."""
_LONG_LOG = 1 << 19
_NAP = 0.1
"""Seconds that SQLite itself waits. It cannot be interrupted meanwhile, so the long wait is made of these."""

# A migration is a list of statements and takes the store from the version that is its index to the next. Those that
# have been released are never edited.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # `id` is short random text. A name belongs to one conversation.
        """CREATE TABLE conversations (
            id TEXT PRIMARY KEY NOT NULL, name TEXT, title TEXT NOT NULL, system TEXT, model TEXT, profile TEXT,
            directory TEXT, created REAL NOT NULL, updated REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX conversations_by_name ON conversations(name) WHERE name IS NOT NULL",
        "CREATE INDEX conversations_by_update ON conversations(updated)",
        "CREATE INDEX conversations_by_directory ON conversations(directory, updated)",
        # One exchange. AUTOINCREMENT: a process whose turn was deleted under it must never write into another's.
        """CREATE TABLE turns (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
            started REAL NOT NULL, seconds REAL, status TEXT NOT NULL, answered INTEGER NOT NULL DEFAULT 0,
            undone INTEGER NOT NULL DEFAULT 0, terminal TEXT, model TEXT, served TEXT, profile TEXT, response_id TEXT,
            request_id TEXT, finish_reason TEXT, error TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
            total_tokens INTEGER, reasoning_tokens INTEGER, cached_tokens INTEGER, image_tokens INTEGER
        )""",
        "CREATE INDEX turns_by_conversation ON turns(conversation, id)",
        "CREATE INDEX turns_by_terminal ON turns(terminal, id) WHERE answered = 1",
        # What was sent has no `choice`; an answer has. `parts` is JSON where the content is more than text.
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY, turn INTEGER NOT NULL REFERENCES turns(id) ON DELETE CASCADE,
            position INTEGER NOT NULL, role TEXT NOT NULL, choice INTEGER, text TEXT NOT NULL, parts TEXT, extra TEXT,
            reasoning TEXT, indexed INTEGER NOT NULL DEFAULT 0
        )""",
        "CREATE INDEX messages_by_turn ON messages(turn, position)",
        "CREATE INDEX messages_to_index ON messages(id) WHERE indexed = 0",
        # An answer that is still coming, piece by piece: rewriting it each second would cost its square.
        """CREATE TABLE segments (
            message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE, kind TEXT NOT NULL,
            start INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (message, kind, start)
        ) WITHOUT ROWID""",
        """CREATE TABLE media (
            message INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE, position INTEGER NOT NULL,
            kind TEXT NOT NULL, mime TEXT NOT NULL, file TEXT, url TEXT, name TEXT, reference TEXT,
            size INTEGER, width INTEGER, height INTEGER, PRIMARY KEY (message, position)
        ) WITHOUT ROWID""",
        "CREATE INDEX media_by_file ON media(file)",
        # The counts of deleted conversations: deleting takes the words, not what was paid for.
        """CREATE TABLE spent (
            day TEXT NOT NULL, model TEXT NOT NULL, profile TEXT NOT NULL, requests INTEGER NOT NULL,
            prompt_tokens INTEGER, completion_tokens INTEGER, total_tokens INTEGER, reasoning_tokens INTEGER,
            cached_tokens INTEGER, image_tokens INTEGER, PRIMARY KEY (day, model, profile)
        ) WITHOUT ROWID""",
    ),
)

# Apart from the migrations, because an SQLite without FTS5 keeps history too; written to by hand and not by triggers,
# so that such an SQLite can go on with a store that has the index.
WORDS = """CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(
    text, content='messages', content_rowid='id', columnsize=0, tokenize="unicode61 remove_diacritics 2"
)"""


def connect(path: Path, *, create: bool = True, patience: float = PATIENCE) -> sqlite3.Connection:
    """Open the store at ``path``, made or brought up to date if need be. Raises ``sqlite3.Error`` or ``OSError``."""
    if create:
        try:
            private.open_to_append(path).close()
        except FileNotFoundError:
            private.make_directory(path.parent)
            private.open_to_append(path).close()  # SQLite gives -wal and -shm the mode of this file
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_NAP, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection, patience)
    except BaseException:
        connection.close()
        raise
    return connection


def empty() -> sqlite3.Connection:
    """A store without a file: what a store that was never begun holds."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _prepare(connection, 0)
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a store that cannot be written (a read-only disk), as it was when it was last closed."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
    )
    if _version(connection) != len(MIGRATIONS):
        connection.close()
        raise sqlite3.OperationalError("attempt to write a readonly database")
    return connection


def _prepare(connection: sqlite3.Connection, patience: float) -> None:
    # the busy handler of SQLite is not asked in every case (the change to WAL, the end of recovery): hence our own loop
    deadline = time.monotonic() + patience
    while True:
        try:
            version = _version(connection)
            if version < len(MIGRATIONS):
                _migrate(connection)
            elif version > len(MIGRATIONS):
                raise ElkError(
                    "the history was written by a newer elkcli", hint="upgrade elkcli: pip install -U elkcli"
                )
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.OperationalError as problem:
            if not is_busy(problem) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    # a file system without shared memory answers with another mode, or refuses: slower, but it works
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as problem:
        if is_busy(problem):
            raise
    with writing(connection):
        for version in range(_version(connection), len(MIGRATIONS)):  # again: another process may have done it
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
        try:
            connection.execute(WORDS)
        except sqlite3.OperationalError as problem:
            if not lacks_fts(problem):
                raise


@contextmanager
def writing(connection: sqlite3.Connection, patience: float = PATIENCE) -> Iterator[sqlite3.Connection]:
    """One transaction that writes. Waits ``patience`` seconds for other writers, then ``sqlite3.OperationalError``."""
    try:
        begin(connection, patience)
        yield connection
        connection.execute("COMMIT")
    except BaseException:  # a signal too
        roll_back(connection)
        raise


def begin(connection: sqlite3.Connection, patience: float) -> None:
    """Begin to write. IMMEDIATE: one that begins by reading may find out that it cannot write after all."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as problem:
            if not is_busy(problem) or time.monotonic() > deadline:
                raise
        else:
            return


def roll_back(connection: sqlite3.Connection) -> bool:
    """Undo the open transaction; false if there is none, because it is done."""
    if not connection.in_transaction:
        return False
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
    return True


def index(connection: sqlite3.Connection, message: int, text: str) -> None:
    """Make ``text`` searchable, in the caller's transaction. Without FTS5 it waits for a search that has it."""
    try:
        connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (message, text))
    except sqlite3.OperationalError as problem:
        if not lacks_fts(problem):
            raise
        return
    connection.execute("UPDATE messages SET indexed = 1 WHERE id = ?", (message,))


def leave(connection: sqlite3.Connection) -> None:
    """Be done with the store without the tidying of a last reader, whose ``fsync`` costs 5 ms on a good disk.

    The write-ahead log stays, and :func:`tidy` keeps it small.
    """
    if sys.version_info >= (3, 12):
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        connection.close()
    else:  # left to the end of the process; the reference keeps Python from closing it
        _LEFT.append(connection)
        while len(_LEFT) > 1:  # a process that did not end after all
            _LEFT.pop(0).close()


_LEFT: list[sqlite3.Connection] = []


def tidy(connection: sqlite3.Connection, path: Path) -> None:
    """Move the write-ahead log into the store, once it has grown: who opens the store reads all of it. Never raises."""
    with suppress(OSError, sqlite3.Error):
        if path.with_name(path.name + "-wal").stat().st_size > _LONG_LOG:
            connection.execute("PRAGMA busy_timeout = 0")  # not now if anybody else is at it
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {int(_NAP * 1000)}")


def is_busy(problem: BaseException | None) -> bool:
    """Whether another process has the store just now, so that trying again makes sense."""
    code = getattr(problem, "sqlite_errorcode", None) or 0
    return code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


def is_full(problem: BaseException) -> bool:
    """Whether the disk has no space left."""
    return (getattr(problem, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_FULL


def lacks_fts(problem: sqlite3.OperationalError) -> bool:
    """Whether this SQLite was built without full text search, or the one that made the store was."""
    return "no such module: fts5" in str(problem) or "no such table: words" in str(problem)


def is_read_only(problem: BaseException) -> bool:
    """Whether the store may be there but cannot be written, nor the files that SQLite puts beside it."""
    code = getattr(problem, "sqlite_errorcode", None) or 0
    refused = isinstance(problem, OSError) and problem.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
    return refused or code & 0xFF in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


def explained(problem: Exception, path: Path) -> ElkError:
    """What a failure of the store means to a person: one line, and what to do."""
    if isinstance(problem, ElkError):
        return problem
    if isinstance(problem, OSError):
        return ElkError(f"cannot use the history {path}: {problem.strerror or problem}")
    code = (getattr(problem, "sqlite_errorcode", None) or 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        hint = f"move it away and elkcli begins a new one: mv {path} {path}.damaged"
        return ElkError(f"the history {path} is damaged: {problem}", hint=hint)
    if is_busy(problem):
        return ElkError(
            f"the history {path} is locked by another program", hint="close what has it open, and try again"
        )
    if is_full(problem):
        return ElkError(f"no space is left for the history {path}")
    if is_read_only(problem):
        return ElkError(f"the history {path} cannot be opened for writing: {problem}")
    return ElkError(f"cannot use the history {path}: {problem}")
