"""When the same request is sent again, after how long, and when never."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from tests.conftest import Elkcli
from tests.server import Server, event

ERROR = {"error": {"message": "try later", "type": "upstream_error", "code": ""}}


def coded(code: Any) -> dict[str, Any]:
    return {"error": {"message": "no", "type": "new_api_error", "code": code}}


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527])
def test_what_may_pass_is_tried_twice_more(status: int, elkcli: Elkcli, server: Server) -> None:
    server.fails(status, ERROR)
    elkcli("ask", "hi").fails(5 if status == 429 else 6)
    assert len(server.requests) == 3
    assert len(elkcli.sleeps) == 2
    assert all(0 <= pause <= 60 for pause in elkcli.sleeps)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 501])
def test_what_cannot_pass_is_tried_once(status: int, elkcli: Elkcli, server: Server) -> None:
    server.fails(status, ERROR)
    assert elkcli("ask", "hi").code in {4, 5, 6}
    assert len(server.requests) == 1
    assert elkcli.sleeps == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "invalid_request"), (500, "convert_request_failed"), (500, "sensitive_words_detected"),
        (500, "count_token_failed"), (500, "model_price_error"), (500, "read_request_body_failed"),
        (500, "bad_request_body"), (500, "json_marshal_failed"), (500, "invalid_api_type"),
        (500, "channel:model_mapped_error"), (429, "insufficient_user_quota"),
        (429, "pre_consume_token_quota_failed"), (500, "content_filter"), (500, "content_policy_violation"),
        (500, "data_inspection_failed"), (500, "prompt_blocked"), (503, "access_denied"),
    ],
)  # fmt: skip
def test_a_code_that_says_never_beats_a_status_that_says_again(
    status: int, code: str, elkcli: Elkcli, server: Server
) -> None:
    server.fails(status, coded(code))
    assert elkcli("ask", "hi").code in {4, 5, 6}
    assert len(server.requests) == 1


def test_an_unknown_model_is_tried_again_at_most_once(elkcli: Elkcli, server: Server) -> None:
    server.fails(503, coded("model_not_found"))
    elkcli("ask", "hi", "--retries", "5").fails(6)
    assert len(server.requests) <= 2


@pytest.mark.parametrize("code", ["do_request_failed", "bad_response", "bad_response_body", "empty_response",
                                  "get_channel_failed", "system_cpu_overloaded", 503, None])  # fmt: skip
def test_a_code_that_may_pass_is_tried_again(code: Any, elkcli: Elkcli, server: Server) -> None:
    server.fails(500, coded(code)).says()
    elkcli("ask", "hi").succeeds(b"Hello\n")


@pytest.mark.parametrize("kind", ["reset", "close", "status", "page", "stall"])
def test_the_answer_after_a_failure_is_whole_and_a_pipe_hears_nothing_of_it(
    kind: str, elkcli: Elkcli, server: Server
) -> None:
    match kind:
        case "reset":
            server.drops()
        case "close":
            server.drops(reset=False)
        case "status":
            server.fails(503, ERROR)
        case "page":
            server.fails(502, "<html>502</html>", {"Content-Type": "text/html"})
        case "stall":
            server.stalls()
    server.says()
    result = elkcli("ask", "hi", *(["--timeout", "0.3"] if kind == "stall" else []))
    if kind == "stall" and result.code == 7:
        assert len(server.requests) == 1, "the work may have been billed: once is a choice, told as it is"
        return
    result.succeeds(b"Hello\n")
    assert result.err == ""
    assert [request.body for request in server.requests[1:]] == [server.requests[0].body]


def test_a_retry_is_told_at_a_terminal_and_with_verbose(elkcli: Elkcli, server: Server) -> None:
    server.fails(503, ERROR).says().fails(503, ERROR).says()
    assert "503" in elkcli("ask", "hi", terminal=True, env={"NO_COLOR": "1"}).err
    assert "503" in elkcli("ask", "hi", "-v").err


def test_no_retries_are_none(elkcli: Elkcli, server: Server) -> None:
    server.fails(503, ERROR)
    elkcli("ask", "hi", env={"ELKCLI_RETRIES": "0"}).fails(6)
    assert len(server.requests) == 1


@pytest.mark.parametrize("after", ["Hel"])
@pytest.mark.parametrize("reset", [True, False])
def test_nothing_is_tried_again_once_words_were_shown(after: str, reset: bool, elkcli: Elkcli, server: Server) -> None:
    server.drops(after=after, reset=reset).says()
    elkcli("ask", "hi").fails(8, b"Hel\n")
    assert len(server.requests) == 1


@pytest.mark.parametrize("value", ["7", " 7 ", "7.0", "date"])
def test_the_server_says_when(value: str, elkcli: Elkcli, server: Server) -> None:
    if value == "date":
        value = formatdate(time.time() + 8, usegmt=True)
    server.fails(429, ERROR, {"Retry-After": value}).says()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    (pause,) = elkcli.sleeps if len(elkcli.sleeps) == 1 else (sum(elkcli.sleeps),)
    assert 5 <= pause <= 16


@pytest.mark.parametrize("value", ["120", "86400", "99999999999999999999", "9" * 400, "far"])
def test_a_longer_wait_than_a_minute_ends_the_tries_and_is_told(value: str, elkcli: Elkcli, server: Server) -> None:
    if value == "far":
        value = formatdate(time.time() + 7200, usegmt=True)
    server.fails(429, ERROR, {"Retry-After": value})
    result = elkcli("ask", "hi").fails(5)
    assert len(server.requests) == 1
    assert elkcli.sleeps == []
    if value == "120":
        assert "120 s" in result.err or "2 min" in result.err


@pytest.mark.parametrize("value", ["-1", "soon", "", "0", "nan", "inf", "1e999", "Fri, 31 Feb 2026 00:00:00 GMT",
                                   "Mon, 01 Jan 2001 00:00:00 GMT", "٣", "7, 8"])  # fmt: skip
def test_nonsense_in_retry_after_is_no_reason_to_wait_or_crash(value: str, elkcli: Elkcli, server: Server) -> None:
    header = value.encode().decode("latin-1")
    server.fails(429, ERROR, {"Retry-After": header}).says()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert sum(elkcli.sleeps) <= 60


@pytest.mark.parametrize("kind", ["500", "524", "reset"])
def test_an_image_request_that_may_have_been_billed_is_never_sent_again(
    kind: str, elkcli: Elkcli, server: Server
) -> None:
    if kind == "reset":
        server.drops()
    else:
        server.fails(int(kind), ERROR)
    server.says()
    assert elkcli("ask", "a fox", "--aspect-ratio", "1:1").code in {6, 7}
    assert len(server.requests) == 1


def test_an_image_request_that_never_left_is_tried_again(elkcli: Elkcli, closed_port: int, token: str) -> None:
    env = {"ELKCLI_BASE_URL": f"http://127.0.0.1:{closed_port}", "ELKCLI_TOKEN": token}
    elkcli("ask", "a fox", "--aspect-ratio", "1:1", env=env).fails(7)
    assert len(elkcli.sleeps) == 2


def test_an_error_in_the_stream_before_any_word_may_be_tried_again(elkcli: Elkcli, server: Server) -> None:
    server.streams(event({"error": {"message": "overloaded", "code": 503}})).says()
    result = elkcli("ask", "hi")
    assert (result.code, result.out) in {(0, b"Hello\n"), (6, b"")}
    assert len(server.requests) == (2 if result.code == 0 else 1)


def test_the_pauses_grow_and_are_not_all_alike(elkcli: Elkcli, server: Server) -> None:
    server.fails(503, ERROR)
    elkcli("ask", "hi", "--retries", "12").fails(6)
    assert len(server.requests) == 13
    assert len(set(elkcli.sleeps)) > 6, "jitter"
    assert max(elkcli.sleeps[6:]) > max(elkcli.sleeps[:1])
    assert max(elkcli.sleeps) <= 60


@pytest.mark.parametrize(("values", "least"), [(["7", "3"], 7), (["soon", "5"], 5), (["soon", "-1"], 0)])
def test_of_several_waits_the_longest_counts(values: list[str], least: float, elkcli: Elkcli, server: Server) -> None:
    lines = "".join(f"Retry-After: {value}\r\n" for value in values)
    server.sends(f"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n{lines}\r\n".encode()).says()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert least <= elkcli.sleeps[0] <= least + 2


def test_a_connection_closed_while_idle_is_made_anew_without_a_word(elkcli: Elkcli, server: Server) -> None:
    server.says("one").sends().says("two")
    result = elkcli("chat", "-q", stdin="a\nb\n", env={"ELKCLI_RETRIES": "0"}).succeeds(b"one\ntwo\n")
    assert not result.err.strip()
    assert not elkcli.sleeps
    assert len(server.requests) == 3
