"""A server that refuses what it should ignore is asked again without it, once, and remembered."""

from __future__ import annotations

import pytest

from tests.conftest import Elkcli
from tests.server import Server


@pytest.mark.parametrize(
    "said",
    [
        "Streaming is not supported by this model",
        "stream: must be false",
        "this endpoint does not support stream mode",
        "'stream' is unsupported",
    ],
)
def test_a_server_that_refuses_to_stream_is_asked_again_without(said: str, elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": said, "type": "invalid_request_error"}}).says("Hello")
    result = elkcli("ask", "hi").succeeds(b"Hello\n")
    assert "refuses stream" in result.err
    assert [request.json["stream"] for request in server.requests] == [True, False]
    elkcli("ask", "again").succeeds(b"Hello\n")
    assert server.requests[-1].json["stream"] is False
    assert len(server.requests) == 3


def test_a_chat_remembers_the_refusal_from_turn_to_turn(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": "stream is not supported"}}).says("Hello")
    result = elkcli("chat", stdin="a\nb\nc\n").succeeds(b"Hello\nHello\nHello\n")
    assert result.err.count("refuses stream") == 1
    assert [request.json["stream"] for request in server.requests] == [True, False, False, False]


def test_a_field_that_only_says_how_is_left_out(elkcli: Elkcli, server: Server) -> None:
    refusal = {"error": {"message": "Unrecognized request argument supplied: contents", "code": None}}
    server.fails(400, refusal).says("Hello")
    elkcli("ask", "hi", "--contents").succeeds(b"Hello\n")
    assert ["contents" in request.json for request in server.requests] == [True, False]


def test_what_was_asked_for_is_never_left_out(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": "Unknown parameter: 'temperature'", "code": "unknown_parameter"}})
    elkcli("ask", "hi", "--temperature", "1").fails(6)
    assert len(server.requests) == 1


def test_a_server_that_refuses_twice_is_not_asked_for_ever(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": "stream is not supported"}})
    assert elkcli("ask", "hi").code == 6
    assert len(server.requests) == 2
