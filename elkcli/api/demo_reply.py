"""What the built-in demo replies: a request read as strictly as the relay reads it, and its answers in wire format."""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from elkcli.api import demo_text
from elkcli.api.demo_text import Seen, pieces


class Refused(Exception):
    """A request answered with an error."""

    def __init__(self, status: int, message: str, code: str | int | None = "", kind: str = "new_api_error") -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.kind = status, message, code, kind


_TYPES: dict[str, tuple[type, ...]] = {
    "messages": (list,),
    "stream": (bool,),
    "temperature": (int, float),
    "top_p": (int, float),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "n": (int,),
    "seed": (int,),
    "stop": (str, list),
    "response_format": (dict,),
    "extra_body": (dict,),
}


def checked(raw: bytes) -> dict[str, Any]:
    """The request's body, as strictly read as the relay reads it."""
    try:
        body = json.loads(raw)
    except ValueError as problem:
        raise Refused(400, f"Invalid request: {problem}") from problem
    if not isinstance(body, dict) or not isinstance(body.get("model"), str) or not body["model"]:
        raise Refused(400, "Model name not specified")
    for name, types in _TYPES.items():
        value = body.get(name)
        wrong = not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
        if value is not None and (wrong or (name in {"max_tokens", "n"} and value < 0)):
            raise Refused(500, f"json: cannot unmarshal {name}", "invalid_request")
    if not body.get("messages") or not all(isinstance(message, dict) for message in body["messages"]):
        raise Refused(500, "field messages is required", "invalid_request")
    if (body.get("n") or 1) > 16:
        raise Refused(400, "n is at most 16 here", 400, "upstream_error")
    google = (body.get("extra_body") or {}).get("google")
    if isinstance(google, dict) and "imageConfig" in google:
        raise Refused(500, "use image_config instead of imageConfig", "convert_request_failed")
    return body


# Answers


class Choice:
    """One answer: its words, its picture, and how it ends."""

    def __init__(self, body: dict[str, Any], seen: Seen, index: int) -> None:
        model = body["model"]
        key = f"{seen.prompt}\0{body.get('seed')}\0{index}"
        dice = random.Random(hashlib.sha256(key.encode("utf-8", "replace")).digest())  # noqa: S311 - variety, no secret
        form = body.get("response_format") or {}
        self.index = index
        self.thinks = pieces(demo_text.thoughts(seen, dice)) if re.search("think|reason", model) else []
        self.calls: list[dict[str, Any]] = []
        self.picture: str | None = None
        self.image_tokens = 0
        self.reason: str | None = "stop"
        if _wants_picture(body, seen):
            self._draw(body, seen, key)
            return
        text = (
            demo_text.as_json(body, seen, dice)
            if form.get("type") in {"json_object", "json_schema"}
            else demo_text.markdown(model, seen, body, dice)
        )
        stops = body.get("stop") or []
        for stop in [stops] if isinstance(stops, str) else stops:
            if isinstance(stop, str) and stop:
                text = text.partition(stop)[0]
        self.words = pieces(text)
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(self.words)
        if limit < len(self.words):
            self.words, self.reason = self.words[:limit], "length"
        self._rehearse(model)

    def _draw(self, body: dict[str, Any], seen: Seen, key: str) -> None:
        from elkcli.api import demo_picture

        google = (body.get("extra_body") or {}).get("google")
        config = google.get("image_config") if isinstance(google, dict) else None
        before = seen.pictures[-1] if seen.pictures else None
        try:
            drawn = demo_picture.draw(key, seen.prompt, config if isinstance(config, dict) else {}, before)
        except ValueError as problem:
            raise Refused(400, str(problem), 400, "upstream_error") from problem
        self.words = pieces(f"{drawn.said}\n")
        self.picture = f"![image](data:image/png;base64,{b64encode(drawn.data).decode()})"
        self.image_tokens = drawn.tokens

    def _rehearse(self, model: str) -> None:
        half = self.words[: len(self.words) // 2]
        match model:
            case "demo-length":
                self.words, self.reason = half, "length"
            case "demo-filter":
                self.words, self.reason = half, "content_filter"
            case "demo-cut" | "demo-stall" | "demo-stream-error":
                self.words, self.reason = half, None
            case "demo-empty":
                self.words, self.reason = [], None
            case "demo-tool":
                function = {"name": "count_elk", "arguments": '{"valley": "north", "season": "autumn"}'}
                self.calls = [{"id": "call_demo", "type": "function", "function": function}]
                self.words, self.reason = [], "tool_calls"

    @property
    def tokens(self) -> int:
        """What this answer counts as."""
        calls = sum(len(pieces(call["function"]["arguments"])) for call in self.calls)
        return len(self.words) + len(self.thinks) + self.image_tokens + calls


# the plain demo draws when it is told to in so many words, and changes a picture it was shown
_DRAW = re.compile(r"(?:please )?(?:draw|paint|sketch|illustrate)\b|(?:a |an |the )?(?:picture|image|drawing) of\b")
_CHANGE = re.compile(r"\b(?:make|turn|paint|colou?r|change) (?:it|this|the picture|the image)\b")


def _wants_picture(body: dict[str, Any], seen: Seen) -> bool:
    google = (body.get("extra_body") or {}).get("google")
    if "image" in body["model"].lower() or (isinstance(google, dict) and bool(google.get("image_config"))):
        return True
    if body["model"] != "demo":
        return False
    words = seen.prompt.lower()
    return bool(_DRAW.match(words)) or (bool(seen.pictures) and bool(_CHANGE.search(words)))


def usage_of(seen: Seen, choices: list[Choice]) -> dict[str, Any]:
    """The counts of question and answers, as the relay writes them."""
    completion = sum(choice.tokens for choice in choices)
    image = sum(choice.image_tokens for choice in choices)
    thought = sum(len(choice.thinks) for choice in choices)
    return {
        "prompt_tokens": seen.tokens,
        "completion_tokens": completion,
        "total_tokens": seen.tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "text_tokens": seen.tokens, "audio_tokens": 0, "image_tokens": 0},
        "completion_tokens_details": {"text_tokens": 0, "image_tokens": image, "reasoning_tokens": thought},
    }


def whole(head: dict[str, Any], seen: Seen, choices: list[Choice]) -> dict[str, Any]:
    """The reply to a question that asked for no stream."""
    listed = []
    for choice in choices:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(choice.words) + (choice.picture or "")}
        if choice.thinks:
            message["reasoning_content"] = "".join(choice.thinks)
        if choice.calls:
            message["tool_calls"] = choice.calls
        listed.append({"index": choice.index, "message": message, "finish_reason": choice.reason})
    if head["model"] == "demo-empty":
        listed = []
    body = {**head, "object": "chat.completion", "choices": listed, "usage": usage_of(seen, choices)}
    if head["model"] == "demo-stream-error":
        body = {"error": {"message": "The model is overloaded", "type": "upstream_error", "code": 503}}
    return body


def events(head: dict[str, Any], body: dict[str, Any], seen: Seen, choices: list[Choice]) -> Iterator[bytes | float]:
    """The events of a stream; a number is a silence of so many seconds."""
    frame = {**head, "object": "chat.completion.chunk", "system_fingerprint": None}

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"delta": delta, "logprobs": None, "finish_reason": reason, "index": index}
        return _event({**frame, "choices": [choice], "usage": None})

    model = body["model"]
    for choice in choices:
        at = choice.index
        yield chunk(at, {"content": "", "role": "assistant"})
        for piece in choice.thinks:
            yield chunk(at, {"reasoning_content": piece})
        for piece in choice.words:
            yield chunk(at, {"content": piece})
        if choice.picture is not None:
            yield chunk(at, {"content": choice.picture})
        for number, call in enumerate(choice.calls):
            yield chunk(at, {"tool_calls": [{"index": number, **call}]})
        if choice.reason is not None:
            yield chunk(at, {}, choice.reason)
    if model == "demo-stall":
        yield math.inf
    if model == "demo-cut":
        return
    if model == "demo-stream-error":
        yield _event({"error": {"message": "The model is overloaded", "type": "upstream_error", "code": 503}})
        return
    if (body.get("stream_options") or {}).get("include_usage") is not False:
        yield _event({**frame, "system_fingerprint": "", "choices": [], "usage": usage_of(seen, choices)})
    yield b"data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
