"""One turn: the pieces of an answer go to the record, to the screen, and into the answer that is returned.

`ask` is one turn, `chat` is many, and both are this function.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

from elkcli.conversation import (
    Failure,
    Finished,
    Media,
    Note,
    Piece,
    SavedMedia,
    Start,
    Text,
    ToolCall,
    Usage,
)
from elkcli.errors import ElkError, Stopped
from elkcli.terminal.display import Display


class Record(Protocol):
    """Where a turn is kept. Its methods never raise: what cannot be kept is said once."""

    @property
    def conversation(self) -> str | None:
        """The ID of the conversation it is kept in, once it is."""

    def add(self, piece: Piece) -> None:
        """Keep ``piece``."""

    def close(self, seconds: float) -> None:
        """The turn is over, well or not."""


Saver = Callable[[Media], tuple[SavedMedia, list[Note]]]
"""Puts media of the answer where they belong: where they lie now (``-``: standard output), and what to say."""


class Answer:
    """What came of one turn."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.media: list[SavedMedia] = []
        self.calls: list[ToolCall] = []
        self.usage: Usage | None = None
        self.served: str | None = None
        self.reason: str | None = None
        self.error: ElkError | None = None
        self.unsaved: str | None = None  # why media lie elsewhere than they should, or nowhere
        self.seconds = 0.0

    @property
    def text(self) -> str:
        """The words of the first choice, saved media referred to."""
        return "".join(self.texts)

    def take(self, piece: Piece) -> None:
        """Note what ``piece`` says."""
        if isinstance(piece, Text):
            if piece.choice == 0:
                self.texts.append(piece.text)
        elif isinstance(piece, SavedMedia):
            self.media.append(piece)
            self.unsaved = self.unsaved or piece.problem or None
            if piece.choice == 0:
                self.texts.append(piece.reference)
        elif isinstance(piece, Start):
            self.served = piece.model
        elif isinstance(piece, Usage):
            self.usage = piece
        elif isinstance(piece, ToolCall):
            self.calls.append(piece)
        elif isinstance(piece, Finished):
            self.reason = piece.reason
        elif isinstance(piece, Failure):
            self.reason, self.error = piece.reason, piece.error


def send(
    pieces: Iterable[Piece],
    display: Display,
    *,
    record: Record | None = None,
    save: Saver | None = None,
    say: Callable[[Note], None] = lambda note: None,
    rest: Callable[[], list[Piece]] = list,
) -> Answer:
    """Carry ``pieces`` to where they belong. The answer's ``error`` says if it is not whole.

    What was received is recorded before it is shown, and shown before anything that stops the turn goes on: a signal,
    a full disk, a reader that went away. ``rest`` gives what was received but held back when it stops.
    """
    answer = Answer()
    began = time.monotonic()

    def carry(piece: Piece) -> None:
        if isinstance(piece, Note):
            say(piece)
            return
        kept: Piece = piece
        shown: Piece | None = piece
        if isinstance(piece, Media):
            try:
                kept, shown = _saved(piece, save, answer, say)
            except OSError:
                if record is not None:
                    record.add(piece)
                raise
        if shown is not None:
            answer.take(shown)
        if record is not None:
            record.add(kept)
        if shown is not None:
            display.show(shown)

    try:
        with display:
            try:
                for piece in pieces:
                    carry(piece)
            except (KeyboardInterrupt, Stopped):
                for piece in rest():
                    carry(piece)
                raise
    finally:
        answer.seconds = time.monotonic() - began
        if record is not None:
            record.close(answer.seconds)
    return answer


def _saved(media: Media, save: Saver | None, answer: Answer, say: Callable[[Note], None]) -> tuple[Piece, Piece | None]:
    """Save ``media``: what is to be kept of them, and what to show, which may be nothing."""
    if save is None:  # shown as it came, by a display of the server's own objects
        return media, None
    try:
        saved, notes = save(media)
    except ElkError as problem:  # the words that follow were paid for as well
        answer.unsaved = problem.message
        return media, Text("[not saved]", media.choice)
    for note in notes:
        if note.text != saved.problem:  # told at the end
            say(note)
    return (media if saved.path == "-" else saved), saved  # what went to standard output is on no disk yet
