"""How a chat goes on with an earlier conversation, by ``-c``, ``-S`` or ``/resume``."""

from __future__ import annotations

from elkcli.errors import UsageError
from elkcli.repl.session import Session

_LONGEST = 240
"""Characters of a line of the last turn that are shown again: a reminder, not the whole."""


def go_on(session: Session, wanted: str | None) -> None:
    """Take up the conversation of that name or ID, or begin it; without one the latest. Raises :class:`UsageError`."""
    from elkcli.storage.history import checked_name
    from elkcli.storage.terminal_key import terminal_key

    why = ""
    with session.history() as history:
        if wanted is None:
            environment = session.environment
            latest = history.latest(terminal=terminal_key(environment), directory=str(environment.directory))
            if latest is None:
                raise UsageError("there is no conversation to continue yet", hint="elkcli chat begins one")
            found, why = latest
        else:
            name = checked_name(wanted)
            named = history.session(name)
            if named is None:
                session.name = name
                return
            found = named
        session.take_up(found, history)
    announce(session, why)


def announce(session: Session, why: str = "") -> None:
    """Say which conversation goes on, and how far it had come."""
    turns = session.turns
    known = [f"{len(turns)} turn{'' if len(turns) == 1 else 's'}", session.settings.model, *([why] if why else [])]
    session.messages.note(f"going on with {session.label} ({', '.join(known)})")
    if not turns or not session.interactive:
        return
    asked = turns[-1].asked.strip().splitlines()
    lines = [f"> {line}" for line in asked[:3]] + (["> …"] if len(asked) > 3 else [])
    answered = turns[-1].text.strip().splitlines()
    for line in [*lines, *answered[:6], *(["…"] if len(answered) > 6 else [])]:
        session.say(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…", "2")
