"""GitHub's tables as they are written: lines with bars, and the rule under the header."""

from __future__ import annotations

import re

from elkcli.terminal.blocks import TableStart

_RULE = re.compile(r"\|?[ ]*:?-+:?[ ]*(?:\|[ ]*:?-+:?[ ]*)*\|?$")


def header_and_sides(header: str, rule: str) -> TableStart | None:
    """The table that begins with these two lines, if they are one's."""
    rule = rule.rstrip(" ")
    if "|" not in header or rule.startswith("- ") or not _RULE.match(rule):
        return None
    marks = [mark.strip(" ") for mark in rule.strip(" ").strip("|").split("|")]
    cells = split_row(header)
    if len(cells) != len(marks):
        return None
    sides = {(True, True): "center", (True, False): "left", (False, True): "right", (False, False): ""}
    return TableStart(tuple(cells), tuple(sides[mark.startswith(":"), mark.endswith(":")] for mark in marks))


def split_row(line: str) -> list[str]:
    r"""The cells of a table's row; ``\|`` is a bar inside one."""
    line = line.strip(" ")
    cells: list[str] = []
    start = 0
    text = ""
    for at, character in enumerate(line):
        if character != "|":
            continue
        if at and line[at - 1] == "\\":
            text += line[start : at - 1]
            start = at
            continue
        cells.append((text + line[start:at]).strip(" "))
        text, start = "", at + 1
    cells.append((text + line[start:]).strip(" "))
    if len(cells) > 1 and not cells[0]:
        cells.pop(0)
    if len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def fit(cells: list[str], columns: int) -> tuple[str, ...]:
    """As many cells as columns. What is over goes into the last: a row that is too long hides nothing."""
    if len(cells) > columns:
        cells = [*cells[: columns - 1], " | ".join(cells[columns - 1 :])]
    return tuple(cells + [""] * (columns - len(cells)))
