"""The table of slash commands: each is one function with a name, a form, a line of help, and what completes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from inspect import cleandoc
from typing import TYPE_CHECKING

from elkcli.errors import UsageError
from elkcli.value import Value

if TYPE_CHECKING:
    from elkcli.repl.session import Session

Run = Callable[["Session", str], None]


class Command(Value):
    """One command. ``completes`` is the kind of its argument, as :mod:`elkcli.repl.candidates` knows it."""

    name: str
    form: str
    help: str
    completes: str
    run: Run


_COMMANDS: dict[str, Command] = {}
ALIASES = {"quit": "exit", "q": "exit", "?": "help", "h": "help"}
_NAME = re.compile(r"/(\S*)\s*")


def command(name: str, form: str = "", *, completes: str = "") -> Callable[[Run], Run]:
    """Register a command. Its docstring is its help, its first line in the table."""

    def register(run: Run) -> Run:
        _COMMANDS[name] = Command(name, form, cleandoc(run.__doc__ or ""), completes, run)
        return run

    return register


def commands() -> dict[str, Command]:
    """The table, by name. The modules that fill it are loaded when it is first looked at: the prompt comes before."""
    from elkcli.repl import keeping, steering, talking  # noqa: F401 - they register their commands

    return dict(sorted(_COMMANDS.items()))


def find(name: str) -> Command | None:
    """The command called ``name``, or that ``name`` is short for."""
    return commands().get(ALIASES.get(name, name))


def is_command(line: str) -> bool:
    """Whether ``line`` is for the chat itself; two slashes stand for a literal one."""
    return line.startswith("/") and not line.startswith("//")


def do(session: Session, line: str) -> None:
    """Do what ``line`` says: a command, or a message that is sent. Raises what fails."""
    session.line = line
    if is_command(line):
        obey(session, line)
        return
    text = line[1:] if line.startswith("//") else line
    if session.replacing and text.strip():
        session.ask_instead(text, line)
    elif text.strip() or session.waiting:
        session.ask(session.message(text))


def as_line(text: str) -> str:
    """``text`` as it is entered: a slash at its beginning is doubled."""
    return f"/{text}" if text.startswith("/") else text


def obey(session: Session, line: str) -> None:
    """Run a command. Raises :class:`UsageError` for one that does not exist."""
    match = _NAME.match(line)
    assert match is not None
    name, rest = match[1], line[match.end() :].strip()
    if name == "save!":  # as vi has it
        name, rest = "save", f"! {rest}"
    known = find(name)
    if known is None:
        near = get_close_matches(name.lower(), [*commands(), *ALIASES], n=1)
        near = near or [one for one in commands() if name and one.startswith(name.lower())][:1]
        hint = f"did you mean /{near[0]}?" if near else "/help lists the commands"
        raise UsageError(f"no command is called /{name}", hint=f"{hint} (to send a slash, type two: /{line[:20]}…)")
    if rest and not known.form:
        raise UsageError(f"/{known.name} takes nothing behind it", hint=f"/help {known.name} tells what it does")
    known.run(session, rest)
