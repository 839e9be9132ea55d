"""The conversations that are kept: finding them, reading them again, naming and deleting them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, cast

from elkcli.conversation import MediaPart, Message, Part, TextPart, Usage
from elkcli.errors import UsageError
from elkcli.storage import schema, turns
from elkcli.storage.media import MediaFiles
from elkcli.storage.turns import Turn, clean
from elkcli.value import changed

SHORTEST_PREFIX = 4


class Conversation(NamedTuple):
    """What is known of a conversation without its words. ``turns`` are counted without those taken back."""

    id: str
    name: str | None
    title: str
    system: str | None
    model: str | None
    profile: str | None
    directory: str | None
    created: float
    updated: float
    turns: int

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.name or self.id


class Found(NamedTuple):
    """A conversation in which something was found, and the latest place in it."""

    conversation: Conversation
    role: str
    excerpt: str


class Spent(NamedTuple):
    """What one model cost on one day under one profile (empty: none)."""

    day: str
    model: str
    profile: str
    requests: int
    usage: Usage


_CONVERSATION = """SELECT id, name, title, system, model, profile, directory, created, updated,
    (SELECT count(*) FROM turns WHERE conversation = conversations.id AND undone = 0) FROM conversations """
_ANSWERED = "EXISTS (SELECT 1 FROM turns WHERE conversation = conversations.id AND answered = 1 AND undone = 0)"


class History:
    """An open store. Methods raise :class:`ElkError` when it fails them."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self.files = MediaFiles(path.parent / schema.MEDIA)

    @classmethod
    def open(cls, data_dir: Path, *, create: bool = True, patience: float = schema.PATIENCE) -> History:
        """Open the store in ``data_dir``. A store that is not there is made, or else read as an empty one.

        One on a read-only disk can be read. Raises :class:`ElkError`.
        """
        path = data_dir / schema.NAME
        try:
            if not create and not path.exists():
                return cls(schema.empty(), path)
            return cls(schema.connect(path, create=create, patience=patience), path)
        except (sqlite3.Error, OSError) as problem:
            try:
                if (
                    schema.is_read_only(problem)
                    and path.is_file()
                    and not _has_content(path.with_name("history.db-wal"))
                ):
                    return cls(schema.connect_to_read(path), path)
            except (sqlite3.Error, OSError):
                pass  # the first problem is the one to tell
            raise schema.explained(problem, path) from problem

    def close(self) -> None:
        """Close the store. Nothing is waiting to be written: every method that writes has written."""
        self.connection.close()

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _failures(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self.connection
        except (sqlite3.Error, OSError) as problem:
            raise schema.explained(problem, self.path) from problem

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._failures(), schema.writing(self.connection) as connection:
            yield connection

    # Which conversation

    def latest(self, *, terminal: str | None, directory: str) -> tuple[Conversation, str] | None:
        """The conversation that ``-c`` goes on with, and why that one; ``None`` if there is none with an answer."""
        with self._failures() as connection:
            if terminal is not None:
                row = connection.execute(
                    "SELECT conversation FROM turns WHERE terminal = ? AND answered = 1 ORDER BY id DESC LIMIT 1",
                    (terminal,),
                ).fetchone()
                if row:
                    return self._one("WHERE id = ?", row[0]), "this terminal's latest"
            by_update = f"AND {_ANSWERED} ORDER BY updated DESC LIMIT 1"
            if found := self._some(f"WHERE directory = ? {by_update}", clean(directory)):
                return found[0], "the latest begun in this directory"
            if found := self._some(f"WHERE 1 {by_update}"):
                return found[0], "the latest"
        return None

    def latest_but(self, conversation: str | None) -> Conversation | None:
        """The latest with an answer that is another than ``conversation``."""
        with self._failures():
            found = self._some(f"WHERE id IS NOT ? AND {_ANSWERED} ORDER BY updated DESC LIMIT 1", conversation)
        return found[0] if found else None

    def find(self, wanted: str) -> Conversation:
        """The conversation of that name, or else whose ID begins so. Raises :class:`UsageError`."""
        wanted = clean(wanted.strip())
        if named := self.named(wanted):
            return named
        prefix = wanted.lower()
        with self._failures():
            found = self._some("WHERE id >= ? AND id < ? ORDER BY id LIMIT 5", prefix, prefix + "\U0010ffff")
        if not found or not prefix:
            raise UsageError(f"no conversation is called {wanted!r}", hint="elkcli history list shows them")
        if len(prefix) < SHORTEST_PREFIX:
            raise UsageError(f"{wanted!r} is too short for an ID", hint="an ID may be shortened to four characters")
        if len(found) > 1:
            some = ", ".join(one.id for one in found[:4]) + (", …" if len(found) > 4 else "")
            raise UsageError(f"several IDs begin with {wanted!r}", hint=f"one more character tells them apart: {some}")
        return found[0]

    def session(self, name: str) -> Conversation | None:
        """The conversation that ``-S`` means: of that name, or else the ID; ``None`` where one is to be begun."""
        try:
            return self.find(name)
        except UsageError:
            return None

    def named(self, name: str) -> Conversation | None:
        """The conversation of exactly that name."""
        with self._failures():
            found = self._some("WHERE name = ?", clean(name))
        return found[0] if found else None

    def listing(self, limit: int | None = None) -> list[Conversation]:
        """Conversations, the latest first."""
        with self._failures():
            return self._some("ORDER BY updated DESC, id LIMIT ?", -1 if limit is None else limit)

    def _some(self, where: str, *values: object) -> list[Conversation]:
        return [Conversation(*row) for row in self.connection.execute(_CONVERSATION + where, values)]

    def _one(self, where: str, *values: object) -> Conversation:
        return self._some(where, *values)[0]

    # What was said

    def turns(self, conversation: str) -> list[Turn]:
        """Every turn that was not taken back, for showing. Media are told by their path, and not read."""
        with self._failures() as connection:
            return turns.read(connection, self.files, conversation)

    def messages(self, conversation: str, *, next_role: str = "user") -> list[Message]:
        """What to send again before a message of ``next_role``: system message, then the turns that have an answer.

        Media carry their bytes. A picture the model made stands where the text showed it, and the Markdown around it
        is gone. Tool calls stay only where a message of the role ``tool`` follows: the API refuses them otherwise.
        """
        with self._failures() as connection:
            found = connection.execute("SELECT system FROM conversations WHERE id = ?", (conversation,)).fetchone()
            said = turns.read(connection, self.files, conversation)
        system = found[0] if found else None
        messages = [Message("system", system)] if system else []
        for turn in said:
            if turn.answer is not None:
                messages += [self.loaded(message) for message in turn.sent]
                messages.append(self.loaded(turns.as_message(turn.answer)))
        followed = [message.role for message in messages[1:]] + [next_role]
        kept = []
        for message, after in zip(messages, followed, strict=True):
            if after != "tool" and "tool_calls" in message.extra:
                if not message.content:
                    continue
                extra = {key: value for key, value in message.extra.items() if key != "tool_calls"}
                kept.append(changed(message, extra=extra))
            else:
                kept.append(message)
        return kept

    def loaded(self, message: Message) -> Message:
        """``message`` with the bytes of its media; one that was taken from the disk is named in words instead."""
        if not message.media:
            return message
        parts: list[Part] = []
        for part in message.content or ():
            if isinstance(part, MediaPart) and part.path:
                data = self.files.read(Path(part.path).name)
                lost = TextPart(f"[{part.kind} no longer stored: {part.name or 'without a name'}]")
                parts.append(lost if data is None else changed(part, data=data))
            else:
                parts.append(cast(Part, part))
        return changed(message, content=tuple(parts))

    # Changing

    def rename(self, conversation: str, name: str | None) -> None:
        """Give the conversation a name of its own, or none. Raises :class:`UsageError` for one that is taken."""
        if name is not None:
            name = checked_name(name)
        try:
            with schema.writing(self.connection) as connection:
                connection.execute("UPDATE conversations SET name = ? WHERE id = ?", (name, conversation))
        except sqlite3.IntegrityError as problem:
            taken = self.named(name or "")
            raise UsageError(f"another conversation is called {name!r}: {taken.id if taken else ''}") from problem
        except (sqlite3.Error, OSError) as problem:
            raise schema.explained(problem, self.path) from problem

    def undo(self, conversation: str, turn: int) -> None:
        """Take back that turn and what failed after it: not what another chat has said in the meantime."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE turns SET undone = 1 WHERE conversation = ? AND (id = ? OR (id > ? AND status = 'failed'))",
                (conversation, turn, turn),
            )

    def delete(self, conversations: Iterable[str]) -> bool:
        """Delete these with their media, so that the words are gone from the disk. What they cost stays counted.

        False if another process still reads: then the words leave the disk when it ends. Raises :class:`ElkError`.
        """
        from elkcli.storage.deletion import delete

        with self._failures() as connection:
            return delete(connection, self.files, conversations)

    # Searching and counting

    def search(self, text: str, limit: int) -> list[Found]:
        """The latest ``limit`` conversations with a message that has every word of ``text``, or words that begin so."""
        from elkcli.storage.search import search

        with self._failures() as connection:
            hits = search(connection, clean(text), limit)
            return [Found(self._one("WHERE id = ?", hit.conversation), hit.role, hit.excerpt) for hit in hits]

    def usage(self, since: float | None = None) -> list[Spent]:
        """Requests and tokens by local day, model and profile, the oldest first; of deleted conversations too."""
        from elkcli.storage.spending import spending

        with self._failures() as connection:
            return [Spent(row[0], row[1], row[2], row[3], Usage(*row[4:])) for row in spending(connection, since)]

    def spend(
        self, model: str, profile: str | None, usage: Usage, *, when: float | None = None, requests: int = 1
    ) -> None:
        """Count requests whose words are not kept (lines of a batch); ``usage`` is their sum."""
        from elkcli.storage.spending import spend

        with self._writing() as connection:
            spend(connection, time.time() if when is None else when, model, profile, turns.tokens(usage), requests)


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def checked_name(name: str) -> str:
    """``name`` as a conversation may be called, or :class:`UsageError`."""
    name = clean(name).strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise UsageError("a name is one printable line of at most a hundred characters")
    return name
