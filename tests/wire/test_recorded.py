"""Replies recorded from other people's servers (LiteLLM, aimock, llama-cpp-python), given again byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Elkcli
from tests.server import Server, Step, chunked

RECORDED = Path(__file__).parent / "recorded"
CUT = {"aimock-x-midcut-stream-true", "aimock-x-truncate-stream-true"}  # the server broke the connection off

TOOL = json.dumps(
    {"id": "ID", "type": "function", "function": {"name": "get_weather", "arguments": '{"location":"Oslo"}'}}
)
# code, standard output, words of the error
EXPECTED: dict[str, tuple[int, str, str]] = {
    "aimock-err-badjson": (6, "", "Malformed JSON"),
    "aimock-err-badkey": (4, "", "Invalid API key"),
    "aimock-err-badmodel-stream": (6, "", "no-such-model"),
    "aimock-err-badpath": (6, "", "Not found"),
    "aimock-err-nomessages": (6, "", "messages"),
    "aimock-nonstream": (0, "Hello from aimock. I have no fixture for that, so here is the catch-all.\n", ""),
    "aimock-stream": (0, "Hello from aimock. I have no fixture for that, so here is the catch-all.\n", ""),
    "aimock-stream-usage": (0, "Hello from aimock. I have no fixture for that, so here is the catch-all.\n", ""),
    "aimock-x-drop500-stream-true": (6, "", "Chaos"),
    "aimock-x-empty-stream-false": (8, "", "empty"),
    "aimock-x-empty-stream-true": (8, "", "empty"),
    "aimock-x-err400-stream-true": (6, "", "8192 tokens"),
    "aimock-x-err403-stream-true": (5, "", "quota"),
    "aimock-x-err429-stream-true": (5, "", "Rate limit reached"),
    "aimock-x-escape-stream-true": (0, "before \x1b[31mred\x1b[0m \x1b]0;title\x07 \0 after\n", ""),
    "aimock-x-filter-stream-false": (8, "", "filter"),
    "aimock-x-filter-stream-true": (8, "", "filter"),
    "aimock-x-length-stream-false": (0, "This was cut by max_tok\n", "limit"),
    "aimock-x-length-stream-true": (0, "This was cut by max_tok\n", "limit"),
    "aimock-x-malformed-stream-true": (6, "", "JSON"),
    "aimock-x-midcut-stream-true": (8, "This answer is dro\n", "cut"),
    "aimock-x-na403-stream-true": (4, "", "no access"),
    "aimock-x-reason-stream-false": (0, "42\n", ""),
    "aimock-x-reason-stream-true": (0, "42\n", ""),
    "aimock-x-tool-stream-false": (0, TOOL.replace("ID", "call_afHJKrlTWRAxKHgF") + "\n", ""),
    "aimock-x-tool-stream-true": (0, TOOL.replace("ID", "call_KRBHD8MO3npdcaNr") + "\n", ""),
    "aimock-x-truncate-stream-true": (8, "This ans\n", "cut"),
    "aimock-x-unicode-stream-false": (
        0, "日本語のテキスト 🦌🏔️ café – “quotes” العربية\nnew line\ttab\n", ""),
    "aimock-x-usage-stream-true": (0, "usage given\n", ""),
    "litellm-err-badkey": (4, "", "Authentication Error"),
    "litellm-err-badmodel": (6, "", "Invalid model name"),
    "litellm-err-badpath": (6, "", "Not Found"),
    "litellm-err-getmethod": (6, "", "Method Not Allowed"),
    "litellm-nonstream": (0, "Hello from the LiteLLM proxy. Nǐ hǎo 你好, 🦌 elk.\n", ""),
    "litellm-stream": (0, "Hello from the LiteLLM proxy. Nǐ hǎo 你好, 🦌 elk.\n", ""),
    "litellm-stream-usage": (0, "Hello from the LiteLLM proxy. Nǐ hǎo 你好, 🦌 elk.\n", ""),
    "litellm-x-broke": (5, "", "Budget has been exceeded"),
    "litellm-x-elk-429-stream-true": (5, "", "rate limit"),
    "litellm-x-elk-500-stream-true": (6, "", "mock internal server error"),
    "litellm-x-elk-ctx-stream-true": (6, "", "context window"),
    "litellm-x-smol-ctx": (6, "", "context size"),
    "llama-cpp-python-err-badjson": (6, "", "Internal Server Error"),
    "llama-cpp-python-err-badkey": (4, "", "Invalid API key"),
    "llama-cpp-python-err-badpath": (6, "", "Not Found"),
    "llama-cpp-python-nonstream": (0, "In one short sentence, I'm ready.\n", ""),
    "llama-cpp-python-x-ctx": (6, "", "1024 tokens"),
    "llama-cpp-python-x-ctx-stream": (8, "", "empty"),
}  # fmt: skip


def replay(name: str, *, size: int = 100_000) -> list[Step]:
    """A recording as it was on the wire, its joined body in chunks of ``size`` again."""
    head, _, body = (RECORDED / f"{name}.txt").read_bytes().partition(b"\r\n\r\n")
    steps: list[Step] = [head + b"\r\n\r\n"]
    if b"transfer-encoding: chunked" not in head.lower():
        return [*steps, body]
    steps += [chunked(body[start : start + size]) for start in range(0, len(body), size)]
    return steps if name in CUT else [*steps, chunked(b"")]


@pytest.mark.parametrize(
    ("name", "size"), [*((name, 100_000) for name in EXPECTED), *((name, 7) for name in EXPECTED if "stream" in name)]
)
def test_the_replies_of_other_servers_are_understood(name: str, size: int, elkcli: Elkcli, server: Server) -> None:
    code, out, err = EXPECTED[name]
    server.sends(*replay(name, size=size))
    result = elkcli("ask", "hi", "--retries", "0")
    assert (result.code, result.out) == (code, out.encode()), result
    assert err in result.err
    if code:
        result.fails(code, out.encode())


@pytest.mark.parametrize("name", ["llama-cpp-python-stream", "litellm-x-smol-real-stream-true"])
def test_a_real_model_s_stream_is_whole(name: str, elkcli: Elkcli, server: Server) -> None:
    server.sends(*replay(name))
    result = elkcli("ask", "hi", "-f", "json").succeeds()
    text = result.json["choices"][0]["message"]["content"]
    server.sends(*replay(name))
    elkcli("ask", "hi").succeeds(text.encode() + b"\n")
    assert len(text) > 10


@pytest.mark.parametrize("name", ["aimock-models", "litellm-models", "llama-cpp-python-models"])
def test_the_model_lists_of_other_servers_are_read(name: str, elkcli: Elkcli, server: Server) -> None:
    server.sends(*replay(name))
    ids = elkcli("models").succeeds().text.splitlines()
    assert ids == sorted(ids)
    assert {"aimock-models": "no-such-model", "litellm-models": "elk-chat"}.get(name, "smollm2-135m") in ids


def test_every_recording_is_tried() -> None:
    tried = {*EXPECTED, "llama-cpp-python-stream", "litellm-x-smol-real-stream-true"}
    assert {path.stem for path in RECORDED.glob("*.txt")} == tried | {
        f"{server}-models" for server in ("aimock", "litellm", "llama-cpp-python")
    }
