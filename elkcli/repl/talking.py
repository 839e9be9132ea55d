"""Slash commands about the turns themselves: ask again, take back, edit, attach, draw, copy."""

from __future__ import annotations

import re

from elkcli.conversation import MediaPart, Part, TextPart
from elkcli.errors import UsageError
from elkcli.repl.session import Session
from elkcli.repl.slash import as_line, command
from elkcli.repl.turn import Turn
from elkcli.storage.checks import BadValue
from elkcli.storage.settings import check


def _last(session: Session) -> Turn:
    if not session.turns or not session.turns[-1].sent:
        raise UsageError("nothing was asked yet")
    return session.turns[-1]


@command("retry", "[-m MODEL]", completes="retry")
def retry(session: Session, argument: str) -> None:
    """Ask the last question again, of another model with -m

    The old answer goes once the new one comes.
    """
    words = argument.split()
    if words[:1] in (["-m"], ["--model"]):
        words = words[1:]
        if not words:
            raise UsageError("-m takes a model", hint="/retry -m MODEL")
    if len(words) > 1 or (words[:1] and words[0].startswith("-")):
        raise UsageError("/retry takes one model", hint="/retry -m MODEL")
    turn = _last(session)
    changes = {}
    if words:
        try:
            changes["model"] = check("model", words[0])
        except BadValue as problem:
            raise UsageError(f"-m takes {problem}") from problem
    session.ask(turn.sent[-1], before=turn.sent[:-1], replacing=True, **changes)


@command("undo")
def undo(session: Session, argument: str) -> None:
    """Take back the last question and its answer"""
    turn = session.take_back()
    words = " ".join(turn.asked.split())
    left = len(session.turns)
    session.say(f"took back: {words[:60]}{'…' if len(words) > 60 else ''} ({_count(left, 'turn')} left)")


@command("edit", "[TEXT]")
def edit(session: Session, argument: str) -> None:
    """Change the last question and send it from there

    In the editor that VISUAL or EDITOR names, else in the input line; or with TEXT in its place.
    """
    turn = _last(session)
    before = turn.sent[-1].text
    text = argument
    if not text:
        variables = session.environment.variables
        if not session.interactive:
            raise UsageError("/edit needs the new text", hint="/edit TEXT")
        if not (variables.get("VISUAL") or variables.get("EDITOR")):
            session.draft, session.replacing = as_line(before), True
            session.say("change it and press Enter; Ctrl-C leaves it as it was", "2")
            return
        text = session.assembly.edited(before)
        if text == before or not text.strip():
            session.say("unchanged, so nothing was sent", "2")
            return
    session.ask_instead(text, as_line(text))


@command("attach", "FILE|URL", completes="file")
def attach(session: Session, argument: str) -> None:
    """Attach a file or image URL to the next message

    An image, PDF, sound or text file. Without a name it lists what is attached.
    """
    if argument:
        session.waiting.append(session.assembly.attach(session.path(argument)))
    if not session.waiting:
        session.say("nothing is attached")
    for number, part in enumerate(session.waiting, 1):
        session.say(f"{number:3}  {_described(part)}")


@command("detach", "[N]")
def detach(session: Session, argument: str) -> None:
    """Leave out what was attached, or only number N"""
    if not session.waiting:
        raise UsageError("nothing is attached")
    if argument in ("", "all"):
        session.waiting.clear()
        session.say("nothing is attached any more")
        return
    number = _number(argument, len(session.waiting), "attachment")
    session.say(f"left out: {_described(session.waiting.pop(number - 1))}")


@command("image", "TEXT")
def image(session: Session, argument: str) -> None:
    """Ask for a picture

    Its shape and size are aspect_ratio and image_size where set, else 1:1 and 1K.
    """
    if not argument:
        raise UsageError("what is to be drawn?", hint="/image an elk at dawn")
    settings = session.settings
    session.ask(
        session.message(argument),
        aspect_ratio=settings.aspect_ratio or "1:1",
        image_size=settings.image_size or "1K",
        stream=False,
    )
    if not session.turns[-1].media and "](http" not in session.turns[-1].text:
        session.messages.warn(f"no picture came from {settings.model}; /model chooses one that draws")


@command("copy", "[N]")
def copy(session: Session, argument: str) -> None:
    """Copy the last answer, or its code block N"""
    from elkcli.codeblocks import code_blocks
    from elkcli.terminal.clipboard import copy as to_clipboard

    text, what = _last(session).text, "the answer"
    if argument:
        blocks = code_blocks(text)
        if not blocks:
            raise UsageError("the last answer has no code block")
        number = _number(argument, len(blocks), "code block")
        text, what = blocks[number - 1].code, f"code block {number}"
    how = to_clipboard(text, session.environment)
    session.say(f"copied {what}: {_count(len(text), 'character')} ({how})")


def _number(text: str, most: int, what: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= most:
        raise UsageError(f"there is no {what} {text}; there " + ("is 1" if most == 1 else f"are {most}"))
    return int(text)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _described(part: Part) -> str:
    if isinstance(part, MediaPart):
        size = f", {len(part.data):,} bytes" if part.data is not None else ""
        return f"{part.name or part.url or part.kind} ({part.mime}{size})"
    if isinstance(part, TextPart):
        return " ".join(part.text[:200].split())[:60] + f" ({_count(len(part.text), 'character')})"
    return "a part of a message"
