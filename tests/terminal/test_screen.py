"""Rows that stay, and the tail below them: resizing, odd characters, terminals that cannot move their cursor."""

from __future__ import annotations

import io
from typing import Any

import pyte
import pytest

from elkcli.environment import Environment
from elkcli.terminal.screen import Screen, measure
from tests.terminal.seen import Desk, Glass


def numbered(count: int) -> str:
    return "".join(f"Paragraph number {number} has a few words to say and says them.\n\n" for number in range(count))


@pytest.mark.parametrize("columns", [20, 30, 41, 60, 100])
@pytest.mark.parametrize("rows", [3, 5, 12, 40])
def test_a_resize_in_mid_stream_loses_nothing_and_repeats_only_the_open_block(columns: int, rows: int) -> None:
    desk = Desk(40, 12)
    text = numbered(30)
    half = text.index("number 15") + 20
    for at in range(0, half, 9):
        desk.feed(text[at : min(at + 9, half)])
    desk.resize(columns, rows)
    for at in range(half, len(text), 9):
        desk.feed(text[at : at + 9])
    seen = " ".join(desk.close().split())
    for number in (*range(14), *range(16, 30)):
        if f"number {number} " not in seen:
            # pyte cuts what is wider than the new window, as old terminals do; what came afterwards is whole
            assert number < 16, number
        assert seen.count(f"number {number} ") <= 1
    assert "number 15 " in seen


def test_growing_the_window_changes_nothing_that_was_printed() -> None:
    desk = Desk(40, 12)
    desk.feed(numbered(5) + "An open paragraph that is long enough to take more than one row")
    desk.resize(80, 24)
    desk.feed(" and goes on.\n")
    text = desk.close()
    assert text.count("open paragraph") == 1
    assert text.count("Paragraph number") == 5


def test_what_follows_a_pause_in_the_shell_starts_on_a_line_of_its_own() -> None:
    desk = Desk(60, 12)
    desk.feed("An open paragraph")
    desk.write("^Z\r\n[1]+ Stopped\r\n$ fg\r\n")
    desk.screen.lose()
    desk.feed(" that goes on")
    text = desk.close()
    assert "[1]+ Stopped\n$ fg\n" in text
    assert text.endswith("An open paragraph that goes on")


def test_a_tail_taller_than_the_screen_shows_its_end_and_is_printed_whole() -> None:
    desk = Desk(20, 5)
    words = " ".join(f"word{number}" for number in range(60))
    desk.feed(words)
    assert "word59" in desk.glass.text
    assert desk.close().split() == words.split()


def test_a_row_as_wide_as_the_window_takes_one_row() -> None:
    desk = Desk(20, 5)
    for letter in "a" * 20 + "\n\nnext":
        desk.feed(letter)
    assert desk.close() == "a" * 20 + "\n\nnext"


def test_without_cursor_movement_only_finished_rows_are_written() -> None:
    written: list[str] = []
    screen = Screen(live=False, size=lambda: (80, 24))
    screen.paint([(written.append, "done")], [(written.append, "open")])
    assert written == ["done\n"]


def test_rows_of_two_streams_keep_their_order() -> None:
    calls: list[tuple[str, str]] = []
    screen = Screen(live=True, size=lambda: (80, 24))

    def to(name: str) -> Any:
        return lambda text: calls.append((name, text))

    out, side = to("out"), to("side")
    screen.paint([(side, "thought"), (out, "answer"), (side, "note")], [])
    assert calls == [("side", "thought\r\n"), ("out", "answer\r\n"), ("side", "note\r\n")]


@pytest.mark.parametrize(("columns", "width"), [("50", 50), ("", 80), ("many", 80), ("0", 80), ("-5", 80), ("٣", 80)])
def test_columns_goes_before_the_terminal(columns: str, width: int) -> None:
    environment = Environment([], {"COLUMNS": columns}, None, io.BytesIO(), io.StringIO())
    assert measure(environment, environment.stdout)[0] == width


def test_a_window_that_is_narrower_than_it_says_cuts_nothing_that_stays() -> None:
    desk = Desk(60, 12)
    desk.glass.resize(12, 30)  # as in tmux, which tells the program later
    text = "Thirty columns are too few for these words, which go on and on and on.\n\nThe end."
    for at in range(0, len(text), 4):
        desk.feed(text[at : at + 4])
    assert "".join(text.split()) in "".join(desk.close().split())


def test_the_tail_is_never_erased_as_a_whole_screen_is() -> None:
    # tmux would keep what it held in the scrollback
    for rows in (1, 2, 3, 12):
        desk = Desk(20, rows)
        text = "An open paragraph that takes several rows, with *emphasis* that ends.\n\n- one\n- two\n"
        for at in range(0, len(text), 3):
            desk.feed(text[at : at + 3])
        desk.close()
        glass = Glass(20, rows)
        for written in desk.written.split("\x1b[J")[:-1]:
            pyte.Stream(glass).feed(written)
            assert (glass.cursor.x, glass.cursor.y) != (0, 0)
            pyte.Stream(glass).feed("\x1b[J")
