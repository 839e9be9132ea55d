"""What was typed while an answer came: keys that wait for the next prompt, where each Enter sends as it would there."""

from __future__ import annotations

import os
import select

from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.input.vt100_parser import Vt100Parser
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


def take_lines(source: Input) -> None:
    """Take in what came while no prompt was there, nor an answer: the terminal gave it as lines, and Enter as Ctrl-J.

    A single line was entered. Several may be a paste, which nothing marks now: it stays to be looked at.
    """
    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    try:
        while select.select([source.fileno()], [], [], 0)[0]:
            data = os.read(source.fileno(), 65536)
            if not data:  # Ctrl-D; a terminal that is gone says the same for ever, and the prompt finds out
                keys.append(TypedAhead(Keys.ControlD, "\x04"))
                break
            parser.feed(data.decode("utf-8", "surrogateescape"))
    except (OSError, ValueError, NotImplementedError):
        pass
    parser.flush()
    if [press.key for press in keys].count(Keys.ControlJ) == 1 and keys[-1].key == Keys.ControlJ:
        keys[-1] = TypedAhead(Keys.ControlM, "\r")
    store_typeahead(source, keys)


def hold_back(source: Input, *, below: bool) -> None:
    """Send nothing of what waits: it is for the person to decide. ``below``: the line begins with something else."""
    waiting = get_typeahead(source)
    if any(press.key != Keys.CPRResponse for press in waiting):
        new_line = TypedAhead(Keys.ControlJ, "\n")
        kept = [new_line if press.key == Keys.ControlM else press for press in waiting]
        store_typeahead(source, [new_line, *kept] if below else kept)
