"""HTTP chunks (RFC 9112 §7.1) that came in one read of the network, made one. Pure.

Servers send each token in a chunk of its own, and h11 takes longer over a chunk than all of elkcli does over a token.
What is joined means the same to h11, which still judges all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_LONGEST_SIZE = 10
_LONGEST_HEAD = 1 << 16


class Joiner:
    """One connection. ``begin`` before each request, then ``feed`` what is read; ``rest`` is what was held at the end.

    Only plain chunks that are whole are joined; a size that is cut off is held back. From the first byte that is out of
    the ordinary everything passes unchanged, until the next request.
    """

    def __init__(self) -> None:
        self.begin(b"")

    def begin(self, request: bytes) -> None:
        """A request is written: what is read next is the head of a response, but for a tunnel's."""
        self._step = self._pass if request.startswith(b"CONNECT ") else self._in_head
        self._head = b""  # as much of it as has been handed on
        self._held = b""
        self._left = 0  # bytes of a chunk, and its line end, that are still to come

    def feed(self, data: bytes) -> bytes:
        """What to hand on. Nothing, where ``data`` was the beginning of a size."""
        return self._step(data)

    def rest(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held

    def _pass(self, data: bytes) -> bytes:
        return data

    def _in_head(self, data: bytes) -> bytes:
        """Pass the head on, and look at it once it is whole."""
        out = []
        while data:
            head = self._head + data
            self._head = b""
            end = head.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(head) > _LONGEST_HEAD:
                    self._step = self._pass
                else:
                    self._head = head
                out.append(data)
                break
            already = len(head) - len(data)
            out.append(data[: end - already])
            data = data[end - already :]
            told = _told(head[:end])
            if told != "remark":  # behind a remark a head follows
                self._step = self._in_chunks if told == "chunked" else self._pass
                out.append(self._step(data) if data else b"")
                break
        return b"".join(out)

    def _in_chunks(self, data: bytes) -> bytes:
        if self._left >= len(data):  # within one large chunk: an image, say
            self._left -= len(data)
            return data
        if self._held:
            data, self._held = self._held + data, b""
        at, self._left = self._left, 0
        out, run = [data[:at]], []
        while at < len(data):
            match = _SIZE.match(data, at)
            if match is None and len(data) - at < _LONGEST_SIZE and data.find(b"\n", at) < 0:
                self._held = data[at:]
                break
            start = match.end() if match else at
            end = start + int(match[1], 16) if match else at
            if end == start or (data[end : end + 2] != b"\r\n" and end + 2 <= len(data)):  # the last chunk, or none
                self._step = self._pass
            elif end + 2 > len(data):
                self._left = end + 2 - len(data)
            else:
                run.append(data[start:end])
                at = end + 2
                continue
            out += [_one(run), data[at:]]
            return b"".join(out)
        out.append(_one(run))
        return b"".join(out)


def _told(head: bytes) -> str:
    """What follows a response's head: ``chunked`` for a body in chunks, ``remark`` for another head, else nothing."""
    lines = head.lower().split(b"\r\n")
    version, _, status = lines[0][:12].partition(b" ")
    # line ends and folded lines that parsers disagree about
    odd = b"\n" in b"".join(lines) or b"\r" in b"".join(lines) or any(line[:1] in b" \t" for line in lines[1:-2])
    if version != b"http/1.1" or odd or status in (b"101", b"204", b"304"):
        return ""
    if status[:1] == b"1":
        return "remark"
    codings = [line[18:].strip() for line in lines if line.startswith(b"transfer-encoding:")]
    return "chunked" if codings == [b"chunked"] else ""


def _one(run: list[bytes]) -> bytes:
    body = b"".join(run)
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""


def join(stream: Any) -> None:
    """Have what is read from ``stream``, a ``httpcore.NetworkStream``, joined."""
    joiner = Joiner()
    read: Callable[..., bytes] = stream.read
    write: Callable[..., None] = stream.write

    def joined(max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            data = read(max_bytes, timeout)
            found = joiner.feed(data) if data else joiner.rest()
            if found or not data:
                return found

    def begun(buffer: bytes, timeout: float | None = None) -> None:
        joiner.begin(buffer)
        write(buffer, timeout)

    stream.read, stream.write = joined, begun
