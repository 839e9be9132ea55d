"""Running text of Markdown: emphasis, code, links and mathematics, read by markdown-it-py into styled spans."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from elkcli.terminal.safe import safe

# OSC 8 is made for these only, and of plain characters only: the target is the server's.
_LINKED = re.compile(r"(?:https?://|mailto:)[!-~]+", re.IGNORECASE)
_MATH = re.compile(
    r"\$\$[^$]+\$\$"
    r"|\$(?![\s$])(?:[^$\\\n]|\\[^\n])*?(?<![\s\\])\$(?![0-9A-Za-z$])"
    r"|\\\((?:[^\\]|\\(?!\)).)*?\\\)"
    r"|\\\[(?:[^\\]|\\(?!\]).)*?\\\]",
    re.DOTALL,
)
# Longer than this is no formula inside a line; it also bounds what one stray ``$`` may cost.
_LONGEST_FORMULA = 400

_STYLES = {"strong": "strong", "em": "emphasis", "s": "struck"}


class Span(NamedTuple):
    """Text in one look. ``styles`` are names, outermost first; ``link`` is where a click leads."""

    text: str
    styles: tuple[str, ...] = ()
    link: str = ""


def _formula(state: StateInline, silent: bool) -> bool:
    """Keep mathematics as it was written: there ``_`` and ``*`` are no emphasis, and a backslash is no escape."""
    if state.src[state.pos] not in "$\\":
        return False
    found = _MATH.match(state.src, state.pos, min(state.posMax, state.pos + _LONGEST_FORMULA))
    if found is None:
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content = found[0]
    state.pos = found.end()
    return True


class InlineReader:
    """Reads running text. It remembers the link definitions it has seen: what follows them may use them."""

    def __init__(self) -> None:
        self._reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("strikethrough")
        self._reader.inline.ruler.before("escape", "formula", _formula)
        self._reader.block.ruler.enableOnly(["reference", "paragraph"])
        self._definitions: MutableMapping[str, Any] = {}

    def fork(self) -> InlineReader:
        """A copy whose new definitions this one does not learn."""
        other = copy.copy(self)
        other._definitions = {"references": dict(self._definitions.get("references", {}))}
        return other

    def definitions(self, text: str) -> tuple[list[str], str]:
        """The link definitions a paragraph begins with, which are kept, as their lines; and the words after them."""
        if not text.startswith("["):
            return [], text
        tokens: list[Token] = []
        self._reader.block.parse(text, self._reader, self._definitions, tokens)
        lines = text.split("\n")
        start = tokens[0].map[0] if tokens and tokens[0].map else len(lines)
        return lines[:start], "\n".join(lines[start:])

    def read(self, text: str) -> list[Span]:
        """``text`` as spans. A line end in it is a line end in them."""
        tokens: list[Token] = []
        self._reader.inline.parse(text, self._reader, self._definitions, tokens)
        return list(_spans(tokens))


def _spans(tokens: Sequence[Token]) -> Iterator[Span]:
    styles: list[str] = []
    target = ""  # of the link that is open, as shown
    shown = ""
    link = ""
    for token in tokens:
        kind = token.type
        if kind in {"text", "text_special"}:
            text = safe(token.content)
            shown += text
            yield Span(text, tuple(styles), link)
        elif kind in {"softbreak", "hardbreak"}:
            shown += " "
            yield Span("\n", tuple(styles))
        elif kind == "code_inline":
            text = safe(token.content).replace("\n", " ")
            shown += text
            yield Span(text, (*styles, "code"), link)
        elif kind == "math":
            text = safe(token.content)
            shown += text
            yield Span(text, (*styles, "math"), link)
        elif kind == "image":
            yield from _image(token, tuple(styles), link)
        elif kind == "link_open":
            target = str(token.attrs.get("href", ""))
            link = target if _LINKED.fullmatch(target) else ""
            shown = ""
            title = safe(str(token.attrs.get("title", "")))
            styles.append("link")
        elif kind == "link_close":
            styles.pop()
            if note := _target_note(shown, target, title):
                yield Span(note, (*styles, "target"), link)
            link = ""
        elif token.nesting == 1:
            styles.append(_STYLES.get(kind.removesuffix("_open"), "text"))
        elif token.nesting == -1:
            styles.pop()
        else:
            yield Span(safe(token.content), tuple(styles), link)


def _image(token: Token, styles: tuple[str, ...], link: str) -> Iterator[Span]:
    """A picture in words: its name and where it is."""
    target = str(token.attrs.get("src", ""))
    name = "".join(span.text for span in _spans(token.children or [])) or "image"
    note = _target_note("", target, safe(str(token.attrs.get("title", ""))))
    link = link or (target if _LINKED.fullmatch(target) else "")
    yield Span(f"▣ {name}", (*styles, "image"), link)
    yield Span(note, (*styles, "target"), link)


def _target_note(shown: str, target: str, title: str) -> str:
    """What stands after a link, since its words do not say where it leads; the title, if any, is part of the answer."""
    readable = safe(target)
    plain = shown.strip()
    said = plain in {readable, readable.removeprefix("mailto:"), readable.removeprefix("https://")}
    parts = [] if said or not readable else [readable]
    if title:
        parts.append(f'"{title}"')
    return f" ({' '.join(parts)})" if parts else ""


def completed(text: str) -> str:
    """``text`` that has not ended, as if what it began were finished: bold words are bold before their end came."""
    text = text.rstrip("*_`~[!") or text
    if text.count("`") % 2:
        return text + "`"
    if text.count("**") % 2 and not text[text.rfind("**") + 2 :].startswith((" ", "\n")):
        return text.rstrip() + "**"
    return text


def only_definitions(text: str) -> bool:
    """Whether a paragraph consists of link definitions alone."""
    return not InlineReader().definitions(text)[1]
