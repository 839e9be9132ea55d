"""What came of one line, as the object that is written for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from elkcli.conversation import Event, Failure, Finished, Media, Note, Piece, Reasoning, SavedMedia, Start, Text, Usage
from elkcli.conversation import ToolCall as Call
from elkcli.errors import ElkError
from elkcli.terminal.whole_reply import Collected
from elkcli.unicode import utf8

Save = Callable[[Media], tuple[SavedMedia | None, list[Note]]]


class Reply:
    """The pieces of one answer, taken together. ``say`` gets the remarks that came with them."""

    def __init__(self, pieces: list[Piece], save: Save | None, say: Callable[[Note], None]) -> None:
        self.usage: Usage | None = None
        self.error: ElkError | None = None
        self.served: str | None = None
        self._start: Start | None = None
        self._reason: str | None = None
        self._texts: dict[int, list[str]] = {}
        self._thoughts: dict[int, list[str]] = {}
        self._calls: dict[int, list[Call]] = {}
        self._collected: Collected | None = None
        self._saved = False
        for piece in pieces:
            self._take(piece, save, say)

    def _take(self, piece: Piece, save: Save | None, say: Callable[[Note], None]) -> None:
        if isinstance(piece, Event):
            self._collected = self._collected or Collected()
            self._collected.add(piece)
        elif isinstance(piece, Text):
            self._texts.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, Media):
            if save is not None:
                saved, notes = save(piece)
                for note in notes:
                    say(note)
                if saved is not None:
                    self._saved = True
                    self._texts.setdefault(piece.choice, []).append(saved.reference)
        elif isinstance(piece, Usage):
            self.usage = piece
        elif isinstance(piece, Start):
            self._start, self.served = piece, piece.model
        elif isinstance(piece, Reasoning):
            self._thoughts.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, Call):
            self._calls.setdefault(piece.choice, []).append(piece)
        elif isinstance(piece, Finished):
            self._reason = piece.reason
        elif isinstance(piece, Failure):
            self._reason, self.error = piece.reason, piece.error

    @property
    def text(self) -> str:
        """The words of the first choice."""
        return "".join(self._texts.get(0, ()))

    def body(self) -> dict[str, Any] | None:
        """The reply in the API's shape, saved pictures referred to; ``None`` where nothing of an answer came."""
        if self._collected is not None:
            found = self._collected.reply()
            if found is not None and self._saved:
                self._refer(found)
            return found
        if not self._texts and not self._calls:
            return None
        start = self._start or Start()
        indexes = sorted({*self._texts, *self._calls}) or [0]
        return {
            "id": start.id,
            "object": "chat.completion",
            "created": start.created,
            "model": start.model,
            "choices": [
                {"index": index, "message": self._message(index), "finish_reason": self._reason} for index in indexes
            ],
        }

    def _message(self, index: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._texts.get(index, ())) or None}
        if thoughts := self._thoughts.get(index):
            message["reasoning_content"] = "".join(thoughts)
        if calls := self._calls.get(index):
            message["tool_calls"] = [call.as_json() for call in calls]
        return message

    def _refer(self, reply: dict[str, Any]) -> None:
        """Put the words that name the files where the pictures were."""
        for position, choice in enumerate(reply.get("choices") or []):
            message = choice.get("message") if isinstance(choice, dict) else None
            if isinstance(message, dict):
                message["content"] = "".join(self._texts.get(position, ()))
                message.pop("images", None)
                message.pop("audio", None)
                if self._thoughts.get(position):
                    message["reasoning_content"] = "".join(self._thoughts[position])


def told(usage: Usage | None) -> dict[str, int] | None:
    """The counts that the server gave, by the API's names."""
    if usage is None:
        return None
    counts = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "reasoning_tokens": usage.reasoning,
        "cached_tokens": usage.cached,
        "image_tokens": usage.image,
    }
    return {name: count for name, count in counts.items() if count is not None} or None


def line_of(
    index: int,
    id: Any,
    *,
    response: Any = None,
    error: ElkError | None = None,
    usage: Usage | None = None,
    seconds: float = 0.0,
    digest: str | None = None,
) -> dict[str, Any]:
    """A result. It failed if it has an ``error``; a ``response`` beside that is the part that had come.

    ``digest`` tells a later run, where the line has no id, that the line is still the same.
    """
    result: dict[str, Any] = {"id": id, "index": index}
    if response is not None:
        result["response"] = response
    if error is not None:
        result["error"] = error.as_json()
    result["usage"] = told(usage)
    result["seconds"] = round(seconds, 3)
    if digest is not None:
        result["digest"] = digest
    return result


def encoded(result: dict[str, Any]) -> bytes:
    """A result as a line."""
    return utf8(json.dumps(result, ensure_ascii=False)) + b"\n"
