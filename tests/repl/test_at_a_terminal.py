"""What only a real terminal shows: keys, signals, the input history, how early the prompt comes."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from elkcli.errors import Interrupted
from elkcli.repl.keys import ALT_ENTER, SHIFT_ENTER
from elkcli.repl.loop import Interrupt
from tests.conftest import TREE, Elkcli, wait_until
from tests.server import Server
from tests.terminals import KEYS, Terminal

pytestmark = pytest.mark.slow
Chat = Callable[..., Terminal]


@pytest.fixture
def chat(elkcli: Elkcli, server: Server) -> Chat:
    """Start a chat and wait until it listens."""

    def start(*arguments: str, **env: str) -> Terminal:
        return elkcli.terminal("chat", *arguments, env=env).see("gemini").settle(0.1)

    return start


def asked(server: Server) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in server.requests]


def test_the_prompt_needs_no_heavy_library_but_its_own() -> None:
    code = (
        "import sys, elkcli.__main__, elkcli.environment, elkcli.signals\n"
        "import elkcli.commands.conversing, elkcli.commands.ending, elkcli.repl.loop\n"
        "heavy = {'typer', 'httpx', 'rich', 'sqlite3', 'pygments', 'markdown_it', 'PIL', 'tomllib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TREE, check=True)
    assert done.stdout == "[]\n"


def test_every_key_for_a_new_line_makes_one(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.type("a")
    for at, key in enumerate((KEYS["alt-enter"], KEYS["ctrl-j"], *SHIFT_ENTER, *ALT_ENTER)):
        terminal.settle(0.1).type(key).settle(0.1).type("bcdefg"[at])
    terminal.settle(0.1).press("enter").see("Hello there").settle()
    terminal.press("ctrl-d").exit()
    assert asked(server) == ["a\nb\nc\nd\ne\nf\ng"]


def test_multiline_swaps_the_keys(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.enter("/multiline").see("Alt-Enter sends").settle()
    terminal.type("a").settle(0.1).press("enter").settle(0.1).type("b").settle(0.1)
    assert not server.requests
    terminal.press("alt-enter").see("Hello there").settle()
    terminal.press("ctrl-d").exit()
    assert asked(server) == ["a\nb"]


def test_vi_keys_edit_the_line(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat(ELKCLI_EDITING_MODE="vi")
    terminal.type("wrong").settle(0.1).press("escape").see("NORMAL").type("ccright").settle(0.1)
    terminal.press("enter").see("Hello there").settle()
    terminal.press("ctrl-d").exit()
    assert asked(server) == ["right"]


def test_the_editor_fills_the_line_and_sends_nothing(chat: Chat, server: Server, elkcli: Elkcli) -> None:
    server.says("Hello there")
    elkcli.file("editor", '#!/bin/sh\necho "from the editor" > "$1"\n').chmod(0o755)
    terminal = chat(EDITOR=str(elkcli.work / "editor"))
    terminal.type("\x18\x05").see("from the editor").settle()
    assert not server.requests
    terminal.press("enter").see("Hello there").settle()
    terminal.press("ctrl-d").exit()
    assert asked(server) == ["from the editor"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (None, "cannot start the editor"),
        ('rm "$1"', "left nothing to read"),
        (r"""printf '\377' > "$1" """, "not UTF-8"),
        ("exit 3", "failed (3)"),
    ],
)
def test_an_editor_that_does_not_do_its_work_is_told_and_leaves_the_line(
    script: str | None, told: str, chat: Chat, elkcli: Elkcli
) -> None:
    if script is not None:
        elkcli.file("e", f"#!/bin/sh\n{script}\n").chmod(0o755)
    terminal = chat(EDITOR=str(elkcli.work / "e"))
    terminal.type("a line").settle(0.1).type("\x18\x05").see(lambda screen: told in screen.screen.replace("\n", ""))
    terminal.settle()
    assert "> a line" in terminal.lines
    assert "Traceback" not in terminal.scrolled
    terminal.press("ctrl-c", "ctrl-d").exit()


def test_what_was_typed_is_kept_privately_and_comes_back_in_another_chat(
    chat: Chat, server: Server, elkcli: Elkcli
) -> None:
    server.says("Hello there")
    chat().enter("remember me").see("Hello there").settle().press("ctrl-d").exit()
    path = elkcli.data / "input_history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    terminal = chat()
    terminal.press("up").see("> remember me")
    terminal.press("ctrl-c").settle(0.1).type("rem").see("remember me").press("right", "enter").see("Hello there")


def test_a_signal_in_the_middle_of_an_answer_keeps_the_part_and_the_terminal(
    chat: Chat, server: Server, elkcli: Elkcli
) -> None:
    server.stalls(after="Half an answer")
    terminal = chat()
    terminal.enter("first").see("Half an answer")
    terminal.signal(signal.SIGTERM)
    assert terminal.exit() == 143
    assert terminal.received.rfind(b"\x1b[?2004l") > terminal.received.rfind(b"\x1b[?2004h")
    assert "Traceback" not in terminal.scrolled
    assert "elkcli chat -S " in terminal.scrolled
    elkcli("chat", "-c", stdin="/save chat.md\n").succeeds()
    assert "cut off" in (elkcli.work / "chat.md").read_text()


def test_what_is_typed_during_an_answer_waits_for_the_prompt(chat: Chat, server: Server) -> None:
    server.says(chunks=["one ", "two ", "three "], pause=0.3).says("Second answer")
    terminal = chat()
    terminal.enter("first").see("one").type("typed ahead").see("three").see("> typed ahead").settle()
    assert "onetyped" not in terminal.scrolled.replace(" ", "")
    terminal.press("enter").see("Second answer").settle()
    terminal.press("ctrl-d").exit()
    assert asked(server) == ["first", "typed ahead"]


def test_each_line_typed_during_an_answer_is_a_message_of_its_own(chat: Chat, server: Server) -> None:
    server.says(chunks=["one ", "two ", "three "], pause=0.3).says("Second").says("Third").says("Fourth")
    terminal = chat()
    terminal.enter("first").see("one").type("second\rthird\r").paste("several\rlines").type("\rhalf")
    terminal.see("Fourth").see("> half").settle().press("ctrl-c", "ctrl-d").exit()
    assert asked(server) == ["first", "second", "third", "several\nlines"]


@pytest.mark.parametrize(("typed", "sent"), [("early\r", ["early"]), ("two\rlines\r", []), ("\x04", [])])
def test_what_is_typed_before_the_prompt_is_there_is_taken_as_it_was_meant(
    typed: str, sent: list[str], elkcli: Elkcli, server: Server
) -> None:
    server.says("Hello there")
    terminal = elkcli.terminal("chat").type(typed)
    if sent:
        terminal.see("Hello there")
    elif typed != "\x04":
        terminal.see("> two\n  lines").settle().press("ctrl-c")
    if typed != "\x04":
        terminal.settle().press("ctrl-d")
    assert terminal.exit() == 0
    assert asked(server) == sent


def test_what_was_typed_behind_a_message_that_failed_is_sent_with_nothing(chat: Chat, server: Server) -> None:
    server.says(chunks=["one ", "two ", "three "], pause=0.3).fails(500, {"error": {"message": "boom"}})
    terminal = chat(ELKCLI_RETRIES="0")
    terminal.enter("first").see("one").type("second\rthird\r").see("boom").see("> second\n  third").settle()
    terminal.press("ctrl-c", "ctrl-d").exit()
    assert asked(server) == ["first", "second"]


def test_ctrl_c_leaves_what_was_typed_behind_it_to_be_sent_or_not(chat: Chat, server: Server) -> None:
    server.says(chunks=["one ", "two ", "three "], pause=0.3).stalls(after="Half")
    terminal = chat()
    terminal.enter("first").see("one").type("second\rthird\r").see("Half").press("ctrl-c")
    terminal.see("stopped").see("> third").settle().press("ctrl-c", "ctrl-d").exit()
    assert asked(server) == ["first", "second"]


def test_a_low_terminal_has_a_menu_as_far_as_there_is_room(elkcli: Elkcli, server: Server) -> None:
    terminal = elkcli.terminal("chat", rows=6).see("gemini").settle(0.1)
    terminal.type("/").see("/attach").settle()
    assert "too small" not in terminal.screen
    terminal.press("ctrl-c", "ctrl-d").exit()


def test_after_ctrl_z_and_fg_an_answer_is_as_undisturbed_as_before(chat: Chat, server: Server, elkcli: Elkcli) -> None:
    server.says(chunks=["one ", "two ", "three ", "four "], pause=0.5).says("Second")
    terminal = chat()
    terminal.enter("first").see("one")
    modes = termios.tcgetattr(terminal.master)
    loud = [*modes[:3], modes[3] | termios.ECHO | termios.ICANON, *modes[4:]]
    loud[0] |= termios.ICRNL
    termios.tcsetattr(terminal.master, termios.TCSANOW, loud)  # as a shell does when the chat is stopped
    terminal.signal(signal.SIGCONT)
    terminal.settle(0.1).type("second\r").see("Second").settle().press("ctrl-d").exit()
    assert asked(server) == ["first", "second"]
    assert "> second" in terminal.lines, "not echoed into the answer"
    assert sum("second" in line for line in terminal.lines) == 1


def test_a_resumed_chat_reminds_of_the_last_turn_in_a_few_rows(server: Server, elkcli: Elkcli) -> None:
    server.says("word " * 3000)
    elkcli("ask", "-S", "long", "question " * 1000).succeeds()
    terminal = elkcli.terminal("chat", "-S", "long").see("gemini").see("…").settle()
    assert len(terminal.scrolled.splitlines()) <= 24
    terminal.press("ctrl-d").exit()


def test_tab_completes_commands_and_their_arguments(chat: Chat, server: Server, elkcli: Elkcli) -> None:
    elkcli.file("picture of an elk.png", b"x")
    terminal = chat()
    terminal.type("/mu").settle().press("tab").see("> /multiline").press("ctrl-u").settle(0.1)
    terminal.type("/attach pic").settle().press("tab").see("> /attach picture of an elk.png").press("ctrl-u").settle(
        0.1
    )
    terminal.type("/set editing_mode v").settle().press("tab").see("> /set editing_mode vi").press("ctrl-u").settle(0.1)
    terminal.type("/set sche").settle().press("tab").see("> /set schema").press("ctrl-u").settle(0.1)
    terminal.type("/set schema pic").settle().press("tab").see("> /set schema picture of an elk.png")
    terminal.press("ctrl-c", "ctrl-d").exit()


def test_impatient_ctrl_c_ends_the_answer_and_not_the_chat(chat: Chat, server: Server) -> None:
    server.stalls(after="Half").says("Next")
    terminal = chat()
    terminal.enter("first").see("Half").press("ctrl-c", "ctrl-c", "ctrl-c").see("stopped").settle()
    terminal.enter("second").see("Next").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert asked(server) == ["first", "second"]


def test_tab_takes_the_only_choice_and_enter_does_it(chat: Chat, server: Server) -> None:
    terminal = chat()
    terminal.type("/mod").see("Show or change").settle().press("tab").see("> /model").settle()
    terminal.press("enter").see("model: gemini").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert not server.requests


def test_a_command_that_fails_leaves_an_empty_line(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.enter("/modle x").see("/model?").settle()
    terminal.enter("/undo").see("no turn").settle()
    terminal.enter("hi").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert asked(server) == ["hi"]


def test_a_command_that_sends_is_given_back_when_it_fails(chat: Chat, server: Server) -> None:
    server.fails(500, {"error": {"message": "boom", "code": "invalid_request"}}).says("Hello there")
    terminal = chat()
    terminal.enter("/image an elk").see("boom").settle()
    terminal.press("enter").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert asked(server) == ["an elk", "an elk"]


def test_a_tab_that_was_pasted_is_seen_as_room_and_sent_as_a_tab(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.paste("all:\n\tmake").see("    make").settle()
    terminal.press("enter").see("Hello there").settle()
    terminal.press("ctrl-d").exit()
    assert "^I" not in terminal.scrolled
    assert asked(server) == ["all:\n\tmake"]


def test_clearing_what_up_brought_back_leaves_the_input_history_as_it_was(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    for word in ("one", "two", "three"):
        terminal.enter(word).settle(0.4)
    terminal.press("up", "up", "up").see(lambda screen: "> one" in screen.lines).press("ctrl-c").settle()
    terminal.press("up").see(lambda screen: screen.lines.count("> three") == 2)
    terminal.press("ctrl-c", "ctrl-d").exit()


def test_ctrl_c_stops_what_goes_on_once_and_never_the_chat() -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupt = Interrupt()
    with interrupt.listening():
        signal.raise_signal(signal.SIGINT)  # between an answer and the next prompt: nothing to stop
        for _ in range(2):
            with pytest.raises(Interrupted), interrupt.armed():
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_waits_for_what_must_be_done_whole() -> None:
    interrupt, done = Interrupt(), []
    with interrupt.listening(), pytest.raises(Interrupted), interrupt.armed():
        with interrupt:
            signal.raise_signal(signal.SIGINT)
            done.append("noted and written")
        done.append("not reached")
    assert done == ["noted and written"]


def test_ctrl_c_at_any_moment_leaves_a_chat_that_goes_on_and_no_turn_open(
    chat: Chat, server: Server, elkcli: Elkcli
) -> None:
    server.says(chunks=["word "] * 6, pause=0.01)
    terminal = chat()
    for number in range(12):
        terminal.type(f"q{number}").settle(0.05).press("enter").settle(0.012 * number)
        terminal.press("ctrl-c", "ctrl-c", "ctrl-c").settle(0.3).press("ctrl-c").settle(0.1)
    server._script.clear()
    server.says("Still here")
    terminal.enter("last").see("Still here").settle()
    assert terminal.press("ctrl-d").exit() == 0
    kept = json.loads(elkcli("history", "show", "--format", "json").out)
    assert {turn["status"] for turn in kept["turns"]} <= {"whole", "cut", "failed"}


def test_the_connection_is_opened_while_one_types_and_used_for_what_was_typed(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    assert server.connections == 0
    terminal.type("how do")
    wait_until(lambda: server.connections == 1)
    terminal.type(" you do").settle(0.1).press("enter").see("Hello there").settle()
    terminal.type("again")
    terminal.settle(0.1).press("enter").see(lambda seen: seen.scrolled.count("Hello there") == 2).settle()
    terminal.press("ctrl-d").exit()
    assert asked(server) == ["how do you do", "again"]
    assert server.connections == 1


def test_a_command_opens_no_connection(chat: Chat, server: Server) -> None:
    terminal = chat()
    terminal.enter("/help").see("/retry").settle()
    terminal.press("ctrl-d").exit()
    assert server.connections == 0
