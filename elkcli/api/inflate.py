"""Undoing a Content-Encoding that was not asked for, a bounded piece at a time: a small bomb stays small."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

from elkcli.errors import ApiError

BOMB_FROM = 16 * 1024 * 1024  # bytes; what is smaller may be packed as tightly as it likes
BOMB_RATIO = 200  # text and base64 pack to a tenth; zeros to a thousandth
PIECE = 1024 * 1024
GZIP = b"\x1f\x8b"


def inflater(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    """What turns the chunks of a reply into what they were before they were packed.

    Raises :class:`ApiError` for an encoding that elkcli does not read, and its result does for a bomb;
    ``zlib.error`` where the bytes are not what they claim.
    """
    names = [name for name in encoding.lower().replace(" ", "").split(",") if name not in ("", "identity")]
    if not names:
        return lambda chunk: iter((chunk,))
    if len(names) > 1 or names[0] not in ("gzip", "x-gzip", "deflate"):
        raise ApiError(f"the server's reply is compressed in a way elkcli does not read: {encoding.strip()[:40]}")
    unpack: Any = None
    packed = unpacked = members = 0
    held = b""

    def inflate(chunk: bytes) -> Iterator[bytes]:
        nonlocal unpack, packed, unpacked, members, held
        packed += len(chunk)
        rest = held + chunk
        held = b""
        while rest:
            if unpack is None:
                if len(rest) < 2:
                    held = rest
                    return
                if members and rest[:2] != GZIP:
                    return  # what follows the end of the packed data is none of it
                # some mean the bare format by "deflate", without zlib's frame
                framed = names[0] != "deflate" or rest[0] & 0x0F == 8 or rest[:2] == GZIP
                unpack = zlib.decompressobj(zlib.MAX_WBITS | 32 if framed else -zlib.MAX_WBITS)
                members += 1
            part = unpack.decompress(rest, PIECE)
            unpacked += len(part)
            if unpacked > BOMB_FROM and unpacked > BOMB_RATIO * packed:
                raise ApiError("the server's reply is a decompression bomb: it grows without end when unpacked")
            if part:
                yield part
            rest = unpack.unconsumed_tail
            if unpack.eof:  # another member of the file may follow
                rest = unpack.unused_data
                unpack = None
            elif not part and not rest:
                return

    return inflate
