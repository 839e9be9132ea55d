"""`elkcli balance`: which page is asked, what is made of it, and where the token never goes unasked."""

from __future__ import annotations

from typing import Any

import pytest

from elkcli.api.catalog import from_account
from elkcli.errors import ApiError
from tests.conftest import TOKEN, Elkcli
from tests.server import Server

PAGE = "/api/usage/token/"
DATA = {"name": "cli", "total_granted": 1_000_000, "total_used": 12_345, "total_available": 987_655, "expires_at": 0}


def test_the_relays_page_is_asked_once_and_with_the_token_in_the_header(elkcli: Elkcli, server: Server) -> None:
    server.serves(PAGE, {"code": True, "message": "ok", "data": DATA})
    text = elkcli("balance").succeeds().text
    assert "remaining: 1.9753 (987,655 units)\nused: 0.0247\ngranted: 2\n" in text
    assert (server.request.path, server.request.header("authorization")) == (PAGE, f"Bearer {TOKEN}")


def test_json_tells_numbers(elkcli: Elkcli, server: Server) -> None:
    server.serves(PAGE, {"code": True, "data": DATA})
    told = elkcli("balance", "--json").succeeds().json
    assert told["remaining"] == pytest.approx(1.97531)
    assert (told["unlimited"], told["units"], told["expires"]) == (False, 987655, None)


def test_a_used_up_token_has_nothing_left_and_not_less(elkcli: Elkcli, server: Server) -> None:
    server.serves(PAGE, {"code": True, "data": {**DATA, "total_available": -50_000, "unlimited_quota": False}})
    assert "remaining: 0 " in elkcli("balance").succeeds().text


def test_an_unlimited_token_has_no_remainder_in_json(elkcli: Elkcli, server: Server) -> None:
    server.serves(PAGE, {"code": True, "data": {**DATA, "total_available": -1, "unlimited_quota": True}})
    told = elkcli("balance", "--json").succeeds().json
    assert (told["unlimited"], told["remaining"], told["units"]) == (True, None, None)


def test_a_rate_limit_ends_the_look_at_once(elkcli: Elkcli, server: Server) -> None:
    server.fails(429)
    elkcli("balance").fails(5)
    assert len(server.requests) == 1
    assert elkcli.sleeps == []


def test_a_web_page_in_the_place_of_the_relays_page_leads_to_the_older_ones(elkcli: Elkcli, server: Server) -> None:
    server.serves(PAGE, "<!doctype html>")
    server.serves("/v1/dashboard/billing/subscription", {"hard_limit_usd": 12.5})
    server.serves("/v1/dashboard/billing/usage", {"total_usage": 375.2})
    assert elkcli("balance").succeeds().text == "remaining: 8.748\nused: 3.752\ngranted: 12.5\n"


def test_what_the_relays_page_says_is_told_where_there_is_no_older_one(elkcli: Elkcli, server: Server) -> None:
    server.serves(PAGE, {"success": False, "message": "the database sleeps"})
    server.serves("/v1/dashboard/billing/subscription", {"error": {"message": "Invalid URL"}}, status=404)
    assert "the database sleeps" in elkcli("balance").fails(6).error


def test_a_refused_token_is_exit_4(elkcli: Elkcli, server: Server) -> None:
    server.fails(401, {"error": {"message": "Invalid token"}})
    elkcli("balance").fails(4)


def test_the_account_is_looked_at_for_elkapi_only(elkcli: Elkcli, server: Server) -> None:
    assert "query.elkapi.com" in elkcli("balance", "--account").fails(2).error
    elkcli("balance", "--account", "--base-url", "https://notelkapi.com/v1").fails(2)
    elkcli("balance", "--account", "-p", "demo").fails(2)
    assert server.requests == []


def test_the_account_page_is_read_with_its_keys() -> None:
    account, keys = from_account(
        {
            "username": "ada", "total_quota": 41.5, "total_used_quota": 8.25, "request_count": 310,
            "keys": [{"name": "cli", "remain_quota": 4.2, "used_quota": 0.8},
                     {"name": "ci", "remain_quota": 999999999, "used_quota": -1}, 7, {}],
        }
    )  # fmt: skip
    assert (account.remaining, account.used, account.requests, account.name) == (41.5, 8.25, 310, "ada")
    assert [(key.name, key.unlimited, key.remaining, key.used) for key in keys] == [
        ("cli", False, 4.2, 0.8),
        ("ci", True, None, None),
    ]


@pytest.mark.parametrize("reply", [None, [], {}, {"total_quota": "x"}, {"message": "invalid key"}])
def test_an_account_page_that_says_nothing_is_an_error(reply: Any) -> None:
    with pytest.raises(ApiError):
        from_account(reply)


def test_the_demo_is_unlimited(elkcli: Elkcli) -> None:
    assert "unlimited" in elkcli("balance", "-p", "demo").succeeds().text
