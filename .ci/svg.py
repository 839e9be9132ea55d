"""A terminal's screen as an SVG picture: self-contained, the same on every machine, whatever fonts it has."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import pyte
from pyte.screens import wcwidth

WIDE, HIGH, SIZE = 8.4, 18.0, 14
PAD, BAR = 18.0, 34.0
GROUND, INK, EDGE, QUIET = "#14181f", "#d7dce4", "#39424f", "#8a94a3"
COLOURS = {
    "black": "#14181f", "red": "#f47067", "green": "#7ec699", "brown": "#e5c07b", "blue": "#6cb6ff",
    "magenta": "#d2a8ff", "cyan": "#6fd3d9", "white": "#d7dce4", "brightblack": "#8a94a3", "brightred": "#ff938a",
    "brightgreen": "#9be9a8", "brightbrown": "#f2d48f", "brightblue": "#91cbff", "brightmagenta": "#e2c5ff",
    "brightcyan": "#9be7ea", "brightwhite": "#ffffff",
}  # fmt: skip
FONT = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
# How far lines reach from the middle of a cell: left, right, up, down. Drawn, since fonts leave gaps between rows.
LINES = {
    "─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "rud", "┤": "lud", "┬": "lrd", "┴": "lru",
    "┼": "lrud", "╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "━": "LR", "┃": "UD", "╸": "L", "╺": "R", "▌": "B",
}  # fmt: skip


class Glass(pyte.HistoryScreen):
    """pyte's screen, but that what is dim stays dim (kept as ``blink``, of which there is none here)."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, history=1000)

    def draw(self, data: str) -> None:
        """Without characters that take no room, which fonts draw as they like."""
        super().draw("".join(character for character in data if wcwidth(character) > 0))

    def select_graphic_rendition(self, *attrs: int, **kwargs: Any) -> None:
        """``2`` as ``5``, and ``22`` as the end of both."""
        given, out, at = list(attrs), [], 0
        while at < len(given):
            step = {2: 5, 5: 3}.get(given[at + 1], 1) if given[at] in (38, 48) and at + 1 < len(given) else 1
            one = given[at : at + step]
            out += [5] if one == [2] else [22, 25] if one == [22] else one
            at += step
        super().select_graphic_rendition(*out, **kwargs)


def draw(glass: Glass, title: str, *, first: int = 0, rows: int | None = None) -> str:
    """The lines of ``glass`` from ``first`` on, in a window with this title."""
    lines = [*glass.history.top, *(glass.buffer[y] for y in range(glass.lines))]
    if rows is None:
        rows = len(lines)
        while rows and not "".join(lines[rows - 1][x].data for x in range(glass.columns)).strip():
            rows -= 1
        rows -= first
    width, height = glass.columns * WIDE + 2 * PAD, rows * HIGH + BAR + PAD
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" font-family="{FONT}" font-size="{SIZE}" fill="{INK}">',
        f"<title>{escape(title)}</title>",
        f'<rect x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1:.1f}" rx="9" fill="{GROUND}" '
        f'stroke="{EDGE}"/>',
        f'<path d="M1 {BAR - 8:.1f}H{width - 1:.0f}" stroke="{EDGE}" stroke-opacity="0.6"/>',
        *(f'<circle cx="{x}" cy="13" r="4.5" fill="{EDGE}"/>' for x in (18, 34, 50)),
        f'<text x="{width / 2:.0f}" y="17" text-anchor="middle" font-size="12" fill="{QUIET}">{escape(title)}</text>',
    ]
    grounds: dict[str, list[str]] = {}
    words: list[str] = []
    for y in range(rows):
        _row(lines[first + y], glass.columns, BAR + y * HIGH, grounds, words)
    out += [f'<path fill="{colour}" shape-rendering="crispEdges" d="{"".join(at)}"/>' for colour, at in grounds.items()]
    return "\n".join([*out, *words, "</svg>"]) + "\n"


def _row(row: Any, columns: int, top: float, grounds: dict[str, list[str]], words: list[str]) -> None:
    x = 0
    while x < columns:
        cell, end = row[x], x + 1
        plain = cell.data.isascii()
        while (
            end < columns
            and row[end][1:] == cell[1:]
            and row[end].data.isascii() == plain
            and (plain or row[end].data == cell.data or not row[end].data)
        ):
            end += 1
        ink, ground = _colour(cell.fg, INK), _colour(cell.bg, "")
        if cell.reverse:
            ink, ground = ground or GROUND, ink
        box = (PAD + x * WIDE, top, (end - x) * WIDE)
        if cell.data in ("▀", "▄"):
            upper, lower = (ink, ground) if cell.data == "▀" else (ground, ink)
            _fill(grounds, upper, box, 0, HIGH / 2)
            _fill(grounds, lower, box, HIGH / 2, HIGH / 2)
        else:
            _fill(grounds, ground, box, 0, HIGH)
            if cell.data in LINES:
                words.append(_lines(LINES[cell.data], (x, end), top, ink, cell))
            else:
                text = "".join(row[at].data for at in range(x, end))
                words += [
                    _text(x + found.start(), top, found[0], ink, cell) for found in re.finditer(r"\S+(?: \S+)*", text)
                ]
        x = end


def _colour(name: str, usual: str) -> str:
    return usual if name == "default" else COLOURS.get(name) or f"#{name}"


def _fill(
    grounds: dict[str, list[str]], colour: str, box: tuple[float, float, float], down: float, high: float
) -> None:
    if colour:
        x, top, wide = box
        grounds.setdefault(colour, []).append(f"M{x:.1f} {top + down:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z")


def _style(ink: str, cell: Any) -> str:
    style = f' fill="{ink}"' if ink != INK else ""
    if cell.bold:
        style += ' font-weight="bold"'
    if cell.italics:
        style += ' font-style="italic"'
    lines = [name for name, on in (("underline", cell.underscore), ("line-through", cell.strikethrough)) if on]
    if lines:
        style += f' text-decoration="{" ".join(lines)}"'
    return style + (' opacity="0.62"' if cell.blink else "")


def _text(x: int, top: float, text: str, ink: str, cell: Any) -> str:
    # every run says how long it is, so that columns stand in line whatever the font
    long = sum(max(0, wcwidth(character)) for character in text) * WIDE
    fit = f' textLength="{long:.1f}" lengthAdjust="spacingAndGlyphs"'
    shown = escape(text).replace(" ", "\u00a0")
    return f'<text x="{PAD + x * WIDE:.1f}" y="{top + 13.4:.1f}"{fit}{_style(ink, cell)}>{shown}</text>'


def _lines(reach: str, span: tuple[int, int], top: float, ink: str, cell: Any) -> str:
    x, end = span
    faint = ' stroke-opacity="0.62"' if cell.blink else ""
    middle = top + HIGH / 2
    path = ""
    for at in range(x, end):
        left = PAD + at * WIDE
        centre = left + WIDE / 2
        if reach in {"lr", "LR"}:
            path = f"M{PAD + x * WIDE:.1f} {middle:.1f}H{PAD + end * WIDE:.1f}"
            break
        if reach == "B":
            path += f"M{left + 2:.1f} {top:.1f}v{HIGH}"
            continue
        for way in reach.lower():
            to = {"l": f"H{left:.1f}", "r": f"H{left + WIDE:.1f}", "u": f"V{top:.1f}", "d": f"V{top + HIGH:.1f}"}[way]
            path += f"M{centre:.1f} {middle:.1f}{to}"
    wide = 4 if reach == "B" else 2 if reach.isupper() else 1
    return f'<path d="{path}" stroke="{ink}" stroke-width="{wide}"{faint}/>'
