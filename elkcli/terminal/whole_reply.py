"""`--format json`: the answer as one object in the shape of the API's reply, also when it came in chunks."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

from elkcli.conversation import Event, Piece, Reasoning, SavedMedia, Text, in_order
from elkcli.environment import Environment
from elkcli.terminal.display import standard_output
from elkcli.terminal.safe import safe_json
from elkcli.unicode import utf8

_THOUGHTS = {"reasoning_content", "reasoning"}


class JsonDisplay:
    """One object in the shape of the API's reply, whether it came whole or in chunks. Needs ``Event`` pieces.

    Where media were saved, ``content`` refers to their files instead of carrying them.
    """

    def __init__(self, environment: Environment) -> None:
        self._out = standard_output(environment)
        self._safe = environment.stdout_is_terminal
        self._collected = Collected()
        self._texts: dict[int, list[str]] = {}
        self._thoughts: dict[int, list[str]] = {}
        self._saved = False

    def __enter__(self) -> JsonDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        reply = self._collected.reply()
        if reply is None:
            return
        if self._saved:
            self._refer(reply)
        text = json.dumps(reply, ensure_ascii=False, indent=2)
        self._out.write(utf8(safe_json(text) if self._safe else text) + b"\n")
        self._out.flush()

    def show(self, piece: Piece) -> None:
        """Collect."""
        if isinstance(piece, Event):
            self._collected.add(piece)
        elif isinstance(piece, Text):
            self._texts.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, Reasoning):
            self._thoughts.setdefault(piece.choice, []).append(piece.text)
        elif isinstance(piece, SavedMedia):
            self._saved = True
            self._texts.setdefault(piece.choice, []).append(piece.reference)

    def _refer(self, reply: dict[str, Any]) -> None:
        for place, choice in enumerate(in_order(_listed(reply.get("choices")))):
            message = choice.get("message")
            if isinstance(message, dict):
                number = place if self._collected.whole else choice.get("index", 0)
                message["content"] = "".join(self._texts.get(number, []))
                message.pop("images", None)
                for name in _THOUGHTS & message.keys():
                    message[name] = "".join(self._thoughts.get(number, []))
                if isinstance(audio := message.get("audio"), dict):
                    audio.pop("data", None)  # a sound is saved as well, and referred to in the content


class Collected:
    """The chunks of a stream as the one object that the API would have sent."""

    def __init__(self) -> None:
        self._whole: dict[str, Any] | None = None
        self._head: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}
        self._calls: dict[tuple[int, int], dict[str, Any]] = {}
        self._any = False

    @property
    def whole(self) -> bool:
        """Whether the reply came in one object."""
        return self._whole is not None

    def add(self, event: Event) -> None:
        """One object of the server; an error object is passed over."""
        body = event.body
        if event.whole:
            if body.get("choices") or not body.get("error"):
                self._whole = body
            return
        if body.get("error") and not body.get("choices"):
            return
        self._any = True
        for key, value in body.items():
            if key == "choices" or (key == "usage" and not _counts(value) and _counts(self._head.get("usage"))):
                continue
            if value is not None or key not in self._head:
                if key in ("id", "model", "created") and self._head.get(key) and not value:
                    continue
                self._head[key] = value
        for choice in _listed(body.get("choices")):
            if isinstance(choice, dict):
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index")
        index = index if type(index) is int and 0 <= index < 1024 else 0
        entry = self._choices.setdefault(index, {"index": index, "message": {"role": "assistant", "content": None}})
        for key, value in choice.items():
            if key in ("index", "delta", "message"):
                continue
            if key == "finish_reason" and entry.get(key) and (entry[key] != "stop" or not value):
                continue  # a later one counts only where it says more than "stop" (wire.md §2.4)
            if value is not None or key not in entry:
                entry[key] = value
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            message = choice.get("message")
            delta = message if isinstance(message, dict) and (index, "content") not in self._texts else {}
        for key, value in delta.items():
            self._member(entry["message"], index, key, value)

    def _member(self, message: dict[str, Any], index: int, key: str, value: Any) -> None:
        if key == "tool_calls" and isinstance(value, list):
            for position, call in enumerate(value):
                if isinstance(call, dict):
                    self._call(message, index, position, call)
        elif isinstance(value, str) and key not in ("role", "name"):
            self._texts.setdefault((index, key), []).append(value)
        elif isinstance(value, list) and isinstance(message.get(key), list):
            message[key].extend(value)
        elif value is not None or key not in message:
            message[key] = value

    def _call(self, message: dict[str, Any], index: int, position: int, call: dict[str, Any]) -> None:
        number = call.get("index")
        number = number if isinstance(number, int) else position
        known = self._calls.get((index, number))
        named = call.get("id") and isinstance(call.get("function"), dict) and call["function"].get("name")
        if known is None or (named and known["id"] and known["id"] != call["id"]):  # some give every call one index
            known = self._calls[index, number] = {
                "id": None,
                "type": "function",
                "function": {"name": "", "arguments": ""},
            }
            message["tool_calls"] = [*(message.get("tool_calls") or []), known]
        known["id"] = call.get("id") or known["id"]
        function = call.get("function")
        if isinstance(function, dict):
            known["function"]["name"] = function.get("name") or known["function"]["name"]
            if isinstance(function.get("arguments"), str):
                known["function"]["arguments"] += function["arguments"]

    def reply(self) -> dict[str, Any] | None:
        """The object, or ``None`` where nothing of an answer came."""
        if self._whole is not None or not self._any:
            return self._whole
        for (index, key), texts in self._texts.items():
            message = self._choices[index]["message"]
            parts = message.get(key)
            if isinstance(parts, list):
                parts.append({"type": "text", "text": "".join(texts)})
            else:
                message[key] = "".join(texts)
        head = {"id": None, "object": "chat.completion", "created": None, "model": None, **self._head}
        head["object"] = "chat.completion"
        usage = head.pop("usage", None)
        head["choices"] = [
            {"finish_reason": None, **choice} if "finish_reason" not in choice else choice
            for _, choice in sorted(self._choices.items())
        ]
        head["usage"] = usage
        return head


def _listed(choices: object) -> list[Any]:
    return choices if isinstance(choices, list) else []


def _counts(usage: object) -> bool:
    return isinstance(usage, dict) and any(
        usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
