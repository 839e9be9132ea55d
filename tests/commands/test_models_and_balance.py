"""`elkcli models` and `elkcli balance`: what other endpoints say, and what is made of nonsense."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import TOKEN, Elkcli
from tests.server import Server

MODELS = {"object": "list", "success": True, "data": [
    {"id": "gemini-b", "object": "model", "created": 1626777600, "owned_by": "vertex-ai",
     "supported_endpoint_types": ["gemini", "openai"]},
    {"id": "gpt-a", "owned_by": "custom", "supported_endpoint_types": None}, {"id": "Claude-c"},
]}  # fmt: skip


def test_models_are_sorted_and_one_a_line(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", MODELS)
    lines = elkcli("models").succeeds().text.splitlines()
    assert set(lines) == {"gemini-b", "gpt-a", "Claude-c"}
    assert lines == sorted(lines)
    request = server.request
    assert request.header("Accept-Language") == "en"
    assert (request.header("User-Agent") or "").startswith("elkcli/")
    assert request.header("Content-Type") is None
    assert (request.method, request.path) == ("GET", "/v1/models")
    assert request.header("Authorization") == f"Bearer {TOKEN}"
    assert not {"x-api-key", "x-goog-api-key", "anthropic-version"} & {name.lower() for name, _ in request.headers}


def test_a_list_that_is_null_is_an_empty_one(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", {"data": None, "object": "list", "success": True})
    assert "lists no models" in elkcli("models").succeeds(b"").err


def test_further_headers_go_to_every_page_of_the_server(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", MODELS)
    elkcli("models", env={"ELKCLI_HEADERS": "X-Team: elks"}).succeeds()
    assert server.request.header("X-Team") == "elks"


def test_models_can_be_filtered(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", MODELS)
    elkcli("models", "gpt").succeeds(b"gpt-a\n")


def test_models_as_json_is_an_array_of_objects(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", MODELS)
    assert {entry["id"] for entry in elkcli("models", "--json").succeeds().json} == {"gemini-b", "gpt-a", "Claude-c"}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": {"message": "Invalid token"}}, 4),
        (200, {"error": {"message": "Invalid token", "code": "invalid_api_key"}}, 4),
        (429, b"", 5),
        (500, {"error": {"message": "x"}}, 6),
        (404, "<html>", 6),
        (200, {"success": False, "message": "no"}, 6),
        (200, "<!doctype html><html>", 6),
        (200, "", 6),
        (200, "{", 6),
        (200, [], 6),
        (200, {"data": "x"}, 6),
    ],
)
def test_models_that_are_none_are_the_errors_of_ask(
    status: int, body: Any, code: int, elkcli: Elkcli, server: Server
) -> None:
    server.serves("/v1/models", body, status=status)
    elkcli("models", env={"ELKCLI_RETRIES": "0"}).fails(code)


def test_odd_entries_are_left_out(elkcli: Elkcli, server: Server) -> None:
    server.serves("/v1/models", {"data": [None, 7, "x", {}, {"id": None}, {"id": 7}, {"id": ""}, {"id": "ok"},
                                          {"id": "evil\x1b[2J\nname"}]})  # fmt: skip
    result = elkcli("models").succeeds()
    assert "ok" in result.text.splitlines()
    assert "\x1b" not in result.text


def balances(server: Server, token: Any = None, subscription: Any = None, usage: Any = None) -> None:
    missing = {"error": {"message": "Invalid URL", "type": "invalid_request_error"}}
    for path, body in (
        ("/api/usage/token/", token),
        ("/v1/dashboard/billing/subscription", subscription),
        ("/v1/dashboard/billing/usage", usage),
    ):
        server.serves(path, body if body is not None else missing, status=200 if body is not None else 404)


TOKEN_USAGE = {"code": True, "message": "ok", "data": {"object": "token_usage", "name": "cli",
    "total_granted": 1_000_000, "total_used": 250_000, "total_available": 750_000, "unlimited_quota": False,
    "model_limits": {}, "model_limits_enabled": False, "expires_at": 0}}  # fmt: skip


def test_the_balance_of_a_token(elkcli: Elkcli, server: Server) -> None:
    balances(server, token=TOKEN_USAGE)
    text = elkcli("balance").succeeds().text
    assert "1.5" in text, "500000 units are one dollar"


def test_an_unlimited_token_is_unlimited_and_no_negative_nonsense(elkcli: Elkcli, server: Server) -> None:
    data = {**TOKEN_USAGE["data"], "unlimited_quota": True, "total_available": -250_000}  # type: ignore[dict-item]
    balances(server, token={**TOKEN_USAGE, "data": data})
    text = elkcli("balance").succeeds().text
    assert "unlimited" in text
    assert "-" not in text.replace("sk-", "").replace("re-", "")


def test_the_older_way_of_billing(elkcli: Elkcli, server: Server) -> None:
    balances(server, subscription={"object": "billing_subscription", "hard_limit_usd": 12.5, "access_until": 0},
             usage={"object": "list", "total_usage": 375.2})  # fmt: skip
    assert "8.74" in elkcli("balance").succeeds().text.replace("8.748", "8.74")


def test_an_unlimited_subscription(elkcli: Elkcli, server: Server) -> None:
    balances(server, subscription={"hard_limit_usd": 100000000}, usage={"total_usage": 375.2})
    assert "unlimited" in elkcli("balance").succeeds().text


@pytest.mark.parametrize(
    "body", [{"success": False, "message": "no such token"}, {"error": {"message": "bad"}}, "x", [],
             {"code": True, "data": None}, {"code": False}, {"data": {"total_available": "x"}}]
)  # fmt: skip
def test_a_balance_that_cannot_be_read_is_an_error(body: Any, elkcli: Elkcli, server: Server) -> None:
    balances(server, token=body, subscription=body, usage=body)
    result = elkcli("balance", env={"ELKCLI_RETRIES": "0"})
    assert result.code in {4, 6}, result
    result.fails(result.code)


def test_a_limited_balance_page_is_not_polled(elkcli: Elkcli, server: Server) -> None:
    for path in ("/api/usage/token/", "/v1/dashboard/billing/subscription", "/v1/dashboard/billing/usage"):
        server.serves(path, b"", status=429)
    elkcli("balance", env={"ELKCLI_RETRIES": "0"}).fails(5)
    assert len(server.requests) <= 3


def test_the_balance_asks_no_other_host(elkcli: Elkcli, server: Server) -> None:
    balances(server)
    elkcli("balance", env={"ELKCLI_RETRIES": "0"}).fails(6)
    assert all(request.header("host") == f"127.0.0.1:{server.port}" for request in server.requests)
    assert all(TOKEN not in request.path for request in server.requests)
