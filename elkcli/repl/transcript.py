"""The conversation as a Markdown file."""

from __future__ import annotations

from pathlib import Path

from elkcli.conversation import Message
from elkcli.errors import ElkError, UsageError
from elkcli.repl.session import Session
from elkcli.storage import placing


def as_markdown(session: Session) -> str:
    """All turns, the person's words as quotes are not: both sides may hold Markdown of their own."""
    parts = []
    if session.settings.system:
        parts.append(f"## System\n\n{session.settings.system}")
    for turn in session.turns:
        parts += [f"## You\n\n{_words(message)}" for message in turn.sent]
        end = "\n\n*(the answer was cut off here)*" if turn.partial else ""
        parts.append(f"## {turn.model or 'Answer'}\n\n{turn.text.rstrip()}{end}")
    return "\n\n".join(parts) + "\n"


def _words(message: Message) -> str:
    attached = [f"*(attached: {part.name or part.url or part.kind})*" for part in message.media]
    return "\n\n".join(part for part in (message.text.rstrip(), *attached) if part)


def write(path: Path, text: str, *, force: bool) -> None:
    """Make ``text`` the content of ``path``, whole or not at all. Raises :class:`ElkError`."""
    data = text.encode("utf-8", "replace")
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory", hint=f"/save {path.name}/chat.md")
        if force:
            placing.replace(path, data)
        else:
            placing.create(path, data)
    except FileExistsError:
        raise UsageError(f"{path} exists already", hint=f"/save! {path.name} replaces it") from None
    except OSError as problem:
        raise ElkError(f"cannot save {path}: {problem.strerror}") from problem
