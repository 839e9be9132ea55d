"""The display that renders: its thread, its ends, and what it writes where."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
import sys
import threading
import time
from typing import Any, cast

import pytest

from elkcli.conversation import Note, Piece, Reasoning, SavedMedia, Start, Text, ToolCall, Usage
from elkcli.environment import Environment
from elkcli.errors import Interrupted
from elkcli.terminal.markdown import MarkdownDisplay
from elkcli.value import changed
from tests.terminal.seen import Glass

import pyte  # isort: skip


class At:
    """An environment whose streams are a terminal in memory, or pipes where ``piped`` names them."""

    def __init__(self, *piped: str, **variables: str) -> None:
        self.glass = Glass(60, 20)
        stream = pyte.ByteStream(self.glass)
        self.out, self.err = b"", ""
        lock = threading.Lock()
        at = self

        class Out(io.RawIOBase):
            def writable(self) -> bool:
                return True

            def fileno(self) -> int:
                raise OSError

            def write(self, data: Any, /) -> int:
                with lock:
                    at.out += bytes(data)
                    if "stdout" not in piped:
                        stream.feed(bytes(data).replace(b"\n", b"\r\n"))
                return len(data)

        class Err(io.StringIO):
            encoding = "utf-8"

            def write(self, text: str, /) -> int:
                with lock:
                    at.err += text
                    if "stderr" not in piped:
                        stream.feed(text.replace("\n", "\r\n").encode())
                return len(text)

        self.environment = Environment(
            [],
            {"COLUMNS": "60", **variables},
            None,
            cast(Any, Out()),
            Err(),
            stdout_is_terminal="stdout" not in piped,
            stderr_is_terminal="stderr" not in piped,
        )

    def show(self, *pieces: Piece, color: bool = False, **options: Any) -> str:
        with MarkdownDisplay(self.environment, color=color, theme="auto", reasoning=True, **options) as display:
            for piece in pieces:
                display.show(piece)
        return self.glass.text


def saved(reference: str, choice: int = 0) -> SavedMedia:
    return SavedMedia("/tmp/x.png", reference, "image", "image/png", 10, choice=choice)


def test_an_answer_is_rendered_and_ends_on_a_fresh_line() -> None:
    at = At()
    assert at.show(Start(), Text("# Hi\n\nsome **wo"), Text("rds**"), Usage(1, 2, 3), Note("x")) == "Hi\n\nsome words"
    assert at.out.endswith(b"\r\n")


def test_choices_are_shown_in_order_with_an_empty_line_between() -> None:
    assert At().show(Text("b", 1), Text("a"), Text("c", 2), Text("- b", 1)) == "a\n\nb- b\n\nc"


def test_reasoning_goes_to_stderr_apart_from_the_answer() -> None:
    at = At()
    assert at.show(Reasoning("I think\n\n"), Reasoning("so"), Text("Yes")) == "┊ I think\n┊\n┊ so\n\nYes"
    assert b"think" not in at.out
    assert "Yes" not in at.err


def test_reasoning_in_a_pipe_is_plain() -> None:
    at = At("stderr")
    at.show(Reasoning("I *th"), Reasoning("ink*\x1b[2J"), Text("Yes"))
    assert at.err == "I *think*␛[2J\n\n"


def test_a_picture_stands_where_its_reference_does_and_is_shown_after_the_block() -> None:
    at = At()
    pieces: list[Piece] = [Text("See ![image]("), saved("a.png"), Text(") here\n\nand then")]
    assert at.show(*pieces, preview=lambda media, width: f"<{media.path} {width}>\n") == (
        "See ▣ image (a.png) here\n</tmp/x.png 60>\n\nand then"
    )


def test_a_preview_that_fails_is_no_failure() -> None:
    def broken(media: SavedMedia, width: int) -> str:
        raise ValueError

    assert At().show(Text("![image]("), saved("a.png"), Text(")"), preview=broken) == "▣ image (a.png)"


def test_a_tool_call_is_shown_as_json() -> None:
    text = At().show(Text("Wait"), ToolCall("1", "look\x1b[2J", '{"a":"~~~"}'), ToolCall(None, "two", "no json"))
    assert '"a": "~~~"' in text
    assert "look␛[2J" in text
    assert "no json" in text
    assert text.startswith("Wait\n\n──")


def test_a_note_does_not_tear_the_open_block() -> None:
    at = At()
    with MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True) as display:
        display.note("first")
        display.show(Text("one "))
        time.sleep(0.3)
        display.note("second")
        display.show(Text("two"))
    assert at.glass.text == "first\nsecond\none two"
    assert at.err.count("second") == 1


def test_a_note_before_or_after_the_answer_is_written_at_once() -> None:
    at = At()
    display = MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True, spinner=False)
    display.note("before")
    with display:
        display.show(Text("answer"))
    display.note("after")
    assert at.glass.text == "before\nanswer\nafter"


def test_a_note_made_while_the_last_rows_are_drawn_is_not_lost() -> None:
    at = At()

    def preview(media: SavedMedia, width: int) -> str:
        display.note("odd")
        return ""

    display = MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True, preview=preview)
    with display:
        for piece in (Text("![image]("), saved("a.png"), Text(")")):
            display.show(piece)
    assert "odd" in at.glass.text


def test_words_are_drawn_at_once() -> None:
    at = At()
    with MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True) as display:
        display.show(Text("warm up\n\n"))
        deadline = time.monotonic() + 10
        while "warm up" not in at.glass.text and time.monotonic() < deadline:
            time.sleep(0.01)
        display.show(Text("open words"))
        while "open words" not in at.glass.text and time.monotonic() < deadline:
            time.sleep(0.01)
        assert at.glass.text.endswith("open words")


def test_the_spinner_is_gone_without_trace() -> None:
    at = At()
    with MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True) as display:
        time.sleep(0.5)
        assert "0s" in at.err or "1s" in at.err
        display.show(Text("answer"))
    assert at.glass.text == "answer"


@pytest.mark.parametrize("begun", [True, False])
def test_ctrl_c_while_the_display_begins_leaves_no_spinner(begun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if begun or thread.name != "painter":
            start(thread)
        if thread.name == "painter":
            raise Interrupted

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    at = At()
    with pytest.raises(Interrupted), MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True):
        pass
    time.sleep(0.4)
    assert at.glass.text == ""


@pytest.mark.parametrize("problem", [KeyboardInterrupt, Interrupted, ValueError])
def test_what_came_stays_when_the_answer_is_cut(problem: type[BaseException]) -> None:
    at = At()
    with pytest.raises(problem), MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=True) as display:
        display.show(Text("some *wor"))
        raise problem
    assert at.glass.text == "some *wor"
    assert at.out.endswith(b"\r\n")


def test_without_cursor_movement_nothing_is_repainted_and_no_escape_is_written() -> None:
    at = At(TERM="dumb")
    assert at.show(Text("# Hi\n\nsome "), Text("**words**")) == "# Hi\n\nsome words"
    assert b"\x1b" not in at.out
    assert "\x1b" not in at.err


def test_in_a_pipe_rendered_text_has_no_escapes_unless_asked_for() -> None:
    at = At("stdout")
    at.show(Text("some **words**\n\n```\ncode\n```"))
    assert at.out.startswith(b"some words\n\n")
    assert b"\x1b" not in at.out
    coloured = At("stdout")
    coloured.show(Text("some `words`"), color=True)
    assert coloured.out == b"some \x1b[36mwords\x1b[0m\n"


class Broken(io.RawIOBase):
    def __init__(self, problem: OSError) -> None:
        self.problem = problem

    def fileno(self) -> int:
        raise OSError

    def write(self, data: Any, /) -> int:
        raise self.problem


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_failure_to_write_comes_out_in_the_main_thread(number: int) -> None:
    at = At()
    at.environment = changed(at.environment, stdout=Broken(OSError(number, "no")))
    with pytest.raises(OSError) as found:
        at.show(Text("words\n\n"))
    assert found.value.errno == number


def test_an_earlier_failure_goes_before_that_of_the_screen() -> None:
    at = At()
    at.environment = changed(at.environment, stdout=Broken(OSError(errno.EPIPE, "no")))
    with pytest.raises(ZeroDivisionError), MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=False):
        raise ZeroDivisionError


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_end() -> None:
    at = At()
    stuck = threading.Event()

    class Stuck(Broken):
        def write(self, data: Any, /) -> int:
            stuck.wait(20)
            return len(data)

    at.environment = changed(at.environment, stdout=Stuck(OSError()))
    begun = time.monotonic()
    with (
        pytest.raises(Interrupted),
        MarkdownDisplay(at.environment, color=False, theme="auto", reasoning=False) as display,
    ):
        display.show(Text("words\n\n"))
        time.sleep(0.2)
        raise Interrupted
    assert time.monotonic() - begun < 3
    stuck.set()


def test_the_handler_for_coming_back_is_put_back() -> None:
    before = signal.getsignal(signal.SIGCONT)
    At().show(Text("x"))
    assert signal.getsignal(signal.SIGCONT) == before


def test_nothing_heavy_is_loaded_before_the_request_is_away() -> None:
    heavy = "('rich', 'pygments', 'markdown_it')"
    code = f"import sys, elkcli.terminal.markdown; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
