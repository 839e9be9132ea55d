"""Slash commands about how is asked: model, profile, system message, settings; and about the chat itself."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from elkcli.api.request import parse_set
from elkcli.conversation import tokens
from elkcli.errors import UsageError
from elkcli.repl.session import Session
from elkcli.repl.slash import command, commands, find
from elkcli.storage.settings import KEYS

OPTIONS = {"choices": "choices", "n": "choices", "schema": "schema", "output": "output", "header": "headers"}
"""Options of ``ask`` that are no settings, or have another name there."""
_ELSEWHERE = {
    "profile": "/profile NAME changes it",
    "attach": "/attach FILE attaches one",
    "session": "/resume goes on with another conversation, /name names this one",
    "continue": "/resume goes on with another conversation",
    "no-history": "/set history false",
    "no-stream": "/set stream false",
    "no-usage": "/set usage false",
    "no-reasoning": "/set reasoning false",
    "preview": "/set image_preview auto",
    "no-preview": "/set image_preview none",
    "edit": "Ctrl-X Ctrl-E opens the editor",
    **dict.fromkeys(("quiet", "verbose", "fetch", "shrink"), "it is given when a chat begins"),
}
"""Options that are asked for in another way: as a body field they would only puzzle the server."""
HELP_ON_KEYS = """Alt-Enter or Ctrl-J makes a new line, Ctrl-X Ctrl-E opens the editor.
Up, Down and Ctrl-R find what was typed before; Tab completes.
Ctrl-C clears the line, or stops an answer and keeps what came; Ctrl-D leaves."""


@command("help", "[COMMAND]", completes="command")
def help_(session: Session, argument: str) -> None:
    """This list, or more about one command"""
    if argument:
        name = argument.removeprefix("/")
        known = find(name)
        if known is None:
            raise UsageError(f"no command is called /{name}", hint="/help lists the commands")
        session.say(f"/{known.name} {known.form}".rstrip())
        session.say(known.help)
        return
    width = max(len(f"/{one.name} {one.form}") for one in commands().values())
    for one in commands().values():
        session.say(f"{f'/{one.name} {one.form}':{width}}  {one.help.splitlines()[0]}")
    session.messages.line("")
    session.say("/help COMMAND tells more. A line that begins with // sends a literal slash.")
    if session.interactive:
        session.say(HELP_ON_KEYS)


@command("exit")
def exit_(session: Session, argument: str) -> None:
    """Leave (also /quit, or Ctrl-D on an empty line)"""
    session.over = True


@command("model", "[ID]", completes="model")
def model(session: Session, argument: str) -> None:
    """Show or change the model"""
    if argument:
        session.choose(model=argument)
    session.say(f"model: {session.settings.model}")


@command("system", "[TEXT]", completes="system")
def system(session: Session, argument: str) -> None:
    """Show or change the system message

    /system TEXT       words
    /system @FILE      what the file holds
    /system none       without one
    """
    if argument == "none":
        session.choose(system="")
    elif argument:
        session.choose(system=_option(session, "system", argument))
    if session.settings.system:
        session.say(f"system: {session.settings.system}")
    else:
        session.say("no system message")


@command("profile", "[NAME]", completes="profile")
def profile(session: Session, argument: str) -> None:
    """Show or change the profile

    With it come the model, the system message and the server it names.
    """
    if argument:
        session.use_profile(argument)
    settings = session.settings
    session.say(f"profile: {session.resolved.profile or 'default'} ({settings.model} at {settings.base_url})")


@command("set", "[KEY [VALUE]]", completes="set")
def set_(session: Session, argument: str) -> None:
    """Show or change a setting, option of ask, or body field

    /set temperature 0.2              a setting
    /set thinking_config.level low    any other name is a field of the request body; dots go deeper
    /set KEY=VALUE                    as --set: a body field even if a setting has a name like it
    /set KEY default                  as it was at the start
    """
    key, _, value = argument.partition(" ")
    value = value.strip()
    if not key:
        _show_all(session)
    elif "=" in key:
        _set_field(session, argument)
    elif not value:
        _show(session, _plain(key))
    else:
        _change(session, _plain(key), value)


def _plain(key: str) -> str:
    key = key.removeprefix("--")
    name = key.replace("-", "_")
    return OPTIONS.get(name, name if name in KEYS else key)


def _change(session: Session, key: str, value: str) -> None:
    back = value == "default"
    if key in KEYS:
        if back:
            session.choose(**{key: session.at_start.get(key)})
        elif key == "system":
            session.choose(system=_option(session, key, value))
        elif key == "headers":
            more = _option(session, key, value)
            session.choose(headers={**session.settings.headers, **more})
        else:
            _choose(session, key, value)
        _show(session, key)
    elif key in OPTIONS.values():
        setattr(session.extra, key, None if back else _option(session, key, value))
        _show(session, key)
    elif back:
        if session.extra.fields.pop(key, None) is None:
            raise UsageError(f"{key} is not set")
        session.say(f"{key} is no longer sent")
    else:
        elsewhere = _ELSEWHERE.get(key.replace("_", "-"))
        if elsewhere is not None:
            raise UsageError(
                f"{key} is an option, and no setting", hint=f"{elsewhere} (/set {key}={value}: a body field)"
            )
        near = get_close_matches(key, [*KEYS, *OPTIONS], n=1, cutoff=0.8)
        if near and "." not in key:
            raise UsageError(
                f"no setting is called {key!r}",
                hint=f"did you mean {near[0]}? (/set {key}={value} sends it as a body field)",
            )
        _set_field(session, f"{key}={value}")


def _option(session: Session, key: str, value: str) -> Any:
    """What an option of ``ask`` makes of ``value``; a file may be written as in a shell."""
    if key in ("schema", "output"):
        value = session.path(value)
    elif key == "system" and value.startswith("@"):
        value = "@" + session.path(value[1:])
    try:
        return session.assembly.option(key, value)
    except UsageError as problem:  # the words are those of an option: --schema: cannot read …
        raise UsageError(problem.message.removeprefix("--"), hint=problem.hint) from problem


def _choose(session: Session, key: str, value: str) -> None:
    if key == "format" and value in ("json", "jsonl"):
        raise UsageError(f"the format {value} does not go with chat", hint="elkcli ask, or elkcli batch")
    try:
        session.choose(**{key: value})
        if key in ("aspect_ratio", "image_size"):
            session.assembly.remark(session.settings)
    except UsageError as problem:  # the words are those of an option: --top-p takes …
        raise UsageError(problem.message.replace(f"--{key.replace('_', '-')}", key, 1), hint=problem.hint) from problem


def _set_field(session: Session, text: str) -> None:
    try:
        path, value = parse_set(text)
    except UsageError as problem:
        raise UsageError(problem.message.replace("--set", "/set"), hint=problem.hint) from problem
    if path == "token":
        raise UsageError("a token is no body field, and not for a line that is kept", hint="elkcli config set token")
    session.extra.fields[path] = value
    session.say(f"{path} = {json.dumps(value, ensure_ascii=False)} (sent as a body field)")


def _show_all(session: Session) -> None:
    changed = [key for key in KEYS if session.resolved.origins[key] != "default"]
    for key in changed:
        session.say(f"{key} = {_shown(session, key)}  ({session.resolved.origins[key]})")
    for key in ("choices", "schema", "output"):
        if getattr(session.extra, key) is not None:
            _show(session, key)
    for path, value in session.extra.fields.items():
        session.say(f"{path} = {json.dumps(value, ensure_ascii=False)}  (body field)")
    if not changed and not session.extra.fields:
        session.say("everything is as it is by default")


def _show(session: Session, key: str) -> None:
    if key in KEYS:
        session.say(f"{key} = {_shown(session, key)}")
    elif key in OPTIONS.values():
        value = getattr(session.extra, key)
        session.say(f"{key} is not set" if value is None else f"{key} = {json.dumps(value, ensure_ascii=False)}")
    elif key in session.extra.fields:
        session.say(f"{key} = {json.dumps(session.extra.fields[key], ensure_ascii=False)}")
    else:
        near = get_close_matches(key, KEYS, n=1)
        raise UsageError(f"{key} is not set", hint=f"did you mean {near[0]}?" if near else None)


def _shown(session: Session, key: str) -> str:
    value = getattr(session.settings, key)
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@command("usage")
def usage(session: Session, argument: str) -> None:
    """The tokens of this conversation"""
    from elkcli.terminal.messages import usage_line

    if not session.spent:
        session.say("no tokens were counted yet")
        return
    for number, spent in enumerate(session.spent, 1):
        session.say(f"{number:3}  {tokens(spent):>9,} tokens  {usage_line(spent, '', 0).removesuffix(' · 0.0 s')}")
    session.say(f"all  {sum(map(tokens, session.spent)):>9,} tokens")


@command("multiline")
def multiline(session: Session, argument: str) -> None:
    """Make Enter a new line and Alt-Enter send, or back"""
    session.multiline = not session.multiline
    session.say(
        "Enter makes a new line, Alt-Enter sends" if session.multiline else "Enter sends, Alt-Enter makes a new line"
    )
