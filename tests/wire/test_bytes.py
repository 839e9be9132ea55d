"""Standard output is the model's text byte for byte, and one newline only where the text has none."""

from __future__ import annotations

import pytest

from tests.conftest import Elkcli
from tests.server import DONE, Server, chunk, event, whole

TEXTS = [
    "plain",
    "one newline\n",
    "several newlines\n\n\n",
    "\n",
    "\n\nleading",
    " spaces \t ",
    "trailing spaces  \n",
    "CRLF\r\nlines\r\n",
    "CR at the end\r",
    "NUL \0 inside\0",
    "\0",
    "bell \x07 escape \x1b[31m",
    "é 你好 🦌🏔️ العربية",
    "e\u0301 combining",
    "\u2028\u2029\x85\x0b\x0c separators",
    "\ufeffbyte order mark",
    "replacement \ufffd",
    "private \ue000 and \U0010ffff",
    "a" * 100_000 + "\n" + "b" * 100_000,
    "```python\nprint()\n```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "<b>not</b> HTML & Vec<String> <!-- no -->",
    "data: {}\n\ndata: [DONE]\n\n",
    '{"error": {"message": "just text"}}',
    "![image](not a data url)",
    "![image](data:text/plain;base64,",
    "[media](https://example.com/x.wav)",
    "![",
    "text that ends in ![image](",
    "<think>said aloud</think>",
]


@pytest.mark.parametrize("text", TEXTS, ids=[ascii(text[:20]) for text in TEXTS])
@pytest.mark.parametrize("size", [0, 1, 3])
def test_bytes_out_are_the_model_s_text(text: str, size: int, elkcli: Elkcli, server: Server) -> None:
    wanted = text.encode() + (b"" if text.endswith("\n") else b"\n")
    if len(text) > 1000:
        size *= 1000
    server.says(text, chunks=[text[i : i + size] for i in range(0, len(text), size)] if size else [text])
    elkcli("ask", "hi").succeeds(wanted)
    elkcli("ask", "hi", "-f", "text").succeeds(wanted)
    if not size:
        elkcli("ask", "hi", "--no-stream").succeeds(wanted)
        assert server.requests[-1].json["stream"] is False
    reply = elkcli("ask", "hi", "-f", "json").succeeds().json
    assert reply["choices"][0]["message"]["content"] == text


def test_empty_deltas_change_nothing(elkcli: Elkcli, server: Server) -> None:
    server.says(chunks=["", "a", "", "", "\n", ""])
    elkcli("ask", "hi").succeeds(b"a\n")


def test_no_words_are_held_back_until_the_next(elkcli: Elkcli, server: Server) -> None:
    """An exclamation mark may begin an image; at the end of the answer it is one."""
    for text in ("Hi!", "Hi![", "Hi![image]", "Hi![image](data", "["):
        server.says(text)
    for text in ("Hi!", "Hi![", "Hi![image]", "Hi![image](data", "["):
        elkcli("ask", "hi").succeeds(text.encode() + b"\n")


@pytest.mark.parametrize("fmt", ["json", "jsonl"])
@pytest.mark.parametrize("stream_option", ["--stream", "--no-stream"])
def test_json_is_one_object_and_jsonl_one_event_a_line(
    fmt: str, stream_option: str, elkcli: Elkcli, server: Server
) -> None:
    server.says(chunks=["Hel", "lo \u2028 €"], reasoning="hmm")
    result = elkcli("ask", "hi", "-f", fmt, stream_option).succeeds()
    assert result.err == ""
    assert result.out.endswith(b"\n")
    assert server.request.json["stream"] is (stream_option == "--stream")
    if fmt == "json":
        assert result.out.count(b"\n") >= 1
        reply = result.json
        assert reply["object"] == "chat.completion"
        assert reply["id"] == "chatcmpl-20260724061032"
        assert reply["model"] == "served-model"
        assert reply["created"] == 1784873432
        (choice,) = reply["choices"]
        assert choice["index"] == 0
        assert choice["finish_reason"] == "stop"
        assert choice["message"]["role"] == "assistant"
        assert choice["message"]["content"] == "Hello \u2028 €"
        assert choice["message"]["reasoning_content"] == "hmm"
        assert reply["usage"]["total_tokens"] == 6
    else:
        types = [line["type"] for line in result.events]
        assert types[0] == "start"
        assert types[-1] == "end"
        assert set(types) <= {"start", "text", "reasoning", "image", "usage", "end", "error"}
        assert {"text", "reasoning", "usage"} <= set(types)
        assert "".join(line["text"] for line in result.events if line["type"] == "text") == "Hello \u2028 €"


def test_json_is_not_streamed_unless_asked(elkcli: Elkcli, server: Server) -> None:
    server.says()
    elkcli("ask", "hi", "-f", "json").succeeds()
    elkcli("ask", "hi", "-f", "jsonl").succeeds()
    elkcli("ask", "hi").succeeds()
    assert [request.json["stream"] for request in server.requests] == [False, True, True]


def test_json_keeps_every_field_the_server_sent(elkcli: Elkcli, server: Server) -> None:
    reply = {
        "id": "x", "object": "object", "created": 1.5, "model": "m", "system_fingerprint": None, "provider": {"a": [1]},
        "choices": [{"index": 1, "message": {"role": "user", "content": "Hi", "annotations": [], "weird": None},
                     "finish_reason": "finish_reason", "logprobs": {"content": []}}],
        "usage": {"prompt_tokens": 1, "cost": 0.5, "claude_cache": 0},
    }  # fmt: skip
    server.replies(reply)
    assert elkcli("ask", "hi", "-f", "json", "--no-stream").succeeds().json == reply


def test_a_cut_stream_in_json_is_what_came_and_an_error_object(elkcli: Elkcli, server: Server) -> None:
    server.drops(after="Hel")
    lines = elkcli("ask", "hi", "-f", "jsonl")
    assert lines.code == 8
    assert "".join(line["text"] for line in lines.events if line["type"] == "text") == "Hel"
    assert lines.events[-1]["type"] in {"error", "end"}
    whole = elkcli("ask", "hi", "-f", "json", "--stream")
    assert whole.code == 8
    assert whole.json["choices"][0]["message"]["content"] == "Hel"
    assert not whole.json["choices"][0].get("finish_reason")


def test_both_streams_of_two_choices_stay_apart_in_json(elkcli: Elkcli, server: Server) -> None:
    server.streams(
        event(chunk("b", index=1)), event(chunk("a")), event(chunk(finish="stop")),
        event(chunk(finish="length", index=1)), DONE,
    )  # fmt: skip
    reply = elkcli("ask", "hi", "-n", "2", "-f", "json", "--stream").succeeds().json
    assert [choice["message"]["content"] for choice in reply["choices"]] == ["a", "b"]
    assert [choice["finish_reason"] for choice in reply["choices"]] == ["stop", "length"]


BLOCKS = (
    "Try:\n\n```python\nprint(1)\n```\n\nor\n\n~~~sh\necho `x`\n\n~~~\n\n````md\n```\ninner\n```\n````\nend ```no```\n"
)


@pytest.mark.parametrize(
    ("which", "out"),
    [
        ("1", b"print(1)\n"),
        ("python", b"print(1)\n"),
        ("2", b"echo `x`\n\n"),
        ("sh", b"echo `x`\n\n"),
        ("3", b"```\ninner\n```\n"),
        ("-1", b"```\ninner\n```\n"),
        ("-3", b"print(1)\n"),
    ],
)
def test_extract_prints_one_code_block(which: str, out: bytes, elkcli: Elkcli, server: Server) -> None:
    server.says(BLOCKS)
    elkcli("ask", "hi", "-x", which).succeeds(out)
    elkcli("ask", "hi", f"--extract={which}", "--no-stream").succeeds(out)


def test_extract_all_prints_every_block_in_order(elkcli: Elkcli, server: Server) -> None:
    server.says(BLOCKS)
    out = elkcli("ask", "hi", "-x", "all").succeeds().out
    places = [out.index(words) for words in (b"print(1)", b"echo `x`", b"inner")]
    assert places == sorted(places)
    assert b"Try" not in out
    assert b"~~~" not in out
    assert b"```python" not in out


@pytest.mark.parametrize("which", ["4", "-4", "rust"])
def test_no_such_block_is_8(which: str, elkcli: Elkcli, server: Server) -> None:
    server.says(BLOCKS)
    elkcli("ask", "hi", "-x", which).fails(8)


def test_no_block_at_all_is_8(elkcli: Elkcli, server: Server) -> None:
    server.says("just words")
    elkcli("ask", "hi", "-x", "all").fails(8)


def test_extract_zero_is_a_usage_error(elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "hi", "-x", "0").fails(2)
    assert not server.requests


def test_an_error_is_not_hidden_by_a_missing_block(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": "bad aspect ratio", "code": "invalid_request"}})
    result = elkcli("ask", "hi", "-x", "all").fails(6)
    assert "bad aspect ratio" in result.err
    assert "no code block" not in result.err


@pytest.mark.parametrize(
    ("answer", "which", "out"),
    [
        ('```py\ndef f():\n    """\n    ```\n    x\n    ```\n    """\n```\nafter\n', "all",
         b'def f():\n    """\n    ```\n    x\n    ```\n    """\n'),
        ("1. do\n\n   ```sh\n   ls\n     -la\n   ```\n", "all", b"ls\n  -la\n"),
        ("- so:\n  ```sh\n  ls\n```\nafter\n", "all", b"ls\n"),
        ("> ```sh\n> > /dev/null\n>\n>  b\n> ```\n", "all", b"> /dev/null\n\n b\n"),
        ("> ```sh\n> ls\n\nafter\n\n```\nx\n```\n", "all", b"ls\nx\n"),
        ("```\na\n``` b\nc\n`````\nafter", "all", b"a\n``` b\nc\n"),
        ("```rust,ignore\na\n```\n```{.py title=x}\nb\n```\n", "rust", b"a\n"),
        ("```rust,ignore\na\n```\n```{.py title=x}\nb\n```\n", "python", b"b\n"),
        ("```c++\na\n```\n```c#\nb\n```\n", "c#", b"b\n"),
        ("```\r\na\r\n```\r\n", "1", b"a\r\n"),
        ("```\nnever closed\n", "1", b"never closed\n"),
    ],
)  # fmt: skip
def test_a_block_ends_where_commonmark_ends_it(
    answer: str, which: str, out: bytes, elkcli: Elkcli, server: Server
) -> None:
    server.says(answer)
    elkcli("ask", "hi", "-x", which).succeeds(out)


def test_blocks_of_every_choice_are_extracted(elkcli: Elkcli, server: Server) -> None:
    server.streams(event(chunk("```\nb\n```", index=1)), event(chunk("```\na\n```")), event(chunk(finish="stop")), DONE)
    elkcli("ask", "hi", "-n", "2", "-x", "all").succeeds(b"a\nb\n")


@pytest.mark.parametrize("numbers", [(0, 1), (1, 2), (None, None), (0, 0)])
def test_choices_of_a_whole_reply_come_in_order(
    numbers: tuple[int | None, int | None], elkcli: Elkcli, server: Server
) -> None:
    first, second = (
        {"index": number, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for number, text in zip(numbers, ("a", "b"), strict=True)
    )
    turned = numbers[0] != numbers[1]
    server.replies({**whole(""), "choices": [second, first] if turned else [first, second]})
    elkcli("ask", "hi", "-n", "2", "--no-stream").succeeds(b"a\n\nb\n")


def test_equal_choices_stay_two(elkcli: Elkcli, server: Server) -> None:
    server.replies({**whole(""), "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}] * 2})
    elkcli("ask", "hi", "-n", "2", "--no-stream").succeeds(b"a\n\na\n")


@pytest.mark.parametrize(("reason", "code"), [("content_filter", 8), ("length", 0), ("stop", 0)])
def test_a_second_choice_that_is_not_whole_is_told(reason: str, code: int, elkcli: Elkcli, server: Server) -> None:
    server.streams(
        event(chunk("a")), event(chunk("b", index=1)), event(chunk(finish="stop")),
        event(chunk(finish=reason, index=1)), DONE,
    )  # fmt: skip
    result = elkcli("ask", "hi", "-n", "2")
    assert (result.code, result.out) == (code, b"a\n\nb\n")
    assert (reason in result.err) == (reason != "stop")
