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


class Kept:
    """Keeps one turn of ``session``. A turn that replaces another leaves it in the store until an answer has begun."""

    def __init__(self, session: Session, sent: Sequence[Message], resolved: Resolved, *, replacing: bool) -> None:
        self.answer = Answer()
        self.recorded = False
        self._session = session
        self._sent = sent
        self._resolved = resolved
        self._replaced = session.turns[-1] if replacing else None
        self._held: list[Piece] = []
        self._recorder: Recorder | None = None

    def begin(self) -> None:
        """Write down the question before it is sent."""
        if self._replaced is None:
            self._open()

    def add(self, piece: Piece) -> None:
        """Keep ``piece``."""
        self.answer.take(piece)
        if self._replaced is not None:
            self._held.append(piece)
            if not isinstance(piece, (Text, Reasoning, Media, SavedMedia, ToolCall)):
                return
            replaced, self._replaced = self._replaced, None
            try:
                self._session.forget(replaced)
            except ElkError as problem:
                self._warn(problem.message)
            self._open()
            held, self._held = self._held, []
            for earlier in held:
                self._write(earlier)
        else:
            self._write(piece)

    def close(self, seconds: float) -> None:
        """The turn is over, well or not."""
        self.answer.seconds = seconds
        if self._recorder is not None:
            self._recorder.close(seconds=seconds)

    def _write(self, piece: Piece) -> None:
        if self._recorder is not None:
            self._recorder.add(piece)

    def _open(self) -> None:
        session, settings = self._session, self._resolved.settings
        if not session.keeps:
            return
        from elkcli.storage.recorder import Recorder
        from elkcli.storage.terminal_key import terminal_key

        self._recorder = Recorder(session.environment.data_dir, warn=self._warn)
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
        if conversation is not None:
            session.conversation = conversation
            session.kept_system = settings.system or ""
            self.recorded = True

    def _warn(self, text: str) -> None:
        """One word about a store that fails, not one for every turn."""
        if text != self._session.warned:
            self._session.warned = text
            self._session.messages.warn(text)
