"""What an argument may be: models, profiles, sessions, settings, files, as pairs of a word and what it means."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from elkcli.errors import ElkError
from elkcli.repl import slash
from elkcli.repl.session import Session
from elkcli.storage.settings import DEMO, KEYS, about, load

Candidates = Iterator[tuple[str, str]]
_MOST = 200
_FILES = ("schema", "output", "image_dir", "ca_file")


def commands(session: Session) -> Candidates:
    """The commands themselves."""
    for one in slash.commands().values():
        yield f"/{one.name}", one.help.splitlines()[0]


def models(session: Session) -> Candidates:
    """Models: those of the last listing, and those this conversation and the profiles name."""
    known = dict.fromkeys(session.assembly.models(session.resolved), "")
    known.update({turn.model: "answered before" for turn in session.turns if turn.model})
    file = session.resolved.file
    known.update({str(table["model"]): f"profile {name}" for name, table in file.profiles.items() if "model" in table})
    known[session.settings.model] = "now"
    yield from known.items()


def profiles(session: Session) -> Candidates:
    """Profiles of the configuration file."""
    with contextlib.suppress(ElkError):
        file = load(session.environment.config_dir / "config.toml")
        for name in sorted({*file.profiles, DEMO, "default"}):
            yield name, str(file.profiles.get(name, {}).get("model", ""))


def sessions(session: Session) -> Candidates:
    """Conversations, by name where they have one."""
    with contextlib.suppress(ElkError), session.history() as history:
        for one in history.listing(_MOST):
            if one.turns:
                yield one.label, one.title


def settings(session: Session) -> Candidates:
    """Keys for ``/set``."""
    for key in KEYS:
        yield key, about(key)["help"]
    yield "choices", "how many answers to ask for"
    yield "schema", "file of a JSON Schema that answers must follow"
    yield "output", "where pictures go: a file or a directory"


def values(session: Session, key: str, typed: str) -> Candidates:
    """What the setting ``key`` may be."""
    key = key.removeprefix("--").replace("-", "_")
    if key in _FILES:
        yield from files(session, typed)
    elif key == "model":
        yield from models(session)
    elif key in KEYS:
        for choice in about(key)["choices"] or (("true", "false") if about(key)["takes"] == "true|false" else ()):
            if (key, choice) not in (("format", "json"), ("format", "jsonl")):  # not for a chat
                yield choice, ""
    if key in (*KEYS, "choices", "schema", "output"):
        yield "default", "as it was at the start"


def files(session: Session, typed: str) -> Candidates:
    """Files and directories whose path begins with ``typed``."""
    folder, _, name = typed.rpartition("/")
    folder = f"{folder}/" if typed.startswith("/") or folder else ""
    place = session.environment.directory / Path(folder or ".").expanduser()
    found = []
    with contextlib.suppress(OSError, RuntimeError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith(".")):
                with contextlib.suppress(OSError):
                    found.append((entry.name, entry.is_dir()))
    for entry_name, is_directory in sorted(found)[:_MOST]:
        if entry_name.isprintable():
            yield folder + entry_name + ("/" if is_directory else ""), ""


def _words(one: Callable[[Session], Candidates]) -> Callable[[Session, str], tuple[str, Candidates]]:
    return lambda session, typed: (typed, one(session))


def _set(session: Session, typed: str) -> tuple[str, Candidates]:
    key, space, value = typed.partition(" ")
    return (value, values(session, key, value)) if space else (typed, settings(session))


def _retry(session: Session, typed: str) -> tuple[str, Candidates]:
    option, space, value = typed.partition(" ")
    return (value, models(session)) if space and option == "-m" else (typed, iter([("-m", "ask another model")]))


def _system(session: Session, typed: str) -> tuple[str, Candidates]:
    if typed.startswith("@"):
        return typed, ((f"@{path}", "") for path, _ in files(session, typed[1:]))
    return typed, iter([("none", "no system message")])


_KINDS: dict[str, Callable[[Session, str], tuple[str, Candidates]]] = {
    "command": lambda session, typed: (typed, ((name[1:], help_) for name, help_ in commands(session))),
    "model": _words(models),
    "profile": _words(profiles),
    "session": _words(sessions),
    "set": _set,
    "retry": _retry,
    "system": _system,
    "file": lambda session, typed: (typed, files(session, typed)),
    "path": lambda session, typed: (typed, files(session, typed)),
}


def candidates(session: Session, line: str) -> tuple[str, list[tuple[str, str]]]:
    """The part of ``line`` that is being typed, and what it may become."""
    name, space, typed = line.partition(" ")
    if not space:
        return line, [one for one in commands(session) if one[0].startswith(line)]
    known = slash.find(name.removeprefix("/").removesuffix("!"))
    kind = _KINDS.get(known.completes) if known is not None else None
    if kind is None:
        return "", []
    part, found = kind(session, typed.lstrip())
    lowered = part.lower()
    all_ = [one for one in found if lowered in one[0].lower()]
    return part, sorted(all_, key=lambda one: not one[0].lower().startswith(lowered))
