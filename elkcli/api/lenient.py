"""Reading JSON as leniently as servers write it. No I/O."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any


def _finite(digits: str) -> float | None:
    """A number, or ``None`` for one like 1e999: as JSON it could not be written again."""
    number = float(digits)
    return number if isfinite(number) else None


def _short(digits: str) -> int | None:
    """An integer, or ``None`` for one of more digits than Python reads or writes."""
    return int(digits) if len(digits) < 4000 else None


# strict=False: some servers leave raw control characters inside strings
_json = json.JSONDecoder(strict=False, parse_constant=lambda name: None, parse_float=_finite)
_long_integers = json.JSONDecoder(strict=False, parse_constant=lambda name: None, parse_float=_finite, parse_int=_short)


def loads(data: bytes | bytearray | str, *, first: bool = False) -> Any:
    """The JSON value in ``data``; with ``first``, whatever may follow it. Raises :class:`ValueError` alone."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        try:
            return _value(_json, text, first=first)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of thousands of digits: to look at each would cost every other reply time
            return _value(_long_integers, text, first=first)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _value(decoder: json.JSONDecoder, text: str, *, first: bool) -> Any:
    if first or text[:1] == "{":
        found, end = decoder.raw_decode(text)
        if first or end == len(text) or not text[end:].strip():
            return found
    return decoder.decode(text)
