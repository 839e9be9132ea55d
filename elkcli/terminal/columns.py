"""Tables: rows that stand under one another in columns, or in a narrow room one field under another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from elkcli.terminal.inline import Span
from elkcli.terminal.layout import Row, longest_word, width_of, wrap

Cells: TypeAlias = Sequence[Sequence[Span]]
_BETWEEN = " │ "
# Words up to this length are not torn to make a table fit; of a column's name, so much is enough.
_WORD = 14
_NAME = 8


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table, once their widths are settled. ``airy`` tables have cells of several rows."""

    widths: tuple[int, ...]
    align: tuple[str, ...]
    airy: bool

    def head(self, header: Cells) -> list[Row]:
        """The names of the columns, and the line under them."""
        return [*self._lines(header, "header"), [Span("─┼─".join("─" * width for width in self.widths), ("frame",))]]

    def row(self, cells: Cells, *, first: bool) -> list[Row]:
        """One row of the table, as high as its highest cell."""
        rows = self._lines(cells)
        if self.airy and not first:
            bars = _BETWEEN.join(" " * width for width in self.widths).rstrip()
            rows.insert(0, [Span(bars, ("frame",))])
        return rows

    def _lines(self, cells: Cells, *styles: str) -> list[Row]:
        blocks = [wrap(cell, width) for cell, width in zip(cells, self.widths, strict=True)]
        rows: list[Row] = []
        for line in range(max(map(len, blocks))):
            row: Row = []
            for number, (block, width, align) in enumerate(zip(blocks, self.widths, self.align, strict=True)):
                if number:
                    row.append(Span(_BETWEEN, ("frame",)))
                content = block[line] if line < len(block) else []
                room = width - sum(width_of(span.text) for span in content)
                left = {"right": room, "center": room // 2}.get(align, 0)
                row.append(Span(" " * left))
                row += [span._replace(styles=(*styles, *span.styles)) for span in content]
                if number < len(blocks) - 1:
                    row.append(Span(" " * (room - left)))
            rows.append(row)
        return rows


@dataclass(frozen=True, slots=True)
class Records:
    """A table with no room for columns side by side: each field under the one before, with the name of its column."""

    header: Cells
    width: int

    def head(self, header: Cells) -> list[Row]:
        """Nothing: the names stand with the fields."""
        return []

    def row(self, cells: Cells, *, first: bool) -> list[Row]:
        """The fields of one row that hold something, after an empty line."""
        rows: list[Row] = [] if first else [[]]
        for name, cell in zip(self.header, cells, strict=True):
            if not _natural(cell):
                continue
            label = [span._replace(styles=("header", *span.styles)) for span in name]
            indent = 2 if self.width > 2 * _NAME else 0
            block = wrap([*label, Span(": "), *cell] if _natural(name) else cell, self.width - indent)
            rows += [block[0], *([Span(" " * indent), *row] for row in block[1:])]
        return rows


Layout: TypeAlias = Columns | Records


def settle(header: Cells, rows: Sequence[Cells], align: tuple[str, ...], room: int) -> Layout:
    """How to lay out these rows in ``room`` columns of screen: what does not fit is taken from the widest column."""
    count = len(align)
    widths = [max(1, *(_natural(row[number]) for row in [header, *rows])) for number in range(count)]
    words = [max((min(longest_word(row[number]), _WORD) for row in rows), default=1) for number in range(count)]
    names = [longest_word(name) for name in header]
    inner = room - len(_BETWEEN) * (count - 1)
    for whole in (_WORD, _NAME):
        least = [max(1, word, min(name, whole)) for word, name in zip(words, names, strict=True)]
        if sum(least) <= inner:
            break
    else:
        if rows and count > 1:
            return Records(header, room)
        least = [1] * count
    _narrow(widths, least, max(inner, count))
    airy = any(len(wrap(cell, width)) > 1 for row in rows for cell, width in zip(row, widths, strict=True))
    return Columns(tuple(widths), align, airy)


def _narrow(widths: list[int], least: Sequence[int], room: int) -> None:
    """Take from the widest columns what is too much, but from none more than leaves it its least."""
    excess = sum(widths) - room
    while excess > 0:
        widest = max((width for width, floor in zip(widths, least, strict=True) if width > floor), default=0)
        if not widest:
            break
        among = [number for number, width in enumerate(widths) if width == widest > least[number]]
        floor = max(max(_below(widths, widest), least[number]) for number in among)
        cut = min(widest - floor, max(1, excess // len(among)))
        for number in among:
            taken = min(cut, excess)
            widths[number] -= taken
            excess -= taken


def _below(widths: Iterable[int], width: int) -> int:
    return max((each for each in widths if each < width), default=1)


def _natural(cell: Sequence[Span]) -> int:
    return sum(width_of(span.text) for span in cell)
