"""Replies that are errors: by status, by code, by shape. One line, a hint, the right exit code, and no panic."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Elkcli
from tests.server import Close, Server, chunk, chunked, event, head, response, stream, whole

RELAY = " (request id: 20260724061032123456789ab12cd34XyZ01234)"
PAGE = "<html>\n<head><title>{0}</title></head>\n<body><center><h1>{0}</h1></center><hr>nginx</body>\n</html>\n"


def relay(message: str, code: Any = "", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": "new_api_error", "param": "", "code": code, **more}}


@dataclass(frozen=True)
class Case:
    """A refusal and how it must be told."""

    says: str
    status: int
    body: Any
    code: int
    error: str = ""
    hint: str = ""
    headers: dict[str, str | None] | None = None


HTML: dict[str, str | None] = {"Content-Type": "text/html"}

CASES = [
    Case("an unknown token", 401, relay("Invalid token" + RELAY), 4, "Invalid token", "token"),
    Case("an old relay's exhausted token", 401, relay("TokenStatusExhausted[sk-abc***xyz]", None), 4, "***", "balance"),
    Case("a refused address", 403, relay("IP not allowed", "access_denied"), 4),
    Case("a model not allowed", 403, relay("This token has no access to model x" + RELAY), 4, "no access"),
    Case("no money in the account", 403, relay("user quota is not enough", "insufficient_user_quota"), 5,
         "not enough", "balance"),
    Case("no money in the token", 403, relay("token quota", "pre_consume_token_quota_failed"), 5, "", "max-tokens"),
    Case("a payment required", 402, relay("pay up"), 5, "pay up"),
    Case("an over-quota code with 429", 429, relay("You exceeded your quota", "insufficient_quota"), 5),
    Case("429 without a body", 429, b"", 5),
    Case("429 in Chinese", 429, relay("当前分组上游负载已饱和，请稍后再试"), 5, "当前分组上游负载已饱和"),
    Case("a blocked prompt", 400, relay("request blocked by Gemini API: SAFETY", "prompt_blocked"), 6, "blocked"),
    Case("Google's own error", 400, {"error": {"code": 400, "message": "Invalid aspect ratio", "param": None,
         "status": "INVALID_ARGUMENT", "details": [{}]}}, 6, "Invalid aspect ratio"),
    Case("Google's own error in an array", 400, [{"error": {"code": 400, "message": "Bad ratio"}}], 6, "Bad ratio"),
    Case("a mistake told as 500", 500, relay("field messages is required", "invalid_request"), 6, "field messages"),
    Case("a conversion told as 500", 500, relay("use the snake_case name", "convert_request_failed"), 6, "snake_case"),
    Case("an unknown model", 503, relay("No available channel for model gpt-x under group default (distributor)",
         "model_not_found"), 6, "gpt-x", "models"),
    Case("an unreadable upstream", 502, {"error": {"message": "openai_error", "type": "bad_response_status_code",
         "param": "", "code": "bad_response_status_code"}}, 6, "502"),
    Case("a panic", 500, {"error": {"message": "Panic detected, error: x", "type": "new_api_panic"}}, 6, "Panic"),
    Case("a wrong address", 404, {"error": {"message": "Invalid URL (POST /v1/v1/chat/completions)",
         "type": "invalid_request_error", "param": "", "code": ""}}, 6, "/v1/chat/completions", "base"),
    Case("a wrong method", 405, {"detail": "Method Not Allowed"}, 6, "Method Not Allowed"),
    Case("too large, as JSON", 413, relay("too big", "read_request_body_failed"), 6, "too large", "attach"),
    Case("too large, as a page", 413, PAGE.format("413 Request Entity Too Large"), 6, "too large", "attach", HTML),
    Case("too large, as 400", 400, relay("Invalid request: request body exceeds 128 MB limit"), 6, "too large"),
    Case("too long for the model", 400, relay("maximum context length is 8192 tokens", "context_length_exceeded"), 6),
    Case("a bad gateway's page", 502, PAGE.format("502 Bad Gateway"), 6, "502", "", HTML),
    Case("a challenge page", 403, PAGE.format("Just a moment..."), 4, "", "", HTML),
    Case("Cloudflare's 524", 524, PAGE.format("A timeout occurred"), 6, "524", "", HTML),
    Case("an empty 502", 502, b"", 6, "502"),
    Case("plain words", 500, "Internal Server Error", 6, "Internal Server Error", "", {"Content-Type": "text/plain"}),
    Case("JSON called an event stream", 400, relay("bad thing"), 6, "bad thing", "",
         {"Content-Type": "text/event-stream"}),
    Case("JSON behind data:", 500, b'data: {"error":{"message":"bad thing"}}\n\n', 6, "bad thing", "",
         {"Content-Type": "text/event-stream"}),
    Case("an event behind a comment", 401, b': PING\n\nevent: error\ndata: {"error":{"message":"bad thing"}}\n\n', 4,
         ": bad thing", "", {"Content-Type": "text/event-stream"}),
    Case("JSON and more behind it", 400, b'{"error":{"message":"bad thing"}}\n\ndata: [DONE]\n\n', 6, ": bad thing"),
    Case("JSON with raw control characters", 400, b'{"error":{"message":"bad\nthing\x01"}}', 6, ": bad thing"),
    Case("an error in an error", 400, {"error": {"error": {"message": "bad thing"}}}, 6, ": bad thing"),
    Case("a list of errors", 400, {"errors": [{"message": "bad thing"}]}, 6, ": bad thing"),
    Case("a problem document", 400, {"type": "about:blank", "title": "bad thing", "status": 400}, 6, ": bad thing"),
    Case("a lone surrogate", 400, b'{"error":{"message":"a\\ud800b"}}', 6, "a\ufffdb"),
    Case("no redirect and no answer", 304, b"", 6, "304"),
    Case("a choice of places", 300, b"", 6, "300"),
    Case("an encoding that cannot be read", 401, b"\x0b\x02\x80hi\x03", 4, "401", "", {"Content-Encoding": "br"}),
    Case("JSON without a type", 400, relay("bad thing"), 6, "bad thing", "", {"Content-Type": None}),
    Case("JSON with a byte order mark", 400, b'\xef\xbb\xbf{"error":{"message":"bad thing"}}', 6, "bad thing"),
    Case("Latin-1 bytes", 400, b'{"error":{"message":"caf\xe9"}}', 6, "caf"),
    Case("an error as a string", 400, {"error": "bad thing"}, 6, "bad thing"),
    Case("an error of null", 400, {"error": None}, 6, "400"),
    Case("an error of nothing", 400, {"error": {}}, 6, "400"),
    Case("a message of null", 400, {"error": {"message": None, "code": None, "type": None}}, 6, "400"),
    Case("a message that is an object", 400, {"error": {"message": {"a": ["b"]}, "code": [], "type": {}}}, 6),
    Case("a detail", 401, {"detail": "Invalid API key"}, 4, "Invalid API key"),
    Case("a list of details", 422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}, 6,
         ": body: Field required"),
    Case("an API of another kind", 400, {"success": False, "message": "no such thing"}, 6, "no such thing"),
    Case("an empty object", 400, {}, 6, "400"),
    Case("a number", 500, b"7", 6),
    Case("deeply nested JSON", 400, b'{"error":' * 5000 + b"1" + b"}" * 5000, 6, "400"),
    Case("megabytes of page", 500, "<html><title>Oops</title>" + "x" * 3_000_000, 6, "Oops", "", HTML),
    Case("megabytes of message", 500, relay("y" * 3_000_000), 6, "yyy"),
    Case("several lines", 400, relay("first\nsecond\r\nthird"), 6, "first second third"),
    Case("a status that does not exist", 599, relay("odd"), 6, "odd"),
    Case("a teapot", 418, b"", 6, "418"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.says.replace(" ", "_") for case in CASES])
def test_a_refusal_is_one_line_a_hint_and_its_code(case: Case, elkcli: Elkcli, server: Server) -> None:
    server.fails(case.status, case.body, case.headers)
    result = elkcli("ask", "hi", "--retries", "0").fails(case.code)
    assert case.error in result.error
    assert case.hint in result.hint
    assert len(result.err) < 4000, "the server's words are capped"
    assert "openai_error" not in result.err
    assert len(server.requests) == 1


WRONG_200 = [
    ("an error object", relay("went wrong", "bad_response"), 6, "went wrong"),
    ("an error string", {"error": "went wrong"}, 6, "went wrong"),
    ("a rate limit", {"error": {"message": "slow down", "code": 429}}, 5, "slow down"),
    ("a status as type", {"error": {"message": "slow down", "type": "429", "code": None}}, 5, "slow down"),
    ("no money", relay("poor", "insufficient_user_quota"), 5, "poor"),
    ("another API's failure", {"success": False, "message": "no such thing"}, 6, "no such thing"),
    ("no choices", {"choices": [], "usage": None}, 8, "empty"),
    ("choices of null", {"choices": None}, 8, "empty"),
    ("an empty message", whole(""), 8, "empty"),
    ("a message of null", whole(None), 8, "empty"),
    ("a filter", whole("", finish="content_filter"), 8, "filter"),
    ("the token limit before a word", whole("", finish="length"), 8, "limit"),
    ("an empty object", {}, 6, ""),
    ("an array", [1, 2], 6, ""),
    ("a string", b'"hello"', 6, ""),
    ("broken JSON", b"{malformed json: <<<chaos>>>", 6, ""),
    ("cut JSON", b'{"choices":[{"message":{"content":"Hel', 6, ""),
    ("deeply nested JSON", b'{"a":' * 100_000, 6, ""),
    ("no body", b"", 8, "empty"),
    ("blank space", b" \n \n", 8, "empty"),
    ("a web page", PAGE.format("New API"), 6, "page"),
    ("a web page after blanks", "\n\n  " + PAGE.format("New API"), 6, "page"),
    ("a model list", {"object": "list", "data": [{"id": "x"}]}, 6, ""),
]


@pytest.mark.parametrize(("body", "code", "error"), [case[1:] for case in WRONG_200], ids=[c[0] for c in WRONG_200])
@pytest.mark.parametrize("stream_option", ["--stream", "--no-stream"])
def test_a_200_without_an_answer_is_an_error(
    body: Any, code: int, error: str, stream_option: str, elkcli: Elkcli, server: Server
) -> None:
    server.replies(body)
    result = elkcli("ask", "hi", "--retries", "0", stream_option).fails(code)
    assert error in result.error
    assert "<html" not in result.err


RIGHT_200: list[tuple[str, Any, bytes]] = [
    ("the documentation's sample", {"id": "x", "object": "object", "created": 0, "choices": [
        {"index": 1, "message": {"role": "user", "content": "Hello"}, "finish_reason": "finish_reason"}],
        "usage": {"prompt_tokens": 0}}, b"Hello\n"),
    ("error null beside choices", {"error": None, **whole("Hello")}, b"Hello\n"),
    ("usage of null", whole("Hello", usage=None), b"Hello\n"),
    ("no usage, id, model, created", {"choices": whole("Hello")["choices"]}, b"Hello\n"),
    ("odd types", {**whole("Hello"), "id": 7, "created": "x", "model": None, "object": []}, b"Hello\n"),
    ("usage of zeros and extras", whole("Hello", usage={"total_tokens": 0, "billing_usage": {}, "cost": 1.5,
        "prompt_tokens_details": None, "completion_tokens_details": None}), b"Hello\n"),
    ("content as parts", whole([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]), b"Hello\n"),
    ("an array of one", [whole("Hello")], b"Hello\n"),
    ("blank lines before it", b"\n" * 70_000 + json.dumps(whole("Hello")).encode(), b"Hello\n"),
    ("an object a line", b"\n".join(json.dumps(c).encode() for c in (chunk("Hel"), chunk("lo", finish="stop"))),
        b"Hello\n"),
    ("an object of many lines behind a comment", b": PING\n\n" + json.dumps(
        {**whole("Hello"), "x": [*range(200)]}, indent=8).encode(), b"Hello\n"),
    ("a field without meaning before a stream", b"x-trace: 1\n\n" + b"".join(stream("Hel", "lo")), b"Hello\n"),
    ("something behind it", json.dumps(whole("Hello")).encode() + b"\n[curl time_total=0.003]\n", b"Hello\n"),
    ("a byte order mark", b"\xef\xbb\xbf" + json.dumps(whole("Hello")).encode(), b"Hello\n"),
    ("blanks around", b"\r\n " + json.dumps(whole("Hello")).encode() + b"\n\n", b"Hello\n"),
    ("a stream", b"".join(stream("Hel", "lo")), b"Hello\n"),
    ("a stream after a comment", b": PING\n\n" + b"".join(stream("Hel", "lo")), b"Hello\n"),
    ("raw control characters in strings", b'{"choices":[{"message":{"content":"a\tb\nc"},"finish_reason":"stop"}]}',
        b"a\tb\nc\n"),
    ("a lone surrogate", b'{"choices":[{"message":{"content":"a\\ud800b"},"finish_reason":"stop"}]}',
        "a\ufffdb\n".encode()),
]  # fmt: skip


@pytest.mark.parametrize(("body", "out"), [case[1:] for case in RIGHT_200], ids=[case[0] for case in RIGHT_200])
@pytest.mark.parametrize("stream_option", ["--stream", "--no-stream"])
def test_an_answer_is_told_by_its_first_bytes(
    body: Any, out: bytes, stream_option: str, elkcli: Elkcli, server: Server
) -> None:
    server.replies(body)
    elkcli("ask", "hi", "--retries", "0", stream_option).succeeds(out)


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:])),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("identity", bytes),
    ],
)
def test_a_compressed_answer_is_unpacked_although_not_asked_for(
    kind: str, pack: Callable[[bytes], bytes], elkcli: Elkcli, server: Server
) -> None:
    packed = pack(b"".join(stream("Hel", "lo")))
    server.replies(packed, headers={"Content-Encoding": kind, "Content-Type": "text/event-stream"})
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert server.request.header("accept-encoding") == "identity"


def test_an_answer_whose_packing_breaks_is_cut_short(elkcli: Elkcli, server: Server) -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    packed = packer.compress(event(chunk("Hel"))) + packer.flush(zlib.Z_SYNC_FLUSH)
    server.streams((packed, 0.1), b"\xff" * 50, headers={"Content-Encoding": "gzip"})
    assert "decompress" in elkcli("ask", "hi").fails(8, b"Hel\n").error


@pytest.mark.parametrize(
    ("kind", "body"), [("gzip", b"this is no gzip"), ("br", b"\x0b\x02\x80hi\x03"), ("x-odd", b"hi")]
)
def test_an_encoding_that_cannot_be_read_is_an_error_and_no_crash(
    kind: str, body: bytes, elkcli: Elkcli, server: Server
) -> None:
    server.replies(body, headers={"Content-Encoding": kind})
    elkcli("ask", "hi", "--retries", "0").fails(6)


def test_a_decompression_bomb_ends_in_an_error(elkcli: Elkcli, server: Server) -> None:
    page = gzip.compress(gzip.compress(b" " * 200_000_000))
    server.fails(400, page, {"Content-Encoding": "gzip, gzip"})
    elkcli("ask", "hi").fails(6)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
    ],
)
def test_a_reply_that_is_no_http_is_nonsense_and_not_asked_for_again(
    raw: bytes, elkcli: Elkcli, server: Server
) -> None:
    server.sends(raw)
    error = elkcli("ask", "hi").fails(6).error
    assert "HTTP" in error
    assert "bytearray" not in error
    assert len(server.requests) == 1


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_connection_closed_before_an_answer_is_7(raw: bytes, elkcli: Elkcli, server: Server) -> None:
    server.sends(raw)
    assert "closed" in elkcli("ask", "hi").fails(7).error
    assert len(server.requests) == 3


def test_a_cut_body_of_a_known_length_is_8_where_words_came_and_7_where_none_did(
    elkcli: Elkcli, server: Server
) -> None:
    body = json.dumps(whole("Hello")).encode()
    server.sends(head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))}) + body[:40])
    result = elkcli("ask", "hi", "--no-stream", "--retries", "0")
    assert result.code in {7, 8}
    result.fails(result.code)


def test_a_broken_chunk_after_the_end_of_the_answer_is_forgiven(elkcli: Elkcli, server: Server) -> None:
    body = chunked(b"".join(stream("Hello"))) + b"zzz\r\n"
    server.sends(head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}) + body)
    elkcli("ask", "hi").succeeds(b"Hello\n")


def test_nobody_listens(elkcli: Elkcli, closed_port: int, token: str) -> None:
    env = {"ELKCLI_BASE_URL": f"http://127.0.0.1:{closed_port}/v1", "ELKCLI_TOKEN": token}
    result = elkcli("ask", "hi", env=env).fails(7)
    assert str(closed_port) in result.err
    assert len(elkcli.sleeps) == 2, "a refused connection is tried again"


def test_a_host_that_does_not_exist(elkcli: Elkcli, token: str) -> None:
    env = {"ELKCLI_BASE_URL": "https://elk.invalid/v1", "ELKCLI_TOKEN": token}
    assert elkcli("ask", "hi", "--retries", "0", env=env).fails(7).error == "no address is known for elk.invalid"


def test_a_name_that_nobody_answers_for_is_given_up(
    elkcli: Elkcli, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def look_up(*args: Any, **options: Any) -> list[Any]:
        over.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    env = {"ELKCLI_BASE_URL": "https://elk.invalid/v1", "ELKCLI_TOKEN": token}
    began = time.monotonic()
    assert "timed out" in elkcli("ask", "hi", "--retries", "0", "--timeout", "0.2", env=env).fails(7).error
    assert time.monotonic() - began < 10
    over.set()


def test_a_name_with_several_addresses_is_tried_at_each(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def two(host: str, *args: Any, **options: Any) -> Any:
        names = ("127.0.0.99", "127.0.0.1") if host == "localhost" else (host,)
        return [entry for name in names for entry in look_up(name, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    server.says()
    elkcli("ask", "hi", "--base-url", f"http://localhost:{server.port}").succeeds(b"Hello\n")


def test_a_server_that_refuses_while_the_body_is_still_being_sent(elkcli: Elkcli, server: Server) -> None:
    server.refuses(413, PAGE.format("413 Request Entity Too Large"), HTML)
    result = elkcli("ask", "-", stdin="x" * 5_000_000)
    assert result.code in {6, 7}
    result.fails(result.code)
    assert "large" in result.err


def test_a_connection_never_accepted_is_given_up(elkcli: Elkcli, token: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        result = elkcli(
            "ask", "hi", "--timeout", "0.3", "--retries", "0",
            env={"ELKCLI_BASE_URL": f"http://127.0.0.1:{port}", "ELKCLI_TOKEN": token},
        )  # fmt: skip
    result.fails(7)


def test_the_request_id_is_shown_once_where_there_is_one(elkcli: Elkcli, server: Server) -> None:
    ours = "20260724061032123456789ab12cd34XyZ01234"
    server.fails(400, relay("bad" + RELAY)).fails(400, relay("bad" + RELAY), {"X-Oneapi-Request-Id": "req-header"})
    first = elkcli("ask", "hi", "-v")
    assert first.err.count(ours) >= 1
    second = elkcli("ask", "hi", "-f", "json", "--no-stream")
    error = json.loads(second.err)["error"]
    assert error["request_id"] == "req-header"
    assert ours not in error["message"]


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_errors_are_objects_where_the_output_is_json(name: str, elkcli: Elkcli, server: Server) -> None:
    server.fails(429, relay("slow down", "rate_limit_exceeded"), {"X-Oneapi-Request-Id": "req-1"})
    result = elkcli("ask", "hi", "-f", name, "--retries", "0")
    assert result.code == 5
    error = json.loads(result.err.strip().splitlines()[-1])["error"]
    assert set(error) == {"kind", "message", "code", "status", "request_id", "hint"}
    assert (error["code"], error["status"], error["request_id"]) == ("rate_limit_exceeded", 429, "req-1")
    assert "slow down" in error["message"]


def test_a_usage_error_is_an_object_too(elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", "-f", "json", "--temperature", "9")
    assert result.code == 2
    assert json.loads(result.err)["error"]["kind"] == "usage"
    assert not server.requests


def test_a_server_that_echoes_the_token_cannot_make_it_shown(elkcli: Elkcli, server: Server, token: str) -> None:
    server.fails(401, relay(f"wrong key: {token}", token), {"X-Oneapi-Request-Id": token})
    server.replies(relay(f"wrong key: {token}")).fails(502, f"<title>{token}</title>", HTML)
    server.fails(500, f"Bearer {token}").streams({"error": f"key {token} is bad"})
    for _ in range(5):
        assert elkcli("ask", "hi", "--retries", "0", "-v").code in {4, 6}


def test_a_server_that_is_no_http_cannot_make_the_token_shown(elkcli: Elkcli, server: Server, token: str) -> None:
    server.sends(f"HTTP/1.1 {token}\r\n\r\n".encode())
    assert "cause: " in elkcli("ask", "hi", "-v").err  # the fixture looks for the token in all that was written


def test_an_answer_after_100_continue_and_103_hints_is_found(elkcli: Elkcli, server: Server) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    server.answers(lambda request: [hints, response(200, whole("Hello")), Close()])
    elkcli("ask", "hi", "--no-stream").succeeds(b"Hello\n")
