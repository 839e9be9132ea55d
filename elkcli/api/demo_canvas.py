"""Filled outlines on a canvas of rows, and PNG: what the demo draws with. The standard library only, and quick.

A row starts as one colour and takes spans by slices, so that the cost grows with the outlines, not with the pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from math import ceil, floor, hypot
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]
Shade: TypeAlias = Callable[[float], Colour]
"""A colour for each height: 0 is the top of the picture, 1 its bottom."""
Span: TypeAlias = tuple[float, float, float, float, Colour]
"""Part of a row: its left end and how soft that is, its right end likewise, and its colour."""


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """``one`` with so much of ``other`` in it."""
    share = min(1.0, max(0.0, share))
    (r, g, b), (red, green, blue) = one, other
    return (round(r + (red - r) * share), round(g + (green - g) * share), round(b + (blue - b) * share))


def smooth(points: list[Point], *, closed: bool = True, steps: int = 5) -> list[Point]:
    """A curve through the points (Catmull and Rom's)."""
    count = len(points)
    out: list[Point] = []
    for at in range(count if closed else count - 1):
        if closed:
            a, b, c, d = (points[(at + k) % count] for k in (-1, 0, 1, 2))
        else:
            a, b, c, d = (points[min(max(at + k, 0), count - 1)] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            x, y = (
                0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t * t + (3 * q - p - 3 * r + s) * t**3)
                for p, q, r, s in zip(a, b, c, d, strict=True)
            )
            out.append((x, y))
    return out if closed else [*out, points[-1]]


def stroke(points: list[Point], thick: float, thin: float) -> list[Point]:
    """The outline of a line along the points that tapers from ``thick`` to ``thin``."""
    left: list[Point] = []
    right: list[Point] = []
    last = len(points) - 1
    for at, (x, y) in enumerate(points):
        (x0, y0), (x1, y1) = points[max(at - 1, 0)], points[min(at + 1, last)]
        length = hypot(x1 - x0, y1 - y0) or 1.0
        half = (thick + (thin - thick) * at / last) / 2 / length
        left.append((x + (y1 - y0) * half, y - (x1 - x0) * half))
        right.append((x - (y1 - y0) * half, y + (x1 - x0) * half))
    return left + right[::-1]


def _lay(row: bytearray, width: int, span: Span) -> None:
    """One span, soft at its ends by as much as its edges slant within the row."""
    left, soft_left, right, soft_right, colour = span
    if soft_left == soft_right == 0.5 and left >= 0 and right < width and int(left) < int(right):
        first, last = int(left), int(right)  # steep edges, one soft pixel each: most spans are such
        row[3 * first + 3 : 3 * last] = bytes(colour) * (last - first - 1)
        _blend(row, 3 * first, colour, first + 1 - left)
        _blend(row, 3 * last, colour, right - last)
        return
    # A pixel is judged by its middle
    first, begin = max(0, floor(left - soft_left + 0.5)), ceil(left + soft_left - 0.5)
    end, last = floor(right - soft_right + 0.5), min(width, ceil(right + soft_right - 0.5))
    if begin >= end:  # too thin to have an inside
        for at in range(first, last):
            middle = at + 0.5
            _blend(row, 3 * at, colour, min((middle - left) / soft_left, (right - middle) / soft_right) / 2 + 0.5)
        return
    for at in range(first, min(begin, width)):
        _blend(row, 3 * at, colour, (at + 0.5 - left) / soft_left / 2 + 0.5)
    for at in range(max(0, end), last):
        _blend(row, 3 * at, colour, (right - at - 0.5) / soft_right / 2 + 0.5)
    begin, end = max(begin, 0), min(end, width)
    if begin < end:
        row[3 * begin : 3 * end] = bytes(colour) * (end - begin)


def _blend(row: bytearray, at: int, colour: Colour, share: float) -> None:
    if share >= 1.0:
        row[at : at + 3] = bytes(colour)
    elif share > 0.0:
        r, g, b = row[at : at + 3]
        red, green, blue = colour
        row[at : at + 3] = bytes(
            (int(r + (red - r) * share), int(g + (green - g) * share), int(b + (blue - b) * share))
        )


class Canvas:
    """A picture as a list of things to fill. Heights run from 0 to 1, widths from 0 to ``aspect``."""

    def __init__(self, width: int, height: int, ground: Shade) -> None:
        self.width, self.height = width, height
        self.aspect = width / height
        self._ground = ground
        self._spans: list[list[Span]] = [[] for _ in range(height)]
        self._dots: list[list[tuple[int, Colour]]] = [[] for _ in range(height)]

    def dot(self, x: float, y: float, colour: Colour, size: int = 1) -> None:
        """A square of so many pixels, under everything that is filled."""
        column, row = int(x * self.height), int(y * self.height)
        for at in range(row, min(row + size, self.height)):
            self._dots[at] += [(one, colour) for one in range(column, min(column + size, self.width))]

    def fill(self, outline: Iterable[Point], shade: Shade | Colour) -> None:
        """Everything inside the outline, over what was filled before."""
        height = self.height
        points = [(x * height, y * height) for x, y in outline]
        low = max(0, floor(min(y for _, y in points)))
        high = min(height, ceil(max(y for _, y in points)))
        crossings: list[list[tuple[float, float]]] = [[] for _ in range(low, high)]
        x0, y0 = points[-1]
        for x1, y1 in points:
            if y0 != y1:
                (xa, ya), (xb, yb) = ((x0, y0), (x1, y1)) if y0 < y1 else ((x1, y1), (x0, y0))
                slope = (xb - xa) / (yb - ya)
                ramp = min(max(abs(slope) / 2, 0.5), 24.0)
                first, end = max(0, ceil(ya - 0.5)), min(height, ceil(yb - 0.5))
                x = xa + (first + 0.5 - ya) * slope
                for row in range(first - low, end - low):
                    crossings[row].append((x, ramp))
                    x += slope
            x0, y0 = x1, y1
        width = self.width
        for row, found in enumerate(crossings, low):
            found.sort()
            colour = shade if isinstance(shade, tuple) else shade((row + 0.5) / height)
            spans = self._spans[row]
            for (left, soft_left), (right, soft_right) in zip(found[::2], found[1::2], strict=False):
                if left < width and right > 0:
                    spans.append((left, soft_left, right, soft_right, colour))

    def _row(self, at: int) -> bytearray:
        row = bytearray(bytes(self._ground((at + 0.5) / self.height)) * self.width)
        for column, colour in self._dots[at]:
            row[3 * column : 3 * column + 3] = bytes(colour)
        for span in self._spans[at]:
            _lay(row, self.width, span)
        return row

    def png(self, words: dict[str, str]) -> bytes:
        """The picture, with words in it that name what made it."""
        packer = zlib.compressobj(3 if self.height < 2000 else 1)
        packed = []
        for at in range(self.height):
            packed.append(packer.compress(b"\0"))
            packed.append(packer.compress(self._row(at)))
        packed.append(packer.flush())
        return b"".join(
            [
                b"\x89PNG\r\n\x1a\n",
                _chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)),
                *(_chunk(b"tEXt", f"{key}\0{value}".encode("latin-1", "replace")) for key, value in words.items()),
                _chunk(b"IDAT", b"".join(packed)),
                _chunk(b"IEND", b""),
            ]
        )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def words_in(png: bytes) -> dict[str, str]:
    """The words that :meth:`Canvas.png` put into a picture, or nothing."""
    found: dict[str, str] = {}
    at = 8
    while png[at + 4 : at + 8] in {b"IHDR", b"tEXt"}:
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"tEXt":
            key, _, value = png[at + 8 : at + 8 + min(length, 4096)].partition(b"\0")
            found[key.decode("latin-1")] = value.decode("latin-1")
        at += length + 12
    return found
