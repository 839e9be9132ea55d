"""Media inside text: finds base64 data URLs in the words of an answer as they stream, and decodes them. Pure.

What is taken for a data URL: ``data:TYPE/SUBTYPE[;parameters];base64,`` (in any case) that does not follow an ASCII
letter, digit, ``_`` or ``-``, whose type is not ``text/``, ``font/`` or an ``application/`` other than ``pdf`` and
``octet-stream``. Its body is of the standard alphabet, with or without its padding. ASCII white space inside is
accepted only where a further line of base64 follows it (60 characters, or the end before the closing bracket).
Anything else in the body (``=`` in the middle, a foreign character) is broken: a stand-in takes its place, and a note
says so. The URL-safe alphabet and percent escapes are broken, too, unless the bytes turn out to be media.

A URL without a body stays text: that is how people write about data URLs. So does one in code, fenced or in a span,
which is there to be copied as it is; but for a long one, since no model writes that and nobody reads it: it is a
picture behind a fence that was left open.
"""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias, cast

from elkcli.api.hoard import CLOSERS, START, Found, Hoard, claimed_type, decode_leniently
from elkcli.conversation import Note
from elkcli.media import readable

if TYPE_CHECKING:
    from elkcli.codeblocks import Fences


Bit: TypeAlias = str | Found | Note

_ALPHABET = re.compile(r"[A-Za-z0-9+/]*")
_HEADER = re.compile(r"[^\s,:()<>\"'`{}\[\]\\|]*")  # without ":", so that "data:data:data:" is read once
_END = re.compile(r"[\s()<>\"'`{}\[\]\\|]|[^\x00-\x7f]")  # always ends a URL
_SOFT = re.compile(r"[.,;:!?*_~-]{1,8}")  # ends a bare URL where nothing of a URL follows
_WRAP = re.compile(r"[ \t\r\n]{1,16}([A-Za-z0-9+/]*)={0,2}")
_SPACE = re.compile(r"[ \t\r\n]{0,16}")
_BEGUN = r"(?i)(?<![A-Za-z0-9_-])(?:d|da|dat|data)\Z"  # used where text ends in one of these letters
_AGAIN = r"(?i)(?<![A-Za-z0-9_-])data\Z"
_CODED = re.compile(r"[A-Za-z0-9+/_%-]*")
_TICKS = re.compile(r"`+")
_WRAPPED = 60
_LINE = 4096
_FLUSH = 1 << 16
_SLICE = 1 << 20  # a multiple of 4


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
        self._said: list[str] = []  # words since it was last asked whether they are code
        self._fences: Fences | None = None
        self._forget()

    def _forget(self) -> None:
        self._claim = ""
        self._closer = ""
        self._chars: list[str] = []
        self._waiting = 0  # characters in _chars
        self._garbage: list[str] = []
        self._spans: list[int] = []  # backticks before it in the line, that may make it code
        self._count = 0
        self._width = 0  # of its first line, once there is a second
        self._decoded = io.BytesIO()  # its getvalue shares the buffer: a second copy of 40 MB is not made

    @property
    def collected(self) -> int:
        """Characters of the URL that is being read."""
        return self._count

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
            self._said.append(text)
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
        while at < len(text) or (final and self._step != self._words):
            at = self._step(text, at, final, out)
        before = len(text) - len(self._held) - 1
        if before >= 0:
            self._last = text[before]
        return _joined(out)

    def _hold(self, text: str, at: int) -> int:
        self._held = text[at:]
        return len(text)

    def _say(self, text: str, out: list[Bit]) -> None:
        self._said.append(text)
        out.append(text)

    def _words(self, text: str, at: int, final: bool, out: list[Bit]) -> int:
        start = self._hoard.start if self._hoard is not None and self._hoard.used else START
        match = start.search(text, at)
        if match is not None and match.start() == 0 and re.match(r"[A-Za-z0-9_-]", self._last) and text[0] != "<":
            match = start.search(text, 1)
        if match is None:
            tail = text[-5:] if len(text) > 4 else self._last + text
            begun = None if final or tail[-1:] not in "aAtTdD" else re.search(_BEGUN, tail)
            kept = max(at, len(text) - len(begun[0])) if begun else len(text)
            self._say(text[at:kept], out)
            return self._hold(text, kept)
        self._say(text[at : match.start()], out)
        if match[0][0] == "<":
            found = self._hoard.take(match[1]) if self._hoard is not None else None
            out.append(found if found is not None else "")
            return match.end()
        before = text[match.start() - 1] if match.start() else self._last
        self._begin(match[0], before)
        return match.end()

    def _begin(self, word: str, before: str) -> None:
        self._forget()
        self._closer = CLOSERS.get(before, "")
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
        claim = claimed_type(written[5:]) if text[at : at + 1] == "," else None
        if claim is not None:
            self._claim = claim
            self._header = [written, ","]
            self._step = self._in_code if self._may_be_code() else self._in_body
            return at + 1
        if text[at : at + 1] == ":" and re.search(_AGAIN, written):  # data:x;data:image/png…
            self._say(written[:-4], out)
            self._begin(written[-4:] + ":", written[-5])
            return at + 1
        self._say(written, out)
        self._step = self._words
        return at

    def _may_be_code(self) -> bool:
        """Whether the words so far leave a fence open, or a span in the line that may yet be closed."""
        if self._fences is None:
            from elkcli.codeblocks import Fences

            self._fences = Fences()
        self._fences.feed("".join(self._said))
        self._said.clear()
        self._spans = [] if self._fences.inside else self._fences.spans.copy()
        return self._fences.inside or bool(self._spans)

    def _in_code(self, text: str, at: int, final: bool, out: list[Bit]) -> int:
        """Take the URL as it is written, until it is certain whether it stays so."""
        match = _CODED.match(text, at)
        assert match is not None
        self._header.append(match[0])
        self._count += match.end() - at
        at = match.end()
        if self._count <= _FLUSH:
            if at == len(text) and not final:
                return at
            is_code = self._is_closed(text, at, final)
            if is_code is None:
                return self._hold(text, at)
            if is_code:
                self._say("".join(self._header), out)
                self._forget()
                self._step = self._words
                return at
        body = "".join(self._header[2:])
        del self._header[2:]
        match = _ALPHABET.match(body)
        assert match is not None
        self._count = 0
        self._collect(body, 0, match.end())
        self._step = self._in_body
        if match.end() < len(body):
            self._garbage.append(body[match.end() :])
            self._count = len(body)
            self._step = self._in_garbage
        return at

    def _is_closed(self, text: str, at: int, final: bool) -> bool | None:
        """Whether the span around the URL is closed in its line, ``None`` if more must be seen. A fence is open."""
        if not self._spans:
            return True
        line = text[at : at + _LINE].partition("\n")[0]
        whole = final or len(line) == _LINE or "\n" in text[at:]
        for run in _TICKS.finditer(line):
            if (whole or run.end() < len(line)) and len(run[0]) in self._spans:
                return True
        return False if whole else None

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
        self._garbage.append(text[at:stop])
        if end is None and not final:
            return stop
        if end is not None:
            goes_on = self._wrap(text, stop, final)
            if goes_on is None:
                return self._hold(text, stop)
            if goes_on:
                return goes_on
        data = decode_leniently("".join([*self._chars, *self._garbage]), self._decoded.getvalue())
        if data is None:
            self._broken(out)
        else:
            out.append(Found(data, self._claim))
            self._forget()
            self._step = self._words
        return stop

    def _wrap(self, text: str, at: int, final: bool) -> int | None:
        """Where the next line of this base64 begins, 0 if the URL ends here, ``None`` if more must be seen."""
        match = _WRAP.match(text, at)
        if match is None:
            return 0
        length = match.end(1) - match.start(1)
        if length < _WRAPPED:
            end = cast("re.Match[str]", _SPACE.match(text, match.end())).end()  # many encoders end with a line end
            if end == len(text) and not final:
                return None
            last = self._closer and text[end : end + 1] == self._closer
            if not (length and last and length <= (self._width or self._count) >= _WRAPPED):
                return 0
        self._width = self._width or self._count
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
            self._say("".join(self._header) + "=" * padding, out)
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
