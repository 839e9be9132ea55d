"""What a conversation sends again: which pictures of earlier answers stay, and which become words. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from elkcli.conversation import MediaPart, Message, Part, TextPart


def with_images(messages: Sequence[Message], which: str) -> list[Message]:
    """``messages`` with the pictures the model made: the ``latest`` one only, ``all``, or ``none``.

    The others become ``[image omitted]``: they can be tens of megabytes each. What a user attached stays.
    """
    kept: list[Message] = []
    left = {"latest": 1, "all": len(messages) * 1024, "none": 0}[which]
    for message in reversed(messages):
        if message.role != "assistant" or not message.media or not isinstance(message.content, tuple):
            kept.append(message)
            continue
        parts: list[Part] = []
        for part in reversed(message.content):
            if isinstance(part, MediaPart):
                if part.kind == "image" and left > 0:
                    left -= 1
                    parts.append(part)
                else:
                    parts.append(TextPart(f"[{part.kind} omitted]"))
            else:
                parts.append(part)
        kept.append(Message(message.role, tuple(reversed(parts)), message.extra))
    return kept[::-1]
