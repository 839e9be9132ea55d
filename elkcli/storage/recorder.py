"""One exchange, written down while it happens: the prompt before it is sent, the answer as it comes, its end."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from elkcli.conversation import (
    Failure,
    Finished,
    Media,
    Message,
    Piece,
    Reasoning,
    SavedMedia,
    Start,
    Text,
    ToolCall,
    Usage,
)
from elkcli.errors import ElkError
from elkcli.media import sniff
from elkcli.signals import leave_to_main
from elkcli.storage import schema
from elkcli.storage.exchange import Draft, Exchange, Question, Written, write
from elkcli.storage.history import History, checked_name
from elkcli.storage.media import MediaFiles

STEP = 0.7
"""Seconds between two writings of an answer that is coming: what kill -9 may take."""
PATIENCE = 1.0
"""Seconds that a question waits for a store that another program keeps locked; the end of the answer tries again."""
_LAST = 5
"""How many times longer the end of an answer waits for a store that was locked from the question on."""
# the disk's, and those of content that cannot be written: numbers too large, what JSON cannot say
_FAILURES = (sqlite3.Error, OSError, ValueError, OverflowError, TypeError, RecursionError)


class Recorder:
    """Records one exchange: ``begin``, ``add`` each piece, ``close``. Nothing here ever raises or stops an answer.

    The first failure of the store (damaged, locked, full, read-only) is told through ``warn``, once, and from then on
    nothing is recorded. A :class:`Path` is the data directory, whose store is opened by ``begin`` and closed by
    ``close``; a :class:`History` stays open, and nothing else may write through it in the meantime.

    While an answer comes, a thread writes it down every :data:`STEP` seconds: the screen never waits for the disk, and
    a stream that falls silent is on disk all the same. A picture is given either as ``Media`` or as ``SavedMedia``.
    """

    def __init__(
        self,
        store: History | Path,
        *,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
    ) -> None:
        self._store = store
        self._warn = warn
        self._clock = clock
        self._patience = patience
        self._history: History | None = None
        self._files = MediaFiles(store / schema.MEDIA) if isinstance(store, Path) else store.files
        self._exchange: Exchange | None = None
        self._written = Written()
        self._begun = 0.0
        self._finished = False
        self._dead = False
        self._problem: Exception | None = None
        self._over = threading.Event()
        self._keeper: threading.Thread | None = None

    @property
    def conversation(self) -> str | None:
        """The ID of the conversation, once it is on disk."""
        return self._written.conversation

    @property
    def turn(self) -> int | None:
        """The number of the turn in the store, once it is on disk."""
        return self._written.turn

    def begin(
        self,
        messages: Sequence[Message],
        *,
        conversation: str | None = None,
        name: str | None = None,
        system: str | None = None,
        model: str | None = None,
        profile: str | None = None,
        directory: str | None = None,
        terminal: str | None = None,
    ) -> str | None:
        """Write down what is about to be sent, and return the ID of its conversation; ``None`` if that cannot be.

        ``messages`` are the new ones: without the system message and without what the conversation holds already.
        ``conversation`` is the ID of the one that goes on; with ``name`` it is the one of that name, begun if need be;
        with neither, a new one. ``system``, ``model`` and ``profile`` are kept with it; ``None`` leaves what it has.
        """
        self._begun = time.monotonic()
        try:
            name = None if name is None else checked_name(name)
            self._exchange = Exchange(
                Question(
                    messages, conversation, name, system, model, profile, directory, terminal, self._clock(), files={}
                )
            )
            self._try_to_open()
            self._exchange.question.keep_media(self._files)
        except (ElkError, *_FAILURES) as problem:
            self._fail(problem)
        self._flush(self._patience if self._history is not None else 0.0)
        self._tell()
        return self.conversation

    def add(self, piece: Piece) -> None:
        """Take note of a piece of the answer. Cheap: the thread does the writing."""
        exchange = self._exchange
        if self._dead or exchange is None:
            self._tell()
        elif isinstance(piece, Text):
            self._draft(exchange, piece.choice).text.append(piece.text)
        elif isinstance(piece, Reasoning):
            self._draft(exchange, piece.choice).reasoning.append(piece.text)
        elif isinstance(piece, (Media, SavedMedia)):
            self._keep(self._draft(exchange, piece.choice), piece)
        elif isinstance(piece, ToolCall):
            self._draft(exchange, piece.choice).calls.append(piece.as_json())
        elif isinstance(piece, Start):
            exchange.start = piece
        elif isinstance(piece, Usage):
            exchange.usage = piece
        elif isinstance(piece, Finished):
            exchange.reason = piece.reason
            self._finished = True
        elif isinstance(piece, Failure):
            exchange.reason = piece.reason or exchange.reason
            exchange.error = piece.error.message
            self._finished = False

    def _draft(self, exchange: Exchange, choice: int) -> Draft:
        draft = exchange.drafts.get(choice)
        if draft is None:
            draft = exchange.drafts[choice] = Draft()
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep_writing, name="history", daemon=True)
                self._keeper.start()
        return draft

    def _keep(self, draft: Draft, piece: Media | SavedMedia) -> None:
        """Copy a picture into the store now: the file that was saved is the user's, who may move it."""
        files = self._files
        try:
            if isinstance(piece, Media):
                told = sniff(piece.data)
                file = files.keep(piece.data)
                path = str(files.path(file))
                kind, mime = (told.kind, told.mime) if told else ("document", "application/octet-stream")
                saved = SavedMedia(path, path, kind, mime, len(piece.data), choice=piece.choice)
            else:
                saved = piece
                draft.text.append(saved.reference)
                file = files.keep(Path(saved.path))
        except FileNotFoundError:  # saved, and gone already: its name stays in the text
            return
        except OSError as problem:
            self._fail(problem)
            self._tell()
            return
        if isinstance(piece, Media):
            draft.text.append(saved.reference)
        draft.media.append((file, saved))

    def close(self, *, seconds: float | None = None, error: str | None = None, hurry: bool = False) -> None:
        """Write down the end. May be called again, to finish what a signal interrupted.

        Without a ``Finished`` before it, what came is kept as a partial answer. ``error`` says why, where no
        ``Failure`` has said it. ``seconds`` are counted from ``begin`` if they are not given. ``hurry`` is for a
        process that ends now: everything is written, and tidying the store is left to a later one.
        """
        self._over.set()
        if self._keeper is not None:
            self._keeper.join()  # from here on nobody else writes
        exchange = self._exchange
        if exchange is not None:
            came = any(exchange.drafts.values())
            exchange.status = "whole" if self._finished else "cut" if came else "failed"
            exchange.error = exchange.error or error
            exchange.seconds = round(time.monotonic() - self._begun if seconds is None else seconds, 3)
            exchange.ended = self._clock()
            begun = self._written.turn is not None
            self._flush(schema.PATIENCE if begun else self._patience * _LAST, final=True)
        self._tell()
        history, self._history, self._exchange = self._history, None, None
        if history is not None and isinstance(self._store, Path):
            if hurry:
                schema.leave(history.connection)
            else:
                history.close()

    # The disk

    def _keep_writing(self) -> None:
        leave_to_main()
        if self._history is not None:
            schema.tidy(self._history.connection, self._history.path)
        while not self._over.wait(STEP):
            self._flush(0.0)

    def _try_to_open(self) -> None:
        try:
            self._open(self._patience)
        except ElkError as problem:
            if not _is_busy(problem):
                raise

    def _open(self, patience: float) -> History:
        if self._history is None:
            store = self._store
            self._history = History.open(store, patience=patience) if isinstance(store, Path) else store
        return self._history

    def _flush(self, patience: float, *, final: bool = False) -> None:
        """Bring the disk up to date. A store that is locked is tried again later, but at the end."""
        if self._dead or self._exchange is None or self._written.whole:
            return
        try:
            self._transact(self._open(patience).connection, self._exchange, patience)
        except (ElkError, *_FAILURES) as problem:
            if final or not _is_busy(problem):
                self._fail(problem)

    def _transact(self, connection: sqlite3.Connection, exchange: Exchange, patience: float) -> None:
        before = self._written
        try:
            schema.begin(connection, patience)
            self._written = write(connection, exchange, before)
            connection.execute("COMMIT")
        except BaseException:  # a signal too: whether it came before or after the commit, we know what is on disk
            if schema.roll_back(connection):
                self._written = before
            raise
        self._dead = self._written.deleted

    def _fail(self, problem: Exception) -> None:
        self._problem = self._problem or problem
        self._dead = True

    def _tell(self) -> None:
        """Warn, in the thread that owns the screen."""
        problem, self._problem = self._problem, None
        if problem is None:
            return
        path = self._store / schema.NAME if isinstance(self._store, Path) else self._store.path
        known = schema.explained(problem, path)
        self._warn(f"not kept: {known.message}" + (f" ({known.hint})" if known.hint else ""))


def _is_busy(problem: Exception) -> bool:
    """Whether another program has the store, so that a later try makes sense; opening it has told so in words."""
    return schema.is_busy(problem.__cause__ if isinstance(problem, ElkError) else problem)
