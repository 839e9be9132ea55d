"""A chat at a real terminal: keys in, screen out, the server at the other end."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.conftest import Elkcli
from tests.server import Server
from tests.terminals import Terminal

pytestmark = pytest.mark.slow
Chat = Callable[..., Terminal]


@pytest.fixture
def chat(elkcli: Elkcli, server: Server) -> Chat:
    """Start a chat and wait until it listens."""

    def start(*arguments: str) -> Terminal:
        return elkcli.terminal("chat", *arguments).see("gemini").settle(0.1)

    return start


def turns(server: Server) -> list[list[str]]:
    return [[message["content"] for message in request.json["messages"]] for request in server.requests]


def test_turns_follow_each_other_and_ctrl_d_leaves(chat: Chat, server: Server) -> None:
    server.says("Hello there").says("Second answer")
    terminal = chat()
    terminal.enter("first").see("Hello there").settle()
    terminal.enter("second").see("Second answer").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server) == [["first"], ["first", "Hello there", "second"]]
    assert server.connections == 1


def test_ctrl_c_stops_the_answer_keeps_the_part_and_not_the_chat(chat: Chat, server: Server) -> None:
    server.stalls(after="Half an ans").says("Next")
    terminal = chat()
    terminal.enter("first").see("Half an").press("ctrl-c").see("stopped").settle()
    terminal.enter("second").see("Next").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server)[-1] == ["first", "Half an ans", "second"]


def test_ctrl_c_clears_the_line(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.type("not this").see("not this").press("ctrl-c").settle()
    terminal.enter("this").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server) == [["this"]]


def test_an_error_gives_the_prompt_back_for_another_try(chat: Chat, server: Server) -> None:
    server.fails(500, {"error": {"message": "boom", "code": "invalid_request"}}).says("Hello there")
    terminal = chat()
    terminal.enter("my prompt").see("boom").settle()
    terminal.press("enter").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server) == [["my prompt"], ["my prompt"]]


def test_a_paste_of_several_lines_waits_and_is_one_message(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.paste("a\nb\n\nc").settle()
    assert not server.requests
    terminal.press("enter").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server) == [["a\nb\n\nc"]]


@pytest.mark.parametrize("key", ["alt-enter", "ctrl-j"])
def test_a_new_line_can_be_typed(key: str, chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.type("a").settle(0.1).press(key).settle(0.1).enter("b").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server) == [["a\nb"]]


def test_an_unknown_command_suggests_the_near_one_and_sends_nothing(chat: Chat, server: Server) -> None:
    terminal = chat()
    terminal.enter("/modle x").see("/model?").settle()
    terminal.press("ctrl-c").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert not server.requests


def test_two_slashes_send_one(chat: Chat, server: Server) -> None:
    server.says("Hello there")
    terminal = chat()
    terminal.enter("//etc/hosts").see("Hello there").settle()
    assert terminal.press("ctrl-d").exit() == 0
    assert turns(server) == [["/etc/hosts"]]


def test_what_the_server_says_cannot_drive_the_terminal(chat: Chat, server: Server) -> None:
    server.says("evil \x1b]0;owned\x07\x1b[2J\x1b[6n\x9b31m\x1b]52;c;aGk=\x07 end")
    terminal = chat()
    terminal.enter("hi").see("end").settle()
    assert "evil" in terminal.scrolled
    assert b"\x1b]0;owned" not in terminal.received
    assert b"\x1b]52" not in terminal.received
    assert terminal.press("ctrl-d").exit() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_chat(number: int, code: int, chat: Chat, server: Server) -> None:
    terminal = chat()
    terminal.signal(number)
    assert terminal.exit() == code
    assert "Traceback" not in terminal.scrolled


def test_a_terminal_made_narrow_loses_no_words(chat: Chat, server: Server) -> None:
    server.says("one two three four five six seven eight nine ten " * 4)
    terminal = chat()
    terminal.resize(30, 24).settle()
    terminal.enter("hi").see("ten").settle()
    assert " ".join(terminal.scrolled.split()).count("seven eight") + terminal.scrolled.count("seven\neight") >= 3
    assert terminal.press("ctrl-d").exit() == 0
