"""Replies as pieces: bytes of the server in, pieces of an answer out, the last of them the verdict. No I/O.

What was asked for decides nothing: a stream may be answered with JSON, JSON with a stream, and either with a web page,
so the first bytes tell (wire.md §3.3, §4). Whatever the bytes, the last piece is ``Finished`` or ``Failure``.
"""

from __future__ import annotations

import json
import re
from typing import Any

from elkcli.api.embedded import HOIST_FROM, Bit, Found, Hoard, Splitter
from elkcli.api.sse import BOM, Events, LineTooLong
from elkcli.api.verdict import error_of, from_error
from elkcli.conversation import (
    Event,
    Failure,
    Finished,
    Media,
    Note,
    Piece,
    Reasoning,
    Start,
    Text,
    ToolCall,
    Usage,
)
from elkcli.errors import ApiError, ElkError, Incomplete

BODY_LIMIT = 512 * 1024 * 1024  # bytes of one reply that is not a stream, or of one line of a stream
TEXT_LIMIT = 64 * 1024 * 1024  # characters of answer and reasoning
_PREFIXES = (b"data", b":", b"event", b"id", b"retry")
_HIGH = re.compile("[\ud800-\udbff]\\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_KNOWN_REASONS = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter"})

# strict=False: some servers leave raw control characters inside strings
_json = json.JSONDecoder(strict=False, parse_constant=lambda name: None)


def loads(data: bytes | bytearray | str) -> Any:
    """JSON as lenient as servers are. Raises :class:`ValueError` alone, whatever the bytes."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        if text[:1] == "{":
            found, end = _json.raw_decode(text)
            if end == len(text) or not text[end:].strip():
                return found
        return _json.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


class _Call:
    """A tool call whose pieces are still coming."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: list[str] = []


class _Channel:
    """The text of one choice, answer or reasoning: joined, made whole, searched for media."""

    __slots__ = ("buffer", "held", "last", "splitter")

    def __init__(self, hoard: Hoard) -> None:
        self.splitter = Splitter(hoard)
        self.buffer: list[str] = []
        self.held = ""
        self.last = ""

    def take(self) -> list[Bit]:
        if not self.buffer:
            return []
        text = self.held + "".join(self.buffer) if self.held else "".join(self.buffer)
        self.buffer.clear()
        self.held = ""
        if not text.isascii() and _SURROGATE.search(text):
            if _HIGH.search(text):  # its other half may come with the next delta
                self.held = text[-1]
                text = text[:-1]
            text = whole(text)
        if not text:
            return []
        self.last = text[-1]
        return self.splitter.feed(text)

    def close(self) -> list[Bit]:
        found = self.take()
        if self.held:
            found += self.splitter.feed("\ufffd")
            self.held = ""
        return found + self.splitter.close()


def whole(text: str) -> str:
    """``text`` with surrogate pairs joined and lone ones replaced, so that it can be encoded."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Decoder:
    """One reply. ``feed`` its bytes, ``close`` it at its end; each returns the pieces that are ready.

    With ``raw`` every object of the server comes as an ``Event`` before what was read from it. ``done`` turns true
    where nothing more can come that matters. ``failed`` may be given to ``close``: the failure that cut the bytes
    short, which the verdict then weighs against what had arrived.
    """

    def __init__(self, *, raw: bool = False, request_id: str | None = None, model: str | None = None) -> None:
        self.done = False
        self.reasons_seen = False
        self.answered = False  # whether anything of the answer itself has come
        self._raw = raw
        self._request_id = request_id
        self._model = model
        self._mode = ""
        self._head = bytearray()
        self._events = Events(BODY_LIMIT)
        self._pieces: list[Piece] = []
        self._hoard = Hoard()
        self._text: dict[int, _Channel] = {}
        self._thought: dict[int, _Channel] = {}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._reasons: dict[int, str] = {}
        self._started = False
        self._stream_id: str | None = None
        self._usage: Usage | None = None
        self._error: ElkError | None = None
        self._damaged = 0
        self._chunks = 0
        self._size = 0
        self._restarted = False
        self._unknown_parts: set[str] = set()

    # Bytes

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes."""
        if self.done or not chunk:
            return []
        try:
            if self._mode == "sse":
                for data in self._events.feed(chunk):
                    self._data(data)
            else:
                self._open(chunk)
        except LineTooLong:
            self._fail(ApiError("the server sent more than elkcli takes in one piece", request_id=self._request_id))
        return self._ready()

    def rest(self) -> list[Piece]:
        """What had come but was held back, for a reader that stops early."""
        self._flush(final=True)
        ready, self._pieces = self._pieces, []
        return ready

    def close(self, failed: ElkError | None = None) -> list[Piece]:
        """The end of the bytes: the last pieces, and the verdict."""
        if not self.done or self._error is None:
            try:
                self._end(failed)
            except LineTooLong:
                self._fail(ApiError("the server sent more than elkcli takes in one piece"))
        self.done = True
        self._flush(final=True)
        for call in self._calls_in_order():
            self._pieces.append(call)
        self._pieces.append(self._verdict(failed))
        return self._ready()

    def _ready(self) -> list[Piece]:
        if self._mode == "sse":
            self._flush()
        ready, self._pieces = self._pieces, []
        return ready

    def _open(self, chunk: bytes) -> None:
        """Tell from the first bytes what kind of reply it is."""
        self._head += chunk
        if len(self._head) > BODY_LIMIT:
            raise LineTooLong
        if self._mode:
            return
        head = bytes(self._head[:64]).removeprefix(BOM).lstrip()
        if not head or BOM.startswith(head):
            if len(self._head) > 65536:
                self._mode = "text"
            return
        if head[:1] in (b"{", b"["):
            self._mode = "json"
        elif head[:1] == b"<":
            self._mode = "html"
        elif any(head.startswith(prefix) or prefix.startswith(head) for prefix in _PREFIXES):
            if b":" in head or b"\n" in head or b"\r" in head:
                self._mode = "sse"
                waiting, self._head = bytes(self._head), bytearray()
                for data in self._events.feed(waiting):
                    self._data(data)
        else:
            self._mode = "text"

    def _end(self, failed: ElkError | None) -> None:
        if self._mode == "sse":
            if not self.done:
                for data in self._events.close():
                    self._data(data, last=True)
        elif self._mode == "json":
            self._whole_body(failed)
        elif failed is None and self._mode == "html":
            self._fail(
                ApiError(
                    "the server sent a web page, not an answer",
                    hint="the address is no API endpoint: check the base URL (elkcli config get base_url)",
                    request_id=self._request_id,
                )
            )
        elif failed is None and self._head.strip():
            said = bytes(self._head[:300]).decode("utf-8", "replace").strip()
            self._fail(ApiError(f"the server sent no answer but: {said}", request_id=self._request_id))

    def _whole_body(self, failed: ElkError | None) -> None:
        body, self._head = self._head, bytearray()
        if body.startswith(BOM):
            del body[:3]
        try:
            reply = loads(self._lighter(body))
        except ValueError:
            if b"\ndata:" in body or b"\rdata:" in body:
                self._mode = "sse"
                for data in [*self._events.feed(bytes(body)), *self._events.close()]:
                    self._data(data)
            elif failed is None:
                said = bytes(body[:80]).decode("utf-8", "replace").strip()
                self._fail(ApiError(f"the server sent something that is not JSON: {said}", request_id=self._request_id))
            return
        if isinstance(reply, list) and len(reply) == 1:
            reply = reply[0]
        if isinstance(reply, dict):
            self._object(reply, whole=True)
            if self._error is None and not self._chunks:
                self._fail(ApiError("the server's reply holds no answer", request_id=self._request_id))
        else:
            self._fail(ApiError("the server's reply is not an object", request_id=self._request_id))

    def _lighter(self, data: bytes | bytearray) -> bytes | bytearray:
        """``data`` with large images lifted out, so that they are not copied through JSON and text."""
        if self._raw or len(data) < HOIST_FROM:
            return data
        return self._hoard.hoist(data)

    # Objects

    def _data(self, data: bytes | bytearray, last: bool = False) -> None:
        if self.done:
            return
        if data[:1] != b"{":  # nearly every event begins so
            data = data.strip()
            if data[:6] == b"[DONE]":
                self.done = True
            if self.done or not data:
                return
        try:
            chunk = loads(self._lighter(data))
        except ValueError:
            if not last or self._chunks == 0:  # a torn last line is a cut, and is told as one
                self._damaged += 1
            return
        if isinstance(chunk, dict):
            self._object(chunk)
        else:
            self._damaged += 1

    def _object(self, body: dict[str, Any], *, whole: bool = False) -> None:
        if self._raw:
            self._flush()
            self._pieces.append(Event(body, whole))
        elif self._started and self._more_text(body):
            return
        error = error_of(body)
        if error is not None:
            self._fail(from_error(error, request_id=self._request_id, model=self._model))
            return
        if not self._started:
            self._start(body)
        usage = body.get("usage")
        if isinstance(usage, dict):
            self._count(usage)
        choices = body.get("choices")
        if not isinstance(choices, list):
            if "choices" in body or usage is not None:
                self._chunks += 1
            return
        self._chunks += 1
        for choice in choices:
            if isinstance(choice, dict):
                self._choice(choice, body, whole)

    def _more_text(self, body: dict[str, Any]) -> bool:
        """Whether ``body`` was one more piece of the first choice's text and nothing else, as nearly all chunks are."""
        choices = body.get("choices")
        if type(choices) is not list or len(choices) != 1 or "error" in body or body.get("usage"):
            return False
        choice = choices[0]
        if type(choice) is not dict or choice.get("finish_reason") or choice.get("index") != 0:
            return False
        delta = choice.get("delta")
        if type(delta) is not dict or len(delta) != 1 or self._restarted:
            return False
        text = delta.get("content")
        if type(text) is not str or not text:
            return False
        self._chunks += 1
        self._say(text, 0)
        return True

    def _start(self, body: dict[str, Any]) -> None:
        self._started = True
        served, created = body.get("model"), body.get("created")
        self._stream_id = body.get("id") if isinstance(body.get("id"), str) else None
        self._pieces.append(
            Start(
                self._stream_id or None,
                served if isinstance(served, str) and served else None,
                created if isinstance(created, (int, float, str)) else None,
                self._request_id,
            )
        )

    def _choice(self, choice: dict[str, Any], body: dict[str, Any], whole: bool) -> None:
        index = choice.get("index")
        if whole or not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 1024:
            # the sample reply of the API page counts its only choice as 1
            index = body["choices"].index(choice) if whole else 0
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            message = choice.get("message")
            # some servers end a stream with the whole message: it says nothing new
            delta = message if isinstance(message, dict) and (whole or index not in self._text) else None
        if delta is None and isinstance(choice.get("text"), str):
            delta = {"content": choice["text"]}
        if delta:
            self._delta(delta, index, body)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            known = self._reasons.get(index)
            if known is None or (known == "stop" and reason != "stop"):
                self._reasons[index] = reason
            self.reasons_seen = True

    def _delta(self, delta: dict[str, Any], index: int, body: dict[str, Any]) -> None:
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                if "role" in delta or self._restarted:
                    self._check_restart(body)
                self._say(content, index)
            elif delta.get("role") and self.answered:
                self._check_restart(body)
        elif isinstance(content, list):
            for part in content:
                self._part(part, index)
        elif isinstance(content, dict):
            self._part(content, index)
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            self._think(thought, index)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._say(refusal, index)
        images = delta.get("images")
        if isinstance(images, list):
            for image in images:
                self._image(image, index)
        audio = delta.get("audio")
        if isinstance(audio, dict):
            self._audio(audio, index, silent=not content)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            for position, call in enumerate(calls):
                if isinstance(call, dict):
                    self._call(call, index, position)
        elif isinstance(delta.get("function_call"), dict):
            self._call({"index": 0, "function": delta["function_call"]}, index, 0)

    def _check_restart(self, body: dict[str, Any]) -> None:
        """Another channel's whole stream may follow a failed one in the same reply (wire.md §3.4)."""
        other = body.get("id")
        if self.answered and isinstance(other, str) and other and self._stream_id and other != self._stream_id:
            self._stream_id = other
            self._restarted = True
            self._flush()
            self._pieces.append(Note("the server began its answer anew; words above may come twice", warning=True))

    # Text and media

    def _say(self, text: str, index: int) -> None:
        self._size += len(text)
        if self._size > TEXT_LIMIT:
            self._fail(Incomplete("the answer is longer than elkcli takes", hint="set --max-tokens"))
            return
        if self._thought:
            self._flush_thoughts()
        channel = self._text.get(index)
        if channel is None:
            channel = self._text[index] = _Channel(self._hoard)
        channel.buffer.append(text)
        self.answered = True

    def _think(self, text: str, index: int) -> None:
        self._size += len(text)
        if self._size > TEXT_LIMIT:
            self._fail(Incomplete("the reasoning is longer than elkcli takes", hint="set --max-tokens"))
            return
        channel = self._thought.get(index)
        if channel is None:
            channel = self._thought[index] = _Channel(self._hoard)
        channel.buffer.append(text)

    def _part(self, part: object, index: int) -> None:
        if isinstance(part, str):
            self._say(part, index)
            return
        if not isinstance(part, dict):
            return
        kind = part.get("type")
        text = part.get("text")
        if isinstance(text, dict):
            text = text.get("value")
        if kind in ("text", "output_text", None) and isinstance(text, str):
            if text:
                self._say(text, index)
        elif kind in ("reasoning", "thinking") and isinstance(part.get("text") or part.get("thinking"), str):
            self._think(part.get("text") or part["thinking"], index)
        elif kind in ("image_url", "image", "output_image", "input_image") or "image_url" in part:
            self._image(part, index)
        elif kind in ("audio", "output_audio", "input_audio"):
            audio = part.get("audio") or part.get("input_audio")
            self._audio(audio if isinstance(audio, dict) else part, index, silent=True)
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            self._say(part["refusal"], index)
        elif isinstance(kind, str) and kind not in self._unknown_parts and len(self._unknown_parts) < 8:
            self._unknown_parts.add(kind)
            self._flush()
            self._pieces.append(Note(f"a part of the answer is of a kind elkcli does not know: {kind[:80]}", True))

    def _image(self, image: object, index: int) -> None:
        url: object = image
        if isinstance(image, dict):
            url = image.get("image_url") or image.get("url") or image.get("b64_json") or image.get("image")
            if isinstance(url, dict):
                url = url.get("url")
            if isinstance(image.get("b64_json"), str):
                url = "data:image/png;base64," + image["b64_json"]
        if not isinstance(url, str) or not url:
            return
        channel = self._text.get(index)
        before = "\n" if channel and (channel.last or channel.buffer) and not self._at_line_start(channel) else ""
        self._say(f"{before}![image]({url})", index)

    @staticmethod
    def _at_line_start(channel: _Channel) -> bool:
        return channel.buffer[-1].endswith("\n") if channel.buffer else channel.last == "\n"

    def _audio(self, audio: dict[str, Any], index: int, *, silent: bool) -> None:
        data, words = audio.get("data"), audio.get("transcript")
        if isinstance(words, str) and words and silent:
            self._say(words, index)
        if isinstance(data, str) and data:
            kind = audio.get("format")
            kind = kind if isinstance(kind, str) and re.fullmatch(r"[a-z0-9]{1,8}", kind) else "wav"
            channel = self._text.get(index)
            before = "\n" if channel and (channel.last or channel.buffer) and not self._at_line_start(channel) else ""
            self._say(f"{before}[media](data:audio/{kind};base64,{data})", index)

    def _call(self, call: dict[str, Any], choice: int, position: int) -> None:
        index = call.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            index = position
        entry = self._calls.setdefault((choice, index), _Call())
        if isinstance(call.get("id"), str) and call["id"]:
            entry.id = call["id"]
        function = call.get("function")
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str) and name:
                entry.name = name
            if isinstance(arguments, (dict, list)):
                arguments = json.dumps(arguments, ensure_ascii=False)
            if isinstance(arguments, str):
                self._size += len(arguments)
                if self._size > TEXT_LIMIT:
                    self._fail(Incomplete("the answer is longer than elkcli takes", hint="set --max-tokens"))
                    return
                entry.arguments.append(arguments)

    def _calls_in_order(self) -> list[ToolCall]:
        return [
            ToolCall(call.id, call.name, "".join(call.arguments), choice)
            for (choice, _), call in sorted(self._calls.items())
        ]

    def _flush(self, final: bool = False) -> None:
        if self._thought:
            self._flush_thoughts(final)
        for index, channel in self._text.items():
            if channel.buffer or final:
                self._emit(channel.close() if final else channel.take(), index, Text)

    def _flush_thoughts(self, final: bool = False) -> None:
        for index, channel in self._thought.items():
            if channel.buffer or final:
                self._emit(channel.close() if final else channel.take(), index, Reasoning)

    def _emit(self, found: list[Bit], index: int, kind: type[Text] | type[Reasoning]) -> None:
        for item in found:
            if isinstance(item, str):
                if item:
                    self._pieces.append(kind(item, index))
            elif isinstance(item, Found):
                self.answered = True
                if kind is Reasoning:  # a picture among the thoughts is still the answer (wire.md §2.4)
                    self._pieces += [Text("![image](", index), Media(item.data, item.claimed, index), Text(")", index)]
                else:
                    self._pieces.append(Media(item.data, item.claimed, index))
            else:
                self._pieces.append(item)

    # Counting and judging

    def _count(self, usage: dict[str, Any]) -> None:
        def number(source: object, *names: str) -> int | None:
            for name in names:
                value = source.get(name) if isinstance(source, dict) else None
                if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
                    return int(value)
            return None

        told_in, told_out = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
        counted = Usage(
            prompt=number(usage, "prompt_tokens"),
            completion=number(usage, "completion_tokens"),
            total=number(usage, "total_tokens"),
            reasoning=number(told_out, "reasoning_tokens"),
            cached=number(told_in, "cached_tokens"),
            image=number(told_out, "image_tokens"),
        )
        if self._usage is None or counted.prompt or counted.completion or counted.total:
            self._usage = counted

    def _fail(self, error: ElkError) -> None:
        if self._error is None:
            self._error = error
        self.done = True

    def _verdict(self, failed: ElkError | None) -> Piece:
        if self._usage is not None:
            self._pieces.append(self._usage)
        reason = self._reasons.get(0) or next(iter(self._reasons.values()), None)
        answered = self.answered or bool(self._calls)
        error = self._error or (failed if reason is None or not answered else None)
        if error is not None:
            if answered and not isinstance(error, Incomplete):
                error = Incomplete(
                    f"the answer was cut short: {error.message}",
                    hint=error.hint,
                    code=error.code,
                    status=error.status,
                    request_id=error.request_id,
                )
            return Failure(error, reason)
        if self._damaged:
            if not answered:
                return Failure(ApiError("the server's stream could not be read", request_id=self._request_id), reason)
            return Failure(Incomplete("a part of the answer could not be read", request_id=self._request_id), reason)
        if reason == "content_filter":
            what = "the model stopped: content_filter" if answered else "no answer: the model stopped (content_filter)"
            return Failure(
                Incomplete(
                    what,
                    hint="a filter, or another reason upstream; rephrase, or try another model",
                    request_id=self._request_id,
                ),
                reason,
            )
        if not answered:
            return Failure(self._empty(reason), reason)
        if reason is None and self._mode == "sse":
            return Failure(
                Incomplete(
                    "the answer was cut off: the stream ended without a finish reason", request_id=self._request_id
                ),
                None,
            )
        if reason == "length":
            self._pieces.append(
                Note("the answer was cut at the token limit (finish_reason length); see --max-tokens", warning=True)
            )
        elif reason is not None and reason not in _KNOWN_REASONS:
            self._pieces.append(Note(f"the model ended with finish_reason {reason[:80]!r}"))
        return Finished(reason)

    def _empty(self, reason: str | None) -> Incomplete:
        if reason == "length":
            return Incomplete(
                "the answer is empty: the token limit was reached before any text",
                hint="raise --max-tokens",
                request_id=self._request_id,
            )
        if reason is None and self._mode in ("", "sse"):
            lost = self._chunks == 1 and self._stream_id == ""
            return Incomplete(
                "the answer is empty: the upstream's reply was lost"
                if lost or not self._chunks
                else "the answer is empty",
                hint="the prompt may be blocked or too long, or the upstream failed",
                code="lost" if lost else None,
                request_id=self._request_id,
            )
        return Incomplete("the answer is empty", hint="the prompt may be blocked", request_id=self._request_id)
