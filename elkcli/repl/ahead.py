"""What was typed while an answer came: keys that wait for the next prompt, where each Enter sends as it would there."""

from __future__ import annotations

import select

from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys


class TypedAhead(KeyPress):
    """A key pressed before the prompt was there. It waited, so that keys behind it do not make it part of a paste."""


def take(source: Input) -> None:
    """Take in what has come. To be called while the terminal gives keys as they are pressed, and marks pastes."""
    try:
        while not source.closed and select.select([source.fileno()], [], [], 0)[0]:
            store_typeahead(source, [TypedAhead(press.key, press.data) for press in source.read_keys()])
    except (OSError, ValueError, NotImplementedError):  # gone, or no terminal: the prompt finds out
        return


def hold_back(source: Input, *, below: bool) -> None:
    """Send nothing of what waits: it is for the person to decide. ``below``: the line begins with something else."""
    waiting = get_typeahead(source)
    if any(press.key != Keys.CPRResponse for press in waiting):
        new_line = TypedAhead(Keys.ControlJ, "\n")
        kept = [new_line if press.key == Keys.ControlM else press for press in waiting]
        store_typeahead(source, [new_line, *kept] if below else kept)
