"""A kept conversation as a document: Markdown, plain text, JSON. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from elkcli.conversation import ForeignPart, MediaPart, Message, Part, TextPart
from elkcli.storage.history import Conversation
from elkcli.storage.turns import TOKENS, Answer, Turn


def moment(seconds: float) -> str:
    """A point in time as a person's clock showed it, with the zone."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def in_words(turn: Turn) -> str:
    """How a turn that is not whole ended; empty for one that is."""
    if turn.status == "whole":
        return ""
    what = "the answer was cut off" if turn.partial else "no answer came"
    return f"{what}: {turn.error}" if turn.error else what


# For people


def markdown(conversation: Conversation, turns: list[Turn]) -> str:
    """The conversation with a heading for each voice; the words as they were written."""
    facts = [conversation.model, moment(conversation.created), conversation.id]
    blocks = [f"# {conversation.name or conversation.title}", " · ".join(fact for fact in facts if fact)]
    if conversation.system:
        blocks += ["## System", conversation.system]
    for turn in turns:
        for message in turn.sent:
            blocks.append("## You" if message.role == "user" else f"## {message.role.capitalize()}")
            blocks += [message.text] if message.text.strip() else []
            blocks += [_attached(part) for part in message.media]
        for answer in _answers(turn):
            blocks.append(f"## {turn.served or turn.model or 'Answer'}")
            blocks.append(answer.text)
        if ending := in_words(turn):
            blocks.append(f"*({ending})*")
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def plain(turns: list[Turn]) -> str:
    """What was sent as in a mail that is answered, behind ``>``, and the answers as they came."""
    blocks = []
    for turn in turns:
        for message in turn.sent:
            words = [message.text] if message.text.strip() else []
            said = "\n\n".join(words + [_attached(part) for part in message.media])
            blocks.append("\n".join(f"> {line}".rstrip() for line in said.splitlines()))
        blocks += [answer.text for answer in _answers(turn)]
        if ending := in_words(turn):
            blocks.append(f"[{ending}]")
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _attached(part: MediaPart) -> str:
    where = part.url or part.path or ""
    return f"[{part.kind} {part.name}: {where}]" if part.name else f"[{part.kind}: {where}]"


def _answers(turn: Turn) -> Iterator[Answer]:
    for answer in turn.answers:
        if answer:
            calls = [f"{call['function']['name']}({call['function']['arguments']})" for call in answer.tool_calls]
            yield answer._replace(text="\n\n".join([answer.text, *calls] if answer.text else calls))


# For programs


def summary(conversation: Conversation) -> dict[str, Any]:
    """The conversation without its words."""
    return {
        "id": conversation.id,
        "name": conversation.name,
        "title": conversation.title,
        "model": conversation.model,
        "profile": conversation.profile,
        "directory": conversation.directory,
        "created": moment(conversation.created),
        "updated": moment(conversation.updated),
    }


def document(conversation: Conversation, turns: list[Turn]) -> dict[str, Any]:
    """The whole conversation: ``messages`` in the API's shape, media by path, and ``turns`` with all that is known.

    The numbers under a turn's ``messages`` say which of the messages are its own.
    """
    messages = [{"role": "system", "content": conversation.system}] if conversation.system else []
    about = []
    for turn in turns:
        first = len(messages)
        messages += [as_json(message) for message in turn.sent]
        if turn.answer:
            messages.append(_answer(turn.answer))
        about.append({**_about(turn), "messages": list(range(first, len(messages)))})
    return {**summary(conversation), "system": conversation.system, "messages": messages, "turns": about}


def lines(conversation: Conversation, turns: list[Turn]) -> Iterator[dict[str, Any]]:
    """The messages one by one, each with the conversation's id and its turn, counted from 1; a turn's facts come
    with its answer."""
    if conversation.system:
        yield {"id": conversation.id, "turn": 0, "role": "system", "content": conversation.system}
    for number, turn in enumerate(turns, 1):
        place = {"id": conversation.id, "turn": number}
        for message in turn.sent:
            yield {**place, **as_json(message)}
        said = _answer(turn.answer) if turn.answer else {"role": "assistant", "content": None}
        yield {**place, **said, **_about(turn)}


def as_json(message: Message) -> dict[str, Any]:
    """A message in the API's shape, with the path of each of its media in the place of its bytes."""
    content: Any = message.content
    if content is not None and not isinstance(content, str):
        content = [_part(part) for part in content]
    return {"role": message.role, "content": content, **message.extra}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ForeignPart):
        return part.body
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": part.url or part.path}}
    named = {"filename": part.name, "mime": part.mime, "path": part.path, "url": part.url}
    return {"type": "file", "file": {key: value for key, value in named.items() if value is not None}}


def _answer(answer: Answer) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        said["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        said["tool_calls"] = list(answer.tool_calls)
    if answer.media:
        said["media"] = [
            {"path": one.path, "reference": one.reference, "mime": one.mime, "size": one.size}
            | ({"width": one.width, "height": one.height} if one.width else {})
            for one in answer.media
        ]
    return said


def _about(turn: Turn) -> dict[str, Any]:
    counts = {f"{name}_tokens": getattr(turn.usage, name) for name in TOKENS}
    return {
        "started": moment(turn.started),
        "seconds": turn.seconds,
        "status": turn.status,
        "partial": turn.partial,
        "model": turn.model,
        "served_by": turn.served,
        "profile": turn.profile,
        "response_id": turn.response_id,
        "request_id": turn.request_id,
        "finish_reason": turn.finish_reason,
        "error": turn.error,
        "usage": {name: count for name, count in counts.items() if count is not None} or None,
        **({"other_answers": [_answer(other) for other in turn.answers[1:]]} if turn.answers[1:] else {}),
    }
