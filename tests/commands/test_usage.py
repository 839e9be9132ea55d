"""`elkcli usage`: requests, tokens and money, added up from history."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from elkcli.commands.usage import grouped
from elkcli.conversation import Finished, Message, Text, Usage
from elkcli.prices import spelled
from elkcli.storage.history import Spent
from elkcli.storage.recorder import Recorder
from elkcli.terminal.tables import bar, tab_separated
from tests.conftest import Elkcli


def spend(elkcli: Elkcli, usage: Usage, *, days_ago: int = 0, **where: Any) -> str:
    """One exchange of that cost, at noon of that day."""
    noon = datetime.now().replace(hour=12, minute=0) - timedelta(days=days_ago)
    when = min(noon.timestamp(), time.time())
    recorder = Recorder(elkcli.data, warn=pytest.fail, clock=lambda: when)
    conversation = recorder.begin([Message("user", "q")], **where)
    assert conversation is not None
    recorder.add(Text("a"))
    recorder.add(usage)
    recorder.add(Finished("stop"))
    recorder.close()
    return conversation


def day(days_ago: int) -> str:
    return (datetime.now() - timedelta(days=days_ago)).strftime("%Y-%m-%d")


def test_without_history_there_is_nothing_to_count(elkcli: Elkcli) -> None:
    elkcli("usage").succeeds(b"")
    assert elkcli("usage", "--json").json == []
    elkcli("usage", terminal=True).succeeds(b"")


def test_a_pipe_gets_tab_separated_lines_by_day_model_and_profile(elkcli: Elkcli) -> None:
    spend(elkcli, Usage(1, 2, 3, 1, 0), model="m", profile="work", days_ago=1)
    for _ in range(2):
        spend(elkcli, Usage(10, 20, 30), model="m")
    spend(elkcli, Usage(100, 200, 300), model="n")
    assert elkcli("usage").succeeds().text.splitlines() == [
        f"{day(1)}\tm\twork\t1\t1\t2\t3\t1\t0\t",
        f"{day(0)}\tm\t\t2\t20\t40\t60\t\t\t",
        f"{day(0)}\tn\t\t1\t100\t200\t300\t\t\t",
    ]


def test_json_names_what_it_counts(elkcli: Elkcli) -> None:
    spend(elkcli, Usage(1, 2, 3), model="m", profile="work")
    assert elkcli("usage", "--json").json == [
        {"day": day(0), "model": "m", "profile": "work", "requests": 1, "prompt_tokens": 1, "completion_tokens": 2}
        | {"total_tokens": 3, "reasoning_tokens": None, "cached_tokens": None, "cost": None}
    ]
    assert elkcli("usage", "--json", "--by", "model").json[0].keys().isdisjoint({"day", "profile"})


@pytest.mark.parametrize(("by", "expected"), [("day", [1, 2]), ("model", [1, 2]), ("profile", [2, 1])])
def test_rows_can_be_added_up_by_one_thing(elkcli: Elkcli, by: str, expected: list[int]) -> None:
    spend(elkcli, Usage(1, 1, 2), model="m", profile="p", days_ago=3)
    spend(elkcli, Usage(1, 1, 2), model="n")
    spend(elkcli, Usage(1, 1, 2), model="n")
    rows = elkcli("usage", "--json", "--by", by).json
    assert sorted(row["requests"] for row in rows) == sorted(expected)
    assert sum(row["total_tokens"] for row in rows) == 6


def test_since_takes_a_time_or_a_day(elkcli: Elkcli) -> None:
    for days_ago in (0, 6, 7, 8, 40):
        spend(elkcli, Usage(1, 1, 2), model="m", days_ago=days_ago)
    for since, expected in (("7d", 3), ("1w", 3), ("2w", 4), (day(6), 2), (day(50), 5), ("0d", 1)):
        assert len(elkcli("usage", "--since", since).text.splitlines()) == expected, since
    for wrong in ("7", "yesterday", "2026-13-01", "2026-11", "", "7 years"):
        elkcli("usage", "--since", wrong).fails(2)
    elkcli("usage", "--by", "hour").fails(2)


def test_prices_turn_tokens_into_money(elkcli: Elkcli) -> None:
    elkcli.configure('[prices."m"]\ninput = 2\noutput = 10\ncached = 0.5\n')
    spend(elkcli, Usage(1_000_000, 100_000, 1_100_000, None, 400_000), model="m")
    spend(elkcli, Usage(1, 1, 2), model="without a price")
    first, second = elkcli("usage", "--json").json
    assert math.isclose(first["cost"], 0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)
    assert second["cost"] is None
    assert [line.split("\t")[-1] for line in elkcli("usage").text.splitlines()] == ["2.4", ""]
    shown = elkcli("usage", terminal=True, env={"NO_COLOR": "1"})
    assert "2.4000" in shown.text
    assert "without a price" in shown.err


def test_a_terminal_gets_a_table_with_bars_and_a_total(elkcli: Elkcli) -> None:
    spend(elkcli, Usage(1000, 2000, 3000), model="big")
    spend(elkcli, Usage(500, 1000, 1500), model="half")
    result = elkcli("usage", terminal=True, env={"NO_COLOR": "1", "COLUMNS": "90"}).succeeds()
    lines = result.text.splitlines()
    assert lines[0].split() == ["day", "model", "requests", "prompt", "completion", "total"], "no profile, no column"
    big, half = (next(line for line in lines if name in line) for name in ("big", "half"))
    assert big.count("█") == 2 * half.count("█") == 24
    assert day(0) in big
    assert day(0) not in half, "a day is named once"
    total = next(line for line in lines if line.startswith("total"))
    assert total.split() == ["total", "2", "1,500", "3,000", "4,500"]
    assert all(len(line) <= 90 for line in lines)
    narrow = elkcli("usage", terminal=True, env={"NO_COLOR": "1", "COLUMNS": "40"}).succeeds()
    assert "3,000" in narrow.text, "numbers are never cut"


def test_a_models_name_does_nothing_to_the_terminal(elkcli: Elkcli) -> None:
    spend(elkcli, Usage(1, 1, 2), model="\x1b]0;owned\x07m")
    assert "\x1b]" not in elkcli("usage", terminal=True).text


def test_what_deleted_conversations_cost_is_counted_still(elkcli: Elkcli) -> None:
    conversation = spend(elkcli, Usage(1, 2, 3), model="m")
    spend(elkcli, Usage(1, 2, 3), model="m")
    before = elkcli("usage").succeeds().out
    elkcli("history", "delete", conversation, "--yes").succeeds()
    assert elkcli("usage").succeeds().out == before
    elkcli("history", "delete", "--all", "--yes").succeeds()
    assert elkcli("usage").succeeds().out == before


def test_a_request_that_nobody_answered_is_not_counted(elkcli: Elkcli) -> None:
    recorder = Recorder(elkcli.data, warn=pytest.fail)
    recorder.begin([Message("user", "q")], model="m")
    recorder.close(error="could not be reached")
    elkcli("usage").succeeds(b"")


def test_a_bad_configuration_is_told(elkcli: Elkcli) -> None:
    elkcli.configure('[prices."m"]\ninput = "cheap"\n')
    elkcli("usage").fails(3)


counts = some.none() | some.integers(0, 10**9)
rows = some.lists(
    some.builds(
        Spent,
        some.sampled_from(["2026-11-01", "2026-11-02"]),
        some.sampled_from(["m", "n", "o"]),
        some.sampled_from(["", "p"]),
        some.integers(1, 5),
        some.builds(Usage, counts, counts, counts),
    )
)
PRICES = {"m": {"input": 1.0, "output": 2.0}, "n": {"input": 0.0}}


@settings(max_examples=50, deadline=None)
@given(rows=rows)
def test_however_rows_are_added_up_the_whole_is_the_same(rows: list[Spent]) -> None:
    ways = [
        grouped(rows, keys, PRICES) for keys in (("day", "model", "profile"), ("day",), ("model",), ("profile",), ())
    ]
    for way in ways[1:]:
        assert sum(row.requests for row in way) == sum(row.requests for row in ways[0])
        assert sum(row.usage.prompt or 0 for row in way) == sum(row.usage.prompt or 0 for row in ways[0])
        assert math.isclose(sum(row.money or 0 for row in way), sum(row.money or 0 for row in ways[0]), abs_tol=1e-6)


@given(share=some.floats(0, 1), width=some.integers(1, 80))
def test_a_bar_is_seen_and_never_too_long(share: float, width: int) -> None:
    drawn = bar(share, width)
    assert len(drawn) <= width
    assert bool(drawn) == (share > 0)


@settings(max_examples=50, deadline=None)
@given(rows=some.lists(some.lists(some.text() | some.integers() | some.none(), min_size=2, max_size=2)))
def test_tab_separated_lines_have_as_many_fields_as_the_row(rows: list[list[object]]) -> None:
    lines = tab_separated(rows).split("\n")
    assert lines.pop() == ""
    assert [line.count("\t") for line in lines] == [1] * len(rows)
    assert len("".join(lines).splitlines()) <= 1


@pytest.mark.parametrize(
    ("money", "said"), [(0.0, "0"), (3.2e-05, "0.000032"), (0.00123, "0.0012"), (1.5, "1.5"), (1234.5678, "1234.5678")]
)
def test_money_is_spelled_without_an_exponent(money: float, said: str) -> None:
    assert spelled(money) == said
