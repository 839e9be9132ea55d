"""Lines as requests: what applies to every line, and what a line says for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from elkcli.api.request import Options as Fields
from elkcli.api.request import Request, body_of
from elkcli.batch.lines import Line
from elkcli.conversation import Message, TextPart
from elkcli.errors import UsageError

# members that a line may send beside a template; the others only fill it
API_FIELDS = frozenset(
    {
        "model", "temperature", "top_p", "n", "stream", "stop", "max_tokens", "max_completion_tokens",
        "presence_penalty", "frequency_penalty", "logit_bias", "user", "tools", "tool_choice", "response_format",
        "seed", "reasoning_effort", "modalities", "audio", "extra_body", "top_k", "thinking", "metadata",
    }
)  # fmt: skip
_FIELD = re.compile(r"\{\{|\}\}|\{([^{}\"'\n]{1,100})\}")
_WORD = re.compile(r"[\w.-]+")


@dataclass(slots=True)
class Job:
    """One line, ready to be sent. ``key`` tells it again in a later run, ``digest`` its request."""

    index: int
    id: Any
    request: Request
    content: bytes
    digest: str | None
    key: int
    position: int = 0


def key_of(id: Any, index: int, digest: str | None) -> int:
    """What a line is recognised by: its id, or else its index and what it asks."""
    words = "id:" + json.dumps(id) if id is not None else f"{index}:{digest}"
    return int.from_bytes(blake2b(words.encode(), digest_size=8).digest(), "big") or 1


class Template:
    """Text with ``{field}`` in it; ``{{`` and ``}}`` stand for braces. Other braces are text."""

    def __init__(self, text: str) -> None:
        self._parts: list[tuple[str, bool]] = []
        at = 0
        for found in _FIELD.finditer(text):
            self._parts.append((text[at : found.start()], False))
            if found[1] is None:
                self._parts.append((found[0][0], False))
            else:
                self._parts.append((found[1], True))
            at = found.end()
        self._parts.append((text[at:], False))

    @property
    def fields(self) -> list[str]:
        """The names in braces."""
        return [name for name, is_field in self._parts if is_field]

    def check(self, names: Sequence[str]) -> None:
        """Raise :class:`UsageError` where a field is no column, and looks like one."""
        for name in self.fields:
            if name not in names and _WORD.fullmatch(name):
                raise UsageError(
                    f"--template: no column is called {name!r}", hint="the columns: " + ", ".join(names[:40])
                )

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with the values of a line. Raises :class:`UsageError` for a field the line has not."""
        return "".join(self._value(text, values) if is_field else text for text, is_field in self._parts)

    @staticmethod
    def _value(name: str, values: Mapping[str, Any]) -> str:
        value: Any = values.get(name, values)
        if value is values:
            for step in name.split("."):
                if not isinstance(value, dict) or step not in value:
                    if _WORD.fullmatch(name):
                        raise UsageError(f"the line has no member {name!r} for the template")
                    return "{" + name + "}"
                value = value[step]
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass
class Plan:
    """What applies to every line. ``replaces_system``: the system message was given for this run, and wins."""

    url: str
    headers: dict[str, str]
    fields: Fields
    system: str | None = None
    replaces_system: bool = False
    template: Template | None = None
    csv: bool = False
    _base: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._base = body_of([], self.fields)

    def job(self, line: Line) -> Job:
        """The request that ``line`` is. Raises :class:`UsageError`."""
        if line.problem is not None:
            raise UsageError(line.problem)
        values = line.value if isinstance(line.value, dict) else {"prompt": line.value}
        id_ = id_of(line)
        messages, extra = self._messages(values)
        if self.system and (self.replaces_system or not any(_is_system(message) for message in messages)):
            messages = [{"role": "system", "content": self.system}, *(m for m in messages if not _is_system(m))]
        body = dict(self._base)
        body["messages"] = messages
        if self.fields.contents:
            mirrored = body_of([_as_message(message) for message in messages], self.fields)
            body["contents"] = mirrored["contents"]
        body.update(extra)
        if not isinstance(body["model"], str) or not body["model"]:
            raise UsageError("model is not a name")
        request = Request(self.url, body, self.headers)
        content = request.content()
        digest = None if id_ is not None else blake2b(content, digest_size=8).hexdigest()
        return Job(line.index, id_, request, content, digest, key_of(id_, line.index, digest), line.position)

    def _messages(self, values: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The messages of a line, and the body fields it brings."""
        if self.template is not None:
            prompt = self.template.fill(values)
            used = {name.split(".")[0] for name in self.template.fields} | set(self.template.fields)
            extra = {
                name: value
                for name, value in values.items()
                if not self.csv and name in API_FIELDS and name not in used
            }
            return [_user(prompt)], extra
        if self.csv:
            if not isinstance(values.get("prompt"), str):
                raise UsageError("--csv needs a column called prompt, or --template")
            return [_user(values["prompt"])], {}
        extra = {name: value for name, value in values.items() if name not in ("id", "prompt", "messages")}
        messages = []
        if values.get("messages") is not None:
            messages = _checked(values["messages"])
        if values.get("prompt") is not None:
            if not isinstance(values["prompt"], str):
                raise UsageError("prompt is no string")
            messages = [*messages, _user(values["prompt"])]
        if not messages:
            raise UsageError("the line has neither prompt nor messages")
        return messages, extra


def id_of(line: Line) -> Any:
    """The line's own name for itself. Raises :class:`UsageError` for one that is no string or number."""
    found = line.value.get("id") if isinstance(line.value, dict) else None
    if found == "":  # an empty cell
        return None
    if found is not None and (isinstance(found, bool) or not isinstance(found, (str, int, float))):
        raise UsageError("id is neither a string nor a number")
    return found


def _user(prompt: str) -> dict[str, Any]:
    if not prompt.strip():
        raise UsageError("the prompt is empty")
    return {"role": "user", "content": prompt}


def _is_system(message: Mapping[str, Any]) -> bool:
    return message["role"] in ("system", "developer")


def _checked(messages: object) -> list[dict[str, Any]]:
    if not isinstance(messages, list):
        raise UsageError("messages is no array")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str) or not message["role"]:
            raise UsageError(f"message {number} is no object with role and content")
        content = message.get("content")
        if not isinstance(content, (str, list)) and not (content is None and len(message) > 1):
            raise UsageError(f"message {number}: content is a string or an array of parts")
    return messages


def _as_message(message: Mapping[str, Any]) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return Message(message["role"], tuple(TextPart(text) for text in texts if isinstance(text, str)))
    return Message(message["role"], content if isinstance(content, str) else "")
