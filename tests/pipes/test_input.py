"""Standard input: closed, empty, idle, slow, large, of the wrong kind, or needed by somebody else."""

from __future__ import annotations

import io
import random
import sys
import time

import pytest
from PIL import Image

from tests import samples
from tests.conftest import Elkcli, wait_until
from tests.server import Close, Pause, Reset, Server, Step, response, whole


def sent(server: Server) -> list[str]:
    """The text of the last message of every request."""
    return [request.json["messages"][-1]["content"] for request in server.requests]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["<&-", "</dev/null", "< empty"])
def test_without_input_the_words_are_the_message(source: str, elkcli: Elkcli, server: Server) -> None:
    elkcli.file("empty", b"")
    server.says("Hello")
    result = elkcli.shell(f"elkcli ask hi {source}")
    assert (result.code, result.out, result.err) == (0, b"Hello\n", "")
    assert sent(server) == ["hi"]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["<&-", "</dev/null"])
def test_without_words_and_input_there_is_nothing_to_send(source: str, elkcli: Elkcli, server: Server) -> None:
    result = elkcli.shell(f"elkcli ask {source}").fails(2)
    assert result.hint
    assert not server.requests


@pytest.mark.parametrize("stdin", [None, b"", b" \n\t\n"])
@pytest.mark.parametrize("arguments", [[], [""], ["-"], ["  "], ["--no-stdin"]])
def test_a_message_of_nothing_is_not_sent(
    stdin: bytes | None, arguments: list[str], elkcli: Elkcli, server: Server
) -> None:
    if stdin is None and arguments == ["-"]:
        return  # a dash at a terminal reads what is typed there
    elkcli("ask", *arguments, stdin=stdin).fails(2)
    assert not server.requests


@pytest.mark.slow
def test_an_idle_pipe_is_waited_for_and_that_is_said(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    process = elkcli.process("ask", "summarise", stdin=-1)
    stderr = process.popen.stderr
    assert stderr is not None
    note = stderr.readline()
    assert b"waiting for standard input (--no-stdin ignores it)" in note
    assert not server.requests
    result = process.result(b"late")
    assert (result.code, result.out, result.err) == (0, b"Hello\n", "")
    assert sent(server) == ["summarise\n\nlate"]


@pytest.mark.slow
def test_a_slow_writer_loses_nothing(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    result = elkcli.shell("(echo one; sleep 1.4; echo two; sleep 0.3; printf 'thr\\xc3'; sleep 0.2; printf '\\xa9e') |"
                          " elkcli ask summarise")  # fmt: skip
    assert (result.code, result.out) == (0, b"Hello\n")
    assert sent(server) == ["summarise\n\none\ntwo\nthrée"]
    assert "waiting" not in result.err, "a pipe that has spoken is not silent"


@pytest.mark.slow
def test_a_loop_over_lines_needs_no_stdin(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    result = elkcli.shell("printf 'a\\nb\\nc\\n' | while read -r line; do elkcli ask --no-stdin \"$line\"; done")
    assert (result.code, result.out) == (0, b"Hello\n" * 3)
    assert sent(server) == ["a", "b", "c"]


@pytest.mark.slow
def test_a_loop_that_forgets_it_sends_the_rest_of_the_lines_once(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    elkcli.shell("printf 'a\\nb\\nc\\n' | while read -r line; do elkcli ask \"$line\"; done")
    assert [text.rstrip() for text in sent(server)] == ["a\n\nb\nc"]


@pytest.mark.parametrize(
    "data", [b"caf\xe9 au lait", b"abc\xff", b"\x80", b"ok " * 50_000 + b"\xc3", b"\xed\xa0\x80 x"]
)
def test_input_that_is_no_utf8_is_refused_and_nothing_is_sent(data: bytes, elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", stdin=data).fails(2)
    assert "UTF-8" in result.error
    assert not server.requests


def test_a_byte_order_mark_is_no_part_of_the_text(elkcli: Elkcli, server: Server) -> None:
    server.says()
    elkcli("ask", stdin=b"\xef\xbb\xbfhello").succeeds()
    assert sent(server) == ["hello"]


def test_input_of_megabytes_is_sent_whole(elkcli: Elkcli, server: Server) -> None:
    text = "".join(f"{number:09}\n" for number in range(500_000))
    server.says()
    elkcli("ask", "summarise", stdin=text).succeeds(b"Hello\n")
    assert text.strip() in sent(server)[0]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["< /", "< missing"])
def test_an_input_that_cannot_be_read_sends_nothing(source: str, elkcli: Elkcli, server: Server) -> None:
    result = elkcli.shell(f"elkcli ask hi {source}")
    assert result.code in {1, 2}
    assert "Traceback" not in result.err
    assert not server.requests


@pytest.mark.slow
@pytest.mark.parametrize("script", ["elkcli ask <<< text", "elkcli ask - < file", "cat file | elkcli ask",
                                    "elkcli ask < <(cat file)"])  # fmt: skip
def test_every_kind_of_input_is_read(script: str, elkcli: Elkcli, server: Server) -> None:
    elkcli.file("file", "text\n")
    server.says()
    assert elkcli.shell(script).code == 0
    assert [text.strip() for text in sent(server)] == ["text"]


@pytest.mark.slow
def test_at_a_terminal_nothing_is_read_unless_asked_for(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    terminal = elkcli.terminal("ask", "hi")
    terminal.see("Hello")
    assert terminal.exit() == 0
    terminal = elkcli.terminal("ask", "-")
    time.sleep(0.5)
    terminal.type("typed\n").press("ctrl-d")
    terminal.see("Hello")
    assert terminal.exit() == 0
    assert [text.strip() for text in sent(server)] == ["hi", "typed"]


@pytest.mark.slow
def test_an_editor_writes_the_prompt(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    editor = elkcli.file("editor", '#!/bin/sh\nfor last; do :; done\nprintf " and more" >> "$last"\n')
    editor.chmod(0o755)
    terminal = elkcli.terminal("ask", "-e", "some", env={"EDITOR": str(editor), "VISUAL": None})
    assert terminal.exit() == 0
    (text,) = sent(server)
    assert " ".join(text.split()) == "some and more"


@pytest.mark.slow
def test_what_an_editor_prints_is_no_part_of_the_answer(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    editor = elkcli.file("editor", '#!/bin/sh\necho noise\necho "$# words" > "$3"\n')
    editor.chmod(0o755)
    command = 'VISUAL="./editor --flag \'two words\'" setsid -w env PATH="$PATH" '
    result = elkcli.shell(f'{command} "{sys.executable}" -m elkcli ask -e some', stdin=b"")
    assert (result.code, result.out) == (0, b"Hello\n"), result
    assert "noise" in result.err
    assert sent(server) == ["3 words"]


@pytest.mark.slow
@pytest.mark.parametrize("editor", ["false", "no-such-editor-anywhere"])
def test_an_editor_that_fails_sends_nothing(editor: str, elkcli: Elkcli, server: Server) -> None:
    terminal = elkcli.terminal("ask", "-e", "some", env={"EDITOR": editor, "VISUAL": None})
    assert terminal.exit() in {1, 2}
    assert "Traceback" not in terminal.screen
    assert not server.requests


@pytest.mark.slow
def test_lines_of_a_pipe_are_turns_of_a_chat(elkcli: Elkcli, server: Server) -> None:
    server.says("one").says("two")
    result = elkcli.shell("printf 'first\\nsecond\\n' | elkcli chat")
    assert (result.code, result.out) == (0, b"one\ntwo\n"), result
    assert [[message["content"] for message in request.json["messages"]] for request in server.requests] == [
        ["first"],
        ["first", "one", "second"],
    ]
    assert server.connections == 1


@pytest.mark.slow
@pytest.mark.parametrize("end", [Close(), Reset()], ids=["closed", "reset"])
def test_a_connection_lost_between_two_turns_is_made_again_without_a_word(
    end: Step, elkcli: Elkcli, server: Server
) -> None:
    answer = response(200, whole("one"))
    server.answers(lambda request: [answer, Pause(0.05), end]).says("two")
    result = elkcli.shell("(echo first; sleep 1; echo second) | elkcli chat")
    assert (result.code, result.out, result.err) == (0, b"one\ntwo\n", "")
    assert len(server.requests) == 2


@pytest.mark.slow
def test_a_writer_that_never_ends_can_be_interrupted(elkcli: Elkcli, server: Server) -> None:
    process = elkcli.process("ask", "hi", stdin=-1)
    assert process.popen.stderr is not None
    process.popen.stderr.readline()
    process.signal(2)
    wait_until(lambda: process.popen.poll() is not None, within=1.5)
    assert process.result().code == 130
    assert not server.requests


@pytest.mark.parametrize("extension", ["flac", "ogg", "mp4", "m4a", "webm"])
def test_media_that_the_api_does_not_take_are_refused_on_standard_input_too(
    extension: str, elkcli: Elkcli, server: Server
) -> None:
    result = elkcli("ask", "what", stdin=samples.everything()[extension]).fails(2)
    assert "no kind that the API takes" in result.error
    assert not server.requests


def test_what_is_piped_in_is_shrunk_like_what_is_attached(elkcli: Elkcli, server: Server) -> None:
    noise = io.BytesIO()
    Image.frombytes("RGB", (1600, 1600), random.Random(1).randbytes(1600 * 1600 * 3)).save(
        noise, "PNG", compress_level=0
    )
    assert "--shrink" in elkcli("ask", "what", stdin=noise.getvalue()).fails(2).hint
    server.says("noise")
    elkcli("ask", "what", "--shrink", stdin=noise.getvalue()).succeeds(b"noise\n")
    (_, part) = server.request.json["messages"][0]["content"]
    assert len(part["image_url"]["url"]) * 3 // 4 < 7_000_000


def test_a_document_on_standard_input_has_a_name_with_an_ending(elkcli: Elkcli, server: Server) -> None:
    server.says("paper")
    elkcli("ask", "what", stdin=samples.PDF).succeeds()
    assert server.request.json["messages"][0]["content"][1]["file"]["filename"] == "stdin.pdf"


def test_a_request_longer_than_the_api_takes_is_not_sent(elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "what", stdin=b"\1" * 23_350_000).fails(2)  # six bytes each as JSON
    assert "the request has 140 MB; the API takes 134 MB at most" in result.error
    assert not server.requests


def test_a_web_page_in_the_place_of_a_picture_is_no_attachment(elkcli: Elkcli, server: Server) -> None:
    server.serves("/cat.png", "<!doctype html><p>not here")
    address = server.url.removesuffix("/v1") + "/cat.png"
    assert "is text, no png" in elkcli("ask", "what", "--fetch", "-a", address).fails(2).error
