"""Standard output among other programs: readers that leave, disks that are full, streams that are closed."""

from __future__ import annotations

import os
import threading
import time

import pytest

from tests.conftest import Elkcli
from tests.server import DONE, Pause, Release, Server, Step, Until, chunk, event

pytestmark = pytest.mark.slow

LINES = "".join(f"line {number}\n" for number in range(20_000))


@pytest.mark.parametrize(
    "options", ["", "--no-stream", "-f json --no-stream", "-f jsonl --stream"], ids=lambda options: options or "plain"
)
def test_a_reader_that_leaves_is_no_error(options: str, elkcli: Elkcli, server: Server) -> None:
    server.says(chunks=LINES.splitlines(keepends=True) if "--stream" in options else [LINES])
    result = elkcli.shell(f"elkcli ask hi {options} | head -c 6; exit ${{PIPESTATUS[0]}}")
    assert (result.code, len(result.out), result.err) == (141, 6, "")


def test_a_reader_that_leaves_ends_the_wait_for_more(elkcli: Elkcli, server: Server) -> None:
    steps: list[Step] = [event(chunk("line\n")), Pause(0.1)] * 100
    server.streams(*steps)
    began = time.monotonic()
    result = elkcli.shell('elkcli ask hi | head -1; exit "${PIPESTATUS[0]}"')
    assert (result.code, result.out, result.err) == (141, b"line\n", "")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("options", ["", "--no-stream", "-f json", "-f jsonl"])
@pytest.mark.parametrize("target", [">/dev/full", ">&-"])
def test_a_full_disk_or_a_closed_output_is_1_and_one_line(
    target: str, options: str, elkcli: Elkcli, server: Server
) -> None:
    server.says("Hello")
    result = elkcli.shell(f"elkcli ask hi {options} {target}")
    assert result.code == 1, result
    assert result.out == b""
    assert "Traceback" not in result.err
    assert len([line for line in result.err.splitlines() if line.strip()]) in {1, 2}, result.err


def test_what_was_paid_for_is_kept_when_the_disk_is_full(elkcli: Elkcli, server: Server) -> None:
    server.says("A dear answer")
    assert elkcli.shell("elkcli ask hi >/dev/full").code == 1
    if server.requests:
        assert b"A dear answer" in elkcli("history", "show").succeeds().out


def test_a_chat_whose_output_is_full_says_so_and_where_the_answer_is_kept(elkcli: Elkcli, server: Server) -> None:
    server.says("A dear answer")
    result = elkcli.shell("echo hi | elkcli chat >/dev/full")
    assert result.code == 1
    assert len(result.err.splitlines()) == 2, result.err
    assert "hint: what came is kept: elkcli history show " in result.err
    assert b"A dear answer" in elkcli("history", "show").succeeds().out


@pytest.mark.parametrize("target", ["2>&-", "2>/dev/full"])
def test_a_lost_standard_error_loses_no_answer(target: str, elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    result = elkcli.shell(f"elkcli ask hi --usage {target}")
    assert (result.code, result.out) == (0, b"Hello\n")


def test_a_command_substitution_holds_the_answer(elkcli: Elkcli, server: Server) -> None:
    server.says("two words\n\n")
    result = elkcli.shell('answer=$(elkcli ask hi); printf "<%s>" "$answer"')
    assert (result.code, result.out, result.err) == (0, b"<two words>", "")


def test_words_arrive_while_the_server_still_thinks(elkcli: Elkcli, server: Server) -> None:
    go = threading.Event()
    server.streams(event(chunk("Hel")), Until(go), event(chunk("lo")), event(chunk(finish="stop")), DONE)
    process = elkcli.process("ask", "hi")
    assert process.read(3) == b"Hel"
    go.set()
    assert process.result().out == b"lo\n"


def test_a_pipe_gets_no_escape_sequences_even_when_standard_error_is_a_terminal(elkcli: Elkcli, server: Server) -> None:
    server.says("**bold** `code`")
    path = elkcli.work / "out"
    with path.open("wb") as out:
        assert elkcli.terminal("ask", "hi", stdout=out).exit() == 0
    assert path.read_bytes() == b"**bold** `code`\n"


def test_nothing_of_an_error_is_on_standard_output(elkcli: Elkcli, server: Server) -> None:
    server.fails(401, {"error": {"message": "Invalid token"}})
    result = elkcli.shell('answer=$(elkcli ask hi) || echo "failed with $?"; echo "<$answer>"')
    assert result.out == b"failed with 4\n<>\n"


def test_output_and_error_in_one_file_keep_their_order(elkcli: Elkcli, server: Server) -> None:
    server.drops(after="Hel")
    result = elkcli.shell("elkcli ask hi >all 2>&1; echo $?")
    assert result.out == b"8\n"
    text = (elkcli.work / "all").read_text()
    assert text.startswith("Hel\nelkcli: "), text


SMALL = [["--help"], ["ask", "--help"], ["--version"], ["config", "list"], ["config", "path"]]


@pytest.mark.parametrize("arguments", SMALL, ids=" ".join)
def test_a_small_output_whose_reader_has_left_is_no_error(arguments: list[str], elkcli: Elkcli) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = elkcli.process(*arguments, stdout=writer).result()
    os.close(writer)
    assert result.code in {0, 141}, result
    assert result.err == ""


@pytest.mark.parametrize("arguments", SMALL, ids=" ".join)
def test_a_small_output_on_a_full_disk_is_1(arguments: list[str], elkcli: Elkcli) -> None:
    result = elkcli.shell(f"elkcli {' '.join(arguments)} >/dev/full")
    assert result.code == 1
    assert "Traceback" not in result.err
    assert result.error


def test_a_deleted_current_directory_is_no_obstacle(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    result = elkcli.shell('mkdir gone && cd gone && rmdir "$PWD" && elkcli ask hi')
    assert (result.code, result.out) == (0, b"Hello\n"), result


def test_many_at_once_are_all_answered(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    result = elkcli.shell("for i in 1 2 3 4 5 6 7 8; do elkcli ask $i > out$i & done; wait; cat out*")
    assert result.out == b"Hello\n" * 8, result
    assert result.err == ""
    assert len(elkcli("history", "list", "--json", "-n", "100").succeeds().json) == 8


def test_a_released_step_is_reached(elkcli: Elkcli, server: Server) -> None:
    """The reply is read to its end, so that the server is not left with an error."""
    ended = threading.Event()
    server.streams(event(chunk("Hi")), event(chunk(finish="stop")), DONE, Release(ended))
    elkcli("ask", "hi").succeeds(b"Hi\n")
    assert ended.wait(5)


@pytest.mark.parametrize("command", [["ask", "hi"], ["ask", "--no-history", "hi"], ["chat"]])
def test_a_data_directory_that_cannot_be_is_no_reason_not_to_answer(
    command: list[str], elkcli: Elkcli, server: Server
) -> None:
    server.says("Hello")
    stdin = "hi\n" if command == ["chat"] else None
    result = elkcli(*command, stdin=stdin, env={"ELKCLI_DATA_DIR": f"/{chr(100) * 300}"})
    assert "Hello" in result.succeeds().text


@pytest.mark.parametrize("words", ["--version", "--help", "ask -h", "history show --help", "-p demo --version"])
def test_help_and_version_that_nobody_can_read_are_a_failure(words: str, elkcli: Elkcli) -> None:
    result = elkcli.shell(f"elkcli {words} >&-")
    assert (result.code, result.err) == (1, "elkcli: standard output is closed\n")


def test_a_closed_output_does_not_keep_a_setting_from_being_made(elkcli: Elkcli) -> None:
    assert elkcli.shell("elkcli config set model m >&-").code == 0
    assert elkcli("config", "get", "model").text == "m\n"


@pytest.mark.parametrize("options", [[], ["--no-stream"], ["-f", "json"], ["-f", "jsonl"]])
def test_a_pipe_that_does_not_block_loses_nothing_to_a_slow_reader(
    options: list[str], elkcli: Elkcli, server: Server
) -> None:
    server.says(chunks=[LINES[:100_000], LINES[100_000:]] if options in ([], ["-f", "jsonl"]) else [LINES])
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    program = elkcli.process("ask", "hi", *options, stdout=writing).popen
    os.close(writing)
    time.sleep(0.5)
    with os.fdopen(reading, "rb") as reader:
        came = reader.read()
    assert program.wait(20) == 0
    assert b"line 19999" in came


@pytest.mark.parametrize(
    ("command", "pieces"), [(["ask", "say"], [b"the late", b" words"]), (["chat"], [b"say\n", b"the late words\n"])]
)
def test_a_pipe_that_does_not_block_loses_nothing_of_a_slow_writer(
    command: list[str], pieces: list[bytes], elkcli: Elkcli, server: Server
) -> None:
    server.says("Hello")
    server.says("Hello")
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    program = elkcli.process(*command, stdin=reading).popen
    os.close(reading)
    for piece in pieces:
        time.sleep(0.7)
        os.write(writing, piece)
    os.close(writing)
    assert program.wait(20) == 0
    assert "the late words" in server.requests[-1].json["messages"][-1]["content"]
