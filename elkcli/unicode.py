"""Text that can be encoded: what servers and files write may hold halves of characters."""

from __future__ import annotations


def whole(text: str) -> str:
    """``text`` with surrogate pairs joined and lone ones replaced, so that it can be encoded."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf8(text: str) -> bytes:
    """``text`` in UTF-8, made whole where it has to be."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return whole(text).encode()
