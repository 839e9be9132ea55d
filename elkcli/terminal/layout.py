"""Where words stand: how wide text is on a screen, and how spans are broken into rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rich.cells import get_character_cell_size

from elkcli.terminal.inline import Span

Row = list[Span]

# Wide characters may be parted anywhere, but not from the closing mark that follows, nor from the opening one before.
_WIDE = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003fffd"
)
_OPENING = "\u3008\u300a\u300c\u300e\u3010\u3014\u3016\uff08\uff3b\uff5b"
_CLOSING = (
    "\u3001\u3002\u3009\u300b\u300d\u300f\u3011\u3015\u3017\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f\uff3d\uff5d\u30fc"
)
_WORD = re.compile(f"(?P<newline>\n)|(?P<space>[ \t]+)|(?P<wide>[{_OPENING}]*[{_WIDE}][{_CLOSING}]*)|[^ \t\n{_WIDE}]+")
_widths: dict[str, int] = {}


def width_of(text: str) -> int:
    """How many columns ``text`` takes at most: terminals differ over emoji, and no row may be wider than thought."""
    if text.isascii():
        return len(text)
    total = 0
    for character in text:
        width = _widths.get(character)
        if width is None:
            width = get_character_cell_size(character)
            if width == 1 and 0x1F000 <= ord(character) <= 0x1FAFF:
                width = 2
            elif character == "\ufe0f":
                width = 1  # makes a narrow sign wide, on some terminals
            _widths[character] = width
        total += width
    return total


def fold(text: str, width: int) -> list[str]:
    """``text`` in pieces of at most ``width`` columns, as a terminal would break it."""
    if width_of(text) <= width:
        return [text]
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)]
    pieces: list[str] = []
    start = column = 0
    for at, character in enumerate(text):
        size = width_of(character)
        if column + size > width and at > start:
            pieces.append(text[start:at])
            start, column = at, 0
        column += size
    pieces.append(text[start:])
    return pieces


def wrap(spans: Iterable[Span], width: int, start: int = 0) -> list[Row]:
    """``spans`` in rows of at most ``width`` columns, broken between words; ``start`` of the first are taken."""
    rows: list[Row] = [[]]
    column = start
    space: Span | None = None  # between the last word and the next: it is dropped where a row ends
    for word in _words(spans):
        if isinstance(word, Span):
            if word.text == "\n":
                rows.append([])
                column, space = 0, None
            else:
                space = word
            continue
        size = width_of(word[0].text) if len(word) == 1 else sum(width_of(span.text) for span in word)
        gap = len(space.text) if space and column else 0
        if column and column + gap + size > width:
            rows.append([])
            column, space, gap = 0, None, 0
        if space and gap:
            rows[-1].append(space)
            column += gap
        space = None
        if column + size <= width:
            rows[-1].extend(word)
            column += size
            continue
        for span in word:  # longer than a row
            for piece in _break(span.text, width, column):
                size = width_of(piece)
                if column and column + size > width:
                    rows.append([])
                    column = 0
                rows[-1].append(Span(piece, span.styles, span.link))
                column += size
    if space and column:  # a part of a paragraph may end with one
        rows[-1].append(space)
    return rows


def longest_word(spans: Iterable[Span]) -> int:
    """The columns of the longest word: in less room than that, one has to be torn."""
    words = (word for word in _words(spans) if not isinstance(word, Span))
    return max((sum(width_of(span.text) for span in word) for word in words), default=0)


def _break(text: str, width: int, column: int) -> list[str]:
    """A word too long for a row, broken to fill the room that is left in this one first."""
    room = width - column
    first = fold(text, room)[0] if room > 0 else ""
    if width_of(first) > room:
        first = ""
    return ([first] if first else []) + (fold(text[len(first) :], width) if len(first) < len(text) else [])


def _words(spans: Iterable[Span]) -> Iterator[Span | list[Span]]:
    """Words, which may change their look within, and between them spaces and line ends as single spans."""
    word: list[Span] = []
    for text, styles, link in spans:
        for found in _WORD.finditer(text):
            kind = found.lastgroup
            piece = found[0]
            if kind is None:
                if word and not word[-1].text.isascii() and _ends_wide(word[-1].text):
                    yield word
                    word = []
                word.append(Span(piece, styles, link))
                continue
            if word:
                yield word
                word = []
            if kind == "wide":
                word = [Span(piece, styles, link)]
            else:
                yield Span(piece.replace("\t", " "), styles, link)
    if word:
        yield word


def _ends_wide(text: str) -> bool:
    last = text[-1]
    return last >= "\u2e80" and get_character_cell_size(last) == 2


def merged(row: Sequence[Span]) -> Iterator[Span]:
    """The same row with neighbours of one look joined."""
    texts: list[str] = []
    look: tuple[tuple[str, ...], str] = ((), "")
    for text, styles, link in row:
        if texts and look != (styles, link):
            yield Span("".join(texts), *look)
            texts = []
        texts.append(text)
        look = (styles, link)
    if texts:
        yield Span("".join(texts), *look)


def fold_row(row: Row, width: int) -> Iterator[Row]:
    """The row as a terminal of this width would break it."""
    if sum(width_of(span.text) for span in row) <= width:
        yield row
        return
    line: Row = []
    column = 0
    for span in row:
        for character in span.text:
            size = width_of(character)
            if column + size > width and line:
                yield line
                line, column = [], 0
            line.append(span._replace(text=character))
            column += size
    yield line
