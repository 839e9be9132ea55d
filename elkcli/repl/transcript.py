"""The conversation as a Markdown file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from elkcli.conversation import Message
from elkcli.errors import ElkError, UsageError
from elkcli.repl.session import Session


def as_markdown(session: Session) -> str:
    """All turns, the person's words as quotes are not: both sides may hold Markdown of their own."""
    parts = []
    if session.settings.system:
        parts.append(f"## System\n\n{session.settings.system}")
    for turn in session.turns:
        for message in turn.sent:
            parts.append(f"## You\n\n{_words(message)}")
        end = "\n\n*(the answer was cut off here)*" if turn.partial else ""
        parts.append(f"## {turn.model or 'Answer'}\n\n{turn.text.rstrip()}{end}")
    return "\n\n".join(parts) + "\n"


def _words(message: Message) -> str:
    attached = [f"*(attached: {part.name or part.url or part.kind})*" for part in message.media]
    return "\n\n".join(part for part in (message.text.rstrip(), *attached) if part)


def write(path: Path, text: str, *, replace: bool) -> None:
    """Make ``text`` the content of ``path``, whole or not at all. Raises :class:`ElkError`."""
    aside = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            with aside.open("xb") as file:
                file.write(text.encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
            if replace:
                aside.replace(path)
            else:
                _place(aside, path)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink()
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint=f"/save! {path.name} replaces it") from None
    except OSError as problem:
        raise ElkError(f"cannot save {path}: {problem.strerror}") from problem


def _place(aside: Path, path: Path) -> None:
    """Give the file its name, if nobody has it."""
    try:
        os.link(aside, path)  # unlike a rename, this never replaces
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if path.exists():
            raise FileExistsError from None
        aside.rename(path)
