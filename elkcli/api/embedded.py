"""Media inside text: finds base64 data URLs in the words of an answer as they stream, and decodes them. Pure.

What is taken for a data URL: ``data:TYPE/SUBTYPE[;parameters];base64,`` (in any case) that does not follow an ASCII
letter, digit, ``_`` or ``-``, whose type is not ``text/``, ``font/`` or an ``application/`` other than ``pdf`` and
``octet-stream``. Its body is of the standard alphabet, with or without its padding. ASCII white space inside is
accepted only where a further line of base64 follows it (60 characters, or the end before the closing bracket).
Anything else in the body (the URL-safe alphabet, percent escapes, ``=`` in the middle) is broken: a stand-in takes its
place, and a note says so. A URL without a body stays text: that is how people write about data URLs.
"""

from __future__ import annotations

import binascii
import io
import os
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import groupby
from typing import NamedTuple, TypeAlias, cast

from elkcli.conversation import Note
from elkcli.media import readable


class Found(NamedTuple):
    """A data URL's bytes, and the type that it claims (shortened and made printable)."""

    data: bytes
    claimed: str


Bit: TypeAlias = str | Found | Note

_ALPHABET = re.compile(r"[A-Za-z0-9+/]*")
_HEADER = re.compile(r"[^\s,:()<>\"'`{}\[\]\\|]*")  # without ":", so that "data:data:data:" is read once
_TYPE = re.compile(r"([^;/]+/[^;]*)(?:;[^;]*)*;base64", re.I)
_OTHER = re.compile(r"text/|font/|application/(?!(?:pdf|octet-stream)\Z)", re.I)
_END = re.compile(r"[\s()<>\"'`{}\[\]\\|]|[^\x00-\x7f]")  # always ends a URL
_SOFT = re.compile(r"[.,;:!?*_~-]{1,8}")  # ends a bare URL where nothing of a URL follows
_WRAP = re.compile(r"[ \t\r\n]{1,16}([A-Za-z0-9+/]*)={0,2}")
_BEGUN = re.compile(r"(?<![A-Za-z0-9_-])(?:d|da|dat|data)\Z", re.I)
_AGAIN = re.compile(r"(?<![A-Za-z0-9_-])data\Z", re.I)
_START = r"(?i:(?<![A-Za-z0-9_-])data:)"
_PLAIN = re.compile(_START)
_CLOSERS = {"(": ")", "<": ">", '"': '"', "'": "'"}
_WRAPPED = 60
_FLUSH = 1 << 16
_SLICE = 1 << 20  # a multiple of 4

HOIST_FROM = 1 << 18
"""Lines longer than this are worth hoisting."""
_HOIST = re.compile(rb"([(\"<])(?i:data):([^\s,:()<>\"'`{}\[\]\\|]{1,255}),")


class Hoard:
    """Bytes taken out of huge lines of JSON before these are parsed, each under an unguessable token.

    Parsing a line copies its strings two or three times; what was hoisted is decoded straight from the line instead.
    The tokens are looked up by :class:`Splitter` and :func:`decode_url`; nobody else can make one.
    """

    def __init__(self) -> None:
        self._secret = os.urandom(16).hex()
        self._kept: dict[int, Found] = {}
        self._made = 0

    @property
    def used(self) -> bool:
        """Whether there are tokens to look for."""
        return self._made > 0

    @cached_property
    def token(self) -> re.Pattern[str]:
        """What a token looks like; its number is the first group."""
        return re.compile(rf"<elkcli-{self._secret}-(\d{{1,9}})>")

    @cached_property
    def start(self) -> re.Pattern[str]:
        """Where a token or a data URL begins."""
        return re.compile(f"{self.token.pattern}|{_START}")

    def hoist(self, line: bytes | bytearray) -> bytes | bytearray:
        """``line`` (JSON, or SSE with JSON in it) with a token in the place of each large base64 data URL.

        A URL whose base64 is written with escapes, or is broken, stays where it is.
        """
        view = memoryview(line)
        pieces: list[bytes | memoryview] = []
        done = at = 0
        while match := _HOIST.search(line, at):
            at = match.end()
            claimed = _claimed(match[2].decode("ascii", "replace"))
            if claimed is None or self._ends_soon(line, at):
                continue
            closer = _CLOSERS[match[1].decode()].encode()
            end = line.find(closer, at)
            if end < 0:
                break
            last = end - 1 if line[end - 1 : end] == b"\\" else end  # \" closes an attribute written in a string
            try:
                data = _decode(view[at:last])
            except ValueError:
                at = end
                continue
            pieces += [view[done : match.start() + 1], self._keep(Found(data, claimed))]
            done = at = last
        return b"".join([*pieces, view[done:]]) if pieces else line

    @staticmethod
    def _ends_soon(line: bytes | bytearray, at: int) -> bool:
        return len(line) - at < _FLUSH or any(line.find(end, at, at + _FLUSH) >= 0 for end in (b'"', b")", b">", b"\\"))

    def _keep(self, found: Found) -> bytes:
        self._made += 1
        self._kept[self._made] = found
        return f"<elkcli-{self._secret}-{self._made}>".encode()

    def take(self, number: str) -> Found | None:
        """The bytes under a token's number, which are let go of here."""
        return self._kept.pop(int(number), None)

    def left(self) -> list[Found]:
        """What nobody has taken: media in a place of the reply that nobody reads. Emptied by the call."""
        kept, self._kept = list(self._kept.values()), {}
        return kept


def decode_url(url: str, hoard: Hoard | None = None) -> Found | None:
    """The bytes of a string that is one data URL or one token, or ``None`` if it is neither or is broken."""
    url = url.strip()
    if hoard is not None and (match := hoard.token.fullmatch(url)):
        return hoard.take(match[1])
    header, comma, body = url[:4096].partition(",")
    if not comma or header[:5].lower() != "data:":
        return None
    claimed = _claimed(header[5:])
    if claimed is None:
        return None
    try:
        if len(url) < 4096:
            return Found(_decode("".join(body.split()).encode("ascii")), claimed)
        raw = url.encode("ascii")
        try:
            return Found(_decode(memoryview(raw)[len(header) + 1 :]), claimed)
        except ValueError:
            return Found(_decode(b"".join(raw[len(header) + 1 :].split())), claimed)
    except ValueError:
        return None


def _claimed(header: str) -> str | None:
    """The type in ``TYPE;parameters;base64``, or ``None`` where it is no type of media."""
    match = _TYPE.fullmatch(header)
    if match is None or _OTHER.match(match[1]):
        return None
    return re.sub(r"[^!-~]", "?", match[1][:100].lower())


def _decode(base64: bytes | memoryview) -> bytes:
    """Strict: the standard alphabet, padding whole or absent. Raises :class:`ValueError`."""
    if not len(base64):
        raise ValueError("no base64")
    if over := len(base64) % 4:
        whole = binascii.a2b_base64(base64[:-over], strict_mode=True)
        return whole + binascii.a2b_base64(bytes(base64[-over:]) + b"=" * (4 - over), strict_mode=True)
    return binascii.a2b_base64(base64, strict_mode=True)


def _joined(bits: list[Bit]) -> list[Bit]:
    """Without empty texts, and with neighbouring texts as one."""
    out: list[Bit] = []
    for is_text, run in groupby(bits, lambda bit: isinstance(bit, str)):
        if not is_text:
            out += run
        elif text := "".join(cast("Iterator[str]", run)):
            out.append(text)
    return out


class Splitter:
    """The words of one channel, cut at its data URLs, however the text was cut before.

    ``feed`` returns what is certain: text, and in the place of each URL a :class:`Found`, or a stand-in and a
    :class:`Note`. It holds back only what may be the beginning of a URL. ``close`` returns the rest.
    """

    def __init__(self, hoard: Hoard | None = None) -> None:
        self._hoard = hoard
        self._step = self._words
        self._held = ""
        self._last = ""  # the character before what is held
        self._header: list[str] = []
        self._forget()

    def _forget(self) -> None:
        self._claim = ""
        self._closer = ""
        self._chars: list[str] = []
        self._waiting = 0  # characters in _chars
        self._count = 0
        self._wrapped = False
        self._decoded = io.BytesIO()  # its getvalue shares the buffer: a second copy of 40 MB is not made

    def feed(self, text: str) -> list[Bit]:
        """More of the text."""
        if (
            text
            and not self._held
            and text[-1] not in "dDaAtT"
            and ":" not in text
            and "<" not in text
            and self._step == self._words
        ):
            self._last = text[-1]  # most of what streams in has nothing of a URL about it
            return [text]
        return self._run(text, final=False)

    def close(self) -> list[Bit]:
        """The end of the text. A URL that it cuts off gives the bytes that came, and a note."""
        return self._run("", final=True)

    def _run(self, text: str, *, final: bool) -> list[Bit]:
        if self._held:
            text, self._held = self._held + text, ""
        out: list[Bit] = []
        at = 0
        while at < len(text):
            at = self._step(text, at, final, out)
        if final and self._step != self._words:
            self._step(text, at, final, out)
        before = len(text) - len(self._held) - 1
        if before >= 0:
            self._last = text[before]
        return _joined(out)

    def _hold(self, text: str, at: int) -> int:
        self._held = text[at:]
        return len(text)

    def _words(self, text: str, at: int, final: bool, out: list[Bit]) -> int:
        start = self._hoard.start if self._hoard is not None and self._hoard.used else _PLAIN
        match = start.search(text, at)
        if match is not None and match.start() == 0 and re.match(r"[A-Za-z0-9_-]", self._last) and text[0] != "<":
            match = start.search(text, 1)
        if match is None:
            tail = text[-5:] if len(text) > 4 else self._last + text
            begun = None if final else _BEGUN.search(tail)
            kept = max(at, len(text) - len(begun[0])) if begun else len(text)
            out.append(text[at:kept])
            return self._hold(text, kept)
        out.append(text[at : match.start()])
        if match[0][0] == "<":
            found = self._hoard.take(match[1]) if self._hoard is not None else None
            out.append(found if found is not None else "")
            return match.end()
        before = text[match.start() - 1] if match.start() else self._last
        self._begin(match[0], before)
        return match.end()

    def _begin(self, word: str, before: str) -> None:
        self._forget()
        self._closer = _CLOSERS.get(before, "")
        self._header = [word]
        self._step = self._in_header

    def _in_header(self, text: str, at: int, final: bool, out: list[Bit]) -> int:
        match = _HEADER.match(text, at)
        assert match is not None
        self._header.append(match[0])
        at = match.end()
        if at == len(text) and not final:
            return at
        written = "".join(self._header)
        claim = _claimed(written[5:]) if text[at : at + 1] == "," else None
        if claim is not None:
            self._claim = claim
            self._header = [written, ","]
            self._step = self._in_body
            return at + 1
        if text[at : at + 1] == ":" and _AGAIN.search(written):  # data:x;data:image/png…
            out.append(written[:-4])
            self._begin(written[-4:] + ":", written[-5])
            return at + 1
        out.append(written)
        self._step = self._words
        return at

    def _in_body(self, text: str, at: int, final: bool, out: list[Bit]) -> int:
        match = _ALPHABET.match(text, at)
        assert match is not None
        self._collect(text, at, match.end())
        at = match.end()
        after = at
        while text[after : after + 1] == "=" and after - at < 2:
            after += 1
        if after == len(text):
            if not final:
                return self._hold(text, at) if after > at else at
            self._finish(after - at, self._closer != "", out)
            return after
        if _END.match(text, after):
            if after == at:
                goes_on = self._wrap(text, at, final)
                if goes_on is None:
                    return self._hold(text, at)
                if goes_on:
                    return goes_on
            self._finish(after - at, False, out)
            return after
        # "data:image/png;base64,..." without any base64 is words about a URL, whatever stands around it
        if not (self._closer and self._count) and (soft := _SOFT.match(text, after)):
            if soft.end() == len(text) and not final:
                return self._hold(text, at)
            if soft.end() == len(text) or _END.match(text, soft.end()):
                self._finish(after - at, False, out)
                return after
        self._step = self._in_garbage
        return at

    def _in_garbage(self, text: str, at: int, final: bool, out: list[Bit]) -> int:
        end = _END.search(text, at)
        stop = end.start() if end else len(text)
        self._count += stop - at
        if end is None and not final:
            return stop
        if end is not None:
            goes_on = self._wrap(text, stop, final)
            if goes_on is None:
                return self._hold(text, stop)
            if goes_on:
                return goes_on
        self._broken(out)
        return stop

    def _wrap(self, text: str, at: int, final: bool) -> int | None:
        """Where the next line of this base64 begins, 0 if the URL ends here, ``None`` if more must be seen."""
        match = _WRAP.match(text, at)
        if match is None:
            return 0
        length = match.end(1) - match.start(1)
        if length < _WRAPPED:
            if match.end() == len(text) and not final:
                return None
            if not (self._wrapped and length and self._closer and text[match.end() : match.end() + 1] == self._closer):
                return 0
        self._wrapped = True
        return match.start(1)

    def _collect(self, text: str, at: int, end: int) -> None:
        self._count += end - at
        for begin in range(at, end, _SLICE):
            piece = text[begin : min(end, begin + _SLICE)]
            self._chars.append(piece)
            self._waiting += len(piece)
            if self._waiting >= _FLUSH:
                joined = "".join(self._chars)
                over = len(joined) - len(joined) % 4
                self._decoded.write(binascii.a2b_base64(joined[:over]))
                self._chars, self._waiting = [joined[over:]], len(joined) - over

    def _finish(self, padding: int, cut: bool, out: list[Bit]) -> None:
        over = self._count % 4
        if not self._count:
            out.append("".join(self._header) + "=" * padding)
        elif not cut and (over == 1 or (padding and (over + padding) % 4)):
            self._count += padding
            self._broken(out)
            return
        else:
            rest = "".join(self._chars)
            rest = rest[: len(rest) - (over == 1)]  # a last character that is cut off holds no byte
            self._decoded.write(binascii.a2b_base64(rest + "=" * (-len(rest) % 4)))
            out.append(Found(self._decoded.getvalue(), self._claim))
            if cut:
                out.append(Note(f"the {self._what()} is cut off after {readable(self._decoded.tell())}", warning=True))
        self._forget()
        self._step = self._words

    def _broken(self, out: list[Bit]) -> None:
        size = "1 byte" if self._count == 1 else f"{self._count} bytes"
        out.append(f"[broken {self._what()}: {size} of invalid base64]")
        out.append(Note(f"the answer holds a broken {self._what()}: {size} of invalid base64 left out", warning=True))
        self._forget()
        self._step = self._words

    def _what(self) -> str:
        family = self._claim.partition("/")[0]
        return family if family in {"image", "video"} else "sound" if family == "audio" else "document"
