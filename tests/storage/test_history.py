"""The store: what goes in comes out, many write at once, and a broken one stops nobody."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from elkcli.conversation import (
    Failure,
    Finished,
    ForeignPart,
    Media,
    MediaPart,
    Message,
    Piece,
    Reasoning,
    SavedMedia,
    Start,
    Text,
    TextPart,
    ToolCall,
    Usage,
)
from elkcli.environment import Environment
from elkcli.errors import ApiError, ElkError, UsageError
from elkcli.storage import deletion, private, schema
from elkcli.storage import recorder as recording
from elkcli.storage.history import History
from elkcli.storage.recorder import Recorder
from elkcli.storage.terminal_key import terminal_key

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "share" / "elkcli"


def no_warning(text: str) -> None:
    raise AssertionError(text)


def exchange(
    store: History | Path, question: str | Message, *pieces: str | Piece, hurry: bool = False, **where: Any
) -> str:
    """One whole exchange; the ID of its conversation."""
    recorder = Recorder(store, warn=no_warning, clock=where.pop("clock", time.time))
    sent = Message("user", question) if isinstance(question, str) else question
    conversation = recorder.begin([sent], **where)
    assert conversation is not None
    for piece in pieces:
        recorder.add(Text(piece) if isinstance(piece, str) else piece)
    recorder.add(Finished("stop"))
    recorder.close(hurry=hurry)
    return conversation


# What goes in comes out


def test_an_exchange_is_read_back_with_all_that_is_known_of_it(data: Path) -> None:
    recorder = Recorder(data, warn=no_warning, clock=lambda: 1000.0)
    conversation = recorder.begin(
        [Message("user", "why\nis  the sky blue?")], system="be brief", model="m", profile="work", directory="/here"
    )
    assert conversation is not None
    for piece in (
        Start("chatcmpl-1", "m-served", 1, "req-9"),
        Reasoning("hm, "),
        Reasoning("air"),
        Text("Ray"),
        Text("leigh."),
        Usage(10, 20, 30, 5, 2),
        Finished("stop"),
    ):
        recorder.add(piece)
    recorder.close(seconds=1.5)
    with History.open(data, create=False) as history:
        found = history.find(conversation)
        assert (found.title, found.system, found.model, found.profile) == (
            "why is the sky blue?",
            "be brief",
            "m",
            "work",
        )
        assert (found.directory, found.created, found.turns) == ("/here", 1000.0, 1)
        (turn,) = history.turns(conversation)
        assert turn.sent == (Message("user", "why\nis  the sky blue?"),)
        assert (turn.status, turn.partial, turn.started, turn.seconds) == ("whole", False, 1000.0, 1.5)
        assert (turn.model, turn.served, turn.profile) == ("m", "m-served", "work")
        assert (turn.response_id, turn.request_id, turn.finish_reason) == ("chatcmpl-1", "req-9", "stop")
        assert turn.usage == Usage(10, 20, 30, 5, 2)
        assert turn.answer is not None
        assert (turn.answer.text, turn.answer.reasoning) == ("Rayleigh.", "hm, air")
        assert history.messages(conversation) == [
            Message("system", "be brief"),
            Message("user", "why\nis  the sky blue?"),
            Message("assistant", "Rayleigh."),
        ]


texts = some.text(max_size=60)
parts = some.one_of(
    texts.map(TextPart),
    some.binary(min_size=1, max_size=50).map(lambda b: MediaPart("image", "image/png", PNG + b, name="a.png")),
    texts.map(lambda t: MediaPart("image", "image/png", url="https://example.org/" + t)),
    some.dictionaries(texts, texts | some.integers() | some.none(), max_size=3).map(ForeignPart),
    some.integers(16000, 20000).map(lambda n: ForeignPart({"type": "image_url", "image_url": {"url": "x" * n}})),
)
contents = some.one_of(texts, some.lists(parts, max_size=4).map(tuple), some.none())
extras = some.sampled_from([{}, {"name": "Ann"}, {"tool_call_id": "c1"}])
conversations = some.lists(
    some.tuples(
        some.lists(some.builds(Message, some.sampled_from(["user", "tool"]), contents, extras), min_size=1, max_size=3),
        some.lists(texts.filter(bool), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=4,
)


def without_paths(message: Message) -> Message:
    if message.content is None or isinstance(message.content, str):
        return message
    bare = tuple(
        MediaPart(part.kind, part.mime, part.data, part.url, part.name) if isinstance(part, MediaPart) else part
        for part in message.content
    )
    return Message(message.role, bare, message.extra)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared") / "data"


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(turns=conversations)
def test_whatever_is_said_comes_back_as_it_was_said(shared: Path, turns: list[tuple[list[Message], list[str]]]) -> None:
    expected: list[Message] = []
    with History.open(shared) as history:
        conversation = None
        for sent, answer in turns:
            recorder = Recorder(history, warn=no_warning)
            conversation = recorder.begin(sent, conversation=conversation)
            for piece in answer:
                recorder.add(Text(piece))
            recorder.add(Finished("stop"))
            recorder.close()
            expected += [*sent, Message("assistant", "".join(answer))]
        assert conversation is not None
        assert [without_paths(message) for message in history.messages(conversation)] == expected


def test_halves_of_surrogate_pairs_are_joined_and_lone_ones_replaced(data: Path) -> None:
    conversation = exchange(data, "q \udcff", "a \ud83d", "\ude00 b\udc80")
    with History.open(data) as history:
        assert [message.text for message in history.messages(conversation)] == ["q �", "a 😀 b�"]


def test_a_picture_in_the_answer_is_copied_and_stands_where_the_text_showed_it(data: Path, tmp_path: Path) -> None:
    saved = tmp_path / "elk (1).png"
    saved.write_bytes(PNG)
    media = SavedMedia(str(saved), "elk (1).png", "image", "image/png", len(PNG), 3, 4)
    conversation = exchange(data, "draw", "Here:\n\n![image](", media, ")\nDone.")
    saved.unlink()
    with History.open(data) as history:
        (turn,) = history.turns(conversation)
        assert turn.answer is not None
        assert turn.answer.text == "Here:\n\n![image](elk (1).png)\nDone."
        (kept,) = turn.answer.media
        assert Path(kept.path).read_bytes() == PNG
        assert Path(kept.path).parent == data / "media"
        assert stat.S_IMODE(os.stat(kept.path).st_mode) == 0o600
        assert (kept.width, kept.height, kept.reference) == (3, 4, "elk (1).png")
        answer = history.messages(conversation)[-1]
        assert isinstance(answer.content, tuple)
        before, picture, after = answer.content
        assert (before, after) == (TextPart("Here:\n\n"), TextPart("\nDone."))
        assert isinstance(picture, MediaPart)
        assert picture.data == PNG


def test_the_same_picture_is_kept_once_and_never_in_the_database(data: Path) -> None:
    big = PNG + os.urandom(300_000)
    sent = Message("user", (TextPart("look"), MediaPart("image", "image/png", big, name="a.png")))
    conversation = exchange(data, sent, "![image](", Media(big, "image/png"), ")")
    assert len(list((data / "media").iterdir())) == 1
    assert (data / "history.db").stat().st_size < 200_000
    with History.open(data) as history:
        assert [part.data for message in history.messages(conversation) for part in message.media] == [big, big]


def test_a_picture_somebody_took_away_is_named_in_words(data: Path) -> None:
    sent = Message("user", (TextPart("look"), MediaPart("image", "image/png", PNG, name="a.png")))
    conversation = exchange(data, sent, "nice")
    for path in (data / "media").iterdir():
        path.unlink()
    with History.open(data) as history:
        assert history.messages(conversation)[0].content == (
            TextPart("look"),
            TextPart("[image no longer stored: a.png]"),
        )


def test_every_choice_is_kept_and_the_first_goes_on(data: Path) -> None:
    conversation = exchange(data, "q", Text("one", 0), Text("two", 1), Text("!", 0))
    with History.open(data) as history:
        assert [(answer.choice, answer.text) for answer in history.turns(conversation)[0].answers] == [
            (0, "one!"),
            (1, "two"),
        ]
        assert history.messages(conversation)[-1] == Message("assistant", "one!")


def test_tool_calls_are_sent_again_only_before_their_results(data: Path) -> None:
    with History.open(data) as history:
        conversation = exchange(history, "weather?", ToolCall("c1", "look", '{"at": 1}'))
        called = {
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}]
        }
        assert history.messages(conversation, next_role="tool")[-1] == Message("assistant", None, called)
        assert history.messages(conversation) == [Message("user", "weather?")]
        exchange(history, Message("tool", "rain", {"tool_call_id": "c1"}), "It rains.", conversation=conversation)
        assert history.messages(conversation)[1] == Message("assistant", None, called)


def test_a_turn_that_failed_is_shown_but_not_sent_again(data: Path) -> None:
    with History.open(data) as history:
        conversation = exchange(history, "one", "1")
        recorder = Recorder(history, warn=no_warning)
        recorder.begin([Message("user", "two")], conversation=conversation)
        recorder.add(Failure(ApiError("the model is overloaded")))
        recorder.close()
        failed = history.turns(conversation)[-1]
        assert (failed.status, failed.error, failed.answer) == ("failed", "the model is overloaded", None)
        assert [message.text for message in history.messages(conversation)] == ["one", "1"]


def test_a_cut_answer_is_partial_and_goes_on(data: Path) -> None:
    with History.open(data) as history:
        recorder = Recorder(history, warn=no_warning)
        conversation = recorder.begin([Message("user", "count")])
        assert conversation is not None
        recorder.add(Text("one, two"))
        recorder.close(error="interrupted")
        (turn,) = history.turns(conversation)
        assert (turn.status, turn.partial, turn.error) == ("cut", True, "interrupted")
        assert history.messages(conversation)[-1] == Message("assistant", "one, two")


def test_undo_takes_back_a_turn_and_what_failed_after_it_and_not_what_another_chat_said(data: Path) -> None:
    with History.open(data) as history:
        conversation = exchange(history, "one", "1")
        exchange(history, "two", "2", conversation=conversation)
        exchange(history, "another's", "3", conversation=conversation)
        lost = Recorder(history, warn=no_warning)
        lost.begin([Message("user", "lost")], conversation=conversation)
        lost.close()
        history.undo(conversation, history.turns(conversation)[1].id)
        assert [message.text for message in history.messages(conversation)] == ["one", "1", "another's", "3"]
        assert len(history.turns(conversation)) == 2
        assert sum(row.requests for row in history.usage()) == 3, "what was taken back was paid for"


def test_a_conversation_keeps_its_system_message_and_model_until_told_otherwise(data: Path) -> None:
    with History.open(data) as history:
        conversation = exchange(history, "q", "a", system="s", model="m")
        exchange(history, "q", "a", conversation=conversation)
        assert (history.find(conversation).system, history.find(conversation).model) == ("s", "m")
        exchange(history, "q", "a", conversation=conversation, system="t", model="n")
        assert (history.find(conversation).system, history.find(conversation).model) == ("t", "n")


def test_counts_no_server_means_are_left_out(data: Path) -> None:
    conversation = exchange(data, "q", "a", Usage(10**30, -1, 7))
    with History.open(data) as history:
        assert history.turns(conversation)[0].usage == Usage(None, None, 7)


# While it happens


def test_the_question_is_on_disk_before_the_answer_begins(data: Path) -> None:
    recorder = Recorder(data, warn=no_warning)
    conversation = recorder.begin([Message("user", "a long question")])
    assert conversation is not None
    with History.open(data) as other:
        (turn,) = other.turns(conversation)
        assert (turn.status, turn.sent, turn.partial) == ("open", (Message("user", "a long question"),), False)
    recorder.close()


def test_an_answer_that_falls_silent_is_on_disk_soon(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "STEP", 0.02)
    recorder = Recorder(data, warn=no_warning)
    conversation = recorder.begin([Message("user", "q")])
    assert conversation is not None
    with History.open(data) as other:

        def text() -> str:
            answer = other.turns(conversation or "")[0].answer
            return answer.text if answer else ""

        for piece, expected in (("one ", "one "), ("two", "one two")):
            recorder.add(Text(piece))
            deadline = time.monotonic() + 10
            while text() != expected:
                assert time.monotonic() < deadline
                time.sleep(0.005)
        assert other.search("one two", 5)[0].conversation.id == conversation
        recorder.add(Text(" three"))
        recorder.add(Finished("stop"))
        recorder.close()
        assert text() == "one two three"
        assert other.connection.execute("SELECT count(*) FROM segments").fetchone() == (0,)


def test_an_answer_deleted_while_it_comes_stays_deleted(data: Path) -> None:
    with History.open(data) as history:
        recorder = Recorder(data, warn=no_warning)
        conversation = recorder.begin([Message("user", "q")])
        assert conversation is not None
        history.delete([conversation])
        exchange(history, "another", "its own answer")
        recorder.add(Text("ghost"))
        recorder.close()
        assert [one.title for one in history.listing()] == ["another"]
        assert history.search("ghost", 5) == []


def test_long_texts_are_found_though_they_are_indexed_by_the_search(data: Path) -> None:
    exchange(data, "antler " * 10_000, "hoof " * 10_000, hurry=True)
    with History.open(data) as history:
        waiting = "SELECT count(*) FROM messages WHERE indexed = 0"
        assert history.connection.execute(waiting).fetchone() == (2,)
        assert [found.role for found in history.search("antler", 5)] == ["user"]
        assert [found.role for found in history.search("hoof", 5)] == ["assistant"]
        assert history.connection.execute(waiting).fetchone() == (0,)


def _in_processes(number: int, work: Callable[[int], None]) -> list[int | None]:
    """The exit codes of ``number`` processes that do ``work`` at the same moment."""
    context = multiprocessing.get_context("fork")
    gate = context.Event()

    def body(one: int) -> None:
        gate.wait()
        work(one)
        os._exit(0)

    processes = [context.Process(target=body, args=(one,)) for one in range(number)]
    for process in processes:
        process.start()
    gate.set()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def test_fifty_processes_begin_one_new_store_and_all_are_recorded(data: Path) -> None:
    def work(one: int) -> None:
        exchange(data, f"question {one}", f"answer {one}", terminal=str(one), hurry=one % 2 == 0)

    assert _in_processes(50, work) == [0] * 50
    with History.open(data) as history:
        assert {one.title for one in history.listing()} == {f"question {one}" for one in range(50)}
        assert history.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert history.connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_two_processes_that_begin_a_session_of_one_name_share_it(data: Path) -> None:
    def work(one: int) -> None:
        exchange(data, f"q{one}", "a", name="both")

    assert _in_processes(8, work) == [0] * 8
    with History.open(data) as history:
        (conversation,) = history.listing()
        assert (conversation.name, conversation.turns) == ("both", 8)


def test_kill_9_takes_the_last_step_of_the_answer_and_nothing_before_it(data: Path) -> None:
    def work(_: int) -> None:
        recording.STEP = 0.02
        with History.open(data) as history:
            conversation = exchange(history, "first", "kept whole")
            recorder = Recorder(history, warn=no_warning)
            recorder.begin([Message("user", "second")], conversation=conversation)
            recorder.add(Text("a beginning"))
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGKILL)

    assert _in_processes(1, work) == [-signal.SIGKILL]
    with History.open(data) as history:
        (conversation,) = history.listing()
        first, second = history.turns(conversation.id)
        assert first.status == "whole"
        assert (second.status, second.partial) == ("open", True)
        assert history.messages(conversation.id)[-1] == Message("assistant", "a beginning")


class Signal(BaseException):
    pass


def interrupted_at(line: int, work: Callable[[], object]) -> bool:
    """Do ``work``, with a signal before the given line of the storage that it runs; false if it has fewer."""
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(str(Path(schema.__file__).parent)):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise Signal
        return trace

    sys.settrace(trace)
    try:
        work()
    except Signal:
        return True
    finally:
        sys.settrace(None)
    return False


def test_a_signal_at_any_moment_of_the_end_leaves_one_whole_answer(data: Path) -> None:
    with History.open(data) as history:
        line, going = 0, True
        while going:
            line += 1
            recorder = Recorder(history, warn=no_warning)
            conversation = recorder.begin([Message("user", f"question{line}")])
            assert conversation is not None
            recorder.add(Text("the answer"))
            recorder.add(Finished("stop"))
            going = interrupted_at(line, recorder.close)
            recorder.close()
            (turn,) = history.turns(conversation)
            assert turn.answer is not None
            assert (turn.status, turn.answer.text, len(turn.answers)) == ("whole", "the answer", 1)
        assert line > 50
        assert history.connection.execute("SELECT count(*) FROM words WHERE words MATCH 'answer'").fetchone() == (line,)
        history.connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")


# A store that fails


def spoiled(data: Path, **options: Any) -> list[str]:
    """The warnings of an exchange with a store that fails; nothing else may come of it."""
    warnings: list[str] = []
    recorder = Recorder(data, warn=warnings.append, **options)
    recorder.begin([Message("user", "q" * 3000)])
    for _ in range(3):
        recorder.add(Text("a" * 3000))
    recorder.add(Finished("stop"))
    recorder.close()
    recorder.close()
    return warnings


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_store_is_warned_of_once_and_left_as_it_is(data: Path, content: bytes) -> None:
    data.mkdir(parents=True)
    (data / "history.db").write_bytes(content)
    (warning,) = spoiled(data)
    assert "damaged" in warning
    assert str(data / "history.db") in warning
    assert (data / "history.db").read_bytes() == content
    with pytest.raises(ElkError) as failed:
        History.open(data)
    assert failed.value.exit_code == 1
    assert "mv " in (failed.value.hint or "")


def test_a_store_damaged_in_the_middle_is_warned_of_once(data: Path) -> None:
    for _ in range(20):
        exchange(data, "question " * 200, "answer " * 200)
    raw = bytearray((data / "history.db").read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    (data / "history.db").write_bytes(raw)
    assert len(spoiled(data)) == 1


def test_a_directory_that_cannot_be_made_is_warned_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (warning,) = spoiled(tmp_path / "file" / "elkcli")
    assert str(tmp_path / "file") in warning


def test_a_full_disk_is_warned_of_once(data: Path) -> None:
    def work(_: int) -> None:
        exchange(data, "q", "a")
        size = (data / "history.db").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, size + 8192))
        recorder_warnings = spoiled(data)
        os._exit(0 if len(recorder_warnings) == 1 else 9)

    assert _in_processes(1, work) == [0]
    with History.open(data) as history:
        assert history.listing()[-1].title == "q"
        assert history.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_locked_store_is_waited_for_briefly_and_then_warned_of(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange(data, "q", "a")
    monkeypatch.setattr(schema, "PATIENCE", 0.3)
    with contextlib.closing(sqlite3.connect(data / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        (warning,) = spoiled(data, patience=0.2)
        assert "locked" in warning


def test_a_lock_that_is_released_before_the_end_costs_nothing(data: Path) -> None:
    exchange(data, "q", "a")
    with contextlib.closing(sqlite3.connect(data / "history.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        recorder = Recorder(data, warn=no_warning, patience=0.1)
        assert recorder.begin([Message("user", "patient")]) is None
        recorder.add(Text("answer"))
        other.execute("COMMIT")
        recorder.add(Finished("stop"))
        recorder.close()
    with History.open(data) as history:
        assert history.messages(recorder.conversation or "") == [
            Message("user", "patient"),
            Message("assistant", "answer"),
        ]


def test_a_store_that_cannot_even_be_read_holds_up_an_answer_only_briefly_and_is_tried_again(data: Path) -> None:
    exchange(data, "q", "a")
    with contextlib.closing(sqlite3.connect(data / "history.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        (warning,) = spoiled(data, patience=0.1)
        assert "locked" in warning
        assert time.monotonic() - began < 5
        recorder = Recorder(data, warn=no_warning, patience=0.1)
        assert recorder.begin([Message("user", "patient")]) is None
        recorder.add(Text("answer"))
        other.execute("COMMIT")
    recorder.add(Finished("stop"))
    recorder.close()
    with History.open(data) as history:
        assert history.turns(recorder.conversation or "")[0].status == "whole"


def test_a_store_of_a_newer_elkcli_is_not_touched(data: Path) -> None:
    exchange(data, "q", "a")
    with contextlib.closing(sqlite3.connect(data / "history.db")) as other:
        other.execute("PRAGMA user_version = 999")
    assert len(spoiled(data)) == 1
    with pytest.raises(ElkError, match="newer"):
        History.open(data)


def test_a_store_that_was_never_begun_is_an_empty_one_and_reading_makes_none(data: Path) -> None:
    with History.open(data, create=False) as history:
        assert history.listing() == []
        assert history.latest(terminal="t", directory="/") is None
        assert history.search("x", 5) == []
        assert history.usage() == []
    assert not data.exists()


def test_a_store_that_others_could_read_is_closed_to_them(data: Path) -> None:
    data.mkdir(parents=True)
    (data / "history.db").touch(mode=0o644)
    exchange(data, "q", "a")
    assert stat.S_IMODE((data / "history.db").stat().st_mode) == 0o600


def test_the_store_is_for_its_owner_only(data: Path) -> None:
    before = os.umask(0)
    try:
        exchange(data, Message("user", (MediaPart("image", "image/png", PNG),)), "a", hurry=True)
    finally:
        os.umask(before)
    for path in (data, *data.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


# Which conversation


def test_continue_takes_this_terminals_latest_then_the_directorys_then_the_latest(data: Path) -> None:
    with History.open(data) as history:
        assert history.latest(terminal=None, directory="/a") is None
        one = exchange(history, "one", "1", terminal="t1", directory="/a")
        two = exchange(history, "two", "2", terminal="t2", directory="/b")
        three = exchange(history, "three", "3", terminal="t3", directory="/c")

        def latest(terminal: str | None, directory: str) -> tuple[str, str]:
            found = history.latest(terminal=terminal, directory=directory)
            assert found is not None
            return found[0].id, found[1]

        assert latest("t1", "/c") == (one, "this terminal's latest")
        assert latest("t9", "/b") == (two, "the latest begun in this directory")
        assert latest(None, "/z") == (three, "the latest")
        exchange(history, "again", "1", conversation=one, terminal="t3", directory="/c")
        assert latest("t3", "/c") == (one, "this terminal's latest"), "resumed here, so it is this terminal's now"
        Recorder(history, warn=no_warning).begin([Message("user", "no answer came")], terminal="t3", directory="/a")
        assert latest("t3", "/a") == (one, "this terminal's latest"), "there is nothing to go on with"


@settings(max_examples=30, deadline=None)
@given(length=some.integers(1, 8), which=some.integers(0, 5))
def test_a_prefix_finds_its_conversation_if_it_is_long_and_unique_enough(shared: Path, length: int, which: int) -> None:
    with History.open(shared) as history:
        while len(history.listing()) < 6:
            exchange(history, "q", "a")
        wanted = history.listing()[which % 6].id
        prefix = wanted[:length]
        unique = sum(one.id.startswith(prefix) for one in history.listing()) == 1
        if length >= 4 and unique:
            assert history.find(prefix).id == wanted
            assert history.find(prefix.upper()).id == wanted
        else:
            with pytest.raises(UsageError):
                history.find(prefix)


def test_ambiguous_prefixes_are_listed(data: Path) -> None:
    with History.open(data) as history:
        for one in ("abcd1111", "abcd2222", "xyzw3333"):
            exchange(history, "q", "a", conversation=one)
        with pytest.raises(UsageError) as failed:
            history.find("abcd")
        assert "abcd1111, abcd2222" in (failed.value.hint or "")
        assert history.find("abcd1").id == "abcd1111"
        with pytest.raises(UsageError, match="no conversation"):
            history.find("")
        with pytest.raises(UsageError, match="no conversation"):
            history.find("%___")


def test_a_name_matches_exactly_and_before_ids(data: Path) -> None:
    with History.open(data) as history:
        one, two = exchange(history, "q", "a"), exchange(history, "q", "a")
        history.rename(one, two)
        assert history.find(two).id == one
        history.rename(one, "  Trip to Rome ")
        assert history.find("Trip to Rome").id == one
        assert history.named("trip to rome") is None
        with pytest.raises(UsageError, match=one):
            history.rename(two, "Trip to Rome")
        for bad in ("", " ", "a\nb", "\x1b[31m", "x" * 101):
            with pytest.raises(UsageError):
                history.rename(two, bad)
        history.rename(one, None)
        assert history.find(one).name is None


def test_a_terminal_has_a_key_and_a_pipe_has_none() -> None:
    def environment(**options: Any) -> Environment:
        import io

        return Environment([], {}, None, None, io.StringIO(), **options)

    assert terminal_key(environment()) is None
    key = terminal_key(environment(stderr_is_terminal=True))
    assert key == terminal_key(environment(stdin_is_terminal=True))


# Searching


def test_search_finds_words_wherever_they_are_and_the_latest_first(data: Path) -> None:
    with History.open(data) as history:
        old = exchange(history, "How do I bake bread?", "With flour.", clock=lambda: 1.0)
        new = exchange(history, "naïve question", "Bread needs patience. 我喜欢面包。", clock=lambda: 2.0)

        def found(text: str) -> list[str]:
            return [hit.conversation.id for hit in history.search(text, 10)]

        assert found("bread") == [new, old]
        assert found("BREAD flour") == [], "words of one message"
        assert found("bake bread") == [old]
        assert found("pati") == [new]
        assert found("naive") == [new]
        assert found("面包") == [new]
        assert found("nowhere") == []
        assert [len(history.search("bread", limit)) for limit in (0, 1, 2)] == [0, 1, 2]
        assert "bake bread" in history.search("bread", 10)[1].excerpt


@settings(max_examples=100, deadline=None)
@given(text=some.text(alphabet=some.sampled_from("ab\"'*()^-:+{}%_\\ \0\tANDORNEAR\ud800é面"), max_size=20))
def test_no_search_text_is_an_error(shared: Path, text: str) -> None:
    with History.open(shared) as history:
        history.search(text, 3)


def test_search_works_without_full_text_search_and_catches_up_later(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "WORDS", "CREATE VIRTUAL TABLE words USING fts5_is_missing(text)")
    monkeypatch.setattr(schema, "lacks_fts", lambda problem: "no such" in str(problem))
    with History.open(data) as history:
        conversation = exchange(history, "100% rye_bread", "a")
        assert [hit.conversation.id for hit in history.search("100% rye_", 5)] == [conversation]
        assert history.search("100_", 5) == []
    monkeypatch.undo()
    with History.open(data) as history:
        assert [hit.conversation.id for hit in history.search("rye_bread", 5)] == [conversation]
        assert history.connection.execute("SELECT count(*) FROM words WHERE words MATCH 'rye'").fetchone() == (1,)


# Deleting and counting


def test_deleted_words_and_pictures_are_gone_from_the_disk_and_the_counts_stay(data: Path) -> None:
    with History.open(data) as history:
        secret = Message("user", (TextPart("xyzzysecret words"), MediaPart("image", "image/png", PNG, name="a.png")))
        gone = exchange(history, secret, "plughanswer", Usage(1, 2, 3), model="m")
        kept = exchange(
            history, Message("user", (MediaPart("image", "image/png", PNG),)), "b", Usage(1, 2, 3), model="m"
        )
        before = history.usage()
        assert history.delete([gone])
        assert history.usage() == before
        assert (before[0].requests, before[0].usage.total) == (2, 6)
        assert [one.id for one in history.listing()] == [kept]
        assert history.search("xyzzysecret", 5) == []
        assert len(list((data / "media").iterdir())) == 1, "the other conversation has the picture too"
        everything = b"".join(path.read_bytes() for path in data.glob("history.db*"))
        assert b"xyzzysecret" not in everything
        assert b"plughanswer" not in everything
        history.delete([kept, "no such"])
        assert list((data / "media").iterdir()) == []
        assert history.usage() == before


def test_what_a_killed_process_left_among_the_media_goes_with_the_next_deletion(data: Path) -> None:
    with History.open(data) as history:
        conversation = exchange(history, Message("user", (MediaPart("image", "image/png", PNG),)), "b")
        for name, age in ((".old.tmp", 7200), ("fresh", 0)):
            path = data / "media" / name
            path.write_bytes(b"")
            os.utime(path, (time.time() - age,) * 2)
        history.delete([conversation])
        assert [path.name for path in (data / "media").iterdir()] == ["fresh"]


def test_usage_is_by_local_day_model_and_profile(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        noon_utc = 1_790_000_000.0 // 86400 * 86400 + 43200  # after midnight in Auckland
        with History.open(data) as history:
            for model, profile, when in (("m", None, noon_utc), ("m", None, noon_utc - 7200), ("n", "work", noon_utc)):
                at = when
                exchange(history, "q", "a", Usage(1, 2, 3), model=model, profile=profile, clock=lambda at=at: at)
            history.spend("n", "work", Usage(10, 20, 30), when=noon_utc)
            rows = [(row.model, row.profile, row.requests, row.usage.total) for row in history.usage()]
            assert rows == [("m", "", 1, 3), ("m", "", 1, 3), ("n", "work", 2, 33)]
            assert len({row.day for row in history.usage()}) == 2
            assert [row.model for row in history.usage(noon_utc - 3600)] == ["m", "n"]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_content_that_cannot_be_stored_is_warned_of_once(data: Path) -> None:
    warnings: list[str] = []
    recorder = Recorder(data, warn=warnings.append)
    recorder.begin([Message("user", "q", {"odd": object()})])
    recorder.add(Text("a"))
    recorder.close()
    assert len(warnings) == 1


def test_a_process_that_hurries_but_lives_on_does_not_run_out_of_files(data: Path) -> None:
    for _ in range(10):
        exchange(data, "q", "a", hurry=True)
    descriptors = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            descriptors.append(os.readlink(f"/proc/self/fd/{name}"))
    assert sum(path == str(data / "history.db") for path in descriptors) <= 2, "SQLite keeps one for the next to open"


def test_a_place_where_nothing_can_be_made_is_an_error_and_no_endless_try() -> None:
    with pytest.raises(OSError):
        private.make_directory(Path("/proc/elkcli/deep"))


def test_many_who_make_one_deep_directory_at_once_all_have_it(tmp_path: Path) -> None:
    for attempt in range(100):
        gate = threading.Barrier(4)

        def make(deep: Path = tmp_path / str(attempt) / "share" / "elkcli", gate: threading.Barrier = gate) -> bool:
            gate.wait(10)
            private.make_directory(deep)
            return deep.is_dir()

        with ThreadPoolExecutor(4) as pool:
            tries = [pool.submit(make) for _ in range(4)]
            assert all(each.result() for each in tries)


@pytest.mark.parametrize(("statement", "told"), [("VACUUM", None), ("PRAGMA wal_checkpoint", "deleted, but")])
def test_deleting_on_a_full_disk_says_what_it_did(statement: str, told: str | None, data: Path) -> None:
    class Full:
        """The store on a disk that has no room for one statement."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if sql.startswith(statement):
                problem = sqlite3.OperationalError("database or disk is full")
                problem.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise problem
            return self._connection.execute(sql, *values)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

    with History.open(data) as history:
        gone = exchange(history, Message("user", "a" * 60000), "b", Usage(1, 2, 3), model="m")
        connection = cast("sqlite3.Connection", Full(history.connection))
        with pytest.raises(ElkError, match=told) if told else contextlib.nullcontext():
            assert deletion.delete(connection, history.files, [gone])
        assert history.listing() == []
