"""`elkcli history`: what was said can be listed, shown, searched, named, exported and deleted."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from elkcli.conversation import Failure, Finished, MediaPart, Message, Piece, Text, TextPart, ToolCall, Usage
from elkcli.errors import Incomplete
from elkcli.storage.history import History
from elkcli.storage.recorder import Recorder
from tests.conftest import Elkcli

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def keep(elkcli: Elkcli, question: str | Message, *pieces: str | Piece, ago: float = 0, **where: Any) -> str:
    """Record one exchange as `ask` would; the ID of its conversation."""
    recorder = Recorder(elkcli.data, warn=pytest.fail, clock=lambda: time.time() - ago)
    where.setdefault("model", "some-model")
    sent = Message("user", question) if isinstance(question, str) else question
    conversation = recorder.begin([sent], **where)
    assert conversation is not None
    for piece in pieces:
        recorder.add(Text(piece) if isinstance(piece, str) else piece)
    if not any(isinstance(piece, Failure) for piece in pieces):
        recorder.add(Finished("stop"))
    recorder.close(seconds=1.0)
    return conversation


# An empty store


def test_without_a_conversation_lists_are_empty_and_nothing_is_made(elkcli: Elkcli) -> None:
    elkcli("history", "list").succeeds(b"")
    elkcli("history", "list", terminal=True).succeeds(b"")
    assert elkcli("history", "list", "--json").json == []
    elkcli("history", "search", "x").succeeds(b"")
    assert elkcli("history", "search", "x", "--json").json == []
    elkcli("history", "export").succeeds(b"")
    elkcli("history", "delete", "--all", "--yes").succeeds(b"")
    assert not elkcli.data.exists()


def test_showing_nothing_is_wrong_usage(elkcli: Elkcli) -> None:
    assert "no conversation" in elkcli("history", "show").fails(2).error
    assert "'abcd'" in elkcli("history", "show", "abcd").fails(2).error
    elkcli("history", "rename", "abcd", "x").fails(2)
    elkcli("history", "delete", "abcd", "--yes").fails(2)
    elkcli("history", "export", "abcd").fails(2)


# list


def test_list_is_tab_separated_in_a_pipe_and_the_latest_comes_first(elkcli: Elkcli) -> None:
    old = keep(elkcli, "an old\tquestion\nof two lines", "a", ago=100)
    new = keep(elkcli, "a new question", "a", name="fresh")
    keep(elkcli, "again", "a", conversation=new)
    lines = [line.split("\t") for line in elkcli("history", "list").text.splitlines()]
    assert [line[0] for line in lines] == [new, old]
    assert lines[0][2:] == ["2", "some-model", "fresh", "a new question"]
    assert lines[1][2:] == ["1", "some-model", "", "an old question of two lines"]


def test_list_takes_a_number(elkcli: Elkcli) -> None:
    for _ in range(22):
        keep(elkcli, "q", "a")
    for arguments, expected in (((), 22), (("-n", "3"), 3), (("-n", "0"), 22), (("--limit", "30"), 22)):
        assert len(elkcli("history", "list", *arguments).text.splitlines()) == expected
        assert len(elkcli("history", "list", *arguments, "--json").json) == expected
    table = elkcli("history", "list", terminal=True)
    assert len(table.text.splitlines()) == 2 + 20
    assert "-n 0 lists all" in table.err
    assert len(elkcli("history", "list", "-n", "99999999999999999999").text.splitlines()) == 22
    elkcli("history", "list", "-n", "-1").fails(2)
    elkcli("history", "list", "-n", "many").fails(2)


def test_list_as_json_has_objects_with_ids(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "q", "a", name="n", profile="work", directory="/here")
    (entry,) = elkcli("history", "list", "--json").json
    assert entry["id"] == conversation
    assert (entry["name"], entry["title"], entry["model"], entry["profile"]) == ("n", "q", "some-model", "work")
    assert (entry["directory"], entry["turns"]) == ("/here", 1)


def test_a_terminal_gets_a_table_as_wide_as_it_is_with_whole_ids(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "many words " * 20 + "\x1b[31m", "a")
    result = elkcli("history", "list", terminal=True, env={"COLUMNS": "60", "NO_COLOR": "1"})
    lines = result.succeeds().text.splitlines()
    assert lines[0].split() == ["id", "when", "turns", "model", "title"]
    assert lines[2].startswith(conversation)
    assert lines[2].endswith("…")
    assert all(len(line) <= 60 for line in lines)
    assert "\x1b" not in result.text


# show


def test_show_gives_the_latest_in_a_pipe_as_text(elkcli: Elkcli) -> None:
    keep(elkcli, "older", "not this")
    keep(elkcli, "why?\n\nreally", "Because.\n\n> quoted\x1b[1m\n")
    elkcli("history", "show").succeeds(b"> why?\n>\n> really\n\nBecause.\n\n> quoted\x1b[1m\n")


def test_show_as_markdown_has_a_heading_for_each_voice(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "why?", "Because.", system="be brief", name="sky")
    keep(elkcli, "and?", Failure(Incomplete("the server went away")), conversation=conversation)
    text = elkcli("history", "show", "sky", "--format", "markdown").text
    blocks = text.rstrip("\n").split("\n\n")
    assert blocks[0] == "# sky"
    assert conversation in blocks[1]
    assert blocks[2:] == [
        *["## System", "be brief", "## You", "why?", "## some-model", "Because."],
        *["## You", "and?", "*(no answer came: the server went away)*"],
    ]


def test_show_as_json_is_one_object_with_messages_in_the_apis_shape(elkcli: Elkcli) -> None:
    picture = Message("user", (TextPart("look"), MediaPart("image", "image/png", PNG, name="a.png")))
    call = ToolCall("c1", "find", "{}")
    conversation = keep(elkcli, picture, "nice", call, Usage(1, 2, 3), Text("other", 1), system="s", name="n")
    shown = elkcli("history", "show", conversation[:4], "--format", "json").json
    assert (shown["id"], shown["name"], shown["model"], shown["system"]) == (conversation, "n", "some-model", "s")
    system, user, assistant = shown["messages"]
    assert system == {"role": "system", "content": "s"}
    assert user["content"][0] == {"type": "text", "text": "look"}
    path = Path(user["content"][1]["image_url"]["url"])
    assert path.read_bytes() == PNG
    assert (assistant["role"], assistant["content"]) == ("assistant", "nice")
    assert assistant["tool_calls"][0]["function"] == {"name": "find", "arguments": "{}"}
    (turn,) = shown["turns"]
    assert (turn["finish_reason"], turn["seconds"], turn["partial"], turn["messages"]) == ("stop", 1.0, False, [1, 2])
    assert turn["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert turn["other_answers"] == [{"role": "assistant", "content": "other"}]


def test_show_as_jsonl_has_a_message_a_line(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "q", "a", system="s")
    keep(elkcli, "q2", "a2", conversation=conversation)
    lines = elkcli("history", "show", "--format", "jsonl").events
    assert [(line["id"], line["turn"], line["role"], line["content"]) for line in lines] == [
        (conversation, *rest)
        for rest in [
            (0, "system", "s"),
            (1, "user", "q"),
            (1, "assistant", "a"),
            (2, "user", "q2"),
            (2, "assistant", "a2"),
        ]
    ]


def test_show_renders_at_a_terminal_and_lets_nothing_through(elkcli: Elkcli) -> None:
    keep(elkcli, "why \x1b]0;owned\x07?", "**Bold** answer \x1b[2J")
    result = elkcli("history", "show", terminal=True, env={"NO_COLOR": "1", "TERM": "dumb"}).succeeds()
    assert "Bold answer" in result.text
    assert "**" not in result.text
    for form in ("markdown", "text", "json", "jsonl"):
        shown = elkcli("history", "show", "--format", form, terminal=True, env={"NO_COLOR": "1", "TERM": "dumb"})
        assert "\x1b]0" not in shown.text
        assert "\x1b[2J" not in shown.text


def test_an_unknown_format_is_refused_with_the_known_ones(elkcli: Elkcli) -> None:
    keep(elkcli, "q", "a")
    assert "jsonl" in elkcli("history", "show", "--format", "yaml").fails(2).hint
    assert "markdown" in elkcli("history", "export", "--format", "text").fails(2).hint


# search


def test_search_finds_words_of_questions_and_answers(elkcli: Elkcli) -> None:
    bread = keep(elkcli, "How do I bake bread?", "With flour and patience.")
    keep(elkcli, "How tall is an elk?", "Two metres.")
    for words in (["flour"], ["PATIENCE flour"], ["bake", "bread"], ["pati"]):
        line = elkcli("history", "search", *words).succeeds().text
        assert line.split("\t")[0] == bread
        assert line.count("\n") == 1
    (hit,) = elkcli("history", "search", "flour", "--json").json
    assert (hit["id"], hit["role"], hit["excerpt"]) == (bread, "assistant", "With flour and patience.")
    assert len(elkcli("history", "search", "how", "--json").json) == 2
    assert len(elkcli("history", "search", "how", "-n", "1", "--json").json) == 1
    elkcli("history", "search", "nowhere").succeeds(b"")
    elkcli("history", "search", " ").fails(2)


@pytest.mark.parametrize("text", ['"', "AND", "a OR", "NEAR(", "col:", "*", "-", "%", "\\", "((", "'; DROP TABLE x"])
def test_no_search_is_a_syntax_error(elkcli: Elkcli, text: str) -> None:
    keep(elkcli, "q", "a")
    elkcli("history", "search", "--", text).succeeds()


# rename


def test_a_name_serves_where_an_id_does(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "q", "a")
    other = keep(elkcli, "q", "a")
    elkcli("history", "rename", conversation[:5], "trip to Rome").succeeds(b"")
    assert elkcli("history", "show", "trip to Rome", "--format", "json").json["id"] == conversation
    assert conversation in elkcli("history", "rename", other, "trip to Rome").fails(2).error
    elkcli("history", "rename", other, "").fails(2)


# export


def test_export_writes_a_conversation_a_line_the_oldest_first(elkcli: Elkcli) -> None:
    ids = [keep(elkcli, f"q{n}\nmore", "a", ago=100 - n) for n in range(3)]
    lines = elkcli("history", "export").events
    assert [line["id"] for line in lines] == ids
    assert [message["content"] for message in lines[0]["messages"]] == ["q0\nmore", "a"]
    assert [line["id"] for line in elkcli("history", "export", ids[1]).events] == [ids[1]]
    assert elkcli("history", "export", "--format", "markdown").text.count("\n# ") == 2


def test_export_writes_a_private_file_and_replaces_none_unasked(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "q", "a")
    path = elkcli.work / "all.jsonl"
    elkcli("history", "export", "-o", "all.jsonl").succeeds(b"")
    assert json.loads(path.read_text())["id"] == conversation
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("mine")
    elkcli("history", "export", "-o", str(path)).fails(2)
    assert path.read_text() == "mine"
    elkcli("history", "export", "-o", "all.jsonl", "--force").succeeds(b"")
    assert path.read_text() != "mine"
    elkcli("history", "export", "-o", "no/such/directory").fails(1)
    assert [entry.name for entry in elkcli.work.iterdir()] == ["all.jsonl"]


def test_export_writes_through_a_link_and_into_a_device_and_replaces_neither(elkcli: Elkcli) -> None:
    keep(elkcli, "q", "a")
    elkcli.file("notes.jsonl", "mine")
    for name, place in (("link", "notes.jsonl"), ("device", "/dev/null")):
        (elkcli.work / name).symlink_to(place)
        elkcli("history", "export", "-o", name, "--force").succeeds(b"")
        assert (elkcli.work / name).is_symlink()
    assert json.loads((elkcli.work / "notes.jsonl").read_text())["title"] == "q"
    elkcli("history", "export", "-o", ".", "--force").fails(2)


# delete


def test_delete_removes_what_is_named_and_nothing_else(elkcli: Elkcli) -> None:
    one, two, three = (keep(elkcli, f"q{n}", "a") for n in range(3))
    elkcli("history", "delete", one[:6], two, one, "--yes").succeeds(b"")
    assert [entry["id"] for entry in elkcli("history", "list", "--json").json] == [three]
    elkcli("history", "delete", three, "nope", "--yes").fails(2)
    assert len(elkcli("history", "list", "--json").json) == 1, "all or nothing"


def test_delete_takes_an_age(elkcli: Elkcli) -> None:
    old = keep(elkcli, "old", "a", ago=40 * 86400)
    new = keep(elkcli, "new", "a", ago=20 * 86400)
    for wrong in ("30", "d", "30x", "-1d", "1.5d", "9" * 30 + "d"):
        elkcli("history", "delete", f"--older-than={wrong}", "--yes").fails(2)
    elkcli("history", "delete", "--older-than", "9w", "--yes").succeeds(b"")
    assert len(elkcli("history", "list", "--json").json) == 2
    elkcli("history", "delete", "--older-than", "30d", "--yes").succeeds(b"")
    assert [entry["id"] for entry in elkcli("history", "list", "--json").json] == [new] != [old]
    elkcli("history", "delete", "--older-than", "12h", "--yes").succeeds(b"")
    assert elkcli("history", "list", "--json").json == []


def test_delete_needs_to_be_told_what(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "q", "a")
    elkcli("history", "delete", "--yes").fails(2)
    elkcli("history", "delete", conversation, "--all", "--yes").fails(2)
    elkcli("history", "delete", "--all", "--older-than", "1d", "--yes").fails(2)
    assert len(elkcli("history", "list", "--json").json) == 1


def test_without_a_terminal_and_without_yes_nothing_is_deleted(elkcli: Elkcli) -> None:
    keep(elkcli, "q", "a")
    assert "--yes" in elkcli("history", "delete", "--all", stdin="y\n").fails(2).hint
    assert len(elkcli("history", "list", "--json").json) == 1


@pytest.mark.slow
def test_at_a_terminal_delete_asks(elkcli: Elkcli) -> None:
    keep(elkcli, "a question", "a")
    for typed, left in (("n", 1), ("", 1), ("y", 0)):
        terminal = elkcli.terminal("history", "delete", "--all")
        terminal.see("[y/N]").enter(typed)
        assert terminal.exit() == 0
        assert len(elkcli("history", "list", "--json").json) == left


def test_deleted_words_and_media_are_gone_from_the_disk(elkcli: Elkcli) -> None:
    sent = Message("user", (TextPart("xyzzysecret"), MediaPart("image", "image/png", PNG)))
    keep(elkcli, sent, "plughsecret")
    elkcli("history", "delete", "--all", "--yes").succeeds(b"")
    for path in elkcli.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PNG not in content
            assert b"secret" not in content, path


# A store that fails


def test_a_damaged_store_is_told_in_one_line_with_the_way_out(elkcli: Elkcli) -> None:
    elkcli.data.mkdir()
    (elkcli.data / "history.db").write_bytes(b"no database" * 1000)
    for command in (
        ["list"],
        ["show"],
        ["search", "x"],
        ["rename", "abcd", "x"],
        ["export"],
        ["delete", "--all", "--yes"],
    ):
        result = elkcli("history", *command).fails(1)
        assert "damaged" in result.error
        assert "mv " in result.hint


def test_a_closed_standard_output_is_a_failure(elkcli: Elkcli) -> None:
    keep(elkcli, "q", "a")
    result = elkcli.shell("elkcli history list >&-")
    assert (result.code, "Traceback" in result.err) == (1, False)


def test_history_needs_no_configuration_in_a_pipe(elkcli: Elkcli) -> None:
    keep(elkcli, "q", "a")
    elkcli.configure("no such = [")
    for command in (["list"], ["show"], ["search", "q"], ["export"], ["delete", "--all", "--yes"]):
        elkcli("history", *command).succeeds()


def test_a_partial_answer_is_told_as_such(elkcli: Elkcli) -> None:
    keep(elkcli, "q", "half an ans", Failure(Incomplete("the connection was lost")))
    assert elkcli("history", "show").text.endswith("half an ans\n\n[the answer was cut off: the connection was lost]\n")
    assert elkcli("history", "show", "--format", "json").json["turns"][0]["partial"] is True


def test_history_can_be_read_by_the_store_that_wrote_it(elkcli: Elkcli) -> None:
    conversation = keep(elkcli, "q", "a")
    with History.open(elkcli.data) as history:
        assert history.find(conversation).title == "q"
