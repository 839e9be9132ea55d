"""Templates: the hand-written parts of generated files, with ``@NAME@`` where a table goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Template:
    """A text with holes."""

    text: str

    def fill(self, **values: str) -> str:
        """The text without holes. Both a hole without a value and a value without a hole are mistakes."""
        holes = set(re.findall(r"@([A-Z_]+)@", self.text))
        if holes != {name.upper() for name in values}:
            raise ValueError(f"holes {sorted(holes)}, values {sorted(values)}")
        return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1].lower()], self.text)


def template(name: str) -> Template:
    """The template in the file ``name``."""
    return Template((FOLDER / name).read_text(encoding="utf-8"))
