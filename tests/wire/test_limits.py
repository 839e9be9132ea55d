"""Servers without end or measure: what they send is bounded, and said to be."""

from __future__ import annotations

import gzip
import time

import pytest

from elkcli.api.sse import Events, LineTooLong
from tests.conftest import Elkcli
from tests.server import DONE, Pause, Server, chunk, event, response, whole


def test_a_server_that_goes_on_after_the_end_is_hung_up_on(elkcli: Elkcli, server: Server) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    end = event(chunk("Hello", finish="stop")) + b"data: [DONE]\n\n"
    server.sends(head + end, *[(b": more\n\n", 0.01)] * 2000)
    began = time.monotonic()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert time.monotonic() - began < 10  # of the twenty seconds that it would take to hear it out


def test_a_decompression_bomb_is_called_one(elkcli: Elkcli, server: Server) -> None:
    packed = gzip.compress(b" " * (64 << 20))
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
    assert "bomb" in elkcli("ask", "hi", "--retries", "0").fails(6).error


def test_a_server_that_keeps_the_connection_open_after_the_end_is_not_waited_for(
    elkcli: Elkcli, server: Server
) -> None:
    server.streams(event(chunk("Hello", finish="stop")) + DONE, Pause(30))
    began = time.monotonic()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert time.monotonic() - began < 10


def test_counts_are_not_waited_for_as_long_as_words(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elkcli.api.client.AFTER_REASON_SECONDS", 0.2)
    server.streams(chunk("Hello", finish="stop"), Pause(30))
    began = time.monotonic()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert time.monotonic() - began < 10


def test_an_error_whose_body_never_comes_is_told_by_its_status(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elkcli.api.client.ERROR_SECONDS", 0.2)
    server.sends(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 99\r\n\r\n", Pause(30))
    began = time.monotonic()
    elkcli("ask", "hi").fails(4)
    assert time.monotonic() - began < 10


def test_headers_that_drip_are_silence(elkcli: Elkcli, server: Server) -> None:
    server.sends(b"HTTP/1.1 200 OK\r\n", *[(b"X-Drip: 1\r\n", 0.05)] * 600)
    began = time.monotonic()
    assert "silent" in elkcli("ask", "hi", "--timeout", "0.3").fails(7).error
    assert time.monotonic() - began < 10


def test_an_answer_that_drips_is_not_silent(elkcli: Elkcli, server: Server) -> None:
    answer = event(b'{"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]}')
    server.sends(b"HTTP/1.1 200 OK\r\n\r\n", *[(answer[i : i + 4], 0.1) for i in range(0, len(answer), 4)])
    elkcli("ask", "hi", "--timeout", "0.6").succeeds(b"Hello\n")


def test_a_drip_that_never_becomes_a_line_is_silence_in_the_end(elkcli: Elkcli, server: Server) -> None:
    server.sends(b"HTTP/1.1 200 OK\r\n\r\n", *[(b"a", 0.05)] * 1000)
    began = time.monotonic()
    assert "silent" in elkcli("ask", "hi", "--timeout", "0.2").fails(7).error
    assert time.monotonic() - began < 10


def test_a_list_of_models_that_drips_is_silence(elkcli: Elkcli, server: Server) -> None:
    server.sends(b"HTTP/1.1 200 OK\r\n\r\n", *[(b" ", 0.05)] * 600)
    began = time.monotonic()
    assert "silent" in elkcli("models", env={"ELKCLI_TIMEOUT": "0.3"}).fails(7).error
    assert time.monotonic() - began < 10


def test_chunks_that_say_nothing_are_silence_in_the_end(elkcli: Elkcli, server: Server) -> None:
    server.streams(*[(event(chunk("")), 0.02)] * 1000)
    began = time.monotonic()
    assert "silent" in elkcli("ask", "hi", "--timeout", "0.05").fails(7).error
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("said", [b" ", b"\n", b": PING\n\n", b"data: \n\n", event(chunk(choices=[], usage={}))])
@pytest.mark.parametrize("command", ["ask", "batch"])
def test_a_flood_that_says_nothing_is_silence_in_the_end(
    said: bytes, command: str, elkcli: Elkcli, server: Server
) -> None:
    server.sends(b"HTTP/1.1 200 OK\r\n\r\n", *[(said * 5000, 0.02)] * 1000)
    began = time.monotonic()
    env = {"ELKCLI_TIMEOUT": "0.05", "ELKCLI_RETRIES": "0"}
    result = elkcli("ask", "hi", env=env) if command == "ask" else elkcli("batch", "-q", stdin='"hi"', env=env)
    assert "silent" in result.err + result.text
    assert result.code == (7 if command == "ask" else 8)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("line", [b"data: a\n", b'"a": 1,\n'])
def test_lines_cost_more_than_what_they_say(line: bytes) -> None:
    events = Events(1024 * 1024)
    events.feed(b": PING\n\n{\n" if line[:1] == b'"' else b"")
    with pytest.raises(LineTooLong):
        events.feed(line * 20_000)


def test_remarks_without_end_before_an_answer_are_no_crash(elkcli: Elkcli, server: Server) -> None:
    server.sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3000, response(200, whole("Hello")))
    elkcli("ask", "hi", "--no-stream").succeeds(b"Hello\n")
