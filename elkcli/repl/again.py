"""What is sent again: the system message, every turn that has an answer, and of the model's pictures the latest."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from elkcli.context import with_images
from elkcli.conversation import MediaPart, Message, Part, TextPart
from elkcli.repl.turn import Turn
from elkcli.storage.settings import Settings
from elkcli.value import changed

if TYPE_CHECKING:
    from elkcli.storage import turns as stored


def messages_of(
    earlier: Sequence[Turn], settings: Settings, new: Sequence[Message], held: Mapping[str, bytes]
) -> list[Message]:
    """The messages of a request that asks ``new`` after the turns in ``earlier``; ``held`` has media by path."""
    from elkcli.storage.turns import Answer, as_message

    said = [Message("system", settings.system)] if settings.system else []
    for turn in earlier:
        said += [*turn.sent, as_message(Answer(0, turn.text, "", turn.media))]
    chosen = with_images([one for one in said if one.content], settings.image_history)
    return [_loaded(one, held) for one in (*chosen, *new)]


def pictures(turn: Turn) -> dict[str, bytes]:
    """The bytes of the last picture of ``turn`` by its path, as far as it has one."""
    for media in reversed(turn.media):
        if media.kind == "image":
            with contextlib.suppress(OSError):
                return {media.path: Path(media.path).read_bytes()}
    return {}


def _loaded(message: Message, held: Mapping[str, bytes]) -> Message:
    """``message`` with the bytes of its media; one that was taken from the disk is named in words instead."""
    if not message.media:
        return message
    parts: list[Part] = []
    for part in message.content or ():
        if isinstance(part, MediaPart) and part.data is None and part.path is not None:
            parts.append(_with_bytes(part, part.path, held))
        else:
            parts.append(part)  # type: ignore[arg-type]  # content is parts where there are media
    return changed(message, content=tuple(parts))


def _with_bytes(part: MediaPart, path: str, held: Mapping[str, bytes]) -> Part:
    try:
        return changed(part, data=held[path] if path in held else Path(path).read_bytes())
    except OSError:
        return TextPart(f"[{part.kind} no longer there: {part.name or 'without a name'}]")


def turns_of(found: Iterable[stored.Turn]) -> list[Turn]:
    """The turns of a stored conversation that have an answer."""
    return [
        Turn(
            turn.sent,
            turn.answer.text,
            turn.answer.media,
            turn.partial,
            stored=turn.id,
            model=turn.served or turn.model or "",
            usage=turn.usage,
        )
        for turn in found
        if turn.answer is not None
    ]
