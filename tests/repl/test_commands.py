"""Slash commands, one line script each."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests import samples
from tests.conftest import Elkcli, Result
from tests.server import Server

PICTURE = f"Here it is.\n![image](data:image/png;base64,{base64.b64encode(samples.png()).decode()})"


@pytest.fixture
def chat(elkcli: Elkcli, server: Server) -> Any:
    """Run a script of lines against the server."""

    def run(*lines: str, arguments: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Result:
        return elkcli("chat", *arguments, stdin="\n".join(lines) + "\n", env=env)

    return run


def words(server: Server, at: int = -1) -> list[str]:
    return [message["content"] for message in server.requests[at].json["messages"]]


def test_help_names_every_command_of_the_contract(chat: Any) -> None:
    help_ = chat("/help").succeeds(b"").err
    for name in (
        "help exit new model system profile set attach detach image retry undo edit copy save sessions resume name"
        " usage history multiline"
    ).split():
        assert f"/{name}" in help_


def test_help_about_one_command_tells_all_of_it(chat: Any) -> None:
    assert "/set KEY default" in chat("/help set").err


def test_an_unknown_command_suggests_the_near_one_and_sends_nothing(chat: Any, server: Server) -> None:
    result = chat("/modle x").fails(2)
    assert "did you mean /model?" in result.hint
    assert not server.requests


def test_two_slashes_send_one(chat: Any, server: Server) -> None:
    server.says("Hello")
    chat("//etc/hosts is what?").succeeds(b"Hello\n")
    assert words(server) == ["/etc/hosts is what?"]


def test_exit_ends_the_script(chat: Any, server: Server) -> None:
    server.says("Hello")
    chat("a", "/exit", "b").succeeds(b"Hello\n")
    assert len(server.requests) == 1


def test_undo_takes_back_a_turn_for_later_requests_and_for_resuming(chat: Any, server: Server) -> None:
    server.says("One").says("Two").says("Three").says("Four")
    assert "took back: b (1 turn left)" in chat("a", "b", "/undo", "c", arguments=("-S", "x")).err
    assert words(server) == ["a", "One", "c"]
    chat("d", arguments=("-S", "x"))
    assert words(server) == ["a", "One", "c", "Three", "d"]


def test_undo_with_nothing_to_undo_says_so(chat: Any) -> None:
    chat("/undo").fails(2)


def test_retry_asks_another_model_and_replaces_the_answer(chat: Any, server: Server) -> None:
    server.says("One").says("Better").says("Three").says("Four")
    chat("a", "/retry -m better-model", "b", arguments=("-S", "x")).succeeds(b"One\nBetter\nThree\n")
    assert words(server, 1) == ["a"]
    assert [request.json["model"] for request in server.requests][1] == "better-model"
    assert server.requests[2].json["model"] != "better-model"
    assert words(server) == ["a", "Better", "b"]
    chat("c", arguments=("-S", "x"))
    assert words(server) == ["a", "Better", "b", "Three", "c"]


@pytest.mark.parametrize("line", ["/retry -x", "/retry -m", "/retry a b", "/retry -m a b"])
def test_a_retry_with_other_words_sends_nothing(line: str, chat: Any, server: Server) -> None:
    server.says("Hello")
    assert chat("a", line).code == 2
    assert len(server.requests) == 1


def test_a_retry_that_fails_leaves_the_old_answer(chat: Any, server: Server) -> None:
    server.says("One").fails(400, {"error": {"message": "bad"}}).says("Three").says("Four")
    assert chat("a", "/retry", "b", arguments=("-S", "x")).code == 6
    assert words(server) == ["a", "One", "b"]
    chat("c", arguments=("-S", "x"))
    assert words(server) == ["a", "One", "b", "Three", "c"]


def test_edit_sends_the_changed_question_from_where_it_was(chat: Any, server: Server) -> None:
    server.says("One").says("Two").says("Three")
    chat("a", "b", "/edit better b").succeeds()
    assert words(server) == ["a", "One", "better b"]


def test_new_begins_another_conversation(chat: Any, server: Server) -> None:
    server.says("Hello")
    result = chat("a", "/new", "b")
    assert words(server) == ["b"]
    assert "elkcli chat -S " in result.err


@pytest.mark.parametrize(
    ("line", "member", "value"),
    [
        ("/model other", "model", "other"),
        ("/set model other", "model", "other"),
        ("/set temperature 0.3", "temperature", 0.3),
        ("/set max-tokens 7", "max_tokens", 7),
        ("/set choices 2", "n", 2),
        ("/set thinking.level low", "thinking", {"level": "low"}),
        ("/set user=me", "user", "me"),
    ],
)
def test_what_is_set_is_sent(line: str, member: str, value: Any, chat: Any, server: Server) -> None:
    server.says("Hello")
    chat(line, "a").succeeds()
    assert server.request.json[member] == value


@pytest.mark.parametrize("line", ["/set temperature 3", "/set temprature 0.3", "/set nothing", "/set stream perhaps"])
def test_what_cannot_be_set_is_refused_and_changes_nothing(line: str, chat: Any, server: Server) -> None:
    server.says("Hello")
    result = chat(line, "a")
    assert result.code == 2
    assert "Traceback" not in result.err
    assert set(server.request.json) == {"model", "stream", "messages"}


@pytest.mark.parametrize("line", ["/set token sk-secret", "/set token=sk-secret"])
def test_a_token_typed_as_a_setting_is_not_sent(line: str, chat: Any, server: Server) -> None:
    server.says("Hello")
    assert "elkcli config set token" in chat(line, "a").hint
    assert b"sk-secret" not in server.request.body


def test_default_takes_a_setting_back(chat: Any, server: Server) -> None:
    server.says("Hello")
    chat("/set temperature 1", "/set a.b 1", "/set temperature default", "/set a.b default", "a").succeeds()
    assert set(server.request.json) == {"model", "stream", "messages"}


def test_default_is_what_the_chat_was_started_with(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.says("Hello")
    lines = ("/set history true", "/set history default", "/set top_p 1", "/set top_p default", "a")
    chat(*lines, arguments=("--no-history", "--top-p", "0.5")).succeeds()
    assert server.request.json["top_p"] == 0.5
    assert not (elkcli.data / "history.db").exists()


def test_an_unknown_shape_of_pictures_is_warned_of_and_sent(chat: Any, server: Server) -> None:
    server.says("Hello")
    assert "aspect ratio 7:5 is not one of" in chat("/set aspect_ratio 7:5", "a").succeeds().err
    assert server.request.json["extra_body"]["google"]["image_config"]["aspect_ratio"] == "7:5"


def test_a_format_for_programs_is_refused_in_a_chat(chat: Any) -> None:
    assert "does not go with chat" in chat("/set format json").fails(2).error


def test_set_without_words_shows_what_differs_and_from_where(chat: Any) -> None:
    shown = chat("/set top_p 0.5", "/set a.b 1", "/set").err
    assert "top_p = 0.5  (option)" in shown
    assert "a.b = 1  (body field)" in shown


def test_the_system_message_can_be_changed_shown_and_taken_away(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.says("Hello")
    elkcli.file("role.txt", "You are an elk\n")
    result = chat("/system Be brief", "a", "/system @role.txt", "b", "/system none", "c", "/system")
    systems = [[m["content"] for m in r.json["messages"] if m["role"] == "system"] for r in server.requests]
    assert systems == [["Be brief"], ["You are an elk"], []]
    assert result.err.endswith("no system message\n")


def test_a_profile_brings_its_model_and_server(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.says("Hello")
    elkcli.configure('[profiles.other]\nmodel = "its-model"\n')
    assert "its-model" in chat("/profile other", "a").err
    assert server.request.json["model"] == "its-model"
    chat("/profile nobody").fails(2)


def test_an_attachment_goes_with_the_next_message_only(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.says("Hello")
    elkcli.file("my photo.png", samples.png())
    chat("/attach my photo.png", "what is this?", "and now?").succeeds()
    first, second = server.requests[0].json["messages"], server.requests[1].json["messages"]
    assert [part["type"] for part in first[0]["content"]] == ["text", "image_url"]
    assert second[0] == first[0]
    assert second[-1]["content"] == "and now?"


def test_an_attachment_can_be_left_out_again_and_survives_a_failure(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.fails(400, {"error": {"message": "bad"}}).says("Hello")
    elkcli.file("a.txt", "alpha")
    elkcli.file("b.txt", "beta")
    chat("/attach a.txt", "/attach b.txt", "/detach 1", "one", "two")
    for request in server.requests:
        assert "beta" in request.body.decode()
        assert "alpha" not in request.body.decode()


def test_image_asks_once_for_a_picture_which_then_stays_in_context(chat: Any, server: Server) -> None:
    server.says(PICTURE).says("Blue").says(PICTURE).says("Done")
    result = chat("/image an elk", "now blue?", "/image another", "and?").succeeds()
    first, second, _, last = (request.json for request in server.requests)
    assert first["extra_body"]["google"]["image_config"] == {"aspect_ratio": "1:1", "image_size": "1K"}
    assert first["stream"] is False
    assert "extra_body" not in second
    assert second["messages"][1]["content"][-1]["type"] == "image_url"
    pictures = [
        part
        for m in last["messages"]
        for part in m["content"]
        if isinstance(part, dict) and part["type"] == "image_url"
    ]
    assert len(pictures) == 1
    assert result.text.count("![image](elkcli-") == 2


def test_save_writes_markdown_and_never_over_another_file(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.says("An *elk*")
    elkcli.file("there.md", "mine")
    result = chat("what?", "/save chat.md", "/save there.md")
    assert "there.md exists already" in result.error
    assert (elkcli.work / "there.md").read_text() == "mine"
    saved = (elkcli.work / "chat.md").read_text()
    assert saved == "## You\n\nwhat?\n\n## served-model\n\nAn *elk*\n"
    chat("what?", "/save! there.md").succeeds()
    assert "An *elk*" in (elkcli.work / "there.md").read_text()
    assert not list(elkcli.work.glob(".*.tmp"))


def test_save_writes_through_a_link_and_into_a_device_and_replaces_neither(
    chat: Any, server: Server, elkcli: Elkcli
) -> None:
    server.says("An *elk*")
    elkcli.file("notes.md", "mine")
    (elkcli.work / "link.md").symlink_to("notes.md")
    (elkcli.work / "device").symlink_to("/dev/null")
    result = chat("what?", "/save! link.md", "/save device", "/save! device", "/save! .")
    assert "is a directory" in result.error
    assert (elkcli.work / "link.md").is_symlink()
    assert "An *elk*" in (elkcli.work / "notes.md").read_text()
    assert (elkcli.work / "device").is_symlink()


@pytest.mark.parametrize("line", ["/undo 2", "/new what now?", "/exit now", "/multiline on", "/usage x", "/sessions x"])
def test_words_behind_a_command_that_takes_none_are_not_swallowed(line: str, chat: Any, server: Server) -> None:
    server.says("Hello")
    result = chat("a", line, "b")
    assert result.code == 2
    assert words(server) == ["a", "Hello", "b"]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/set profile demo", "/profile NAME"),
        ("/set attach a.png", "/attach FILE"),
        ("/set no-history true", "/set history false"),
        ("/set quiet true", "when a chat begins"),
    ],
)
def test_an_option_that_is_asked_for_in_another_way_is_no_body_field(
    line: str, hint: str, chat: Any, server: Server
) -> None:
    server.says("Hello")
    result = chat(line, "a")
    assert hint in result.hint
    assert set(server.request.json) == {"model", "stream", "messages"}


def test_where_pictures_go_is_checked_when_it_is_set(chat: Any, elkcli: Elkcli) -> None:
    elkcli.file("there.png", "mine")
    assert "does not go with chat" in chat("/set output -").error
    result = chat("/set output there.png")
    assert "exists" in result.error
    assert "--force" not in result.hint


def test_resume_without_a_name_finds_the_latest_other_one_that_has_an_answer(chat: Any, server: Server) -> None:
    server.says("Hello").fails(401)
    chat("a").succeeds()
    chat("b").fails(4)
    server._script.clear()
    server.says("Again")
    chat("/resume", "c").succeeds()
    assert words(server) == ["a", "Hello", "c"]


def test_a_conversation_can_be_named_listed_found_and_resumed(chat: Any, server: Server) -> None:
    server.says("Antlers grow").says("Hello").says("Yes")
    result = chat("tell me", "/name elks", "/new", "hi", "/sessions", "/history antlers", "/resume elks", "really?")
    result.succeeds()
    assert words(server) == ["tell me", "Antlers grow", "really?"]
    assert "elks  tell me" in result.err
    assert "elks  assistant: Antlers grow" in result.err


def test_a_name_that_is_taken_is_refused(chat: Any, server: Server) -> None:
    server.says("Hello")
    assert chat("a", "/name elks", "/new", "b", "/name elks").code == 2


def test_usage_adds_up(chat: Any, server: Server) -> None:
    server.says("Hello")
    assert "all         12 tokens" in chat("a", "b", "/usage").err


def test_the_context_being_too_long_names_the_ways_out(chat: Any, server: Server) -> None:
    server.fails(400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
    hint = chat("a").fails(6).hint
    assert "/new" in hint
    assert "/undo" in hint


def test_copy_takes_a_code_block_through_a_local_tool(chat: Any, server: Server, elkcli: Elkcli) -> None:
    server.says("Look:\n```python\nprint(1)\n```\nand\n```\ntwo\n```\n")
    tool = elkcli.file("pbcopy", "#!/bin/sh\ncat > copied\n")
    tool.chmod(0o755)
    path = {"PATH": f"{elkcli.work}:/usr/bin:/bin"}
    assert "code block 2" in chat("a", "/copy 2", env=path).err
    assert (elkcli.work / "copied").read_text() == "two\n"
    assert chat("a", "/copy 3", env=path).code == 2
    chat("a", "/copy", env=path)
    assert (elkcli.work / "copied").read_text().startswith("Look:")


def test_what_was_attached_to_a_question_stays_with_it_when_it_is_changed(
    chat: Any, server: Server, elkcli: Elkcli
) -> None:
    server.says("Hello")
    elkcli.file("a.png", samples.png())
    elkcli.file("b.png", samples.png(9, 9))
    chat("/attach a.png", "what?", "/attach b.png", "/retry", "/edit and this?", "more?").succeeds()
    kinds = [
        [part["type"] for part in request.json["messages"][-1]["content"]]
        for request in server.requests
        if isinstance(request.json["messages"][-1]["content"], list)
    ]
    assert kinds == [["text", "image_url"], ["text", "image_url"], ["text", "image_url", "image_url"]]
