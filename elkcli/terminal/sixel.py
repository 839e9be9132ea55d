"""Sixel graphics: a picture of palette colours as the escape sequence that DEC's VT340 and its heirs draw. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_REPEATED = re.compile(rb"(.)\1{3,254}", re.S)
_PRINTABLE = bytes((at & 63) + 63 for at in range(256))


def encode(indexes: bytes, width: int, palette: Sequence[tuple[int, int, int]], transparent: int = -1) -> str:
    """``indexes`` row by row, each a place in ``palette`` (colours from 0 to 255). ``transparent`` is not drawn."""
    height = len(indexes) // width
    used = sorted(set(indexes) - {transparent})
    out = [b'\x1bP0;1;0q"1;1;%d;%d' % (width, height)]
    for at in used:
        r, g, b = (round(part * 100 / 255) for part in palette[at])
        out.append(b"#%d;2;%d;%d;%d" % (at, r, g, b))
    # For one colour, a row becomes a number whose bytes are that row's bit: six of them, added, are a band
    bits = {at: [bytes((1 << row) * (byte == at) for byte in range(256)) for row in range(6)] for at in used}
    for top in range(0, height, 6):
        rows = [indexes[at * width : (at + 1) * width] for at in range(top, min(top + 6, height))]
        layers = []
        for at in sorted(set(b"".join(rows)) - {transparent}):
            total = sum(int.from_bytes(row.translate(bits[at][n]), "big") for n, row in enumerate(rows))
            line = total.to_bytes(width, "big").translate(_PRINTABLE).rstrip(b"?")
            layers.append(b"#%d" % at + _REPEATED.sub(_counted, line))
        out.append((b"-" if top else b"") + b"$".join(layers))
    return (b"".join(out) + b"\x1b\\").decode("ascii")


def _counted(match: re.Match[bytes]) -> bytes:
    return b"!%d%s" % (len(match[0]), match[1])
