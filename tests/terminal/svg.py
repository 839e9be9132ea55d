"""A terminal as a picture: ``python -m tests.terminal.svg FILE.md COLUMNS THEME [dark|light] > picture.svg``."""

from __future__ import annotations

import re
import sys
from html import escape
from pathlib import Path
from typing import Any

from tests.terminal.seen import Desk

WIDE, HIGH = 8.4, 18
DARK = {
    "default": "#d4d4d4", "ground": "#1e1e1e", "black": "#1e1e1e", "red": "#f14c4c", "green": "#23d18b",
    "brown": "#e5e510", "blue": "#3b8eea", "magenta": "#d670d6", "cyan": "#29b8db", "white": "#e5e5e5",
    "brightblue": "#5ea7f5", "brightblack": "#666666",
}  # fmt: skip
LIGHT = {
    "default": "#24292f", "ground": "#ffffff", "black": "#24292f", "red": "#cf222e", "green": "#116329",
    "brown": "#4d2d00", "blue": "#0969da", "magenta": "#8250df", "cyan": "#1b7c83", "white": "#6e7781",
    "brightblue": "#218bff", "brightblack": "#57606a",
}  # fmt: skip


def draw(desk: Desk, palette: dict[str, str]) -> str:
    """The whole of a screen, without the empty rows at its end."""
    glass = desk.glass
    count = len(glass.text.split("\n"))
    out: list[str] = []
    for y in range(count):
        row = glass.buffer[y]
        x = 0
        while x < glass.columns:
            cell = row[x]
            end = x + 1
            while end < glass.columns and row[end][1:] == cell[1:] and cell.data.isascii() and row[end].data.isascii():
                end += 1
            text = "".join(row[at].data for at in range(x, end))
            # leading blanks are dropped by more than one reader of SVG
            out += [_text(x + word.start(), y, word[0], cell, palette) for word in re.finditer(r"\S+(?: \S+)*", text)]
            x = end
    width, height = glass.columns * WIDE + 24, count * HIGH + 24
    font = 'font-family="\'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {font}>'
        f'<rect width="100%" height="100%" rx="8" fill="{palette["ground"]}"/>\n' + "\n".join(out) + "\n</svg>\n"
    )


def _text(x: int, y: int, text: str, cell: Any, palette: dict[str, str]) -> str:
    color = palette.get(cell.fg) or f"#{cell.fg}"
    style = [f'fill="{color}"']
    if cell.bold:
        style.append('font-weight="bold"')
    if cell.italics:
        style.append('font-style="italic"')
    lines = [name for name, on in (("underline", cell.underscore), ("line-through", cell.strikethrough)) if on]
    if lines:
        style.append(f'text-decoration="{" ".join(lines)}"')
    if getattr(cell, "blink", False):  # how this Glass keeps what is dim: pyte knows no such thing
        style.append('opacity="0.6"')
    shown = escape(text).replace(" ", "\u00a0")
    left, base = 12 + x * WIDE, 12 + (y + 0.75) * HIGH
    length = f' textLength="{len(text) * WIDE:.1f}"' if text.isascii() else ""
    return f'<text x="{left:.1f}" y="{base:.1f}"{length} {" ".join(style)}>{shown}</text>'


def main(source: str, columns: str, theme: str, ground: str = "dark") -> None:
    """Draw a Markdown file as elkcli shows it."""
    desk = Desk(int(columns), 2000, look="color", theme=theme, variables={"COLORTERM": "truecolor"})
    plain = desk.write
    desk.write = lambda text: plain(text.replace("\x1b[2m", "\x1b[5m").replace("\x1b[2;", "\x1b[5;"))  # type: ignore[method-assign]
    desk.feed(Path(source).read_text(encoding="utf-8"))
    desk.close()
    sys.stdout.write(draw(desk, LIGHT if ground == "light" else DARK))


if __name__ == "__main__":
    main(*sys.argv[1:])
