"""Requests as data: a conversation and settings become the JSON body of the API page. No I/O."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elkcli import __version__
from elkcli.conversation import REQUEST_LIMIT, ForeignPart, MediaPart, Message, Part, TextPart
from elkcli.errors import UsageError
from elkcli.media import readable
from elkcli.value import Value

HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "Accept-Language": "en",  # the relay's errors follow it
    "Accept-Encoding": "identity",
    "User-Agent": f"elkcli/{__version__}",
}
ASPECT_RATIOS = (
    "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "1:4", "4:1", "1:8", "8:1",
)  # fmt: skip
IMAGE_SIZES = ("512", "1K", "2K", "4K")
KNOWN_TO = {
    "gemini-2.5-flash-image": (ASPECT_RATIOS[:10], ("1K",)),
    "gemini-3-pro-image": (ASPECT_RATIOS[:10], IMAGE_SIZES[1:]),
}
"""The ratios and sizes of models that take fewer than all (wire.md §7), by how their names begin."""
_PICTURE = r"(!\[[^\]\n]*\])\((?=data:)"
HIDDEN = "***"


class Options(Value):
    """The request fields of the API. What is ``None`` is not sent."""

    model: str
    stream: bool = True
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None
    seed: int | None = None
    choices: int | None = None
    reasoning_effort: str | None = None
    aspect_ratio: str | None = None
    image_size: str | None = None
    contents: bool = False
    schema: Mapping[str, Any] | None = None
    set: tuple[tuple[str, Any], ...] = ()


class Request(Value):
    """One request, but for the token."""

    url: str
    body: dict[str, Any]
    headers: dict[str, str] = {}  # noqa: RUF012 - values are never changed
    method: str = "POST"
    drawn: bool = False
    """Whether a picture is waited for, whatever the body says: a file was named for it."""

    @property
    def stream(self) -> bool:
        """Whether a stream is asked for."""
        return self.body.get("stream") is True

    @property
    def model(self) -> str:
        """The model that is asked."""
        return str(self.body.get("model"))

    @property
    def choices(self) -> int:
        """How many answers are asked for."""
        wanted = self.body.get("n")
        return wanted if isinstance(wanted, int) else 1

    @property
    def wants_image(self) -> bool:
        """Whether the answer may be a picture, which is billed when it is made, not when it arrives."""
        return self.asks_for_image or "image" in self.model

    @property
    def asks_for_image(self) -> bool:
        """Whether an answer without a picture is not what was asked for."""
        google = self.body.get("extra_body")
        google = google.get("google") if isinstance(google, dict) else None
        return self.drawn or (isinstance(google, dict) and "image_config" in google)

    def content(self) -> bytes:
        """The body's bytes. Raises :class:`UsageError` for a string that is no text, a number no JSON, or too much."""
        try:
            content = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except UnicodeEncodeError:
            raise UsageError("the prompt or an option is not valid UTF-8") from None
        except ValueError:
            raise UsageError("a number in the request is too large, or NaN: JSON has no such thing") from None
        if len(content) > REQUEST_LIMIT:
            raise UsageError(
                f"the request has {readable(len(content))}; the API takes {readable(REQUEST_LIMIT)} at most",
                hint="send less: shorter input, fewer attachments, --shrink",
            )
        return content


def body_of(messages: Sequence[Message], options: Options) -> dict[str, Any]:
    """The JSON body: ``model``, ``stream`` and ``messages`` always, the rest where asked for.

    ``image_config`` is a literal ``extra_body`` key on the wire, and the API page wants both members (wire.md §2.1).
    """
    body: dict[str, Any] = {"model": options.model, "stream": options.stream}
    body["messages"] = [encode(message) for message in messages]
    plain = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_tokens": options.max_tokens,
        "stop": list(options.stop) if options.stop else None,
        "seed": options.seed,
        "n": options.choices,
        "reasoning_effort": options.reasoning_effort,
    }
    body.update({name: value for name, value in plain.items() if value is not None})
    if options.aspect_ratio or options.image_size:
        body["extra_body"] = {
            "google": {
                "image_config": {
                    "aspect_ratio": options.aspect_ratio or "1:1",
                    "image_size": options.image_size or "1K",
                }
            }
        }
    if options.schema is not None:
        name = options.schema.get("title")
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": _schema_name(name), "schema": options.schema, "strict": True},
        }
    if options.contents:
        body["contents"] = [_content(message) for message in messages]
    for path, value in options.set:
        put(body, path, value)
    return body


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the dotted ``path`` of ``body``. Raises :class:`UsageError` where something else stands in the way."""
    *outer, last = path.split(".")
    place = body
    for name in outer:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise UsageError(f"--set {path}: {name} is no object")
    place[last] = value


def parse_set(text: str) -> tuple[str, Any]:
    """``KEY=VALUE`` as a path and a value; VALUE is JSON, or else a string."""
    path, equals, raw = text.partition("=")
    if not equals or not path or not all(path.split(".")):
        raise UsageError(f"--set takes KEY=VALUE, not {text!r}")

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return path, json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError):
        if raw.lstrip()[:1] in ("{", "[", '"'):
            raise UsageError(f"--set {path}: the value is not valid JSON: {raw[:80]}") from None
        return path, raw


def encode(message: Message) -> dict[str, Any]:
    """A message as the wire has it. Media go last: text behind an image can be lost (wire.md §2.2)."""
    content: Any = message.content
    if message.role == "assistant" and isinstance(content, str):
        content = _tame(content)
    if isinstance(content, tuple):
        words = [part for part in content if not isinstance(part, MediaPart)]
        content = [_part(part) for part in [*words, *message.media]]
        if message.role == "assistant":
            content = [
                {**part, "text": _tame(part["text"])} if part.get("type") == "text" else part for part in content
            ]
    return {"role": message.role, "content": content, **message.extra}


def _tame(text: object) -> Any:
    """An answer's words without what the relay would take for a picture: it fails at bad base64 (wire.md §2.2)."""
    return re.sub(_PICTURE, r"\1 (", text) if isinstance(text, str) and "](data:" in text else text


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ForeignPart):
        return part.body
    if part.data is None:
        return {"type": "image_url", "image_url": {"url": part.url}}
    data = base64.b64encode(part.data).decode()
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": f"data:{part.mime};base64,{data}"}}
    if part.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": _audio_format(part.mime)}}
    name = part.name or "file"
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{part.mime};base64,{data}"}}


def _audio_format(mime: str) -> str:
    return "wav" if "wav" in mime else "mp3"


def _content(message: Message) -> dict[str, Any]:
    role = "model" if message.role == "assistant" else "user"
    if isinstance(message.content, tuple):
        texts = [part.text for part in message.content if isinstance(part, TextPart)]
    else:
        texts = [message.content or ""]
    return {"role": role, "parts": [{"text": text} for text in texts or [""]]}


def _schema_name(title: object) -> str:
    name = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in str(title or ""))
    return name[:64] or "answer"


def headers_of(extra: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    """The request's headers, but for the token; ``extra`` replaces the header of the same name."""
    merged = dict(HEADERS)
    for name, value in dict(extra).items():
        for known in [known for known in merged if known.lower() == name.lower()]:
            del merged[known]
        merged[name] = value
    return merged


def shown(request: Request, *, with_token: bool) -> dict[str, Any]:
    """What ``--dry-run`` prints: the request with the token hidden."""
    headers = dict(request.headers)
    if with_token:
        headers["Authorization"] = f"Bearer {HIDDEN}"
    return {"method": request.method, "url": request.url, "headers": headers, "body": request.body}


def as_curl(request: Request) -> str:
    """What ``--curl`` prints: a command for a POSIX shell that takes the token from ``$ELKCLI_TOKEN``."""
    lines = ["curl --silent --show-error" + (" --no-buffer" if request.stream else "")]
    lines.append(f"--request {request.method} --url {shlex.quote(request.url)}")
    lines.append('--header "Authorization: Bearer $ELKCLI_TOKEN"')
    for name, value in request.headers.items():  # curl sends an empty header only where a semicolon says so
        lines.append(f"--header {shlex.quote(f'{name}: {value}' if value else f'{name};')}")
    body = request.content().decode()
    if len(body) <= 64 * 1024:
        lines.append(f"--data-raw {shlex.quote(body)}")
        return " \\\n  ".join(lines)
    # one argument may not be longer than 128 KiB on Linux: a long body goes through standard input
    lines.append("--data-binary @- <<'ELKCLI_BODY'")
    return " \\\n  ".join(lines) + f"\n{body}\nELKCLI_BODY"
