"""Rows of numbers and words: a table with bars for a person at a terminal, tab-separated lines for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from elkcli.environment import Environment
from elkcli.terminal.safe import safe_line
from elkcli.terminal.screen import measure

_BAR = 24
_GAP = 3
_NARROWEST = 8
_LONGEST = 400
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Column(NamedTuple):
    """``number`` stands to the right; ``elastic`` gives way where the terminal is narrow, all others never do."""

    heading: str
    number: bool = False
    elastic: bool = False


Cell: TypeAlias = str | float
"""Words, or a share of the largest value: 0 to 1, drawn as a bar."""


def tab_separated(rows: Iterable[Sequence[object]]) -> str:
    """One line for each row; ``None`` is an empty field. A tab or a line break inside one becomes a space."""
    return "".join("\t".join(_field(cell) for cell in row) + "\n" for row in rows)


def _field(cell: object) -> str:
    return "" if cell is None else " ".join(str(cell).replace("\t", " ").splitlines())


def bar(share: float, width: int = _BAR) -> str:
    """A bar of ``share`` of ``width`` characters, to an eighth of one; anything above nothing is seen."""
    if share <= 0:
        return ""
    eighths = max(1, round(min(share, 1.0) * width * 8))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def table(
    environment: Environment,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    *,
    color: bool,
    footer: Sequence[str] | None = None,
) -> str:
    """A table as wide as its words, at most as wide as the terminal. Cells are foreign text and are made safe."""
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[cell if isinstance(cell, float) else safe_line(cell, _LONGEST) for cell in row] for row in rows]
    last = [safe_line(cell, _LONGEST) for cell in footer] if footer else None
    room = measure(environment, environment.stdout)[0]
    widths = _widths(columns, [*cells, *([last] if last else [])], room)
    style = "bold" if color else ""
    drawn = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        show_footer=last is not None,
        header_style=style,
        footer_style=style,
    )
    for place, column in enumerate(columns):
        drawn.add_column(
            column.heading,
            footer=Text(last[place]) if last else "",
            justify="right" if column.number else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=widths[place],
        )
    for row in cells:
        drawn.add_row(
            *(Text(bar(cell, widths[place]) if isinstance(cell, float) else cell) for place, cell in enumerate(row))
        )
    paper = StringIO()
    Console(
        file=paper,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        width=max(room, sum(widths) + _GAP * len(widths)),
        legacy_windows=False,
        _environ={},
    ).print(drawn)
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines()) + "\n"


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], room: int) -> list[int]:
    """How wide each column is drawn. What is too much is taken from the widest elastic one, again and again."""
    from rich.cells import cell_len

    def room_for(cell: Cell) -> int:
        return _BAR if isinstance(cell, float) else cell_len(cell)

    widths = [
        max([cell_len(column.heading), *(room_for(row[place]) for row in rows)]) for place, column in enumerate(columns)
    ]
    elastic = [place for place, column in enumerate(columns) if column.elastic]
    over = sum(widths) + _GAP * (len(widths) - 1) - room
    while over > 0 and elastic:
        widest = max(elastic, key=lambda place: widths[place])
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
        over -= 1
    return widths
