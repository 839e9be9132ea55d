"""Base64 data URLs as bytes: one that is a whole value, and huge ones lifted out of JSON before it is parsed. Pure."""

from __future__ import annotations

import binascii
import os
import re
from functools import cached_property
from typing import NamedTuple

from elkcli.media import sniff


class Found(NamedTuple):
    """A data URL's bytes, and the type that it claims (shortened and made printable)."""

    data: bytes
    claimed: str


_TYPE = r"(?i)([^;/]+/[^;]*)(?:;[^;]*)*;base64"
_OTHER = r"(?i)text/|font/|application/(?!(?:pdf|octet-stream)\Z)"
_START = r"(?i:(?<![A-Za-z0-9_-])data:)"
_ESCAPED = r"%(2[BbFf]|3[Dd])"
_URL_SAFE = str.maketrans("-_", "+/")
_SOON = 1 << 16

CLOSERS = {"(": ")", "<": ">", '"': '"', "'": "'"}
"""What ends a URL that stands behind such a character."""
START = re.compile(_START)
"""Where a data URL begins."""
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
            claimed = claimed_type(match[2].decode("ascii", "replace"))
            if claimed is None or self._ends_soon(line, at):
                continue
            closer = CLOSERS[match[1].decode()].encode()
            end = line.find(closer, at)
            if end < 0:
                break
            last = end - 1 if line[end - 1 : end] == b"\\" else end  # \" closes an attribute written in a string
            try:
                data = _decode(view[at:last])
            except ValueError:
                at = end
                continue
            pieces += [view[done : match.start() + 1], self.keep(Found(data, claimed)).encode()]
            done = at = last
        return b"".join([*pieces, view[done:]]) if pieces else line

    @staticmethod
    def _ends_soon(line: bytes | bytearray, at: int) -> bool:
        return len(line) - at < _SOON or any(line.find(end, at, at + _SOON) >= 0 for end in (b'"', b")", b">", b"\\"))

    def keep(self, found: Found) -> str:
        """A token that stands in a text for bytes which were found elsewhere. In code it does so, too."""
        self._made += 1
        self._kept[self._made] = found
        return f"<elkcli-{self._secret}-{self._made}>"

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
    header, comma, _ = url[:4096].partition(",")
    if not comma or header[:5].lower() != "data:":
        return None
    claimed = claimed_type(header[5:])
    if claimed is None:
        return None
    begin = len(header) + 1
    try:
        raw = url.encode("ascii")
        try:
            return Found(_decode(memoryview(raw)[begin:]), claimed)
        except ValueError:
            return Found(_decode(b"".join(raw[begin:].split())), claimed)
    except ValueError:
        data = decode_leniently("".join(url[begin:].split()))
        return None if data is None else Found(data, claimed)


def decode_bare(base64: str, claimed: str) -> Found | None:
    """The bytes of base64 that has no header, or ``None`` where that is none of media known."""
    data = decode_leniently("".join(base64.split()))
    return None if data is None else Found(data, claimed)


def decode_leniently(body: str, before: bytes = b"") -> bytes | None:
    """Base64 as URLs have it, behind what was decoded already.

    Whether it is meant so, only the bytes can tell: ``None`` where they are of no kind.
    """
    try:
        plain = re.sub(_ESCAPED, lambda match: chr(int(match[1], 16)), body).translate(_URL_SAFE)
        data = before + _decode(plain.encode("ascii"))
    except ValueError:
        return None
    return data if sniff(data) is not None else None


def claimed_type(header: str) -> str | None:
    """The type in ``TYPE;parameters;base64``, or ``None`` where it is no type of media."""
    match = re.fullmatch(_TYPE, header)
    if match is None or re.match(_OTHER, match[1]):
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
