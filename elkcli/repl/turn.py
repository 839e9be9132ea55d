"""What a chat remembers of one exchange."""

from __future__ import annotations

from elkcli.conversation import Message, SavedMedia, Usage
from elkcli.value import Value


class Turn(Value):
    """One exchange that has an answer. ``partial``: something cut it short. ``stored``: its number there, if it is."""

    sent: tuple[Message, ...]
    text: str
    media: tuple[SavedMedia, ...] = ()
    partial: bool = False
    stored: int | None = None
    model: str = ""
    usage: Usage | None = None

    @property
    def asked(self) -> str:
        """The words of the question."""
        return "\n\n".join(message.text for message in self.sent if message.text)
