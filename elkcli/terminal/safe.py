"""What foreign text may do to a terminal: nothing. Every character that acts or hides becomes a visible stand-in."""

from __future__ import annotations

import re
from functools import cache

# Emoji that take part in sequences: what a joiner may join, and what a variation selector may vary.
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
# Scripts whose spelling needs the joiner or the non-joiner: Arabic, Syriac, the Indic family, Tibetan to Mongolian.
_JOINING = (
    "\u0620-\u065f\u066e-\u06dc\u06df-\u070e\u0710-\u085f\u08a0-\u08e1\u08e3-\u109f"
    "\u1780-\u17b3\u17b6-\u180a\u1820-\u18af"
)

_KEYCAP_BASE = frozenset("0123456789#*")

# The last character of a stream that is not judged before its neighbour came.
_UNDECIDED = frozenset("\r\u200c\u200d\ufe0e\ufe0f")


# Newline and tab are the only controls that stay. The rest: C0, DEL, C1, the format characters of Unicode (but the
# Arabic number signs, which are seen), separators, fillers, variation selectors, surrogates, non-characters.
@cache  # a run that says nothing on a terminal does not pay for compiling
def _forbidden() -> re.Pattern[str]:
    return re.compile(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
        "\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
        "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    )


@cache
def _is_emoji() -> re.Pattern[str]:
    return re.compile(f"[{_EMOJI}]")


@cache
def _joins() -> re.Pattern[str]:
    return re.compile(f"[{_JOINING}]")


def safe(text: str) -> str:
    """``text`` with newlines and tabs as they are, and each character that acts on a terminal or hides made visible.

    A carriage return before a newline is dropped. Joiners stay in emoji and in the scripts that are spelt with them.
    """
    if text.isascii() and text.isprintable():
        return text
    return text if _forbidden().search(text) is None else _replaced(text, 0)


def safe_line(text: str, limit: int = 200) -> str:
    """``text`` made safe on a single line of at most ``limit`` characters, the last of them ``…`` if it was cut."""
    line = safe(text[: limit + 1]).replace("\n", "⏎").replace("\t", " ")
    if len(text) <= limit and len(line) <= limit:
        return line
    return line[: max(limit - 1, 0)] + "…"


def safe_json(text: str) -> str:
    """JSON of the same value, in which each character that acts on a terminal or hides is spelt as an escape."""
    return _forbidden().sub(lambda found: _escaped(text, found.start()), text)


class SafeStream:
    """``safe`` for text in pieces: the pieces that come out are together what ``safe`` makes of the whole."""

    def __init__(self) -> None:
        self._before = ""  # what was given out already, as far as a neighbour may look back
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that is decided now."""
        text = self._held + text
        end = len(text)
        while end and text[end - 1] in _UNDECIDED:
            end -= 1
        # A run of undecided characters this long is no emoji: judge all but the last few, or it is read anew each time.
        end = max(end, len(text) - 8)
        if end == 0:
            self._held = text
            return ""
        return self._give(text, end)

    def close(self) -> str:
        """What was held back, now that nothing follows."""
        return self._give(self._held, len(self._held))

    def _give(self, text: str, end: int) -> str:
        self._held = text[end:]
        context, self._before = self._before, (self._before + text[:end])[-2:]
        if _forbidden().search(text, 0, end) is None:
            return text[:end]
        return _replaced(context + text, len(context), len(context) + end)


def _replaced(text: str, start: int, end: int | None = None) -> str:
    if end is None:
        end = len(text)
    out: list[str] = []
    for found in _forbidden().finditer(text, start, end):
        at = found.start()
        out.append(text[start:at])
        out.append(_stand_in(text, at))
        start = at + 1
    out.append(text[start:end])
    return "".join(out)


def _stand_in(text: str, at: int) -> str:
    character = text[at]
    code = ord(character)
    if character == "\r" and text[at + 1 : at + 2] == "\n":
        return ""
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if _belongs(text, at, character):
        return character
    return f"<U+{code:04X}>"


def _escaped(text: str, at: int) -> str:
    """``\\u`` and four digits, twice for two units of UTF-16; outside strings there is nothing to escape."""
    character = text[at]
    if _belongs(text, at, character):
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[unit]:02x}{units[unit + 1]:02x}" for unit in range(0, len(units), 2))


def _belongs(text: str, at: int, character: str) -> bool:
    """Whether an invisible character is part of how an emoji or a word is written."""
    before = text[at - 1] if at else ""
    after = text[at + 1 : at + 2]
    if character in "\u200c\u200d" and _joins().match(before):
        return True
    if character == "\u200d":
        if before == "\ufe0f" and at >= 2:
            before = text[at - 2]
        return bool(_is_emoji().match(before) and _is_emoji().match(after))
    if character in "\ufe0e\ufe0f":
        return bool(_is_emoji().match(before)) or (before in _KEYCAP_BASE and after == "\u20e3")
    return False
