"""The record of one turn of a chat: what came is held for the conversation in memory, and written to the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from elkcli.chat import Answer
from elkcli.conversation import Media, Message, Piece, Reasoning, SavedMedia, Text, ToolCall
from elkcli.errors import ElkError
from elkcli.storage.settings import Resolved

if TYPE_CHECKING:
    from elkcli.repl.session import Session
    from elkcli.storage.recorder import Recorder

_SUBSTANCE = (Text, Reasoning, Media, SavedMedia, ToolCall)
_AGAIN = 0.1
"""Seconds to wait for a store that failed before: a chat with one that stays locked should not be held up each time."""


class Kept:
    """Keeps one turn of ``session``. A turn that replaces another leaves it in the store until an answer has begun."""

    def __init__(self, session: Session, sent: Sequence[Message], resolved: Resolved, *, replacing: bool) -> None:
        self.answer = Answer()
        self.stored: int | None = None
        self._session = session
        self._sent = sent
        self._resolved = resolved
        self._replaced = session.turns[-1] if replacing else None
        self._held: list[Piece] = []
        self._recorder: Recorder | None = None

    @property
    def conversation(self) -> str | None:
        """The ID of the conversation the turn is kept in; ``None`` where it is not."""
        return self._session.conversation if self.stored is not None else None

    def begin(self) -> None:
        """Write down the question before it is sent."""
        if self._replaced is None:
            self._open()

    def add(self, piece: Piece) -> None:
        """Keep ``piece``: here and in the store, or neither, whenever Ctrl-C comes."""
        with self._session.undisturbed:
            self.answer.take(piece)
            if self._replaced is None:
                self._write(piece)
                return
            self._held.append(piece)
        self._replace()

    def _replace(self) -> None:
        """If an answer has begun: take the turn back that it replaces, and write what was held. May be called again."""
        if not any(isinstance(piece, _SUBSTANCE) for piece in self._held):
            return
        replaced, self._replaced = self._replaced, None
        if replaced is not None:
            try:
                self._session.forget(replaced)
            except ElkError as problem:
                self._warn(problem.message)
        if self._recorder is None:
            self._open()
        with self._session.undisturbed:
            for earlier in self._held:
                self._write(earlier)
            self._held = []

    def close(self, seconds: float) -> None:
        """The turn is over, well or not."""
        self.answer.seconds = seconds
        self._replace()
        if self._recorder is not None:
            self._recorder.close(seconds=seconds)
            self._found(self._recorder.conversation)

    def end(self) -> None:
        """The turn is over, whether or not it came to be sent, and whatever interrupted :meth:`close`."""
        self._replace()
        if self._recorder is not None:
            self._recorder.close()
            self._found(self._recorder.conversation)

    def _write(self, piece: Piece) -> None:
        if self._recorder is not None:
            self._recorder.add(piece)

    def _open(self) -> None:
        session, settings = self._session, self._resolved.settings
        if not session.keeps:
            return
        from elkcli.storage.recorder import PATIENCE, Recorder
        from elkcli.storage.terminal_key import terminal_key

        patience = _AGAIN if session.warned else PATIENCE
        self._recorder = Recorder(session.environment.data_dir, warn=self._warn, patience=patience)
        conversation = self._recorder.begin(
            self._sent,
            conversation=session.conversation,
            name=session.name if session.conversation is None else None,
            system=settings.system or ("" if session.kept_system else None),
            model=settings.model,
            profile=self._resolved.profile,
            directory=str(session.environment.directory),
            terminal=terminal_key(session.environment),
        )
        self._found(conversation)

    def _found(self, conversation: str | None) -> None:
        """The turn is on the disk: at once, or at its end, where the store was locked at first."""
        if conversation is not None:
            self._session.conversation = conversation
            self._session.kept_system = self._resolved.settings.system or ""
            self.stored = self._recorder.turn if self._recorder is not None else None

    def _warn(self, text: str) -> None:
        """One word about a store that fails, not one for every turn."""
        if text != self._session.warned:
            self._session.warned = text
            self._session.messages.warn(text)
