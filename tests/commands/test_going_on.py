"""`ask -c` and `ask -S`: which conversation goes on, and with which system message and model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Elkcli
from tests.server import Server


@pytest.fixture(autouse=True)
def _server_that_answers(server: Server) -> None:
    server.says("Hello")


def said(server: Server) -> list[tuple[str, Any]]:
    """The messages of the last request, without the answers."""
    messages = server.requests[-1].json["messages"]
    return [(one["role"], one["content"]) for one in messages if one["role"] != "assistant"]


def test_a_session_keeps_its_system_message_and_model(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "-S", "elks", "-s", "Be brief", "-m", "some-model", "a").succeeds()
    elkcli("ask", "-S", "elks", "b").succeeds()
    assert said(server) == [("system", "Be brief"), ("user", "a"), ("user", "b")]
    assert server.requests[-1].json["model"] == "some-model"


def test_an_empty_system_message_takes_the_kept_one_away(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "-S", "elks", "-s", "Be brief", "a").succeeds()
    elkcli("ask", "-S", "elks", "-s", "", "b").succeeds()
    assert said(server) == [("user", "a"), ("user", "b")]
    elkcli("ask", "-S", "elks", "c").succeeds()
    assert said(server) == [("user", "a"), ("user", "b"), ("user", "c")]


def test_the_usual_system_message_does_not_replace_a_kept_one(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "-S", "elks", "-s", "Be brief", "a").succeeds()
    elkcli.configure('system = "Be kind"\n')
    elkcli("ask", "-S", "elks", "b").succeeds()
    elkcli("ask", "-S", "elks", "c").succeeds()
    assert said(server)[0] == ("system", "Be brief")


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_a_system_message_from_a_file_of_messages_is_kept_too(command: str, elkcli: Elkcli, server: Server) -> None:
    elkcli.file(
        "before.json", json.dumps([{"role": "system", "content": "Be brief"}, {"role": "user", "content": "a"}])
    )
    elkcli("ask", "-S", "elks", "--messages", "before.json", "b").succeeds()
    if command == "ask":
        elkcli("ask", "-S", "elks", "c").succeeds()
    else:
        elkcli("chat", "-S", "elks", stdin="c\n").succeeds()
    assert said(server) == [("system", "Be brief"), ("user", "a"), ("user", "b"), ("user", "c")]


def test_a_session_is_found_by_its_id_as_in_a_chat(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "a").succeeds()
    (kept,) = json.loads(elkcli("history", "list", "--json").out)
    result = elkcli("ask", "-S", kept["id"], "b")
    result.succeeds()
    assert f"continuing {kept['id']}" in result.err
    assert said(server) == [("user", "a"), ("user", "b")]


def test_continuing_says_which_and_none_is_wrong_usage(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "-c", "a").fails(2)
    elkcli("ask", "-S", "elks", "a").succeeds()
    assert "continuing elks" in elkcli("ask", "-c", "b").err
    assert said(server) == [("user", "a"), ("user", "b")]


def test_a_question_nobody_answered_is_no_conversation_to_continue(elkcli: Elkcli, server: Server) -> None:
    server._script.clear()
    server.fails(400, {"error": {"message": "bad"}}).says("Hello")
    elkcli("ask", "a").fails(6)
    elkcli("ask", "-c", "b").fails(2)
