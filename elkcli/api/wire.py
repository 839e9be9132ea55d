"""Replies as pieces: bytes of the server in, pieces of an answer out, the last of them the verdict. No I/O.

What was asked for decides nothing: a stream may be answered with JSON, JSON with a stream, and either with a web page,
so the first bytes tell (wire.md §3.3, §4). Whatever the bytes, the last piece is ``Finished`` or ``Failure``.
"""

from __future__ import annotations

import re
from typing import Any

from elkcli.api.assembly import Assembly
from elkcli.api.ending import Ending, counted, gravest
from elkcli.api.hoard import HOIST_FROM
from elkcli.api.lenient import loads
from elkcli.api.sse import BOM, Events, LineTooLong
from elkcli.api.verdict import error_of, from_error
from elkcli.conversation import Event, Finished, Note, Piece, Start, Usage, in_order
from elkcli.errors import ApiError, ElkError

REPLY_LIMIT = 256 * 1024 * 1024  # bytes of one reply that is not a stream, or of one line of a stream
HELD = 64 * 1024  # bytes of an unfinished line that are worth as much as a word
_PREFIXES = (b"data", b":", b"event", b"id", b"retry")


class Decoder:
    """One reply. ``feed`` its bytes, ``close`` it at its end; each returns the pieces that are ready.

    With ``raw`` every object of the server comes as an ``Event`` before what was read from it. ``done`` turns true
    where nothing more can come that matters. ``failed`` may be given to ``close``: the failure that cut the bytes
    short, which the verdict then weighs against what had arrived. ``choices`` is how many answers were asked for.
    """

    def __init__(self, *, raw: bool = False, request_id: str | None = None, choices: int = 1) -> None:
        self.done = False
        self._single = choices == 1
        self._raw = raw
        self._request_id = request_id
        self._mode = ""
        self._head = bytearray()
        self._events = Events(REPLY_LIMIT)
        self._pieces: list[Piece] = []
        self._assembly = Assembly(self._pieces, self._fail)
        self._reasons: dict[int, str] = {}
        self._started = False
        self._stream_id: str | None = None
        self._usage: Usage | None = None
        self._error: ElkError | None = None
        self._damaged = 0
        self._void = False
        self._chunks = 0
        self._restarted = False
        self._roles = 0

    @property
    def answered(self) -> bool:
        """Whether anything of the answer itself has come."""
        return self._assembly.answered or self._assembly.called

    @property
    def near_end(self) -> bool:
        """Whether nothing but counts is still to come, as far as can be told: one answer, and its finish reason."""
        return bool(self._reasons) and self._single and len(self._assembly.texts) <= 1

    @property
    def heard(self) -> int:
        """A number that changes as an answer comes: with its pieces, thoughts included, and with what is still held."""
        return self._assembly.heard + (len(self._head) + self._events.held) // HELD

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
        self._assembly.salvage(self._events.unfinished if self._mode == "sse" else self._head)
        self._assembly.flush(final=True)
        ready = self._pieces.copy()
        self._pieces.clear()  # the assembly lays its pieces on the same list
        return ready

    def close(self, failed: ElkError | None = None) -> list[Piece]:
        """The end of the bytes: the last pieces, and the verdict."""
        if not self.done or self._error is None:
            try:
                self._end(failed)
            except LineTooLong:
                self._fail(ApiError("the server sent more than elkcli takes in one piece"))
        self.done = True
        self._assembly.flush(final=True)
        if unread := self._assembly.hoard.left():
            self._pieces.append(Note(f"{len(unread)} media lie in a part of the reply that elkcli does not read", True))
        self._pieces += self._assembly.calls()
        self._judge(failed)
        return self._ready()

    def _ready(self) -> list[Piece]:
        if self._mode == "sse":
            self._assembly.flush()
        ready = self._pieces.copy()
        self._pieces.clear()  # the assembly lays its pieces on the same list
        return ready

    def _open(self, chunk: bytes) -> None:
        """Tell from the first bytes what kind of reply it is."""
        self._head += chunk
        if len(self._head) > REPLY_LIMIT:
            raise LineTooLong
        if self._mode:
            return
        self._head = self._head.lstrip()  # some servers send blank lines while they think
        while self._head.startswith(BOM):
            self._head = self._head[len(BOM) :].lstrip()
        head = bytes(self._head[:64])
        if BOM.startswith(head):
            return
        if head[:1] in (b"{", b"["):
            self._mode = "json"
        elif head[:1] == b"<":
            self._mode = "html"
        elif any(head.startswith(prefix) or prefix.startswith(head) for prefix in _PREFIXES):
            if b":" in head or b"\n" in head or b"\r" in head:
                self._read_events()
        elif re.search(rb"[\r\n]data:", self._head[-len(chunk) - 6 :]):  # a field without meaning came first
            self._read_events()
        elif len(self._head) > 65536:
            self._mode = "text"

    def _read_events(self) -> None:
        """What came so far, and all that follows, is a stream."""
        self._mode = "sse"
        waiting, self._head = bytes(self._head), bytearray()
        for data in self._events.feed(waiting):
            self._data(data)

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
            self._mode = "text"
            said = bytes(self._head[:300]).decode("utf-8", "replace").strip()
            self._fail(ApiError(f"the server sent no answer but: {said}", request_id=self._request_id))

    def _whole_body(self, failed: ElkError | None) -> None:
        body, self._head = self._head, bytearray()
        if body.startswith(BOM):
            del body[:3]
        try:
            reply = loads(self._lighter(body))
        except ValueError:
            if re.search(rb"[\r\n](data:|\{)", body):  # lines of objects, or a bare one before a stream
                self._head = body
                self._read_events()
                for data in self._events.close():
                    self._data(data, last=True)
                return
            try:
                reply = loads(self._lighter(body), first=True)  # an answer is one, whatever stands behind it
            except ValueError:
                if failed is not None:
                    self._assembly.salvage(body)
                else:
                    said = bytes(body[:80]).decode("utf-8", "replace").strip()
                    self._fail(
                        ApiError(f"the server sent something that is not JSON: {said}", request_id=self._request_id)
                    )
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
        return self._assembly.hoard.hoist(data)

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
            if self._joined(data) or (last and self._assembly.salvage(data)):
                return
            if not last or data[:1] != b"{":  # a torn last line is a cut, and is told as one
                self._damaged += 1
            return
        if isinstance(chunk, list) and len(chunk) == 1:
            chunk = chunk[0]  # Google's own form of an error
        if isinstance(chunk, dict):
            self._object(chunk)
        elif isinstance(chunk, (str, list)) and chunk:
            self._damaged += 1
        else:  # null, a number: they hold no word that could be missing from an answer
            self._void = True

    def _joined(self, data: bytes | bytearray) -> bool:
        """Read each line by itself, where a server ends its events with one line end and so makes them one."""
        lines = [line for line in data.split(b"\n") if line.strip()]
        if len(lines) < 2 or any(line.lstrip()[:1] != b"{" and line.strip() != b"[DONE]" for line in lines):
            return False
        for line in lines:
            self._data(line)
        return True

    def _object(self, body: dict[str, Any], *, whole: bool = False) -> None:
        if self._raw:
            self._assembly.flush()
            self._pieces.append(Event(body, whole))
        elif self._started and self._more_text(body):
            return
        error = error_of(body)
        if error is not None:
            self._fail(from_error(error, request_id=self._request_id))
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
        if whole:
            for place, choice in enumerate(in_order(choices)):
                self._choice(choice, body, place, whole)
            return
        for choice in choices:
            if isinstance(choice, dict):
                index = choice.get("index")
                place = index if type(index) is int and 0 <= index < 1024 else 0
                self._choice(choice, body, place, whole)

    def _more_text(self, body: dict[str, Any]) -> bool:
        """Whether ``body`` was one more piece of the first choice's text and nothing else, as nearly all chunks are."""
        choices = body.get("choices")
        if type(choices) is not list or len(choices) != 1 or "error" in body or body.get("usage"):
            return False
        choice = choices[0]
        if type(choice) is not dict or choice.get("finish_reason") or choice.get("index") != 0:
            return False
        delta = choice.get("delta")
        if type(delta) is not dict or len(delta) != 1:
            return False
        text = delta.get("content")
        if type(text) is not str or not text:
            return False
        self._chunks += 1
        self._assembly.say(text, 0)
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

    def _choice(self, choice: dict[str, Any], body: dict[str, Any], index: int, whole: bool) -> None:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            message = choice.get("message")
            # some servers end a stream with the whole message: it says nothing new
            delta = message if isinstance(message, dict) and (whole or index not in self._assembly.texts) else None
        if delta is None and isinstance(choice.get("text"), str):
            delta = {"content": choice["text"]}
        reason = choice.get("finish_reason")
        if delta:
            if delta.get("role") and not whole:
                self._check_restart(body, index, bare=len(delta) == 2 and delta.get("content") == "" and not reason)
            self._assembly.delta(delta, index)
        if type(reason) is int and reason:
            reason = str(reason)  # Google numbers its reasons
        if isinstance(reason, str) and reason:
            known = self._reasons.get(index)
            if known is None or (known == "stop" and reason != "stop"):
                self._reasons[index] = reason[:200]
        if isinstance(choice.get("error"), dict):
            self._fail(from_error(choice["error"], request_id=self._request_id))

    def _check_restart(self, body: dict[str, Any], index: int, *, bare: bool) -> None:
        """Another channel's whole stream may follow a failed one in the same reply (wire.md §3.4).

        It tells by its id, or by a ``bare`` chunk like the one that began the answer, where no other had a role.
        """
        self._roles += index == 0
        if self._restarted or not self.answered:
            return
        other = body.get("id")
        renamed = isinstance(other, str) and other and self._stream_id and other != self._stream_id
        if renamed or (bare and index == 0 and self._roles == 2):
            self._restarted = True
            self._assembly.flush()
            self._pieces.append(Note("the server began its answer anew; words above may come twice", warning=True))

    # Judging

    def _count(self, usage: dict[str, Any]) -> None:
        counts = counted(usage)
        if self._usage is None or counts.prompt or counts.completion or counts.total:
            self._usage = counts  # zeros behind the real numbers take nothing back

    def _fail(self, error: ElkError) -> None:
        if self._error is None:
            self._error = error
        self.done = True

    def _judge(self, failed: ElkError | None) -> None:
        """Lay the last pieces: usage, a remark, the verdict."""
        ending = Ending(
            answered=self.answered,
            reason=gravest(self._reasons),
            error=self._error,
            broken=failed,
            damaged=self._damaged > 0 or (self._void and self._chunks == 0),
            streamed=self._mode in ("", "sse"),
            chunks=self._chunks,
            lost=self._chunks == 1 and self._stream_id == "",
            request_id=self._request_id,
        )
        verdict = ending.verdict()
        if self._usage is not None:
            self._pieces.append(self._usage)
        remark = ending.remark() if isinstance(verdict, Finished) else None
        if remark is not None:
            self._pieces.append(remark)
        self._pieces.append(verdict)
