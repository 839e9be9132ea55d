"""`--schema`: what is sent, what is checked on this side, and how often is asked."""

from __future__ import annotations

import pytest

from elkcli.schema import checker_for
from tests.conftest import Elkcli
from tests.server import Server

SCHEMA = '{"title": "Count", "type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'


def test_an_answer_that_follows_the_schema_is_printed(elkcli: Elkcli, server: Server) -> None:
    server.says('{"n": 1}')
    elkcli("ask", "--schema", str(elkcli.file("s.json", SCHEMA)), "hi").succeeds(b'{"n": 1}\n')
    assert server.request.json["response_format"]["json_schema"]["name"] == "Count"


@pytest.mark.parametrize(("answer", "why"), [("no", "not JSON"), ('{"n": "x"}', "n: "), ("{}", "required")])
def test_an_answer_that_does_not_is_printed_and_exit_8(answer: str, why: str, elkcli: Elkcli, server: Server) -> None:
    server.says(answer)
    result = elkcli("ask", "--schema", str(elkcli.file("s.json", SCHEMA)), "hi").fails(8, answer.encode() + b"\n")
    assert why in result.error
    assert "--schema-retries" in result.hint


def test_asked_again_only_the_last_answer_is_printed(elkcli: Elkcli, server: Server) -> None:
    server.says("no").says('{"n": "x"}').says('{"n": 1}')
    path = str(elkcli.file("s.json", SCHEMA))
    elkcli("ask", "--schema", path, "--schema-retries", "3", "hi").succeeds(b'{"n": 1}\n')
    first, _, last = (request.json["messages"] for request in server.requests)
    assert last[0] == first[0]
    assert last[1] == {"role": "assistant", "content": '{"n": "x"}'}
    assert "n: " in last[2]["content"]


def test_asked_in_vain_the_last_answer_is_printed_and_exit_8(elkcli: Elkcli, server: Server) -> None:
    server.says("no").says("never")
    path = str(elkcli.file("s.json", SCHEMA))
    result = elkcli("ask", "--schema", path, "--schema-retries", "1", "hi")
    assert (result.code, result.out) == (8, b"never\n")
    assert len(server.requests) == 2


def test_an_error_of_the_server_is_not_asked_away(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": "bad"}})
    path = str(elkcli.file("s.json", SCHEMA))
    elkcli("ask", "--schema", path, "--schema-retries", "3", "hi").fails(6)
    assert len(server.requests) == 1


@pytest.mark.parametrize("command", ["ask", "batch"])
@pytest.mark.parametrize("schema", ['{"type": 7}', '{"type": "objekt"}', "[]", "{", '{"required": "n"}'])
def test_a_schema_that_is_none_is_refused_before_anything_is_sent(
    schema: str, command: str, elkcli: Elkcli, server: Server
) -> None:
    elkcli(command, "--schema", str(elkcli.file("s.json", schema)), stdin=b'"hi"\n').fails(2)
    assert server.requests == []


def test_retries_without_a_schema_are_a_mistake(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "--schema-retries", "1", "hi").fails(2)


def test_json_inside_a_fence_counts() -> None:
    check = checker_for({"required": ["n"]})
    assert check is not None
    assert check('```json\n{"n": 1}\n```\n') is None


def test_references_elsewhere_are_not_fetched() -> None:
    check = checker_for({"$ref": "http://example.com/schema.json"})
    assert check is not None
    assert "cannot be applied" in (check("{}") or "")
