"""Lists as tables, for a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from elkcli.environment import Environment
from elkcli.terminal.safe import safe_line


def table(
    environment: Environment, headings: Sequence[str], rows: Iterable[Sequence[str]], *, color: bool = True
) -> str:
    """A table as wide as its words; the first column is never cut, so that it can be copied."""
    columns = environment.variables.get("COLUMNS", "")
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold" if color else "")
    for position, heading in enumerate(headings):
        drawn.add_column(heading, no_wrap=position == 0, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(safe_line(cell, 400)) for cell in row))
    console = Console(
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        width=int(columns) if columns.isascii() and columns.isdigit() and int(columns) > 0 else None,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(drawn)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"
