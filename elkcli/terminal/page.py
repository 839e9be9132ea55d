"""An answer on its way to the screen: text goes in as it comes, and rows come out, each once and for good.

What is printed depends on the text alone and never on how it was cut: only whole lines are read (and the beginnings,
of fixed length, of lines without end). What stands after the last of them is shown by asking a copy of the page what it
would print if the answer ended there.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator

from elkcli.terminal.blocks import (
    Block,
    CodeEnd,
    CodeLine,
    CodeStart,
    Formula,
    Heading,
    Hollow,
    Item,
    Paragraph,
    Path,
    Placed,
    Quote,
    Rule,
    TableEnd,
    TableRow,
    TableStart,
)
from elkcli.terminal.columns import Cells, Layout, settle
from elkcli.terminal.highlight import Highlighter
from elkcli.terminal.inline import InlineReader, Span, completed
from elkcli.terminal.layout import Row, fold_row, merged, width_of, wrap
from elkcli.terminal.reader import LONGEST, BlockReader
from elkcli.terminal.safe import SafeStream, safe
from elkcli.terminal.theme import Theme

# Prose is not set wider than this, however wide the window: longer lines are hard to follow.
_WIDEST_PROSE = 120
# Containers may take this share of the width, so that words keep the rest.
_NARROWEST = 16
# After this many rows a table's columns are settled by what is known, and further rows are printed as they come.
_SETTLED_ROWS = 48
_SETTLED_SIZE = 8192
_FRAME = 48

_BULLETS = "•◦▪"
_TASK = re.compile(r"\[([ xX])\](?:\s+|$)")
# The beginning of a line that may yet become anything: a marker, a fence, a rule. It is not shown before more came.
_UNTOLD = re.compile(r"[ \t>]*(?:[-=*_+#`~|:> ]+|[0-9]{1,9}[.)])[ \t]*|[ \t]*(?:`{3,}|~{3,})[^`\n]*")


class Page:
    """One answer. ``width`` may be changed between calls; what is printed already stays as it is."""

    def __init__(self, theme: Theme, width: int, *, base: tuple[str, ...] = (), margin: str = "") -> None:
        self.width = width
        self._theme = theme
        self._base = base
        self._margin = margin
        self._safe = SafeStream()
        self._reader = BlockReader()
        self._inline = InlineReader()
        self._parts: list[str] = []  # of the line that has not ended
        self._size = 0
        self._asked = False  # whether the line that has not ended was found to be running text, or not
        self._prose = True
        self._folding = False
        self._lines = 0
        # where the last block stood, and what goes on from row to row
        self._path: Path = ()
        self._begun = False
        self._carry: Row = []
        self._highlighter: Highlighter | None = None
        self._header: Cells | None = None
        self._align: tuple[str, ...] = ()
        self._rows: list[Cells] = []
        self._table_size = 0
        self._table_gap = False
        self._columns: Layout | None = None
        self._after: list[tuple[int, Callable[[int], str]]] = []

    # In

    def feed(self, text: str) -> list[str]:
        """Take text and give the rows that are finished now."""
        return self._take(self._safe.feed(text))

    def close(self) -> list[str]:
        """The answer ends: the rows that are left."""
        rows = self._take(self._safe.close())
        rest = "".join(self._parts)
        self._parts, self._size = [], 0
        placed = (self._reader.feed(rest) if rest else []) + self._reader.close()
        rows += self._lay(placed)
        rows += self._previews(final=True)
        return rows

    def tail(self, rows: int) -> list[str]:
        """What would be printed if the answer ended here, within the width; of a giant line only its last ``rows``."""
        rest = "".join(self._parts)
        if self._reader.open != "fence" and self._is_untold(rest):
            rest = ""
        room = max(rows, 1) * self.width
        if self._reader.open == "fence" and len(rest) > 2 * room:  # one line taller than the screen: its end is seen
            rest = rest[-room:]
        other = copy.copy(self)
        other._rows = self._rows[:]
        other._carry = self._carry[:]
        other._after = []
        other._folding = True
        other._highlighter = self._highlighter.fork() if self._highlighter else None
        reader = self._reader.fork()
        other._reader = reader
        other._inline = self._inline.fork()
        placed = (reader.feed(rest) if rest else []) + reader.close()
        return other._lay(placed)

    @property
    def in_line(self) -> bool:
        """Whether the line that came last has not ended."""
        return bool(self._parts)

    def _is_untold(self, rest: str) -> bool:
        if len(rest) > 80:
            return False
        return bool(_UNTOLD.fullmatch(rest)) or (self._begun and rest.strip().isdigit())  # mostly an item's number

    def after_line(self, show: Callable[[int], str]) -> None:
        """Print what ``show`` makes for a width, after the block that the present line belongs to."""
        self._after.append((self._lines, show))

    # Lines

    def _take(self, text: str) -> list[str]:
        rows: list[str] = []
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._parts.append(text[start:end])
            self._size += end - start
            start = end + 1
            rows += self._relieve()
            line = "".join(self._parts)
            self._parts, self._size, self._asked = [], 0, False
            rows += self._lay(self._reader.feed(line))
            self._lines += 1
            if self._after:
                rows += self._previews()
        if start < len(text):
            self._parts.append(text[start:])
            self._size += len(text) - start
            rows += self._relieve()
        return rows

    def _relieve(self) -> list[str]:
        """Read the beginning of a line that grows too long, if it is running text."""
        rows: list[str] = []
        while self._size > LONGEST and (self._prose or not self._asked):
            if len(self._parts) > 1:
                self._parts = ["".join(self._parts)]
            head, rest = self._parts[0][:LONGEST], self._parts[0][LONGEST:]
            if not self._asked:
                self._asked = True
                trial = self._reader.fork()
                trial.feed(head)
                self._prose = trial.open == "paragraph"
                if not self._prose:
                    break
            self._parts, self._size = [rest], len(rest)
            rows += self._lay(self._reader.feed(head, whole=False))
        return rows

    def _previews(self, *, final: bool = False) -> list[str]:
        rows: list[str] = []
        while self._after and (final or (self._after[0][0] < self._lines and not self._reader.open)):
            _, show = self._after.pop(0)
            if shown := show(self.width):
                rows.append(shown.rstrip("\n"))
        return rows

    # Rows

    def _lay(self, placed: list[Placed]) -> list[str]:
        rows: list[str] = []
        for each in placed:
            rows.extend(self._block(each))
        return rows

    def _block(self, placed: Placed) -> Iterator[str]:
        block, path = placed.block, placed.path
        match block:
            case CodeLine():
                # a long line is left to the terminal to break, so that it is copied whole
                assert self._highlighter is not None
                yield from self._put([self._highlighter.line(block.text)], path)
            case CodeEnd():
                if self._highlighter is not None:
                    self._highlighter = None
                    yield from self._put(self._frame(path), path)
            case TableRow():
                yield from self._row(block, path)
            case TableEnd():
                yield from self._table(path)
                self._header, self._columns, self._rows = None, None, []
            case TableStart():
                self._header = [self._inline.read(cell) for cell in block.header]
                self._align, self._table_gap, self._table_size = block.align, placed.gap, 0
            case Paragraph() if not block.first:
                yield from self._part(block, path)
            case _:
                yield from self._new(block, path, gap=placed.gap)

    def _new(self, block: Block, path: Path, *, gap: bool) -> Iterator[str]:
        """A block that stands for itself."""
        yield from self._space(path, gap)
        match block:
            case Paragraph():
                yield from self._part(block, path)
            case Heading():
                definitions, text = self._inline.definitions(block.text) if "\n" in block.text else ([], block.text)
                style = f"heading{min(block.level, 4)}"
                spans = [span._replace(styles=(style, *span.styles)) for span in self._inline.read(text)]
                if self._theme.bare:  # nothing else would tell it from a paragraph
                    spans.insert(0, Span("#" * block.level + " "))
                yield from self._put(self._defined(definitions, path), path)
                yield from self._put(wrap(spans, self._prose_width(path)), path)
            case Rule():
                yield from self._put([[Span("─" * min(self._room(path), _WIDEST_PROSE), ("frame",))]], path)
            case CodeStart():
                words = block.info.split() if block.info else []
                self._highlighter = Highlighter(words[0].strip("{}.").split(",")[0] if words else "")
                yield from self._put(self._frame(path, safe(block.info or "")), path)
            case Formula():
                rows = [row for line in block.lines for row in wrap([Span(line, ("math",))], self._prose_width(path))]
                yield from self._put(rows, path)
            case Hollow():
                yield from self._put([[]], path)

    def _part(self, block: Paragraph, path: Path) -> Iterator[str]:
        text = block.text
        if block.first:
            definitions, text = self._inline.definitions(text)
            if definitions:
                yield from self._put(self._defined(definitions, path), path)
                if not text:
                    return
            path, text = self._task(path, text)
        if self._folding:
            text = completed(text)
        spans = [*self._carry, *self._inline.read(text)]
        self._carry = []
        if any(isinstance(container, Quote) for container in path):
            spans = [span._replace(styles=("quote", *span.styles)) for span in spans]
        rows = wrap(spans, self._prose_width(path))
        if not block.last:
            self._carry = rows.pop()
        yield from self._put(rows, path)

    def _task(self, path: Path, text: str) -> tuple[Path, str]:
        """A task's box stands where the bullet of its item would."""
        item = path[-1] if path else None
        if not isinstance(item, Item) or item.number is not None:
            return path, text
        found = _TASK.match(text)
        if found is None or any(item.serial == each.serial for each in self._path):
            return path, text
        box = "☐" if found[1] == " " else "☑"
        return (*path[:-1], Item(item.serial, item.list_serial, item.width, box, None)), text[found.end() :]

    def _defined(self, definitions: list[str], path: Path) -> list[Row]:
        return [row for line in definitions for row in wrap([Span(safe(line), ("target",))], self._room(path))]

    def _frame(self, path: Path, label: str = "") -> list[Row]:
        room = self._room(path)
        whole = min(_FRAME, self.width // 2, room)
        if not label:
            return [[Span("─" * max(whole, 1), ("frame",))]]
        rest = max(whole - width_of(label) - 4, 2)
        if width_of(label) + rest + 4 <= room:
            return [[Span("── ", ("frame",)), Span(label, ("label",)), Span(" " + "─" * rest, ("frame",))]]
        lead = [Span("── "[: max(room - 8, 0)], ("frame",))]
        return [[*lead, *row] for row in wrap([Span(label, ("label",))], room - width_of(lead[0].text))]

    def _row(self, block: TableRow, path: Path) -> Iterator[str]:
        cells = [self._inline.read(cell) for cell in block.cells]
        if self._columns is not None:
            yield from self._put(self._columns.row(cells, first=False), path)
            return
        self._rows.append(cells)
        self._table_size += sum(map(len, block.cells))
        if len(self._rows) >= _SETTLED_ROWS or self._table_size >= _SETTLED_SIZE:
            yield from self._table(path)

    def _table(self, path: Path) -> Iterator[str]:
        """The table so far, when it has ended or grown too long to be held back."""
        if self._header is None or self._columns is not None:
            return
        yield from self._space(path, self._table_gap)
        self._columns = layout = settle(self._header, self._rows, self._align, self._room(path))
        yield from self._put(layout.head(self._header), path)
        for number, cells in enumerate(self._rows):
            yield from self._put(layout.row(cells, first=not number), path)
        self._rows = []

    # Where it stands

    def _room(self, path: Path) -> int:
        taken = sum(width_of(mark.text) for mark in self._marks(path))
        return max(self.width - taken, min(_NARROWEST, self.width), 1)

    def _prose_width(self, path: Path) -> int:
        return min(self._room(path), _WIDEST_PROSE)

    def _space(self, path: Path, gap: bool) -> Iterator[str]:
        """An empty row before a block, unless it follows closely inside a list."""
        last = self._path
        if not self._begun:
            return
        common = 0
        while common < min(len(last), len(path)) and last[common].serial == path[common].serial:
            common += 1
        inside = common > 0 and isinstance(path[common - 1], Item)
        brothers = (
            common < min(len(last), len(path))
            and isinstance(one := last[common], Item)
            and isinstance(other := path[common], Item)
            and one.list_serial == other.list_serial
        )
        if gap or not (inside or brothers):
            yield (self._margin + self._paint(self._marks(path[:common]))).rstrip()

    def _put(self, rows: list[Row], path: Path) -> Iterator[str]:
        """Rows with what their containers put before them: a marker before the first of an item, or room for it."""
        for row in rows:
            placed = [*self._marks(path), *row]
            self._path, self._begun = path, True
            for piece in fold_row(placed, self.width) if self._folding else (placed,):
                yield self._margin + self._paint(piece)

    def _marks(self, path: Path) -> list[Span]:
        shown = {container.serial for container in self._path}
        marks: list[Span] = []
        bullets = 0
        for container in path:
            if isinstance(container, Quote):
                marks.append(Span("│ ", ("frame",)))
                continue
            if container.number is not None:
                mark = f"{container.number}{container.mark} "
            elif container.mark in "☐☑":
                mark = f"{container.mark} "
            else:
                mark = f"{_BULLETS[min(bullets, 2)]} "
                bullets += 1
            if container.serial in shown:
                marks.append(Span(" " * len(mark)))
            else:
                marks.append(Span(mark, ("done" if container.mark == "☑" else "marker",)))
        return marks

    def _paint(self, row: Row) -> str:
        return "".join(self._theme.paint(span.text, *self._base, *span.styles, link=span.link) for span in merged(row))
