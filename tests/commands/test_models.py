"""`elkcli models` at a terminal and in scripts, and what the lists are remembered for."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest

from tests.conftest import TOKEN, Elkcli
from tests.server import Server

NAMES = ["gemini-3.1-pro-preview", "gemini-3-pro-image-preview", "gpt-5.5"]


def lists(server: Server, *entries: Any) -> Server:
    return server.serves("/v1/models", {"data": list(entries)})


def test_a_filter_is_part_of_a_name_whatever_its_case(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    elkcli("models", "IMAGE").succeeds(b"gemini-3-pro-image-preview\n")


def test_a_filter_with_a_star_is_a_pattern_for_the_whole_name(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    elkcli("models", "g?t-*").succeeds(b"gpt-5.5\n")
    assert elkcli("models", "pro*").code == 1


def test_no_match_prints_nothing_and_is_exit_1_as_with_grep(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    result = elkcli("models", "nosuch")
    assert (result.code, result.out, result.err) == (1, b"", "")


def test_no_match_as_json_is_an_empty_array(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    result = elkcli("models", "nosuch", "--json")
    assert (result.code, result.json) == (1, [])


def test_the_shape_of_gemini_is_read_too(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", {"models": [{"name": "models/gemini-b"}, {"name": "gemini-a"}], "nextPageToken": None})
    elkcli("models").succeeds(b"gemini-a\ngemini-b\n")


def test_a_model_that_is_listed_twice_is_printed_once(elkcli: Elkcli, server: Server) -> None:
    lists(server, {"id": "a"}, {"id": "a"}, "a", "b")
    elkcli("models").succeeds(b"a\nb\n")


def test_json_keeps_the_servers_own_members(elkcli: Elkcli, server: Server) -> None:
    lists(server, {"id": "b", "owned_by": "x", "extra": [1]}, "a")
    assert elkcli("models", "--json").succeeds().json == [{"id": "a"}, {"id": "b", "owned_by": "x", "extra": [1]}]


def test_a_list_without_entries_is_no_failure(elkcli: Elkcli, server: Server) -> None:
    lists(server)
    elkcli("models").succeeds(b"")


def test_a_failure_in_a_200_with_data_beside_it_is_a_failure(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", {"success": False, "message": "group is retired", "data": []})
    assert "group is retired" in elkcli("models").fails(6).error


def test_a_terminal_gets_a_table_and_nothing_that_controls_it(elkcli: Elkcli, server: Server) -> None:
    lists(server, {"id": "evil\x1b]0;title\x07", "owned_by": "a\x1b[2J", "supported_endpoint_types": ["openai", 7]})
    text = elkcli("models", "--color", "never", terminal=True).succeeds().text
    assert "\x1b" not in text
    assert "model" in text
    assert "openai" in text


def test_quiet_gives_names_alone_at_a_terminal_too(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    elkcli("models", "-q", "gpt", terminal=True).succeeds(b"gpt-5.5\n")


def test_the_list_is_remembered_for_its_owner_only(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    elkcli("models", "gpt").succeeds()
    cache = elkcli.data / "models.json"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    (entry,) = json.loads(cache.read_text()).values()
    assert entry["ids"] == sorted(NAMES)
    assert TOKEN not in cache.read_text()


def test_an_unknown_model_is_told_with_the_near_ones_of_that_server(elkcli: Elkcli, server: Server) -> None:
    lists(server, *NAMES)
    elkcli("models").succeeds()
    server.fails(503, {"error": {"message": "No available channel", "code": "model_not_found"}})
    result = elkcli("ask", "-m", "gemini-3.1-pro", "--retries", "0", "hi").fails(6)
    assert "gemini-3.1-pro-preview" in result.hint


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b'{"a": 1}', b'{"a": {"ids": 7}}', b"\xff"])
def test_a_damaged_memory_of_models_hurts_nothing(content: bytes, elkcli: Elkcli, server: Server) -> None:
    elkcli.data.mkdir()
    (elkcli.data / "models.json").write_bytes(content)
    server.fails(503, {"error": {"message": "No available channel", "code": "model_not_found"}})
    elkcli("ask", "-m", "gemini", "--retries", "0", "hi").fails(6)
    lists(server, *NAMES)
    elkcli("models").succeeds()


def test_the_demo_lists_what_it_can_do(elkcli: Elkcli) -> None:
    assert "demo-image" in elkcli("models", "-p", "demo").succeeds().text.splitlines()
