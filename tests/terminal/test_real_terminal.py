"""The rendering display on a pty, in a process of its own: signals, a window that changes, a terminal that is stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.terminals import Terminal

pytestmark = pytest.mark.slow

PROGRAM = """
import sys, time
from elkcli.conversation import Text
from elkcli.environment import Environment
from elkcli.terminal.markdown import MarkdownDisplay
with MarkdownDisplay(Environment.real(), color=True, theme="auto", reasoning=True) as display:
    for number in range(30):
        for word in f"Paragraph number {number} has a few words to say and says them.".split(" "):
            display.show(Text(word + " "))
            time.sleep(0.003)
        display.show(Text("\\n\\n"))
print("the end")
"""


def start(columns: int = 60, rows: int = 12) -> Terminal:
    root = Path(__file__).parents[2]
    return Terminal(
        [sys.executable, "-c", PROGRAM],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        columns=columns,
        rows=rows,
    )


def test_a_real_stream_is_seen_whole() -> None:
    terminal = start()
    terminal.exit()
    for number in range(30):
        assert terminal.scrolled.count(f"number {number} has a few words to say and says them.") == 1


def test_a_window_that_grows_in_mid_stream_repeats_and_loses_nothing() -> None:
    terminal = start(40, 12)
    terminal.see("number 10")
    terminal.resize(100, 30)
    terminal.exit()
    seen = " ".join(terminal.scrolled.split())
    for number in range(30):
        assert seen.count(f"number {number} has a few words to say and says them.") == 1


def test_after_a_pause_in_the_shell_nothing_of_the_shell_is_erased() -> None:
    terminal = start()
    terminal.see("number 5")
    terminal.signal(signal.SIGSTOP)
    terminal.settle(0.2)
    terminal.view.carriage_return()  # as shells do: the open row may have no room for their words
    terminal.view.linefeed()
    terminal.view.draw("[1]+ Stopped")
    terminal.view.carriage_return()
    terminal.view.linefeed()
    terminal.signal(signal.SIGCONT)
    terminal.exit()
    assert "[1]+ Stopped" in terminal.scrolled
    seen = " ".join(terminal.scrolled.split())
    for number in range(30):
        assert f"number {number} has a few words to say and says them." in seen


def test_ctrl_c_keeps_what_came_and_ends_at_once() -> None:
    terminal = start()
    terminal.see("number 5")
    begun = time.monotonic()
    terminal.press("ctrl-c")
    terminal.exit()
    assert time.monotonic() - begun < 3
    assert "number 4 has a few words to say and says them." in terminal.scrolled
    assert "KeyboardInterrupt" in terminal.scrolled


STUCK = """
import sys, time
from elkcli.conversation import Text
from elkcli.environment import Environment
from elkcli.terminal.markdown import MarkdownDisplay
try:
    with MarkdownDisplay(Environment.real(), color=True, theme="auto", reasoning=True) as display:
        display.show(Text("many words, more than a terminal takes unread\\n\\n" * 20_000))
        time.sleep(1)
        raise KeyboardInterrupt
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_a_terminal_that_is_not_read_does_not_hold_up_the_end() -> None:
    root = Path(__file__).parents[2]
    master, slave = os.openpty()
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", STUCK], stdin=slave, stdout=slave, stderr=slave, cwd=root, timeout=20, check=False
    )
    assert ended.returncode == 7
    assert time.monotonic() - begun < 8
    os.close(slave)
    os.close(master)
