"""The block structure of Markdown, line by line: CommonMark's reference algorithm with GitHub's tables, made to stream.

A whole line goes in, and the blocks that are finished with it come out; nothing is ever read twice. markdown-it-py
parses documents, not streams, so it is the judge here and not the reader: the tests hold every cut against its own.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field

from elkcli.terminal.blocks import (
    Block,
    CodeEnd,
    CodeLine,
    CodeStart,
    Container,
    Formula,
    Heading,
    Hollow,
    Item,
    Paragraph,
    Placed,
    Quote,
    Rule,
    TableEnd,
    TableRow,
)
from elkcli.terminal.pipes import fit, header_and_sides, split_row

# Deeper than this, a marker is text. It keeps hostile nesting linear, and a line some room for words.
DEEPEST = 16
# A paragraph longer than this is given out in parts, so that one without end is not parsed from its start each time.
LONGEST = 4096

_ATX = re.compile(r"(#{1,6})(?:[ ]+|$)")
_ATX_END = re.compile(r"(?:^|[ ])#+[ ]*$")
_FENCE = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
_RULE = re.compile(r"(?:(?:\*[ ]*){3,}|(?:-[ ]*){3,}|(?:_[ ]*){3,})$")
_SETEXT = re.compile(r"(=+|-+)[ ]*$")
_BULLET = re.compile(r"([-+*])(?=[ ]|$)")
_NUMBER = re.compile(r"([0-9]{1,9})([.)])(?=[ ]|$)")
_MATH_ENDS = {"$$": "$$", "\\[": "\\]"}


@dataclass(slots=True)
class _Leaf:
    """The block that takes the lines now."""

    kind: str  # paragraph, fence, indented, table, formula
    gap: bool
    lines: list[str] = field(default_factory=list)
    size: int = 0
    fence: str = ""  # the marker of a fence; the end of a formula
    indent: int = 0
    columns: int = 0
    begun: bool = False  # a part of the paragraph was given out


class BlockReader:
    """Reads lines and gives out blocks. ``fork`` makes a copy to ask what would be if the answer ended here."""

    def __init__(self) -> None:
        self._path: list[Container] = []
        self._leaf: _Leaf | None = None
        self._gap = False
        self._hollow = False  # the innermost item began with an empty line, the one before this
        self._widow: Item | None = None  # it was hollow, and an empty line closed it, but not its list
        self._bare: set[int] = set()  # serials of items that have shown nothing yet
        self._inside = False  # in the midst of a line too long to be read at once
        self._serial = 0
        self._out: list[Placed] = []

    def fork(self) -> BlockReader:
        """A copy that can be fed and closed without this one noticing."""
        other = copy.copy(self)
        other._path = self._path[:]
        other._bare = set(self._bare)
        other._out = []
        if self._leaf is not None:
            other._leaf = copy.copy(self._leaf)
            other._leaf.lines = self._leaf.lines[:]
        return other

    @property
    def open(self) -> str:
        """What takes the lines now: ``paragraph``, ``fence``, ``indented``, ``table``, ``formula`` or nothing."""
        return self._leaf.kind if self._leaf else ""

    def feed(self, line: str, *, whole: bool = True) -> list[Placed]:
        """Read a line, without its end. With ``whole`` false it is the beginning of one, and the next call goes on."""
        inside, self._inside = self._inside, not whole
        if "\t" in line:
            line = line.expandtabs(4)
        if inside and self._leaf is not None and self._leaf.kind == "paragraph":
            self._leaf.lines[-1] += line
            self._leaf.size += len(line)
            self._relieve()
        else:
            self._read(line)
        out, self._out = self._out, []
        return out

    def close(self) -> list[Placed]:
        """The answer ends: what was open is finished."""
        self._close_to(0)
        out, self._out = self._out, []
        return out

    # Containers

    def _read(self, line: str) -> None:
        at, depth = self._enter(line)
        matched = depth == len(self._path)
        self._hollow = False
        leaf = self._leaf
        if leaf is not None and leaf.kind == "fence" and matched:
            self._in_fence(leaf, line, at)
        elif leaf is not None and leaf.kind == "formula" and matched and (text := line[at:].strip(" ")):
            leaf.lines.append(text)
            if text.endswith(leaf.fence):
                self._finish()
        elif not line[at:].strip(" "):
            self._blank(line, at, depth, matched)
        else:
            self._starts(line, at, depth)

    def _enter(self, line: str) -> tuple[int, int]:
        """How far the line's beginning continues the open containers: the column reached, and how many."""
        at = 0
        for depth, container in enumerate(self._path):
            indent = _indent(line, at)
            if isinstance(container, Quote):
                if indent > 3 or line[at + indent : at + indent + 1] != ">":
                    return at, depth
                at += indent + 1
                if line[at : at + 1] == " ":
                    at += 1
            elif at + indent >= len(line):
                if self._hollow and depth == len(self._path) - 1:
                    return at, depth
                at += min(indent, container.width)
            elif indent >= container.width:
                at += container.width
            else:
                return at, depth
        return at, len(self._path)

    def _close_to(self, depth: int) -> None:
        """Close the open leaf, and the containers beyond ``depth``."""
        self._finish()
        while len(self._path) > depth:
            container = self._path[-1]
            if isinstance(container, Item) and container.serial in self._bare:
                self._give(Hollow(), gap=self._gap)
            self._path.pop()

    def _open(self, container: Container) -> None:
        self._path.append(container)
        if isinstance(container, Item):
            self._bare.add(container.serial)

    def _give(self, block: Block, *, gap: bool = False) -> None:
        for container in reversed(self._path):
            if not isinstance(container, Item):
                continue
            if container.serial not in self._bare:
                break
            self._bare.discard(container.serial)
        self._out.append(Placed(block, tuple(self._path), gap))

    # Lines

    def _blank(self, line: str, at: int, depth: int, matched: bool) -> None:
        leaf = self._leaf
        self._widow = None
        if leaf is not None and leaf.kind == "indented" and matched:
            leaf.lines.append(line[at + 4 :])
        elif leaf is not None:
            self._finish()
        if not matched:
            last = self._path[-1]
            self._close_to(depth)
            if isinstance(last, Item) and depth == len(self._path):
                self._widow = last
        self._gap = True

    def _starts(self, line: str, at: int, depth: int) -> None:
        """Read a line that is not blank: blocks that begin in it, or text."""
        fresh = False  # a container began in this line
        widow, self._widow = (self._widow if depth == len(self._path) else None), None
        while True:
            leaf = self._leaf
            running = leaf is not None and leaf.kind == "paragraph" and not fresh
            follows = running and depth == len(self._path)
            indent = _indent(line, at)
            rest = line[at + indent :]
            if not rest:  # a marker with nothing after it
                return
            if indent >= 4:
                if running:
                    break
                self._indented(line[at + 4 :], depth, fresh)
                return
            if rest[0] == ">" and depth < DEEPEST:
                self._close_to(depth)
                self._open(Quote(self._next()))
                widow = None
                at += indent + 1
                if line[at : at + 1] == " ":
                    at += 1
            elif width := self._item(rest, indent, depth, follows, widow):
                at, widow = at + width, None
            elif self._starts_leaf(rest, indent, depth, follows):
                return
            else:
                break
            fresh = True
            depth += 1
        self._text(line[at:].strip(" "), depth, running)

    def _text(self, text: str, depth: int, running: bool) -> None:
        leaf = self._leaf
        if leaf is not None and leaf.kind == "table" and depth == len(self._path):
            self._give(TableRow(fit(split_row(text), leaf.columns)))
            return
        if leaf is None or not running:  # else it goes on, also where it lags behind its containers
            self._close_to(depth)
            leaf = self._begin("paragraph")
        leaf.lines.append(text)
        leaf.size += len(text) + 1
        self._relieve()

    def _starts_leaf(self, rest: str, indent: int, depth: int, follows: bool) -> bool:
        """Whether a block without children begins, or a paragraph turns out to be one."""
        leaf = self._leaf
        if follows and leaf is not None:
            if rest[0] in "|-:" and self._table(leaf, rest):
                return True
            if (found := _SETEXT.match(rest)) and not self._only_definitions(leaf):
                self._leaf = None
                self._give(Heading(1 if found[1][0] == "=" else 2, "\n".join(leaf.lines)), gap=leaf.gap)
                return True
        if found := _ATX.match(rest):
            self._close_to(depth)
            text = _ATX_END.sub("", rest[found.end() :])
            self._give(Heading(len(found[1]), text.strip(" ")), gap=self._take_gap())
        elif found := _FENCE.match(rest):
            self._close_to(depth)
            leaf = self._begin("fence")
            leaf.fence, leaf.indent = found[1] or found[3], indent
            self._give(CodeStart((found[2] or found[4] or "").strip()), gap=leaf.gap)
        elif _RULE.match(rest):
            self._close_to(depth)
            self._give(Rule(), gap=self._take_gap())
        elif rest.strip() in _MATH_ENDS:
            self._close_to(depth)
            leaf = self._begin("formula")
            leaf.fence = _MATH_ENDS[rest.strip()]
            leaf.lines.append(rest.strip())
        else:
            return False
        return True

    def _item(self, rest: str, indent: int, depth: int, follows: bool, widow: Item | None) -> int:
        """Open a list item if one begins here; how many columns its marker takes, or 0."""
        bullet = _BULLET.match(rest)
        number = None if bullet else _NUMBER.match(rest)
        found = bullet or number
        if found is None or depth >= DEEPEST or _RULE.match(rest):
            return 0
        after = rest[found.end() :]
        empty = not after.strip(" ")
        if follows and (empty or (number is not None and int(number[1]) != 1)):
            return 0
        if follows and self._underlined(rest):
            return 0
        padding = _indent(after, 0)
        if empty or padding > 4:
            padding = 1
        mark = found[number.lastindex or 2] if number else found[1]
        width = indent + found.end() + padding
        brother = self._path[depth] if depth < len(self._path) else widow
        self._close_to(depth)
        if isinstance(brother, Item) and brother.mark == mark and (brother.number is None) == (number is None):
            following = None if brother.number is None else brother.number + 1
            item = Item(self._next(), brother.list_serial, width, mark, following)
        else:
            item = Item(self._next(), self._next(), width, mark, int(number[1]) if number else None)
        self._open(item)
        self._hollow = empty
        return width

    def _underlined(self, rest: str) -> bool:
        leaf = self._leaf
        return leaf is not None and bool(_SETEXT.match(rest)) and not self._only_definitions(leaf)

    # Leaves

    def _begin(self, kind: str) -> _Leaf:
        self._leaf = _Leaf(kind, self._take_gap())
        return self._leaf

    def _take_gap(self) -> bool:
        gap, self._gap = self._gap, False
        return gap

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _finish(self) -> None:
        """Give out what the open leaf still holds."""
        leaf, self._leaf = self._leaf, None
        if leaf is None:
            return
        if leaf.kind == "paragraph":
            self._give(Paragraph("\n".join(leaf.lines), first=not leaf.begun), gap=leaf.gap)
        elif leaf.kind == "formula":
            self._give(Formula(tuple(leaf.lines)), gap=leaf.gap)
        elif leaf.kind == "table":
            self._give(TableEnd())
        else:
            if leaf.lines:  # blank lines after indented code are not part of it
                self._gap = True
            self._give(CodeEnd())

    def _relieve(self) -> None:
        """Give out the beginning of a paragraph that has grown too long, up to the end of a sentence or a word."""
        leaf = self._leaf
        while leaf is not None and leaf.size > LONGEST:
            text = "\n".join(leaf.lines)
            cut = max(text.rfind(". ", LONGEST // 2, LONGEST), text.rfind("\n", LONGEST // 2, LONGEST)) + 1
            cut = cut or text.rfind(" ", 1, LONGEST) + 1 or LONGEST
            self._give(Paragraph(text[:cut], first=not leaf.begun, last=False), gap=leaf.gap)
            leaf.lines, leaf.size, leaf.begun = text[cut:].split("\n"), len(text) - cut, True

    def _in_fence(self, leaf: _Leaf, line: str, at: int) -> None:
        indent = _indent(line, at)
        rest = line[at + indent :]
        run = rest.rstrip(" ")
        if indent <= 3 and len(run) >= len(leaf.fence) and run == leaf.fence[0] * len(run):
            self._finish()
        else:
            self._give(CodeLine(line[at + min(indent, leaf.indent) :]))

    def _indented(self, text: str, depth: int, fresh: bool) -> None:
        leaf = self._leaf
        if leaf is None or leaf.kind != "indented" or fresh or depth != len(self._path):
            self._close_to(depth)
            leaf = self._begin("indented")
            self._give(CodeStart(None), gap=leaf.gap)
        for blank in leaf.lines:
            self._give(CodeLine(blank))
        leaf.lines.clear()
        self._gap = False
        self._give(CodeLine(text))

    def _table(self, leaf: _Leaf, rest: str) -> bool:
        """Turn the last line of the paragraph into a table's header, if this line is the rule under it."""
        start = header_and_sides(leaf.lines[-1], rest)
        if start is None:
            return False
        leaf.lines.pop()
        gap = leaf.gap
        if leaf.lines or leaf.begun:
            self._finish()
            gap = False
        self._leaf = _Leaf("table", gap, columns=len(start.header))
        self._give(start, gap=gap)
        return True

    def _only_definitions(self, leaf: _Leaf) -> bool:
        """Whether the lines so far are all definitions of links, under which a line is no underline."""
        if leaf.begun or not leaf.lines[0].startswith("["):
            return False
        from elkcli.terminal.inline import only_definitions

        return only_definitions("\n".join(leaf.lines))


def _indent(line: str, at: int) -> int:
    start = at
    while line[at : at + 1] == " ":
        at += 1
    return at - start
