"""The words for the block structure of Markdown: what a reader gives out, and what a page lays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Quote:
    """A block quote that is open. ``serial`` tells it from every other container of the answer."""

    serial: int


@dataclass(frozen=True, slots=True)
class Item:
    """A list item that is open. Its content begins ``width`` columns after its parent's; a bullet has no ``number``."""

    serial: int
    list_serial: int
    width: int
    mark: str
    number: int | None


Container: TypeAlias = Quote | Item
Path: TypeAlias = tuple[Container, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines of running text. A long one comes in parts: ``first`` and ``last`` say whether this is its begin or end."""

    text: str
    first: bool = True
    last: bool = True


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 6. An underlined one came as a paragraph, and may begin with link definitions."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A thematic break."""


@dataclass(frozen=True, slots=True)
class CodeStart:
    """Code begins. ``info`` is None where it is indented, not fenced."""

    info: str | None


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One line of code."""

    text: str


@dataclass(frozen=True, slots=True)
class CodeEnd:
    """Code ends."""


@dataclass(frozen=True, slots=True)
class TableStart:
    """A table begins: its header, and ``left``, ``right``, ``center`` or nothing for each column."""

    header: tuple[str, ...]
    align: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of the table, with as many cells as the header."""

    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableEnd:
    """The table ends."""


@dataclass(frozen=True, slots=True)
class Formula:
    """Displayed mathematics, as it was written."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hollow:
    """A list item that holds nothing."""


Block: TypeAlias = (
    Paragraph | Heading | Rule | CodeStart | CodeLine | CodeEnd | TableStart | TableRow | TableEnd | Formula | Hollow
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A block, the containers it stands in, and whether an empty line came before it."""

    block: Block
    path: Path
    gap: bool = False
