"""Tables: how wide each column is, and rows that stand under one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elkcli.terminal.inline import Span
from elkcli.terminal.layout import Row, width_of, wrap

Cells = Sequence[Sequence[Span]]
_BETWEEN = " │ "


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table, once their widths are settled."""

    widths: tuple[int, ...]
    align: tuple[str, ...]

    def row(self, cells: Cells, *styles: str) -> list[Row]:
        """One row of the table, as high as its highest cell."""
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

    def rule(self) -> Row:
        """The line under the header."""
        return [Span("─┼─".join("─" * width for width in self.widths), ("frame",))]


def settle(rows: Sequence[Cells], align: tuple[str, ...], room: int) -> Columns:
    """Columns for these rows in ``room`` columns of screen: what does not fit is taken from the widest."""
    count = len(align)
    widths = [max(1, *(_natural(row[number]) for row in rows)) for number in range(count)]
    room = max(room - len(_BETWEEN) * (count - 1), count)
    excess = sum(widths) - room
    while excess > 0:
        widest = max(widths)
        next_widest = max((width for width in widths if width < widest), default=1)
        among = [number for number, width in enumerate(widths) if width == widest]
        if widest <= 1:
            break
        cut = min(widest - next_widest, max(1, excess // len(among)))
        for number in among:
            taken = min(cut, excess)
            widths[number] -= taken
            excess -= taken
    return Columns(tuple(widths), align)


def _natural(cell: Sequence[Span]) -> int:
    return sum(width_of(span.text) for span in cell)
