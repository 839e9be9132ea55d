"""What settings take: each check turns what an option, a variable or TOML gave into the value, or refuses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

DEMO_URL = "demo://elkcli/v1"


class BadValue(ValueError):
    """A value that a setting does not take; the text says which it takes."""


def a_string(value: object) -> str:
    """A string, as it is."""
    if not isinstance(value, str):
        raise BadValue("a string")
    return value


def a_word(value: object) -> str:
    """A string that is not empty, without control characters, trimmed."""
    text = a_string(value).strip()
    if not text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise BadValue("a word without control characters")
    return text


def a_flag(value: object) -> bool:
    """True or false, also in words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in {"true", "yes", "on", "1"}:
            return True
        if word in {"false", "no", "off", "0"}:
            return False
    raise BadValue("true or false")


def a_whole_number(low: int, high: int) -> Callable[[object], int]:
    """A check for whole numbers from ``low`` to ``high``."""
    said = f"a whole number from {low} to {high}"

    def check(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,20}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadValue(said)
        return value

    return check


def a_number(low: float, high: float, said: str) -> Callable[[object], float]:
    """A check for numbers from ``low`` to ``high``; ``said`` tells what it takes."""

    def check(value: object) -> float:
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise BadValue(said) from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadValue(said)
        if not low <= value <= high:  # nor NaN; a whole number too big for a float is compared all the same
            raise BadValue(said)
        return value

    return check


def one_of(*allowed: str) -> Callable[[object], str]:
    """A check for one of these words, in any case."""

    def check(value: object) -> str:
        word = value.strip().lower() if isinstance(value, str) else value
        if word not in allowed:
            raise BadValue("one of " + ", ".join(allowed))
        return str(word)

    return check


def some_strings(value: object) -> tuple[str, ...]:
    """One string or a list of them, as a tuple. ``["a", "b"]`` is a list, ``[END]`` a string."""
    if isinstance(value, str):
        if re.match(r'\s*\[\s*["\]]', value):
            try:
                value = json.loads(value)
            except ValueError:
                raise BadValue("a string or a list of strings") from None
        else:
            value = [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) and item for item in value):
        raise BadValue("a string or a list of strings, none of them empty")
    return tuple(value)


def some_headers(value: object) -> dict[str, str]:
    """A table of headers, or ``NAME: VALUE`` lines."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("{"):
            try:
                value = json.loads(text)
            except ValueError:
                raise BadValue("NAME: VALUE, or a table of names and values") from None
        else:
            value = dict([header(line) for line in text.splitlines() if line.strip()])
    if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
        raise BadValue("a table of header names and string values")
    return dict(header(f"{name}: {content}") for name, content in value.items())


RESERVED_HEADERS = {
    "authorization": "the token belongs in `elkcli config set token` or ELKCLI_TOKEN",
    "x-api-key": "it changes the format of the server's reply",
    "x-goog-api-key": "it changes the format of the server's reply",
    "host": "it follows from the base URL",
    "content-length": "it follows from the body",
    "transfer-encoding": "it follows from the body",
    "connection": "elkcli keeps the connection itself",
}


def header(text: str) -> tuple[str, str]:
    """``NAME: VALUE`` as a pair, or :class:`BadValue` (RFC 9110 §5.1, §5.5)."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise BadValue("NAME: VALUE")
    if any(not (32 <= ord(char) < 127 or char == "\t") for char in value):
        raise BadValue("a header value of printable ASCII")
    if reason := RESERVED_HEADERS.get(name.lower()):
        raise BadValue(f"a header other than {name}: {reason}")
    return name, value


def an_address(value: object) -> str:
    """A base URL in its one spelling."""
    url = a_word(value)
    if url.startswith("demo:"):
        return DEMO_URL
    from elkcli.origin import base_url

    try:
        return base_url(url)
    except ValueError as problem:
        raise BadValue(str(problem)) from None


def a_ratio(value: object) -> str:
    """An aspect ratio; ``16x9`` becomes ``16:9``, and what is no ratio stays for the server to judge."""
    text = a_word(value)
    if match := re.fullmatch(r"(\d{1,4})\s*[xX:×/]\s*(\d{1,4})", text):
        return f"{match[1]}:{match[2]}"
    return text


def a_size(value: object) -> str:
    """An image size; ``2k`` becomes ``2K``."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = a_word(value)
    if text.lower() in {"512", "512p", "512px", "0.5k"}:
        return "512"
    return text.upper() if re.fullmatch(r"\d+[kK]", text) else text
