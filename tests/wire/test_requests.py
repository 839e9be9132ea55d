"""What elkcli sends: the body, the headers, the address; and how it shows them before."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any

import pytest

from tests.conftest import Elkcli, needs
from tests.server import Server

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE = f"![image](data:image/png;base64,{PIXEL})"


def body(elkcli: Elkcli, server: Server, *arguments: str, **options: Any) -> Any:
    """The body of the request that ``elkcli ask …`` sends."""
    if not server._script:
        server.says(PICTURE if "--aspect-ratio" in arguments or "--image-size" in arguments else "Hello")
    elkcli("ask", *arguments, **options).succeeds()
    return server.requests[-1].json


def test_the_smallest_request_has_three_members(elkcli: Elkcli, server: Server) -> None:
    assert body(elkcli, server, "hi") == {
        "model": "gemini-3.1-pro-preview",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    request = server.request
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")


def test_the_headers_are_the_documented_ones(elkcli: Elkcli, server: Server, token: str) -> None:
    body(elkcli, server, "hi")
    request = server.request
    assert request.header("Authorization") == f"Bearer {token}"
    assert request.header("Content-Type") == "application/json"
    assert request.header("Accept-Encoding") == "identity"
    assert request.header("Accept-Language") == "en"
    assert (request.header("User-Agent") or "").startswith("elkcli/")
    assert request.header("Host") == f"127.0.0.1:{server.port}"
    assert request.header("Content-Length") == str(len(request.body))
    names = [name.lower() for name, _ in request.headers]
    assert len(names) == len(set(names))
    assert not {"x-api-key", "x-goog-api-key", "cookie", "referer"} & set(names)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["-m", "x"], {"model": "x"}),
        (["--model", "x/y:z"], {"model": "x/y:z"}),
        (["--no-stream"], {"stream": False}),
        (["--temperature", "0"], {"temperature": 0}),
        (["--temperature", "0.7"], {"temperature": 0.7}),
        (["--top-p", "0.5"], {"top_p": 0.5}),
        (["--max-tokens", "100"], {"max_tokens": 100}),
        (["--stop", "a"], {"stop": ["a"]}),
        (["--stop", "a", "--stop", "b,c"], {"stop": ["a", "b,c"]}),
        (["--seed", "7"], {"seed": 7}),
        (["--seed", "-7"], {"seed": -7}),
        (["-n", "3"], {"n": 3}),
        (["--choices", "3"], {"n": 3}),
        (["--reasoning-effort", "low"], {"reasoning_effort": "low"}),
        (["--set", "top_k=40"], {"top_k": 40}),
        (["--set", "user=me"], {"user": "me"}),
        (["--set", 'user="7"'], {"user": "7"}),
        (["--set", "user="], {"user": ""}),
        (["--set", "a=b=c"], {"a": "b=c"}),
        (["--set", "logit_bias={\"1\": -5}"], {"logit_bias": {"1": -5}}),
        (["--set", "stop=null"], {"stop": None}),
        (["--set", "a.b.c=true", "--set", "a.d=1.5"], {"a": {"b": {"c": True}, "d": 1.5}}),
        (["--set", "extra_body.google.thinking_config.thinking_level=low"],
         {"extra_body": {"google": {"thinking_config": {"thinking_level": "low"}}}}),
        (["--temperature", "0.5", "--set", "temperature=1"], {"temperature": 1}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_an_option_is_its_field_and_nothing_else(
    options: list[str], wanted: dict[str, Any], elkcli: Elkcli, server: Server
) -> None:
    plain = {"model": "gemini-3.1-pro-preview", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    assert body(elkcli, server, "hi", *options) == {**plain, **wanted}


@pytest.mark.parametrize(
    ("options", "ratio", "size"),
    [
        (["--aspect-ratio", "16:9", "--image-size", "2K"], "16:9", "2K"),
        (["--aspect-ratio", "16x9"], "16:9", "1K"),
        (["--image-size", "2k"], "1:1", "2K"),
        (["--image-size", "4K", "--aspect-ratio", "21:9"], "21:9", "4K"),
    ],
)
def test_an_image_request_carries_both_documented_members_and_does_not_stream(
    options: list[str], ratio: str, size: str, elkcli: Elkcli, server: Server
) -> None:
    sent = body(elkcli, server, "a fox", *options)
    assert sent["extra_body"] == {"google": {"image_config": {"aspect_ratio": ratio, "image_size": size}}}
    assert sent["stream"] is False
    assert set(sent) == {"model", "stream", "messages", "extra_body"}


def test_an_unknown_ratio_or_size_warns_and_is_sent(elkcli: Elkcli, server: Server) -> None:
    server.says(PICTURE)
    result = elkcli("ask", "a fox", "--aspect-ratio", "7:5", "--image-size", "8k").succeeds()
    assert server.request.json["extra_body"]["google"]["image_config"] == {"aspect_ratio": "7:5", "image_size": "8K"}
    assert "7:5" in result.err
    assert "8K" in result.err


def test_an_image_can_be_streamed_and_combined_with_set(elkcli: Elkcli, server: Server) -> None:
    sent = body(elkcli, server, "a fox", "--aspect-ratio", "1:1", "--stream", "--set",
                "extra_body.google.thinking_config.include_thoughts=true")  # fmt: skip
    assert sent["stream"] is True
    assert sent["extra_body"]["google"]["thinking_config"] == {"include_thoughts": True}
    assert sent["extra_body"]["google"]["image_config"] == {"aspect_ratio": "1:1", "image_size": "1K"}


def test_contents_mirror_the_messages(elkcli: Elkcli, server: Server) -> None:
    messages = elkcli.file("m.json", json.dumps([
        {"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]))  # fmt: skip
    sent = body(elkcli, server, "three", "--contents", "--messages", str(messages))
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": "one"}]},
        {"role": "model", "parts": [{"text": "two"}]},
        {"role": "user", "parts": [{"text": "three"}]},
    ]
    assert [message["content"] for message in sent["messages"]] == ["one", "two", "three"]


def test_a_system_message_comes_first_and_from_a_file_with_at(elkcli: Elkcli, server: Server) -> None:
    elkcli.file("s.txt", "Be brief.\n")
    assert body(elkcli, server, "hi", "-s", "Be kind.")["messages"][0] == {"role": "system", "content": "Be kind."}
    assert body(elkcli, server, "hi", "-s", "@s.txt")["messages"][0]["content"].strip() == "Be brief."
    assert len(server.requests[-1].json["messages"]) == 2


def test_earlier_messages_keep_every_member_and_come_between(elkcli: Elkcli, server: Server) -> None:
    earlier: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "odd", "y": 1}], "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function",
         "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "42"},
    ]  # fmt: skip
    path = elkcli.file("m.json", json.dumps(earlier))
    sent = body(elkcli, server, "hi", "--messages", str(path), "-s", "S")
    assert sent["messages"] == [{"role": "system", "content": "S"}, *earlier, {"role": "user", "content": "hi"}]
    assert body(elkcli, server, "hi", "--messages", "-", stdin=json.dumps(earlier))["messages"] == [
        *earlier,
        {"role": "user", "content": "hi"},
    ]


def test_a_schema_becomes_the_response_format(elkcli: Elkcli, server: Server) -> None:
    schema = {"title": "Person", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    path = elkcli.file("s.json", json.dumps(schema))
    server.says('{"name": "Ada"}')
    sent = body(elkcli, server, "who", "--schema", str(path))["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"] == schema
    assert sent["json_schema"]["name"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["why", "is", "the", "sky", "blue"], None, "why is the sky blue"),
        (["a  b", " c"], None, "a  b  c"),
        (["-"], "from a pipe\n", "from a pipe"),
        ([], "only a pipe", "only a pipe"),
        (["summarise"], "the log", "summarise\n\nthe log"),
        (["-", "summarise"], "the log", "the log"),
        (["before", "-", "after"], "the log", None),
        (["--", "-x", "--model"], None, "-x --model"),
        (["hi", "--no-stdin"], "not this", "hi"),
        (["hi"], "", "hi"),
        (["hi"], "  \n", None),
        (["日本語", "🦌"], "é\r\nü\0", None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_the_message_is_words_then_standard_input(
    arguments: list[str], stdin: str | None, message: str | None, elkcli: Elkcli, server: Server
) -> None:
    (sent,) = body(elkcli, server, *arguments, stdin=stdin)["messages"]
    assert sent["role"] == "user"
    text = sent["content"]
    if message is not None:
        assert text.startswith(message)
    for word in arguments:
        if word not in {"-", "--", "--no-stdin"}:
            assert word in text
    if stdin and "--no-stdin" not in arguments:
        assert stdin.strip() in text
    if arguments == ["before", "-", "after"]:
        assert text.index("before") < text.index("the log") < text.index("after")


@pytest.mark.parametrize(
    "given",
    ["{}", "{}/", "{}/v1", "{}/v1/", "{}/v1/chat/completions", "{}/v1/chat/completions/", "{}/chat/completions"],
)
def test_the_base_url_may_be_written_in_many_ways(given: str, elkcli: Elkcli, server: Server) -> None:
    server.says()
    elkcli("ask", "hi", "--base-url", given.format(server.url.removesuffix("/v1"))).succeeds()
    assert server.request.path == "/v1/chat/completions"


def test_a_base_url_with_a_path_keeps_it(elkcli: Elkcli, server: Server) -> None:
    server.says()
    elkcli("ask", "hi", "--base-url", server.url.replace("/v1", "/openai/v1")).succeeds()
    assert server.request.path == "/openai/v1/chat/completions"


def test_further_headers_are_sent_and_replace_ours(elkcli: Elkcli, server: Server) -> None:
    server.says()
    elkcli("ask", "hi", "-H", "X-Title: a: b ", "-H", "accept-language: zh", "--header", "X-Empty:").succeeds()
    assert server.request.header("x-title") == "a: b"
    assert server.request.header("Accept-Language") == "zh"
    assert server.request.header("x-empty") == ""


# Showing instead of sending


def test_dry_run_prints_the_request_hides_the_token_and_sends_nothing(
    elkcli: Elkcli, server: Server, token: str
) -> None:
    shown = elkcli("ask", "hi", "--dry-run", "-H", "X-A: b", "--temperature", "0.5").succeeds().json
    assert shown["method"] == "POST"
    assert shown["url"] == f"{server.url}/chat/completions"
    assert shown["body"]["temperature"] == 0.5
    assert shown["headers"]["X-A"] == "b"
    assert "Authorization" in shown["headers"]
    assert token not in json.dumps(shown)
    assert not server.requests


def test_dry_run_shows_just_what_is_sent(elkcli: Elkcli, server: Server) -> None:
    options = ["hi", "-s", "S", "--set", "a.b=1", "--aspect-ratio", "1:1", "--contents", "-H", "X-A: b"]
    shown = elkcli("ask", *options, "--dry-run", stdin="pipe").succeeds().json
    assert shown["body"] == body(elkcli, server, *options, stdin="pipe")
    sent = {name.lower(): value for name, value in server.request.headers}
    assert all(sent[name.lower()] == value for name, value in shown["headers"].items() if name != "Authorization")


def test_dry_run_and_curl_need_no_token(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "hi", "--dry-run", env={"ELKCLI_TOKEN": None}).succeeds()
    elkcli("ask", "hi", "--curl", env={"ELKCLI_TOKEN": None}).succeeds()
    assert not server.requests


PROMPTS = [
    "hi",
    'it\'s `$(touch pwned)` "quoted" \\ $HOME !x',
    "a\nb\r\n\tc",
    "é 🦌",
    "-d @/etc/passwd",
    "x" * 200_000,
    "ELKCLI_BODY\nEOF",
    "\x01\x7f",
]


@needs("curl")
@pytest.mark.slow
@pytest.mark.parametrize("prompt", PROMPTS, ids=[ascii(prompt[:12]) for prompt in PROMPTS])
def test_the_curl_command_really_runs_and_sends_the_same(
    prompt: str, elkcli: Elkcli, server: Server, token: str
) -> None:
    server.says()
    elkcli("ask", "-", "-H", "X-It: isn't $HOME", stdin=prompt).succeeds()
    command = elkcli("ask", "-", "-H", "X-It: isn't $HOME", "--curl", stdin=prompt).succeeds().text
    assert "$ELKCLI_TOKEN" in command
    assert token not in command
    script = elkcli.file("c.sh", command)
    result = elkcli.shell(f"bash {shlex.quote(str(script))}")
    assert result.code == 0, result
    assert b"Hello" in result.out
    ours, theirs = server.requests
    assert theirs.body.removesuffix(b"\n") == ours.body, "a long body may gain the newline of a here-document"
    assert theirs.path == ours.path
    for name in ("Authorization", "Content-Type", "X-It", "Accept-Encoding", "User-Agent"):
        assert theirs.header(name) == ours.header(name)
    assert not os.path.exists("pwned")


@needs("curl")
@pytest.mark.slow
def test_the_curl_command_sends_an_empty_header_too(elkcli: Elkcli, server: Server) -> None:
    server.says()
    command = elkcli("ask", "hi", "-H", "X-Empty:", "--curl").succeeds().text
    assert elkcli.shell(command).code == 0
    assert server.request.header("X-Empty") == ""


@pytest.mark.parametrize("value", ["1e999", "[1, -1e999]"])
def test_a_number_that_json_has_not_is_refused(value: str, elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "hi", "--set", f"x={value}").fails(2)
    elkcli.file("m.json", f'[{{"role": "user", "content": "hi", "x": {value}}}]')
    elkcli("ask", "hi", "--messages", "m.json").fails(2)
    elkcli("ask", "hi", "--set", f"x={value}", "--curl").fails(2)
    assert not server.requests


def test_verbose_shows_what_went_over_the_wire_but_never_the_token(elkcli: Elkcli, server: Server) -> None:
    server.says()
    result = elkcli("ask", "hi", "-v").succeeds(b"Hello\n")
    assert "/v1/chat/completions" in result.err
    assert "200" in result.err
    assert "served-model" in result.err


def test_quiet_says_nothing_but_errors(elkcli: Elkcli, server: Server) -> None:
    server.says("Hel", finish="length").fails(400, {"error": {"message": "bad"}})
    assert elkcli("ask", "hi", "-q", terminal=True).succeeds().err == ""
    elkcli("ask", "hi", "-q").fails(6)


@pytest.mark.parametrize("hush", [["-q"], ["-f", "json"], ["-f", "jsonl"]])
def test_a_usage_line_that_is_asked_for_comes_whatever_hushes_the_setting(
    hush: list[str], elkcli: Elkcli, server: Server
) -> None:
    server.says()
    assert "6 tokens" in elkcli("ask", "hi", *hush, "--usage").succeeds().err
    assert elkcli("ask", "hi", *hush, env={"ELKCLI_USAGE": "true"}).succeeds().err == ""


def test_verbose_shows_the_cause_of_a_failure(elkcli: Elkcli, server: Server, closed_port: int) -> None:
    away = elkcli("ask", "hi", "-v", "--retries", "0", "--base-url", f"http://127.0.0.1:{closed_port}")
    assert away.code == 7
    assert "cause: ConnectError" in away.err
    server.drops(after="Hel")
    cut = elkcli("ask", "hi", "-v")
    assert cut.code == 8
    assert "cause: ReadError" in cut.err


def test_one_connection_serves_a_retry(elkcli: Elkcli, server: Server) -> None:
    server.fails(503, {"error": {"message": "later"}}).says()
    elkcli("ask", "hi").succeeds()
    assert server.connections == 1
