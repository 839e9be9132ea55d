"""`elkcli chat` as a script: each line a turn, slash commands among them."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from typing import Any

import pytest

from tests.conftest import Elkcli
from tests.server import Server, response, whole


def said(server: Server, at: int = -1) -> list[tuple[str, Any]]:
    """The messages of a request."""
    return [(message["role"], message["content"]) for message in server.requests[at].json["messages"]]


def test_each_line_is_a_turn_over_one_connection(elkcli: Elkcli, server: Server) -> None:
    server.says("One").says("Two")
    result = elkcli("chat", stdin="first\n\nsecond\n")
    result.succeeds(b"One\nTwo\n")
    assert said(server) == [("user", "first"), ("assistant", "One"), ("user", "second")]
    assert server.connections == 1
    assert result.err == ""


def test_lines_are_read_when_they_are_needed(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")

    class Script(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            assert len(server.requests) == lines.count(True)
            lines.append(True)
            return super().readline(size)

    lines: list[bool] = []
    elkcli("chat", stdin=Script(b"a\nb\n")).succeeds(b"Hello\nHello\n")


def test_a_failure_is_told_the_rest_goes_on_and_the_first_code_is_the_end(elkcli: Elkcli, server: Server) -> None:
    server.fails(401, {"error": {"message": "no"}}).fails(400, {"error": {"message": "bad"}}).says("Fine")
    result = elkcli("chat", stdin="a\nb\nc\n")
    assert (result.code, result.out) == (4, b"Fine\n")
    assert result.err.count("elkcli: ") == 2
    assert said(server) == [("user", "c")]


def test_a_line_that_is_not_utf8_is_the_failure_of_that_turn(elkcli: Elkcli, server: Server) -> None:
    server.says("Fine")
    result = elkcli("chat", stdin=b"\xff\xfe\nfine\n")
    assert (result.code, result.out) == (2, b"Fine\n")
    assert "not UTF-8" in result.error


def test_a_partial_answer_stays_in_the_conversation(elkcli: Elkcli, server: Server) -> None:
    server.drops(after="Half").says("Whole")
    result = elkcli("chat", stdin="a\nb\n", env={"ELKCLI_RETRIES": "0"})
    assert (result.code, result.out) == (8, b"Half\nWhole\n")
    assert said(server) == [("user", "a"), ("assistant", "Half"), ("user", "b")]


def test_options_shape_every_request(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    elkcli(
        "chat",
        "-m",
        "some-model",
        "-s",
        "Be brief",
        "--temperature",
        "0.5",
        "--set",
        "a.b=1",
        "-H",
        "X-Who: me",
        stdin="a\nb",
    ).succeeds(b"Hello\nHello\n")
    for request in server.requests:
        body = request.json
        assert (body["model"], body["temperature"], body["a"]) == ("some-model", 0.5, {"b": 1})
        assert body["messages"][0] == {"role": "system", "content": "Be brief"}
        assert request.header("X-Who") == "me"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-c", "-S", "x"], "exclude"),
        (["-S", ""], "name"),
        (["-c"], "no conversation"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], said: str, elkcli: Elkcli) -> None:
    assert said in elkcli("chat", "-p", "demo", *arguments, stdin="a\n").fails(2).error


def test_a_session_goes_on_by_name_id_and_as_the_latest(elkcli: Elkcli, server: Server) -> None:
    server.says("One").says("Two").says("Three").says("Four")
    elkcli("chat", "-S", "elks", "-s", "Be brief", "-m", "some-model", stdin="a\n").succeeds()
    elkcli("chat", "-S", "elks", stdin="b\n").succeeds()
    (conversation,) = json.loads(elkcli("history", "list", "--json", stdin="").out)
    elkcli("chat", "-S", conversation["id"][:5], stdin="c\n").succeeds()
    elkcli("chat", "-c", stdin="d\n").succeeds()
    assert said(server) == [
        ("system", "Be brief"),
        *[("user", "a"), ("assistant", "One"), ("user", "b"), ("assistant", "Two")],
        *[("user", "c"), ("assistant", "Three"), ("user", "d")],
    ]
    assert {request.json["model"] for request in server.requests} == {"some-model"}


def test_no_history_keeps_nothing(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    elkcli("chat", "--no-history", stdin="secret\n").succeeds()
    assert not elkcli.data.exists() or not any(b"secret" in path.read_bytes() for path in elkcli.data.iterdir())


def test_a_store_that_fails_is_told_once_and_stops_no_answer(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    elkcli.data.mkdir(mode=0o700)
    (elkcli.data / "history.db").write_bytes(b"this is no database, whatever its name says" * 100)
    result = elkcli("chat", stdin="a\nb\nc\n")
    result.succeeds(b"Hello\nHello\nHello\n")
    assert result.err.count("warning: not kept") == 1


def test_a_format_for_programs_in_the_configuration_is_none_for_a_chat(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello")
    elkcli.configure('format = "json"\n')
    elkcli("chat", stdin="a\n").succeeds(b"Hello\n")


def test_a_turn_that_found_the_store_locked_at_first_is_part_of_the_conversation(
    elkcli: Elkcli, server: Server
) -> None:
    elkcli("ask", "-p", "demo", "before").succeeds()
    store = sqlite3.connect(elkcli.data / "history.db", isolation_level=None, check_same_thread=False)
    with contextlib.closing(store) as other:

        def reply(request: Any) -> Any:
            if other.in_transaction:
                other.execute("COMMIT")
            return [response(200, whole("Hello"))]

        server.answers(reply)
        other.execute("BEGIN IMMEDIATE")
        elkcli("chat", stdin="a\nb\n").succeeds(b"Hello\nHello\n")
    latest = json.loads(elkcli("history", "list", "--json", stdin="").out)[0]
    assert (latest["title"], latest["turns"]) == ("a", 2)


def test_a_token_that_was_refused_is_asked_for_anew(elkcli: Elkcli, server: Server) -> None:
    server.fails(401, {"error": {"message": "bad"}}).says("Hello")
    tokens = elkcli.file("tokens", "sk-first-one\nsk-second-one\n")
    elkcli.file("token", f"#!/bin/sh\nhead -1 {tokens}\nsed -i 1d {tokens}\n").chmod(0o755)
    env = {"ELKCLI_TOKEN": None, "ELKCLI_TOKEN_COMMAND": str(elkcli.work / "token")}
    assert elkcli("chat", stdin="a\nb\n", env=env).code == 4
    used = [request.header("authorization") for request in server.requests]
    assert used == ["Bearer sk-first-one", "Bearer sk-second-one"]
