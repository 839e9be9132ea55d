"""What commands print besides answers: text and JSON on standard output, written whole and at once."""

from __future__ import annotations

import json

from elkcli.environment import Environment
from elkcli.terminal.display import standard_output
from elkcli.terminal.safe import safe_json


def print_text(environment: Environment, text: str) -> None:
    """Print ``text``, which must be safe already where a person looks at it."""
    out = standard_output(environment)
    out.write(text.encode("utf-8", "backslashreplace"))
    out.flush()


def print_json(environment: Environment, value: object) -> None:
    """Print ``value`` as indented JSON, its strings made safe at a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    print_text(environment, safe_json(text) if environment.stdout_is_terminal else text)
