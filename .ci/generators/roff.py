"""Words as man(7) source: escaped, with ``code`` in bold, and the macros of lists and examples."""

from __future__ import annotations

import re
from collections.abc import Iterable

SIGNS = {"\\": r"\(rs", "'": r"\(aq", "`": r"\(ga", "~": r"\(ti", "^": r"\(ha", "…": r"\&...", "×": r"\(mu"}


def literal(text: str) -> str:
    """Text that can be copied from the page and typed."""
    return plain(text).replace("-", r"\-")


def plain(text: str) -> str:
    """Prose: no character of it means anything to the formatter."""
    text = "".join(SIGNS.get(char, char if ord(char) < 127 else f"\\[u{ord(char):04X}]") for char in text)
    return re.sub(r"(?m)^(?=[.])", r"\\&", text)


def prose(text: str) -> str:
    """Prose in which backquotes and long options stand out."""
    parts = re.split(r"`([^`]+)`|((?<![\w-])--?[a-z][a-z-]*)", text)
    out = plain(parts[0])
    for quoted, option, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        out += bold(quoted or option) + plain(after)
    out = re.sub(r"(?<=[\w)][.]) (?=[A-Z\\\\])", "\n", out)  # a line for each sentence, as the macros want it
    return re.sub(r"(?m)^(?=[.])", r"\\&", out)


def bold(text: str) -> str:
    """What is typed as it is."""
    return rf"\fB{literal(text)}\fR"


def italic(text: str) -> str:
    """What stands for something else."""
    return rf"\fI{literal(text)}\fR"


def placeholder(text: str) -> str:
    """An option's value: capitals stand for something, small letters are typed as they are."""
    return re.sub(
        r"([A-Z]{2,}|[NWH](?![A-Za-z]))|([^A-Z]+|[A-Z])", lambda m: italic(m[1]) if m[1] else bold(m[2]), text
    )


def item(head: str, body: str) -> str:
    """One entry of a list of terms."""
    return f".TP\n{head}\n{body or chr(92) + '&'}"


def section(title: str, body: str) -> str:
    """A section, or nothing where it would be empty."""
    return f".SH {title}\n{body}" if body.strip() else ""


def subsection(title: str, body: str) -> str:
    """A part of a section."""
    return f".SS {title}\n{body}" if body.strip() else ""


def example(lines: Iterable[str]) -> str:
    """Lines to type."""
    shown = "\n".join(literal(line) for line in lines)
    return f".RS 4\n.EX\n{shown}\n.EE\n.RE"


def paragraphs(text: str) -> str:
    """Paragraphs of prose."""
    return "\n.PP\n".join(prose(block) for block in text.split("\n\n") if block.strip())
