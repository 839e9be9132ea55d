"""`elkcli batch`: a line in, a line out, in order, once each, and going on where it stopped."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from elkcli.batch.marks import Marks
from elkcli.batch.output import ResultFile
from elkcli.errors import ElkError
from tests.conftest import TOKEN, Elkcli, wait_until
from tests.samples import png
from tests.server import Pause, Request, Reset, Server, Step, Until, response, whole


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def prompt_of(request: Request) -> str:
    return str(request.json["messages"][-1]["content"])


def echoes(server: Server, **special: Any) -> Server:
    """Answer each prompt with itself in capitals; a prompt named in ``special`` gets those steps instead."""

    def reply(request: Request) -> Iterable[Step]:
        prompt = prompt_of(request)
        if prompt in special:
            found = special[prompt]
            return found(request) if callable(found) else list(found)
        return [response(200, whole(prompt.upper()))]

    return server.answers(reply)


def said(result: Any) -> Any:
    return result["response"]["choices"][0]["message"]["content"]


def read(elkcli: Elkcli, name: str = "out.jsonl") -> list[Any]:
    return [json.loads(line) for line in (elkcli.work / name).read_text().splitlines()]


# Lines


def test_each_line_gets_one_result_in_the_order_of_the_input(elkcli: Elkcli, server: Server) -> None:
    echoes(server, a=[Pause(0.2), response(200, whole("A"))])
    result = elkcli("batch", "-j", "8", stdin=lines("a", "b", {"prompt": "c", "id": "x"})).succeeds()
    assert [(entry["index"], entry["id"], said(entry)) for entry in result.events] == [
        (0, None, "A"),
        (1, None, "B"),
        (2, "x", "C"),
    ]
    assert result.events[0]["usage"] == {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
    assert result.events[0]["seconds"] >= 0.2
    assert all(list(entry) == ["id", "index", "response", "usage", "seconds"] for entry in result.events)


def test_every_result_is_json_whatever_the_numbers(elkcli: Elkcli, server: Server) -> None:
    reply = (
        json.dumps(whole("A") | {"created": "huge", "score": "nan"}).replace('"huge"', "1e999").replace('"nan"', "NaN")
    )
    server.answers(lambda request: [response(200, reply.encode())])
    given = lines("a") + b'{"id": 1e999, "prompt": "b"}\n{"prompt": "c", "temperature": 1e999}\n'
    result = elkcli("batch", "-j", "1", stdin=given)
    assert b"Infinity" not in result.out
    assert b"NaN" not in result.out
    assert said(result.events[0]) == "A"
    assert ["1e999 is too large" in entry["error"]["message"] for entry in result.events[1:]] == [True, True]
    assert len(server.requests) == 1
    elkcli("ask", "--set", "x=1e999", "hello").fails(2)
    assert "error" not in result.events[0]


def test_unordered_results_come_as_they_come(elkcli: Elkcli, server: Server) -> None:
    echoes(server, a=[Pause(0.3), response(200, whole("A"))])
    result = elkcli("batch", "--unordered", stdin=lines("a", "b")).succeeds()
    assert [entry["index"] for entry in result.events] == [1, 0]


def test_a_line_may_bring_messages_and_any_body_field(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    line = {"id": 7, "messages": [{"role": "user", "content": "q"}], "model": "other", "temperature": 0.5, "top_k": 3}
    (entry,) = elkcli("batch", "-m", "mine", "--temperature", "1", "--set", "seed=5", stdin=lines(line)).events
    body = server.request.json
    assert entry["id"] == 7
    assert (body["model"], body["temperature"], body["top_k"], body["seed"]) == ("other", 0.5, 3, 5)
    assert body["stream"] is False
    assert "id" not in body
    assert server.request.header("authorization") == f"Bearer {TOKEN}"


def test_the_system_message_applies_to_every_line(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    own = {"messages": [{"role": "system", "content": "own"}, {"role": "user", "content": "q"}]}
    elkcli("batch", "-j", "1", "-s", "be brief", stdin=lines("a", own)).succeeds()
    for request in server.requests:
        assert [m["content"] for m in request.json["messages"] if m["role"] == "system"] == ["be brief"]


@pytest.mark.parametrize(
    "bad",
    [b"not json", b"\xff\xfe", b"7", b"[]", b"null", b"{}", b'{"prompt": 7}', b'{"messages": {}}', b'{"prompt": ""}',
     b'{"messages": [{"role": 7}]}', b'{"prompt": "x", "id": {}}', b'{"prompt": NaN}', b'"\\ud800"', b"[" * 100_000,
     b'{"prompt": "x", "model": null}'],
)  # fmt: skip
def test_a_line_that_cannot_be_sent_is_a_result_with_an_error(bad: bytes, elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    result = elkcli("batch", stdin=b'"a"\n' + bad + b'\n"b"\n')
    assert result.code == 8
    first, second, third = result.events
    assert (first["index"], said(first), third["index"], said(third)) == (0, "A", 2, "B")
    assert second["index"] == 1
    assert second["error"]["message"]
    assert "response" not in second
    assert len(server.requests) == 2


def test_blank_lines_are_passed_over_and_counted(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    result = elkcli("batch", stdin=b'\xef\xbb\xbf"a"\r\n\n  \n"b"').succeeds()
    assert [entry["index"] for entry in result.events] == [0, 3]


def test_no_lines_are_no_failure(elkcli: Elkcli, server: Server) -> None:
    elkcli("batch", stdin=b"").succeeds(b"")


def test_without_a_file_at_a_terminal_nothing_is_waited_for(elkcli: Elkcli, server: Server) -> None:
    assert elkcli("batch").fails(2).hint


@pytest.mark.parametrize(
    "options",
    [["-j", "0"], ["-j", "x"], ["--limit", "-1"], ["--shard", "0/4"], ["--shard", "5/4"], ["--shard", "1"],
     ["nosuch.jsonl"], ["--template", "nosuch"], ["--temperature", "9"], ["--schema-retries", "1"], ["-o", "."]],
)  # fmt: skip
def test_wrong_options_are_exit_2(options: list[str], elkcli: Elkcli, server: Server) -> None:
    elkcli("batch", *options, stdin=b'"a"\n').fails(2)
    assert server.requests == []


# Failures


def test_what_can_be_tried_again_is(elkcli: Elkcli, server: Server) -> None:
    server.drops().fails(500).fails(429).says("hello")
    result = elkcli("batch", "--retries", "3", stdin=lines("a")).succeeds()
    assert said(result.events[0]) == "hello"
    assert len(server.requests) == 4


def test_a_failed_line_does_not_end_the_batch(elkcli: Elkcli, server: Server) -> None:
    echoes(server, bad=[response(400, {"error": {"message": "no", "code": "invalid_request"}})])
    result = elkcli("batch", stdin=lines("bad", "b"))
    assert result.code == 8
    error = result.events[0]["error"]
    assert (error["kind"], error["status"], error["code"]) == ("api", 400, "invalid_request")
    assert said(result.events[1]) == "B"
    assert "1 of 2 lines failed" in result.error


def test_a_partial_answer_is_kept_beside_its_error(elkcli: Elkcli, server: Server) -> None:
    server.replies(whole("half", finish="content_filter"))
    (entry,) = elkcli("batch", stdin=lines("a")).events
    assert entry["error"]["kind"] == "incomplete"
    assert said(entry) == "half"


def test_a_line_that_is_refused_does_not_end_the_batch(elkcli: Elkcli, server: Server) -> None:
    echoes(server, bad=[response(401, {"error": {"message": f"Invalid token {TOKEN}"}})])
    result = elkcli("batch", "-j", "1", stdin=lines("bad", "b"))
    assert result.code == 8
    assert result.events[0]["error"]["kind"] == "token"
    assert said(result.events[1]) == "B"


def test_a_token_that_is_refused_again_and_again_is_sent_no_more_and_every_line_has_a_result(
    elkcli: Elkcli, server: Server
) -> None:
    good = threading.Event()
    bad = response(401, {"error": {"message": f"Invalid token {TOKEN}"}})
    server.answers(lambda request: [response(200, whole(prompt_of(request).upper())) if good.is_set() else bad])
    result = elkcli("batch", "-j", "2", "-o", "out.jsonl", stdin=lines(*(f"p{i}" for i in range(100))))
    assert result.code == 8
    assert len(server.requests) < 20
    assert [(entry["index"], entry["error"]["status"]) for entry in read(elkcli)] == [(i, 401) for i in range(100)]
    assert "not sent" in read(elkcli)[-1]["error"]["message"]
    assert "goes on" in result.hint
    good.set()
    elkcli("batch", "-o", "out.jsonl", stdin=lines(*(f"p{i}" for i in range(100)))).succeeds()
    assert said(read(elkcli)[99]) == "P99"


def test_a_server_that_cannot_be_reached_is_given_up_and_every_line_has_a_result(
    elkcli: Elkcli, closed_port: int
) -> None:
    url = {"ELKCLI_BASE_URL": f"http://127.0.0.1:{closed_port}/v1", "ELKCLI_TOKEN": TOKEN}
    result = elkcli("batch", "-j", "2", "--retries", "0", stdin=lines(*(f"p{i}" for i in range(500))), env=url)
    assert result.code == 8
    assert [entry["index"] for entry in result.events] == list(range(500))
    assert {entry["error"]["kind"] for entry in result.events} == {"unreachable"}
    assert 10 < sum("not sent" not in entry["error"]["message"] for entry in result.events) < 40
    assert "500 of 500 lines failed" in result.error


def test_what_is_wrong_with_every_line_is_said_once_for_all(elkcli: Elkcli, server: Server) -> None:
    server.answers(lambda request: [response(400, {"error": {"message": "no such parameter"}})])
    result = elkcli("batch", stdin=lines("a", "b"))
    assert "2 of 2 lines failed: the API answered with an error (400): no such parameter" in result.error


def test_a_server_that_only_ever_says_429_is_given_up(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elkcli.batch.pace.DRY_FROM_THE_START", 0.3)
    server.answers(lambda request: [response(429, b"")])
    result = elkcli("batch", stdin=lines(*(f"p{i}" for i in range(30))))
    assert result.code == 8
    assert [entry["error"]["kind"] for entry in result.events] == ["quota"] * 30
    assert max(elkcli.sleeps) > 10 * elkcli.sleeps[0], "each pause is longer than the one before"


def test_everyone_slows_down_when_the_server_says_429(elkcli: Elkcli, server: Server) -> None:
    for _ in range(4):
        server.fails(429, headers={"Retry-After": "7"})
    server.says("hello")
    elkcli("batch", "-j", "4", stdin=lines(*(f"p{i}" for i in range(20)))).succeeds()
    # each of the four workers may meet the one shared pause once a refusal, not once a line
    assert 1 <= sum(seconds >= 6.5 for seconds in elkcli.sleeps) <= 16
    assert len(server.requests) == 24


def test_a_wait_that_is_too_long_ends_the_batch(elkcli: Elkcli, server: Server) -> None:
    server.fails(429, headers={"Retry-After": "7200"})
    result = elkcli("batch", "-j", "1", stdin=lines("a", "b", "c"))
    assert result.code == 8
    assert [entry["error"]["kind"] for entry in result.events] == ["quota"] * 3
    assert "120 min" in result.hint or "2 h" in result.hint
    assert len(server.requests) == 1


def test_the_token_follows_no_redirect_to_another_server(elkcli: Elkcli, server: Server) -> None:
    other = Server().says("stolen")
    try:
        server.fails(307, headers={"Location": f"{other.url}/chat/completions"})
        result = elkcli("batch", stdin=lines("a"))
        assert result.code == 8
        assert "another server" in result.events[0]["error"]["message"]
        assert other.requests == []
    finally:
        other.close()


def test_a_redirect_on_the_same_server_is_followed(elkcli: Elkcli, server: Server) -> None:
    server.fails(308, headers={"Location": "/v1/elsewhere"}).says("hello")
    assert said(elkcli("batch", stdin=lines("a")).succeeds().events[0]) == "hello"
    assert server.requests[1].header("authorization") == f"Bearer {TOKEN}"
    assert server.requests[1].body == server.requests[0].body


def test_a_server_that_echoes_the_token_does_not_put_it_into_the_results(elkcli: Elkcli, server: Server) -> None:
    server.fails(400, {"error": {"message": f"bad key {TOKEN}", "code": TOKEN}}, headers={"X-Request-Id": TOKEN})
    assert TOKEN.encode() not in elkcli("batch", stdin=lines("a")).out


def test_streamed_answers_are_put_together(elkcli: Elkcli, server: Server) -> None:
    server.says("Hello there", chunks=["Hello", " ", "there"])
    (entry,) = elkcli("batch", "--stream", stdin=lines("a")).succeeds().events
    assert server.request.json["stream"] is True
    assert said(entry) == "Hello there"
    assert entry["response"]["object"] == "chat.completion"


def test_a_silent_server_fails_the_line(elkcli: Elkcli, server: Server) -> None:
    echoes(server, a=[Pause(30)])
    result = elkcli("batch", "--timeout", "0.3", stdin=lines("a", "b"))
    assert result.events[0]["error"]["kind"] == "unreachable"
    assert "silent" in result.events[0]["error"]["message"]
    assert said(result.events[1]) == "B"


def test_a_picture_that_may_be_billed_is_not_asked_for_twice(elkcli: Elkcli, server: Server) -> None:
    server.drops().says("late")
    result = elkcli("batch", "-m", "an-image-model", stdin=lines("draw"))
    assert result.code == 8
    assert len(server.requests) == 1


def test_connections_are_kept(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli("batch", "-j", "2", stdin=lines(*(f"p{i}" for i in range(30)))).succeeds()
    assert server.connections <= 2


def test_nobody_goes_on_waiting_when_the_batch_has_stopped(elkcli: Elkcli, server: Server) -> None:
    wait = response(429, b"", {"Retry-After": "30"})
    refused: list[Step] = [Pause(0.5), response(401, {"error": {"message": "Invalid token"}})]
    server.answers(lambda request: [wait] if prompt_of(request) == "a" else refused)
    elkcli.file("in.jsonl", lines("a", *"bcdefghijklmnopqrst"))
    result = elkcli.process("batch", "in.jsonl", "-j", "20").result(within=15)
    assert result.code == 8
    assert [entry["error"]["status"] for entry in result.events] == [429] + [401] * 19


# Going on


def test_a_second_run_sends_only_what_is_missing_or_failed(elkcli: Elkcli, server: Server) -> None:
    bad = threading.Event()
    bad.set()

    def sometimes(request: Request) -> Iterable[Step]:
        return [response(400, {"error": {"message": "no"}}) if bad.is_set() else response(200, whole("B"))]

    echoes(server, b=sometimes)
    elkcli.file("in.jsonl", lines("a", "b"))
    assert elkcli("batch", "in.jsonl", "-o", "out.jsonl").code == 8
    bad.clear()
    elkcli.file("in.jsonl", lines("a", "b", {"id": "c", "prompt": "c"}))
    elkcli("batch", "in.jsonl", "-o", "out.jsonl").succeeds(b"")
    assert [(entry["index"], said(entry)) for entry in read(elkcli)] == [(0, "A"), (1, "B"), (2, "C")]
    assert [prompt_of(request) for request in server.requests].count("a") == 1
    before = (elkcli.work / "out.jsonl").read_bytes()
    elkcli("batch", "in.jsonl", "-o", "out.jsonl").succeeds(b"")
    assert (elkcli.work / "out.jsonl").read_bytes() == before
    assert len(server.requests) == 4


def test_a_line_with_an_id_is_known_wherever_it_moved(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    x, y, new = ({"id": id, "prompt": str(id)} for id in ("x", 2, "new"))
    elkcli("batch", "-o", "out.jsonl", stdin=lines(x, y)).succeeds()
    elkcli("batch", "-o", "out.jsonl", stdin=lines(new, y, "z", x)).succeeds()
    assert len(server.requests) == 4
    assert [(entry["id"], entry["index"]) for entry in read(elkcli)] == [("new", 0), (2, 1), (None, 2), ("x", 3)]


def test_a_line_that_was_changed_is_asked_anew_and_its_old_result_is_gone(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli("batch", "-o", "out.jsonl", stdin=lines("a", "b")).succeeds()
    elkcli("batch", "-o", "out.jsonl", stdin=lines("z", "b")).succeeds()
    assert [(entry["index"], said(entry)) for entry in read(elkcli)] == [(0, "Z"), (1, "B")]


def test_results_that_went_to_standard_output_can_be_gone_on_with(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    given = lines("a", {"id": 1, "prompt": "b"}, "c")
    elkcli.file("out.jsonl", elkcli("batch", "--limit", "2", stdin=given).succeeds().out)
    elkcli("batch", "-o", "out.jsonl", stdin=given).succeeds()
    assert [(entry["index"], said(entry)) for entry in read(elkcli)] == [(0, "A"), (1, "B"), (2, "C")]
    assert len(server.requests) == 3


def test_two_lines_of_the_same_id_have_a_result_each(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    twice = lines({"id": "x", "prompt": "a"}, {"id": "x", "prompt": "b"})
    elkcli("batch", "-o", "out.jsonl", "--limit", "1", stdin=twice).succeeds()
    elkcli("batch", "-o", "out.jsonl", stdin=twice).succeeds()
    assert [said(entry) for entry in read(elkcli)] == ["A", "B"]


@pytest.mark.parametrize("cut", [1, 2, 30, 10_000])
def test_a_torn_last_line_is_mended(cut: int, elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli("batch", "-j", "1", "-o", "out.jsonl", stdin=lines("a", "b", "c")).succeeds()
    whole_file = (elkcli.work / "out.jsonl").read_bytes()
    last = whole_file.splitlines(keepends=True)[-1]
    elkcli.file("out.jsonl", whole_file[: -min(cut, len(last) - 3)])
    elkcli("batch", "-o", "out.jsonl", stdin=lines("a", "b", "c")).succeeds()
    assert [said(entry) for entry in read(elkcli)] == ["A", "B", "C"]


@pytest.mark.parametrize("content", [b"hello", b'{"a": 1}\n', b"{}\n{}\n", b"[1]\n", b'{"index": 0}\n', b"\n\n"])
def test_a_file_that_is_something_else_is_refused_and_left_alone(
    content: bytes, elkcli: Elkcli, server: Server
) -> None:
    path = elkcli.file("out.jsonl", content)
    elkcli("batch", "-o", "out.jsonl", stdin=lines("a")).fails(2)
    assert path.read_bytes() == content
    assert server.requests == []


@pytest.mark.parametrize("replaced", [False, True])
def test_results_whose_file_is_removed_while_they_come_are_put_back(
    replaced: bool, elkcli: Elkcli, server: Server
) -> None:
    go = threading.Event()
    echoes(server, b=[Until(go), response(200, whole("B"))])
    elkcli.file("in.jsonl", lines("a", "b"))
    running = elkcli.process("batch", "-j", "1", "in.jsonl", "-o", "out.jsonl")
    out = elkcli.work / "out.jsonl"
    wait_until(lambda: out.exists() and out.read_bytes().endswith(b"\n"))
    out.unlink()
    if replaced:
        out.write_text("mine\n")
    go.set()
    result = running.result()
    assert result.code == 0
    assert "out.jsonl was removed while results were written" in result.err
    kept = elkcli.work / ("out.jsonl.1" if replaced else "out.jsonl")
    assert [said(json.loads(line)) for line in kept.read_text().splitlines()] == ["A", "B"]
    assert not replaced or out.read_text() == "mine\n"


def test_results_lie_in_the_file_as_soon_as_they_are_there_and_in_order_in_the_end(
    elkcli: Elkcli, server: Server
) -> None:
    go = threading.Event()
    echoes(server, a=[Until(go), response(200, whole("A"))])
    elkcli.file("in.jsonl", lines("a", "b", "c"))
    running = elkcli.process("batch", "in.jsonl", "-o", "out.jsonl")
    out = elkcli.work / "out.jsonl"
    wait_until(lambda: out.exists() and len(out.read_bytes().splitlines()) == 2)
    assert {entry["index"] for entry in read(elkcli)} == {1, 2}
    go.set()
    assert running.result().code == 0
    assert [entry["index"] for entry in read(elkcli)] == [0, 1, 2]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_arrived_and_says_how_to_go_on(
    number: int, code: int, elkcli: Elkcli, server: Server
) -> None:
    echoes(server, slow=[Pause(60)])
    elkcli.file("in.jsonl", lines("a", "slow", "c"))
    running = elkcli.process("batch", "in.jsonl", "-j", "3")
    wait_until(lambda: len(server.requests) == 3)
    assert running.popen.stdout is not None
    first = running.popen.stdout.readline()  # a is written; c waits for its turn
    running.signal(number)
    result = running.result()
    assert result.code == code
    assert [json.loads(line)["index"] for line in [first, *result.out.splitlines()]] in ([0, 2], [0])
    assert "stopped" in result.err
    assert "Traceback" not in result.err


def test_kill_9_and_another_run_lose_nothing_and_double_nothing(elkcli: Elkcli, server: Server) -> None:
    count = iter(range(10**6))

    def reply(request: Request) -> Iterable[Step]:
        number = next(count)
        if number % 17 == 3:
            return [response(429, b"")]
        if number % 19 == 4:
            return [response(500, b"")]
        return [Reset()] if number % 23 == 5 else [response(200, whole(prompt_of(request).upper()))]

    server.answers(reply)
    wanted = [f"p{number}" for number in range(150)]
    elkcli.file("in.jsonl", lines(*wanted))
    running = elkcli.process("batch", "in.jsonl", "-o", "out.jsonl", "-j", "4")
    out = elkcli.work / "out.jsonl"
    wait_until(lambda: out.exists() and len(out.read_bytes().splitlines()) > 20)
    running.signal(signal.SIGKILL)
    running.popen.wait()
    for _ in range(4):
        if elkcli("batch", "in.jsonl", "-o", "out.jsonl", "-j", "8", "--retries", "5").code == 0:
            break
    assert [said(entry) for entry in read(elkcli)] == [word.upper() for word in wanted]


def test_a_full_disk_ends_the_batch_and_loses_no_answer(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    echoes(server)
    given = lines(*(f"p{number}" for number in range(50)))
    write = ResultFile.write
    room = iter(range(5))

    def nearly_full(results: ResultFile, line: bytes, index: int) -> None:
        if next(room, None) is None:
            raise ElkError("cannot write out.jsonl: No space left on device")
        write(results, line, index)

    with monkeypatch.context() as patch:
        patch.setattr(ResultFile, "write", nearly_full)
        result = elkcli("batch", "-o", "out.jsonl", stdin=given)
    assert result.code == 1
    assert "No space left" in result.error
    assert len(read(elkcli)) == 5
    assert len(server.requests) == 5 + len(result.events) < 15
    elkcli("batch", "-o", "out.jsonl", stdin=given).succeeds(b"")
    assert [entry["index"] for entry in read(elkcli)] == list(range(50))


def test_two_batches_do_not_write_one_file(elkcli: Elkcli, server: Server) -> None:
    server.stalls()
    elkcli.file("in.jsonl", lines("a"))
    running = elkcli.process("batch", "in.jsonl", "-o", "out.jsonl")
    wait_until(lambda: server.requests)
    assert "another batch" in elkcli("batch", "in.jsonl", "-o", "out.jsonl").fails(2).error
    running.end()


def test_a_reader_that_goes_away_is_141(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("in.jsonl", lines(*(f"p{i}" for i in range(200))))
    result = elkcli.shell("elkcli batch in.jsonl | head -1 >/dev/null; echo ${PIPESTATUS[0]}")
    assert result.text.strip() == "141"
    assert result.err == ""


def test_a_slow_writer_is_answered_line_by_line(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    running = elkcli.process("batch", stdin=-1)
    assert running.popen.stdin is not None
    assert running.popen.stdout is not None
    running.popen.stdin.write(lines("a"))
    running.popen.stdin.flush()
    assert said(json.loads(running.popen.stdout.readline())) == "A"
    assert running.result(lines("b")).code == 0


# Parts and limits


def test_shards_split_the_input_and_cat_joins_them(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("in.jsonl", lines(*(f"p{i}" for i in range(10))))
    found: list[int] = []
    for part in (1, 2, 3):
        found += [e["index"] for e in elkcli("batch", "in.jsonl", "--shard", f"{part}/3").succeeds().events]
    assert sorted(found) == list(range(10))


def test_a_limit_of_lines_reads_no_further(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    result = elkcli("batch", "--limit", "2", stdin=lines("a", "b", "c")).succeeds()
    assert [entry["index"] for entry in result.events] == [0, 1]


def test_a_limit_of_tokens_stops_before_it_is_passed(elkcli: Elkcli, server: Server) -> None:
    echoes(server)  # six tokens each
    many = lines(*(f"p{i}" for i in range(20)))
    result = elkcli("batch", "-j", "8", "--max-tokens-total", "20", "-o", "out.jsonl", stdin=many)
    assert result.code == 8
    assert len(read(elkcli)) == 3
    assert "18 tokens" in result.error
    elkcli("batch", "-j", "8", "--max-tokens-total", "30", "-o", "out.jsonl", stdin=many)
    assert len(read(elkcli)) == 5


def test_a_dry_run_counts_and_shows_the_first_request(elkcli: Elkcli, server: Server) -> None:
    told = elkcli("batch", "--dry-run", stdin=b"bad\n" + lines("a", "b")).succeeds().json
    assert (told["lines"], told["bad"], told["body"]["messages"][0]["content"]) == (3, 1, "a")
    assert server.requests == []


# Templates and tables


def test_a_template_is_filled_from_each_line(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("t.txt", 'Write to {name} in {address.city}: {{x}} {"json": {n}}\n')
    line = {"id": 1, "name": "Ada", "address": {"city": "Bern"}, "n": [1], "temperature": 0.25}
    elkcli("batch", "--template", "t.txt", stdin=lines(line)).succeeds()
    body = server.request.json
    assert body["messages"][-1]["content"] == 'Write to Ada in Bern: {x} {"json": [1]}'
    assert (body["temperature"], "name" in body) == (0.25, False)


def test_a_line_without_a_field_of_the_template_is_an_error_of_that_line(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("t.txt", "{name}")
    result = elkcli("batch", "--template", "t.txt", stdin=lines({"nom": "a"}, {"name": "b"}))
    assert result.code == 8
    assert "name" in result.events[0]["error"]["message"]
    assert said(result.events[1]) == "B"


def test_rows_of_csv_fill_a_template(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("t.txt", "{full name}: {note}")
    rows = '\ufeffid,full name,note\r\n7,"Löwe, Ada","two\nlines"\r\n8,Bob\r\n9,a,b,c\r\n'.encode()
    result = elkcli("batch", "--csv", "--template", "t.txt", "-j", "1", stdin=rows)
    assert [(entry["id"], entry["index"]) for entry in result.events] == [("7", 0), ("8", 1), (None, 2)]
    assert prompt_of(server.requests[0]) == "Löwe, Ada: two\nlines"
    assert "cells" in result.events[2]["error"]["message"]


def test_a_column_that_is_there_twice_is_exit_2_where_it_is_used(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("t.txt", "hello {name}")
    assert "2 columns" in elkcli("batch", "--csv", "--template", "t.txt", stdin=b"name,name\na,b\n").fails(2).error
    assert server.requests == []
    elkcli("batch", "--csv", "--template", "t.txt", stdin=b"name,x,x\na,b,c\n").succeeds()


def test_a_template_that_wants_a_column_that_is_not_there_is_exit_2(elkcli: Elkcli, server: Server) -> None:
    elkcli.file("t.txt", "{nom}")
    elkcli("batch", "--csv", "--template", "t.txt", stdin=b"name\na\n").fails(2)
    elkcli("batch", "--csv", stdin=b"name\na\n").fails(2)


# Schemas, pictures, counting


def schema(elkcli: Elkcli) -> str:
    return str(elkcli.file("s.json", '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'))


def test_an_answer_that_does_not_follow_the_schema_is_a_failed_line(elkcli: Elkcli, server: Server) -> None:
    server.says('{"n": 1}').says('{"n": "x"}')
    result = elkcli("batch", "-j", "1", "--schema", schema(elkcli), stdin=lines("a", "b"))
    assert result.code == 8
    assert "error" not in result.events[0]
    assert "n" in result.events[1]["error"]["message"]
    assert said(result.events[1]) == '{"n": "x"}'
    assert server.requests[0].json["response_format"]["type"] == "json_schema"


def test_a_line_is_asked_again_with_the_reason(elkcli: Elkcli, server: Server) -> None:
    server.says("no").says('{"n": 1}')
    elkcli("batch", "--schema", schema(elkcli), "--schema-retries", "2", stdin=lines("a")).succeeds()
    assert [m["role"] for m in server.requests[1].json["messages"]] == ["user", "assistant", "user"]


def test_pictures_are_saved_beside_the_output(elkcli: Elkcli, server: Server) -> None:
    import base64

    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    server.replies(whole(f"Here: ![image]({url})"))
    (elkcli.work / "sub").mkdir()
    elkcli(
        "batch", "-o", "sub/out.jsonl", stdin=lines("draw", {"prompt": "draw", "model": "an-image-model"})
    ).succeeds()
    for entry in read(elkcli, "sub/out.jsonl"):
        assert "base64" not in json.dumps(entry)
        name = said(entry).partition("](")[2].rstrip(")")
        assert (elkcli.work / name).read_bytes() == png()
        assert (elkcli.work / name).parent.name == "sub"


def test_tokens_are_counted_for_usage_unless_not_wanted(elkcli: Elkcli, server: Server) -> None:
    from elkcli.storage.history import History

    echoes(server)
    elkcli("batch", "--no-history", stdin=lines("a", "b")).succeeds()
    assert not (elkcli.data / "history.db").exists()
    elkcli("batch", stdin=lines("a", "b")).succeeds()
    with History.open(elkcli.data) as history:
        (spent,) = history.usage()
    assert (spent.requests, spent.usage.total, spent.model) == (2, 12, "served-model")


def test_the_demo_answers_batches_too(elkcli: Elkcli) -> None:
    result = elkcli("batch", "-p", "demo", "-j", "8", stdin=lines(*(f"p{i}" for i in range(20)))).succeeds()
    assert [entry["index"] for entry in result.events] == list(range(20))


def test_the_demo_fails_as_it_is_told_to(elkcli: Elkcli) -> None:
    some = [
        {"prompt": "x", "model": model} for model in ("demo-flaky", "demo-cut", "demo-html", "demo", "demo-error-503")
    ]
    result = elkcli("batch", "-p", "demo", "-j", "3", stdin=lines(*some, *some))
    assert [entry["index"] for entry in result.events if "error" not in entry] == [0, 3, 5, 8]
    assert result.code == 8


def test_progress_is_drawn_at_a_terminal_only(elkcli: Elkcli, server: Server) -> None:
    echoes(server)
    elkcli.file("in.jsonl", lines("a", "b"))
    screen = elkcli.terminal("batch", "in.jsonl", "-o", "out.jsonl")
    assert screen.exit() == 0
    assert b"2 answered" in screen.received
    assert elkcli("batch", "in.jsonl", "-o", "out2.jsonl").succeeds().err == ""


def test_marks_hold_each_number_as_often_as_it_was_added() -> None:
    marks = Marks()
    for number in (*range(5000), 7, 0, 2**64 - 1):
        marks.add(number, number % 100)
    marks.add(8, 99)
    assert len(marks) == 5004
    assert [marks.take(number, 1) for number in (7, 7, 7, 4999, 5000)] == [7, 7, None, 99, None]
    assert [marks.take(8, place) for place in (99, 5)] == [99, 8]


def test_an_index_too_big_to_be_one_in_the_output_is_no_bug(elkcli: Elkcli, server: Server) -> None:
    server.says()
    stranger = '{"id": null, "index": 99999999999999999999, "response": {}}\n'
    file = elkcli.file("out.jsonl", stranger)
    result = elkcli("batch", "-o", "out.jsonl", stdin='"a"\n')
    assert "Traceback" not in result.err, result
    assert file.read_text().startswith(stranger), "what is no result of ours is not lost"
