"""Signals: the run ends at once, with the right code, and what came is on standard output and kept."""

from __future__ import annotations

import signal
import threading
import time
from base64 import b64encode

import pytest

from tests import samples
from tests.conftest import Elkcli, Process, wait_until
from tests.server import DONE, Pause, Server, Until, chunk, event

pytestmark = pytest.mark.slow

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def ended(process: Process, *, within: float = 10.0) -> float:
    """Wait for the end; how long it took."""
    began = time.monotonic()
    wait_until(lambda: process.popen.poll() is not None, within=within, what="the end")
    return time.monotonic() - began


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_while_waiting_for_the_first_word(number: signal.Signals, elkcli: Elkcli, server: Server) -> None:
    server.stalls()
    process = elkcli.process("ask", "hi")
    wait_until(lambda: server.requests)
    process.signal(number)
    ended(process)
    result = process.result()
    assert (result.code, result.out) == (CODES[number], b"")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_in_mid_stream_what_came_is_printed(number: signal.Signals, elkcli: Elkcli, server: Server) -> None:
    server.stalls(after="Hel")
    process = elkcli.process("ask", "hi")
    assert process.read(3) == b"Hel"
    process.signal(number)
    ended(process)
    result = process.result()
    assert result.code == CODES[number]
    assert result.out.strip() == b""
    assert "Traceback" not in result.err


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_in_mid_stream_what_came_is_kept(number: signal.Signals, elkcli: Elkcli, server: Server) -> None:
    server.stalls(after="Hel")
    process = elkcli.process("ask", "hi")
    assert process.read(3) == b"Hel"
    process.signal(number)
    assert process.result().code == CODES[number]
    assert b"Hel" in elkcli("history", "show").succeeds().out


def test_what_was_held_back_is_printed_too(elkcli: Elkcli, server: Server) -> None:
    """Text that might become an image is not shown at once; an interrupt shows it."""
    server.stalls(after="Hello ![image](data")
    process = elkcli.process("ask", "hi")
    assert process.read(15) == b"Hello ![image]("
    time.sleep(0.1)
    process.signal(signal.SIGINT)
    result = process.result()
    assert result.code == 130
    assert result.out.rstrip(b"\n") == b"data"


def test_between_two_tries(elkcli: Elkcli, server: Server) -> None:
    server.fails(503, {"error": {"message": "later"}}, {"Retry-After": "30"})
    process = elkcli.process("ask", "hi")
    wait_until(lambda: server.requests)
    time.sleep(0.1)
    process.signal(signal.SIGINT)
    ended(process)
    assert process.result().code == 130
    assert len(server.requests) == 1


def test_twice_in_a_row(elkcli: Elkcli, server: Server) -> None:
    server.stalls(after="Hel")
    process = elkcli.process("ask", "hi")
    process.read(3)
    process.signal(signal.SIGINT)
    process.signal(signal.SIGINT)
    ended(process)
    result = process.result()
    assert result.code == 130
    assert "Traceback" not in result.err


@pytest.mark.parametrize("delay", [0.12, 0.2, 0.3])
def test_at_any_moment_of_the_start(delay: float, elkcli: Elkcli, server: Server) -> None:
    server.stalls()
    process = elkcli.process("ask", "hi", "-v")
    time.sleep(delay)
    process.signal(signal.SIGTERM)
    ended(process)
    result = process.result()
    assert result.code == 143
    assert "Traceback" not in result.err


def test_an_ignored_interrupt_stays_ignored(elkcli: Elkcli, server: Server) -> None:
    go = threading.Event()
    server.streams(event(chunk("Hel")), Until(go), event(chunk("lo")), event(chunk(finish="stop")), DONE)
    process = elkcli.process("ask", "hi", through=["bash", "-c", "trap '' INT HUP; exec \"$@\"", "bash"])
    assert process.read(3) == b"Hel"
    process.signal(signal.SIGINT)
    process.signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.popen.poll() is None
    go.set()
    result = process.result()
    assert (result.code, result.out, result.err) == (0, b"lo\n", "")


def test_ctrl_c_at_a_terminal_keeps_what_came_and_leaves_the_terminal_as_it_was(elkcli: Elkcli, server: Server) -> None:
    server.stalls(after="Hello wor")
    terminal = elkcli.terminal("ask", "hi")
    terminal.see("Hello")
    terminal.press("ctrl-c")
    assert terminal.exit(within=2) == 130
    assert "Hello" in terminal.screen
    assert "Traceback" not in terminal.screen
    assert terminal.received.count(b"\x1b[?25l") == terminal.received.count(b"\x1b[?25h"), "the cursor is shown again"


def test_a_terminal_that_goes_away_hangs_it_up(elkcli: Elkcli, server: Server) -> None:
    server.stalls(after="Hello wor")
    terminal = elkcli.terminal("ask", "hi")
    terminal.see("Hello")
    terminal.signal(signal.SIGHUP)
    assert terminal.exit(within=2) == 129


@pytest.mark.parametrize("seen", ["", "Hello"])
def test_a_window_that_is_closed_ends_it_at_once(elkcli: Elkcli, server: Server, seen: str) -> None:
    # SIGHUP and SIGCONT come together then
    for _ in range(3):
        server.stalls(after="Hello wor" if seen else "")
        terminal = elkcli.terminal("ask", "hi").see(seen or "1s")
        assert terminal.leave(within=2) == 129


def test_two_signals_at_once_end_it_at_once(elkcli: Elkcli, server: Server) -> None:
    for _ in range(3):
        server.stalls(after="Hello wor")
        terminal = elkcli.terminal("ask", "hi").see("Hello")
        terminal.signal(signal.SIGTERM)  # as timeout(1) does it
        terminal.signal(signal.SIGCONT)
        assert terminal.exit(within=2) == 143


def test_kill_9_loses_no_more_than_the_last_seconds(elkcli: Elkcli, server: Server) -> None:
    server.stalls(after="A dear answer")
    process = elkcli.process("ask", "hi")
    assert process.read(13) == b"A dear answer"
    time.sleep(2.2)
    process.signal(signal.SIGKILL)
    process.result()
    assert b"A dear answer" in elkcli("history", "show").succeeds().out


def test_what_came_of_a_picture_is_kept_too(elkcli: Elkcli, server: Server) -> None:
    picture = samples.png() + bytes(range(256)) * 1000
    line = event(chunk(f"![image](data:image/png;base64,{b64encode(picture).decode()})"))
    server.streams(chunk("Here: "), line[:200_000], Pause(30))
    process = elkcli.process("ask", "a fox")
    assert process.read(6) == b"Here: "
    time.sleep(0.3)  # until the line has come as far as it does
    process.signal(signal.SIGINT)
    result = process.result()
    assert result.code == 130
    (file,) = elkcli.work.glob("*.png")
    assert len(file.read_bytes()) > 140_000
    assert picture.startswith(file.read_bytes())
