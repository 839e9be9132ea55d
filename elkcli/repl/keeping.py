"""Slash commands about what is kept: begin anew, save, list, resume, name and search conversations."""

from __future__ import annotations

import time

from elkcli.errors import UsageError
from elkcli.repl.resuming import announce
from elkcli.repl.session import Session
from elkcli.repl.slash import command


@command("new")
def new(session: Session, argument: str) -> None:
    """Begin a new conversation; the old one is kept"""
    back = session.way_back
    session.start_afresh()
    session.say("a new conversation" + (f"; the last one: {back}" if back else ""))


@command("save", "FILE", completes="path")
def save(session: Session, argument: str) -> None:
    """Save the conversation as Markdown

    An existing file is replaced only with /save! FILE.
    """
    from elkcli.repl.transcript import as_markdown, write

    name = argument
    for mark in ("!", "--force"):
        name = name.removeprefix(f"{mark} ").removesuffix(f" {mark}").strip()
    force = name != argument
    if name in ("", "!", "--force"):
        raise UsageError("/save needs the name of a file", hint="/save chat.md")
    if not session.turns:
        raise UsageError("nothing was said yet")
    path = session.environment.directory / session.path(name)
    write(path, as_markdown(session), force=force)
    session.say(f"saved {len(session.turns)} turn{'' if len(session.turns) == 1 else 's'} to {path}")


@command("sessions")
def sessions(session: Session, argument: str) -> None:
    """List the conversations that are kept"""
    with session.history() as history:
        found = history.listing(20)
    if not found:
        session.say("no conversations are kept")
    width = max((len(one.name or "") for one in found), default=0)
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.updated))
        mark = "*" if one.id == session.conversation else " "
        name = f"{one.name or '':{width}}  " if width else ""
        session.say(f"{mark} {one.id}  {when}  {one.turns:3}  {name}{one.title}")


@command("resume", "ID|NAME", completes="session")
def resume(session: Session, argument: str) -> None:
    """Go on with an earlier conversation

    Its name, or the first four or more characters of its ID; without either the latest other one.
    """
    with session.history() as history:
        if argument:
            found = history.find(argument)
        else:
            another = history.latest_but(session.conversation)
            if another is None:
                raise UsageError("no other conversation is kept")
            found = another
        session.take_up(found, history)
    announce(session)


@command("name", "NAME")
def name(session: Session, argument: str) -> None:
    """Name this conversation; -S NAME goes on with it"""
    from elkcli.storage.history import checked_name

    if not argument:
        session.say(f"this conversation is called {session.name}" if session.name else "this conversation has no name")
        return
    chosen = checked_name(argument)
    with session.history() as history:
        taken = history.named(chosen)
        if taken is not None and taken.id != session.conversation:
            raise UsageError(f"another conversation is called {chosen!r}: {taken.id}", hint=f"/resume {taken.id}")
        if session.conversation is not None:
            history.rename(session.conversation, chosen)
    session.name = chosen
    session.say(f"this conversation is now called {chosen}")


@command("history", "TEXT")
def history_(session: Session, argument: str) -> None:
    """Search all conversations for words"""
    if not argument:
        raise UsageError("/history needs words to look for", hint="/sessions lists the conversations")
    with session.history() as history:
        found = history.search(argument, 20)
    if not found:
        session.say("nothing was found")
    for one in found:
        session.say(f"{one.conversation.label}  {one.role}: {' '.join(one.excerpt.split())}")
