"""The input history, the candidates for Tab, and the clipboard, without a terminal."""

from __future__ import annotations

import base64
import io
import threading
from pathlib import Path

import pytest

from elkcli.environment import Environment
from elkcli.errors import ElkError
from elkcli.repl.inputs import MOST, InputHistory
from elkcli.terminal.clipboard import copy


def entries(directory: Path) -> list[str]:
    return list(InputHistory(directory).load_history_strings())[::-1]


def test_what_was_typed_survives_with_its_lines(tmp_path: Path) -> None:
    history = InputHistory(tmp_path)
    for text in ("one", "two\nlines", "ümlaut \x1b 🦌"):
        history.append_string(text)
    assert entries(tmp_path) == ["one", "two\nlines", "ümlaut \x1b 🦌"]


def test_several_chats_at_once_lose_nothing(tmp_path: Path) -> None:
    def type_many(name: str) -> None:
        history = InputHistory(tmp_path)
        for number in range(50):
            history.append_string(f"{name}{number}" * 100)

    chats = [threading.Thread(target=type_many, args=(name,)) for name in "abcd"]
    for one in chats:
        one.start()
    for one in chats:
        one.join()
    assert sorted(entries(tmp_path)) == sorted(f"{name}{number}" * 100 for name in "abcd" for number in range(50))


def test_nothing_typed_is_kept_while_history_is_off(tmp_path: Path) -> None:
    keeps = [True]
    history = InputHistory(tmp_path, lambda: keeps[0])
    history.append_string("one")
    keeps[0] = False
    history.append_string("secret")
    assert history.get_strings() == ["one", "secret"]
    assert entries(tmp_path) == ["one"]


def test_a_refresh_takes_in_what_another_chat_added(tmp_path: Path) -> None:
    mine, other = InputHistory(tmp_path), InputHistory(tmp_path)
    mine.append_string("mine")
    assert list(mine.load_history_strings()) == ["mine"]
    mine._loaded = True
    other.append_string("theirs")
    mine.refresh()
    assert not mine._loaded
    assert list(mine.load_history_strings()) == ["theirs", "mine"]


def test_a_damaged_line_costs_only_itself(tmp_path: Path) -> None:
    InputHistory(tmp_path).append_string("one")
    with (tmp_path / "input_history").open("ab") as file:
        file.write(b'{"half\n\xff\n17\n')
    InputHistory(tmp_path).append_string("two")
    assert entries(tmp_path) == ["one", "two"]


def test_only_the_latest_are_read(tmp_path: Path) -> None:
    (tmp_path / "input_history").write_text("".join(f'"{number}"\n' for number in range(MOST + 10)))
    assert entries(tmp_path)[0] == "10"


def test_a_directory_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    InputHistory(tmp_path / "file").append_string("one")


def _environment(tmp_path: Path, *, terminal: bool, **variables: str) -> tuple[Environment, io.StringIO]:
    err = io.StringIO()
    return Environment([], {"PATH": str(tmp_path), **variables}, None, None, err, stderr_is_terminal=terminal), err


def test_without_a_tool_the_terminal_takes_the_text(tmp_path: Path) -> None:
    environment, err = _environment(tmp_path, terminal=True)
    assert copy("an elk 🦌", environment) == "through the terminal"
    assert err.getvalue() == f"\x1b]52;c;{base64.b64encode('an elk 🦌'.encode()).decode()}\x07"


def test_without_tool_and_terminal_copying_is_refused(tmp_path: Path) -> None:
    environment, err = _environment(tmp_path, terminal=False)
    with pytest.raises(ElkError):
        copy("an elk", environment)
    assert err.getvalue() == ""


def test_a_remote_machine_keeps_its_clipboard(tmp_path: Path) -> None:
    tool = tmp_path / "pbcopy"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)
    here, _ = _environment(tmp_path, terminal=True)
    there, _ = _environment(tmp_path, terminal=True, SSH_CONNECTION="a b c d")
    assert copy("x", here) == "pbcopy"
    assert copy("x", there) == "through the terminal"
