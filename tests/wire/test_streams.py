"""What comes inside a 200 event stream, and what elkcli makes of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Elkcli
from tests.server import DONE, USAGE, Close, Pause, Reset, Server, Step, chunk, event, stream, whole

PING = b": PING\n\n"
ROLE = event(chunk("", role="assistant"))
HEL = event(chunk("Hel"))
LO = event(chunk("lo"))
STOP = event(chunk(finish="stop"))
COUNTED = event(chunk(choices=[], usage=USAGE))
ERROR = {"error": {"message": "upstream overloaded", "type": "upstream_error", "code": 503}}
BARE_ERROR = json.dumps(ERROR).encode() + b"\n"


def crlf(events: list[bytes], end: bytes = b"\r\n") -> bytes:
    return b"".join(events).replace(b"\n", end)


@dataclass(frozen=True)
class Case:
    """One stream, how the run must end, what must be on standard output, and words of standard error."""

    says: str
    steps: list[Step | dict[str, Any]]
    out: bytes = b"Hello\n"
    code: int = 0
    err: str = ""
    ends: Step | None = None


def tool(index: int, **call: Any) -> bytes:
    return event(chunk(tool_calls=[{"index": index, **call}]))


CALLS = [
    json.dumps({"id": id, "type": "function", "function": {"name": name, "arguments": given}}).encode() + b"\n"
    for id, name, given in (("call_1", "look", '{"at":"x"}'), ("call_2", "then", "{}"))
]
WHOLE = [
    Case("in one piece", [b"".join(stream("Hello"))]),
    Case("keep-alive comments before and between", [PING, PING, ROLE, PING, HEL, PING, LO, PING, STOP, COUNTED, DONE]),
    Case("keep-alive glued to an event", [PING + ROLE + PING + HEL, LO + PING + STOP, PING + DONE]),
    Case("a comment without a blank line", [b":\n", b":x\n" + HEL, LO, STOP, DONE]),
    Case("usage although not asked for", [HEL, LO, STOP, COUNTED, DONE]),
    Case("usage on every chunk", [event(chunk("Hel", usage=USAGE)), event(chunk("lo", usage=USAGE)), STOP, DONE]),
    Case("usage of zeros after the real one", [
        HEL, LO, STOP, COUNTED, event(chunk(choices=[], usage=dict.fromkeys(USAGE, 0))), DONE]),
    Case("usage of strange types", [
        HEL, LO, STOP, event(chunk(choices=[], usage={"prompt_tokens": "4", "completion_tokens": None,
        "total_tokens": [6], "cost": "x", "prompt_tokens_details": 3})), DONE]),
    Case("the end without [DONE] after a finish reason", [HEL, LO, STOP]),
    Case("the connection closed after a finish reason", [HEL, LO, STOP], ends=Close()),
    Case("the connection reset after a finish reason", [HEL, LO, STOP, Pause(0.1)], ends=Reset()),
    Case("the connection reset after [DONE]", [HEL, LO, STOP, DONE, Pause(0.1)], ends=Reset()),
    Case("events that are null, a number or nothing, between the others", [
        HEL, event(b"null"), event(b"5"), event(b"[]"), event(b'""'), event(b"true"), LO, STOP, DONE]),
    Case("events parted by one line end only", [
        b"".join(step.replace(b"\n\n", b"\n") for step in (ROLE, HEL, LO, STOP, COUNTED, DONE))]),
    Case("an integer of thousands of digits", [
        HEL, event(b'{"created": ' + b"9" * 5000 + b', "choices": [{"delta": {"content": "lo"}}]}'), STOP, DONE]),
    Case("finish reason on the last words", [HEL, event(chunk("lo", finish="stop")), DONE]),
    Case("words after the finish reason", [HEL, STOP, LO, COUNTED, DONE]),
    Case("finish reason of an empty string until the end", [
        event(chunk("Hel", finish="")), event(chunk("lo", finish="")), STOP, DONE]),
    Case("no finish reason members but at the end", [
        event({"choices": [{"index": 0, "delta": {"content": "Hello"}}]}), STOP, DONE]),
    Case("chunks that hold nothing", [
        event({"choices": None}), event({"id": "x"}), event({"choices": [{"index": 0}]}),
        event({"choices": [{"index": 0, "delta": None}]}), event({"choices": [{"index": 0, "delta": {}}]}),
        event({"choices": [None, 7, "x", []]}), event({"choices": {}}), event({"choices": "x"}),
        HEL, LO, STOP, DONE]),
    Case("contents that are no text", [
        event(chunk(delta=1)), event(chunk(7)), event(chunk(True)), event(chunk({})), event(chunk([])),
        HEL, LO, STOP, DONE]),
    Case("null beside a role", [event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}),
        HEL, LO, STOP, DONE]),
    Case("content as an array of parts", [
        event(chunk([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}])), STOP, DONE]),
    Case("reasoning beside null content", [
        event({"choices": [{"index": 0, "delta": {"content": None, "reasoning_content": "hmm"}}]}),
        HEL, LO, STOP, DONE]),
    Case("reasoning under two names", [
        event(chunk(reasoning_content="hmm", reasoning="hmm")), HEL, LO, STOP, DONE]),
    Case("the user's role, as in the documentation", [event(chunk("Hello", role="user")), STOP, DONE]),
    Case("the only choice counted as 1", [
        event(chunk("Hel", index=1)), event(chunk("lo", index=1)), event(chunk(finish="stop", index=1)), DONE]),
    Case("an index that is no number", [
        event({"choices": [{"index": None, "delta": {"content": "Hel"}}]}),
        event({"choices": [{"index": "0", "delta": {"content": "lo"}}]}), STOP, DONE]),
    Case("odd created, id and model", [
        event({**chunk("Hel"), "created": "soon", "id": "", "model": None}),
        event({**chunk("lo"), "created": 1.5, "id": 7, "model": []}), STOP, DONE]),
    Case("error null on every chunk", [
        event({**chunk("Hel"), "error": None}), event({**chunk("lo"), "error": None}), STOP, DONE]),
    Case("unknown members everywhere", [
        event({**chunk("Hel"), "x": {"y": []}, "provider": "z"}), LO, STOP, DONE]),
    Case("CRLF line ends", [crlf(stream("Hel", "lo"))]),
    Case("lone CR line ends", [crlf(stream("Hel", "lo"), b"\r")]),
    Case("CRLF split between CR and LF", [
        piece for item in stream("Hel", "lo") for piece in (item[:-2] + b"\r", b"\n\r", b"\n")]),
    Case("no space after the colon", [b"".join(stream("Hello")).replace(b"data: ", b"data:")]),
    Case("a leading byte order mark", [b"\xef\xbb\xbf" + b"".join(stream("Hello"))]),
    Case("event, id, retry and unknown fields", [
        b"event: message\nid: 1\nretry: 10\nfoo: bar\nfoo\n" + HEL, b"event: message\nid\n" + LO, STOP, DONE]),
    Case("data in several lines", [
        b"data: {\ndata: " + json.dumps(chunk("Hello")).encode()[1:-1] + b"\ndata: }\n\n", STOP, DONE]),
    Case("blank lines in plenty", [b"\n\n\n" + HEL + b"\n\n\n\n" + LO, STOP, b"\n", DONE]),
    Case("empty data lines", [b"data:\n\n", HEL, b"data: \n\n", LO, STOP, DONE]),
    Case("no blank line after [DONE]", [HEL, LO, STOP, b"data: [DONE]"]),
    Case("no blank line after the last event", [HEL, LO, STOP.rstrip()]),
    Case("spaces around [DONE]", [HEL, LO, STOP, b"data:  [DONE] \n\n"]),
    Case("a proxy's words after [DONE]", [HEL, LO, STOP, DONE, b"<html>oops"]),
    Case("raw control characters inside JSON strings", [
        event(b'{"choices":[{"index":0,"delta":{"content":"Hel\x01lo"}}]}'), STOP, DONE], out=b"Hel\x01lo\n"),
    Case("an emoji in two deltas", [event(b'{"choices":[{"index":0,"delta":{"content":"\\uD83D"}}]}'),
        event(b'{"choices":[{"index":0,"delta":{"content":"\\uDE00"}}]}'), STOP, DONE], out="😀\n".encode()),
    Case("a lone surrogate", [
        event(b'{"choices":[{"index":0,"delta":{"content":"a\\uD83Db"}}]}'), STOP, DONE], out="a\ufffdb\n".encode()),
    Case("a lone surrogate at the end", [
        event(b'{"choices":[{"index":0,"delta":{"content":"a\\uD83D"}}]}'), STOP, DONE], out="a\ufffd\n".encode()),
    Case("an emoji cut by the network", [bytes([byte]) for byte in b"".join(stream("h\u00e9 😀"))],
        out="hé 😀\n".encode()),
    Case("line separators inside the text", [
        event(json.dumps(chunk("a\u2028b\u2029c\x85d\x0b\x0c"), ensure_ascii=False).encode()), STOP, DONE],
        out="a\u2028b\u2029c\x85d\x0b\x0c\n".encode()),
    Case("a refusal", [event(chunk(refusal="I will not.")), STOP, DONE], out=b"I will not.\n"),
    Case("a whole reply instead of a stream", [json.dumps(whole("Hello")).encode()]),
    Case("a whole reply as one event", [event(whole("Hello")), DONE]),
    Case("the whole message again at the end", [
        HEL, LO, event({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"},
        "finish_reason": "stop"}]}), DONE]),
    Case("cut at the token limit", [HEL, event(chunk("lo", finish="length")), COUNTED, DONE], err="limit"),
    *(Case(f"finish reason {reason}", [HEL, LO, event(chunk(finish=reason)), DONE], err=reason)
      for reason in ("eos", "MALFORMED_FUNCTION_CALL", "error")),
    Case("a stop after tool calls", [
        tool(0, id="call_1", type="function", function={"name": "look", "arguments": ""}),
        tool(0, type=None, function={"arguments": '{"at":'}), tool(0, type=None, function={"arguments": '"x"}'}),
        event(chunk(finish="tool_calls")), tool(1, id="call_2", function={"name": "then", "arguments": "{}"}),
        STOP, DONE],
        out=b"".join(CALLS)),
]  # fmt: skip

CUT = [
    Case("an error line after some text", [ROLE, HEL, BARE_ERROR], b"Hel\n", 8, "overloaded"),
    Case("an error line without a line end", [ROLE, HEL, BARE_ERROR.strip()], b"Hel\n", 8, "overloaded"),
    Case("an error event after some text", [ROLE, HEL, event(ERROR), DONE], b"Hel\n", 8, "overloaded"),
    Case("an error event of type error", [HEL, b"event: error\n" + event(ERROR)], b"Hel\n", 8, "overloaded"),
    Case("an error as a string", [HEL, event({"error": "it broke"})], b"Hel\n", 8, "it broke"),
    Case("an error line over several lines", [HEL, json.dumps(ERROR, indent=1).encode() + b"\n"], b"Hel\n", 8,
         "overloaded"),
    Case("[DONE] without a finish reason", [HEL, LO, COUNTED, DONE], b"Hello\n", 8, "finish"),
    Case("the end without a finish reason", [HEL], b"Hel\n", 8),
    Case("the connection closed in mid-stream", [HEL], b"Hel\n", 8, ends=Close()),
    Case("the connection reset in mid-stream", [HEL, Pause(0.1)], b"Hel\n", 8, ends=Reset()),
    Case("the connection closed inside an event", [HEL, LO[:20]], b"Hel\n", 8, ends=Close()),
    Case("an event that is not JSON", [HEL, event(b"{broken"), LO, STOP, DONE], b"Hello\n", 8),
    Case("filtered after some text", [HEL, event(chunk(finish="content_filter")), DONE], b"Hel\n", 8, "filter"),
]  # fmt: skip

NOTHING = [
    Case("an error event at once", [event(ERROR)], b"", 6, "overloaded"),
    Case("an error line after a role", [ROLE, BARE_ERROR], b"", 6, "overloaded"),
    Case("an error line after keep-alives", [PING, PING, BARE_ERROR], b"", 6, "overloaded"),
    Case("a rate limit at once", [event({"error": {"message": "slow down", "code": 429}})], b"", 5, "slow down"),
    Case("a rate limit by its name", [event({"error": {"message": "slow", "code": "rate_limit_exceeded"}})], b"", 5),
    Case("no money", [event({"error": {"message": "poor", "code": "insufficient_user_quota"}})], b"", 5, "poor"),
    Case("an error without a word", [event({"error": {}})], b"", 6),
    Case("a blocked prompt", [ROLE, event(chunk(choices=[])), COUNTED, DONE], b"", 8, "empty"),
    Case("nothing but usage", [event({"id": "", "created": 0, "choices": [], "usage": USAGE}), DONE], b"", 8, "empty"),
    Case("nothing but [DONE]", [DONE], b"", 8, "empty"),
    Case("nothing but keep-alives", [PING, PING], b"", 8, "empty"),
    Case("nothing at all", [], b"", 8, "empty"),
    Case("a stop without a word", [ROLE, STOP, COUNTED, DONE], b"", 8, "empty"),
    Case("the token limit before a word", [ROLE, event(chunk(finish="length")), DONE], b"", 8, "limit"),
    Case("a filter before a word", [event(chunk("", finish="content_filter")), DONE], b"", 8, "filter"),
    Case("reasoning and nothing else", [event(chunk(reasoning_content="hmm")), STOP, DONE], b"", 8, "empty"),
    Case("the first event torn by the end", [ROLE[:-20]], b"", 8, "empty"),
    Case("a web page", [b"<!doctype html><html><title>New API</title></html>"], b"", 6, "page"),
    Case("plain words", [b"upstream connect error or disconnect\n"], b"", 6),
    Case("only broken JSON", [event(b"{broken"), DONE], b"", 6),
    Case("a number", [event(b"7"), DONE], b"", 6),
    Case("an array", [event(b"[1, 2]"), DONE], b"", 6),
]  # fmt: skip


def named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.says.replace(" ", "_") for case in cases])


@named(WHOLE)
def test_a_whole_answer_is_printed_and_nothing_else(case: Case, elkcli: Elkcli, server: Server) -> None:
    server.streams(*case.steps, ends=case.ends)
    result = elkcli("ask", "hi", "--retries", "0")
    if case.out:
        result.succeeds(case.out)
    assert result.code == 0, result
    assert case.err in result.err
    assert case.err or result.err == "", "a pipe that got its answer needs no remarks"
    assert len(server.requests) == 1


@named(CUT)
def test_an_answer_cut_short_keeps_what_came_and_is_8(case: Case, elkcli: Elkcli, server: Server) -> None:
    server.streams(*case.steps, ends=case.ends)
    result = elkcli("ask", "hi").fails(case.code, case.out)
    assert case.err in result.err
    assert len(server.requests) == 1, "never again once something was shown"


@named(NOTHING)
def test_a_stream_without_an_answer_ends_with_the_codes_of_its_error(
    case: Case, elkcli: Elkcli, server: Server
) -> None:
    server.streams(*case.steps, ends=case.ends)
    result = elkcli("ask", "hi", "--retries", "0").fails(case.code)
    assert case.err in result.err
    assert len(server.requests) == 1


@named([case for case in [*WHOLE[::4], *CUT] if case.out.decode().rstrip("\n").isprintable()])
def test_at_a_terminal_the_words_are_the_same(case: Case, elkcli: Elkcli, server: Server) -> None:
    server.streams(*case.steps, ends=case.ends)
    result = elkcli("ask", "hi", "--retries", "0", terminal=True, env={"NO_COLOR": "1"})
    assert result.code == case.code, result
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.text)
    assert case.out.decode().strip() in shown


def test_tool_calls_are_shown_and_nothing_is_called(elkcli: Elkcli, server: Server) -> None:
    server.streams(
        tool(0, id="call_1", type="function", function={"name": "look", "arguments": ""}),
        tool(0, type=None, function={"arguments": '{"at": "x"}'}),
        tool(1, id="call_2", type="function", function={"name": "then", "arguments": "{}"}),
        event(chunk(finish="tool_calls")),
        DONE,
    )
    result = elkcli("ask", "hi", "-f", "json")
    assert result.code == 0
    calls = result.json["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("call_1", "look", '{"at": "x"}'),
        ("call_2", "then", "{}"),
    ]
    assert result.json["choices"][0]["finish_reason"] == "tool_calls"


def test_the_usage_line_shows_the_last_real_numbers_and_never_their_sum(elkcli: Elkcli, server: Server) -> None:
    first = {"prompt_tokens": 111, "completion_tokens": 1, "total_tokens": 112}
    last = {"prompt_tokens": 111, "completion_tokens": 222, "total_tokens": 333}
    none = dict.fromkeys(first, 0)
    server.streams(chunk("Hi", usage=first), chunk(finish="stop", usage=last), chunk(choices=[], usage=none), DONE)
    result = elkcli("ask", "hi", "--usage").succeeds(b"Hi\n")
    assert "222" in result.err
    assert "111" in result.err
    assert "223" not in result.err
    assert "444" not in result.err


@pytest.mark.parametrize(
    "usage", [None, {}, [], "x", 7, dict.fromkeys(USAGE, 0), {"prompt_tokens_details": None, "completion_tokens": 2}]
)
def test_usage_may_be_missing_or_nonsense(usage: Any, elkcli: Elkcli, server: Server) -> None:
    server.streams(chunk("Hi"), chunk(finish="stop", usage=usage), DONE)
    elkcli("ask", "hi", "--usage").succeeds(b"Hi\n")


def test_reasoning_goes_to_standard_error_and_only_when_wanted(elkcli: Elkcli, server: Server) -> None:
    server.says("Answer", reasoning="Thinking hard")
    assert "Thinking hard" in elkcli("ask", "hi", "--reasoning").succeeds(b"Answer\n").err
    assert "Thinking" not in elkcli("ask", "hi").succeeds(b"Answer\n").err
    assert "Thinking hard" in elkcli("ask", "hi", terminal=True, env={"NO_COLOR": "1"}).err
    assert "Thinking" not in elkcli("ask", "hi", "--no-reasoning", terminal=True).err
    assert "Thinking hard" in elkcli("ask", "hi", "--reasoning", "--no-stream").succeeds(b"Answer\n").err


def test_several_choices_are_printed_in_order_with_a_blank_line_between(elkcli: Elkcli, server: Server) -> None:
    server.streams(
        chunk("two", index=1), chunk("one", index=0), chunk(" more", index=1), chunk(" more", index=0),
        chunk(finish="stop", index=0), chunk(finish="stop", index=1), DONE,
    )  # fmt: skip
    elkcli("ask", "hi", "-n", "2").succeeds(b"one more\n\ntwo more\n")
    assert server.request.json["n"] == 2


def test_a_second_answer_from_the_beginning_is_announced(elkcli: Elkcli, server: Server) -> None:
    other = {**chunk("Hello", role="assistant"), "id": "chatcmpl-other"}
    server.streams(chunk("", role="assistant"), chunk("Hel"), other, {**chunk(finish="stop"), "id": other["id"]}, DONE)
    result = elkcli("ask", "hi")
    assert result.out.endswith(b"Hello\n")
    assert result.err.strip()


def test_a_second_answer_under_the_same_id_is_announced(elkcli: Elkcli, server: Server) -> None:
    begin = chunk("", role="assistant")
    server.streams(begin, chunk("Hel"), begin, chunk("Hello"), chunk(finish="stop"), DONE)
    result = elkcli("ask", "hi").succeeds(b"HelHello\n")
    assert "anew" in result.err


def test_a_role_in_every_chunk_is_no_second_answer(elkcli: Elkcli, server: Server) -> None:
    parts = [chunk(text, role="assistant") for text in ("", "Hel", "", "lo")]
    server.streams(*parts, chunk("", role="assistant", finish="stop"), DONE)
    assert not elkcli("ask", "hi").succeeds(b"Hello\n").err.strip()


def test_calls_under_one_index_are_told_apart_by_their_ids(elkcli: Elkcli, server: Server) -> None:
    def call(name: str) -> Any:
        return [{"index": 0, "id": f"call-{name}", "function": {"name": name, "arguments": "{}"}}]

    for _ in range(2):
        server.streams(chunk(tool_calls=call("look")), chunk(tool_calls=call("find"), finish="tool_calls"), DONE)
    shown = elkcli("ask", "hi").succeeds().text.splitlines()
    assert [json.loads(line)["function"]["name"] for line in shown] == ["look", "find"]
    found = elkcli("ask", "hi", "-f", "json", "--stream").succeeds().json["choices"][0]["message"]["tool_calls"]
    assert [call["function"] for call in found] == [{"name": name, "arguments": "{}"} for name in ("look", "find")]


def test_control_characters_reach_a_pipe_untouched_and_a_terminal_never(elkcli: Elkcli, server: Server) -> None:
    evil = "a\x1b]0;owned\x07b\x1b[2Jc\x9b31md\x08e"
    server.says(evil)
    elkcli("ask", "hi").succeeds(evil.encode() + b"\n")
    shown = elkcli("ask", "hi", "-f", "text", terminal=True).text
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
    assert "\x07" not in shown
    assert "\x08" not in shown
    assert "owned" in shown


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_json_at_a_terminal_spells_what_would_act_on_it_and_says_the_same(
    form: str, elkcli: Elkcli, server: Server
) -> None:
    evil = "a\x1b[2J b\x9b31m c\x7f d\u202e e\u200b f\ufeff g\U000e0041 👩\u200d👧"
    server.says(evil)
    result = elkcli("ask", "hi", "-f", form, "--stream", terminal=True)
    assert not set("\x1b\x9b\x7f\u202e\u200b\ufeff\U000e0041") & set(result.text)
    assert "👩\u200d👧" in result.text
    said = result.json["choices"][0]["message"]["content"] if form == "json" else result.events[1]["text"]
    assert said == evil


def test_a_long_error_as_json_is_not_cut(elkcli: Elkcli, server: Server) -> None:
    server.streams(chunk("x"), {"error": {"message": "word " * 900, "code": "odd" * 700}})
    assert json.loads(elkcli("ask", "hi", "-f", "json").err)["error"]["kind"] == "incomplete"


def test_plain_text_at_a_terminal_is_the_same_however_it_was_cut(elkcli: Elkcli, server: Server) -> None:
    text = "one\r\ntwo 👩\u200d👧 ❤\ufe0f three\r"
    server.says(chunks=list(text), reasoning=None)
    result = elkcli("ask", "hi", "-f", "text", "--no-usage", terminal=True)
    assert result.text == "one\ntwo 👩\u200d👧 ❤\ufe0f three␍\n"


def test_thoughts_are_not_dimmed_on_a_terminal_that_is_dumb(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello", reasoning="Thinking")
    assert "\x1b" in elkcli("ask", "hi", "-f", "text", terminal=True).err
    assert "\x1b" not in elkcli("ask", "hi", "-f", "text", terminal=True, env={"TERM": "dumb"}).err


def test_control_characters_in_an_error_never_reach_a_terminal(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": "bad \x1b]0;owned\x07\x1b[2J\r\x9b thing\nmore", "code": "\x1b[31mx"}})
    for terminal in (False, True):
        result = elkcli("ask", "hi", terminal=terminal, env={"NO_COLOR": "1"})
        assert result.code == 6
        said = result.err.rpartition("\x1b[K")[2]  # behind the spinner, which a slow machine gets to see
        assert not set("\x1b\x07\x9b\r") & set(said), result.err
        assert "thing" in said


def test_words_come_as_they_are_made_and_not_at_the_end(elkcli: Elkcli, server: Server) -> None:
    """A silence shorter than the limit, between words, ends nothing."""
    quiet = Pause(0.3)
    server.streams(chunk("Hel"), quiet, PING, quiet, PING, quiet, chunk("lo"), quiet, chunk(finish="stop"), DONE)
    elkcli("ask", "hi", "--timeout", "0.8").succeeds(b"Hello\n")


@pytest.mark.parametrize("after", [None, "Hel"])
def test_silence_beyond_the_limit_ends_the_wait(after: str | None, elkcli: Elkcli, server: Server) -> None:
    server.stalls(after=after)
    result = elkcli("ask", "hi", "--timeout", "0.3", "--retries", "0")
    if after:
        result.fails(8, b"Hel\n")
    else:
        result.fails(7)
    assert "0.3" in result.err
    assert "timeout" in result.err


def test_keep_alives_without_end_are_not_silence_but_may_be_interrupted_by_an_error(
    elkcli: Elkcli, server: Server
) -> None:
    pings: list[Step] = [PING, Pause(0.1)] * 8
    server.streams(*pings, event(ERROR))
    elkcli("ask", "hi", "--timeout", "0.6", "--retries", "0").fails(6)


@pytest.mark.parametrize("choices", [7, "x", {}, [7, None, []], True])
def test_choices_that_are_none_are_passed_over_in_every_format(choices: Any, elkcli: Elkcli, server: Server) -> None:
    odd = {"choices": choices}
    for name in ("text", "json", "jsonl"):
        server.streams(odd, chunk("Hello"), odd, chunk(finish="stop"), odd, DONE)
        assert b"Hello" in elkcli("ask", "hi", "--stream", "-f", name).succeeds().out


def test_calls_that_were_printed_and_then_cut_are_8_and_not_asked_for_again(elkcli: Elkcli, server: Server) -> None:
    call = {"index": 0, "id": "call-1", "function": {"name": "look", "arguments": '{"a":'}}
    server.streams(chunk(tool_calls=[call]), Pause(0.1), ends=Reset())
    result = elkcli("ask", "hi")
    assert result.code == 8
    assert json.loads(result.out)["function"]["name"] == "look"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("reasons", "kept"),
    [(["tool_calls", "stop"], "tool_calls"), (["stop", "tool_calls"], "tool_calls"), (["length", ""], "length"),
     (["content_filter", "stop"], "content_filter")],
)  # fmt: skip
def test_json_keeps_the_finish_reason_that_says_most(
    reasons: list[str], kept: str, elkcli: Elkcli, server: Server
) -> None:
    server.streams(event(chunk("Hello")), *(event(chunk(finish=reason)) for reason in reasons), DONE)
    reply = elkcli("ask", "hi", "--stream", "-f", "json").json
    assert reply["choices"][0]["finish_reason"] == kept


def test_json_holds_no_half_of_a_character(elkcli: Elkcli, server: Server) -> None:
    halves = rb'{"choices": [{"index": 0, "delta": {"content": "%b"}, "finish_reason": null}]}'
    server.streams(
        *(event(halves % said) for said in (rb"a\ud83d", rb"\ude00b", rb"\ud83dc")), event(chunk(finish="stop")), DONE
    )
    result = elkcli("ask", "hi", "--stream", "-f", "json").succeeds()
    assert b"\\ud" not in result.out
    assert result.json["choices"][0]["message"]["content"] == "a😀b\ufffdc"


def test_a_choice_of_no_sensible_number_is_the_first_in_json_too(elkcli: Elkcli, server: Server) -> None:
    server.streams(event(chunk("Hel", index=-1)), event(chunk("lo", index=10**30)), STOP, DONE)
    (choice,) = elkcli("ask", "hi", "--stream", "-f", "json").succeeds().json["choices"]
    assert choice["message"]["content"] == "Hello"


def test_a_finish_reason_given_as_a_number_is_one_and_is_told(elkcli: Elkcli, server: Server) -> None:
    body = chunk("Hello")
    body["choices"][0]["finish_reason"] = 5
    server.streams(event(body), DONE)
    assert "5" in elkcli("ask", "hi").succeeds(b"Hello\n").err
