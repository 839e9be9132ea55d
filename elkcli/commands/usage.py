"""`elkcli usage`: requests, tokens and money by day, model and profile."""

from collections.abc import Iterable
from typing import Annotated, NamedTuple

import typer

from elkcli.commands.periods import midnight_before, moment
from elkcli.conversation import Usage, added, tokens
from elkcli.environment import Environment
from elkcli.errors import UsageError
from elkcli.prices import cost
from elkcli.storage.history import History, Spent
from elkcli.storage.settings import load, resolve
from elkcli.terminal.messages import Messages, wants_color
from elkcli.terminal.printing import print_json, print_text
from elkcli.terminal.screen import measure
from elkcli.terminal.tables import Cell, Column, tab_separated, table

HELP = """Tokens and money by day, model and profile, from history.

\b
  elkcli usage --since 7d
  elkcli usage --by model
  elkcli usage --since 2026-11-01 --json | jq 'map(.total_tokens) | add'

What `--no-history` kept out is not counted; what deleted conversations cost is. For money,
set prices per million tokens in config.toml: [prices."gemini-3.1-pro-preview"] input = 2, output = 12.
"""
_BY = ("day", "model", "profile")
_COUNTS = ("prompt", "completion", "total", "reasoning", "cached")
_GAP = 3
_SHORTEST_BAR = 8


class Row(NamedTuple):
    """What is counted together. ``money`` is ``None`` where no price is set."""

    key: tuple[str, ...]
    requests: int
    usage: Usage
    money: float | None

    def counted(self, name: str) -> int | None:
        """A count of tokens."""
        found: int | None = getattr(self.usage, name)
        return found


def usage(
    ctx: typer.Context,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only from 7d, 12h or 2w ago, or 2026-11-01, on"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="WHAT", help="A row for each day, model or profile [default: all]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array")] = False,
) -> int:
    environment: Environment = ctx.obj
    if by is not None and by not in _BY:
        raise UsageError(f"--by takes day, model or profile, and not {by!r}")
    first = None if since is None else moment(since, environment.clock(), "--since")
    if first is not None and "h" not in (since or "").lower():
        first = midnight_before(first)  # whole days, since days are what is shown
    prices = load(environment.config_dir / "config.toml").prices
    with History.open(environment.data_dir, create=False) as history:
        spent = history.usage(first)
    keys = _BY if by is None else (by,)
    rows = grouped(spent, keys, prices)
    if as_json:
        print_json(environment, [_object(keys, row) for row in rows])
    elif environment.stdout_is_terminal:
        priced = any(row.money is not None for row in rows)
        print_text(environment, _drawn(environment, keys, rows, priced) if rows else "")
    else:
        cells = ((*row.key, row.requests, *map(row.counted, _COUNTS), _plain(row.money)) for row in rows)
        print_text(environment, tab_separated(cells))
    if environment.stderr_is_terminal:
        _remark(Messages(environment), spent, prices)
    return 0


def grouped(spent: Iterable[Spent], keys: tuple[str, ...], prices: dict[str, dict[str, float]]) -> list[Row]:
    """The rows of history, added up by ``keys``; each has its own price before it is added."""
    rows: dict[tuple[str, ...], Row] = {}
    for one in spent:
        key = tuple(str(getattr(one, name)) for name in keys)
        new = Row(key, one.requests, one.usage, cost(one.usage, prices.get(one.model)))
        rows[key] = _sum(rows[key], new) if key in rows else new
    return [rows[key] for key in sorted(rows)]


def _sum(one: Row, other: Row) -> Row:
    money = other.money if one.money is None else one.money + (other.money or 0.0)
    return Row(one.key, one.requests + other.requests, added(one.usage, other.usage), money)


def _object(keys: tuple[str, ...], row: Row) -> dict[str, object]:
    counts = {f"{name}_tokens": row.counted(name) for name in _COUNTS}
    return {**dict(zip(keys, row.key, strict=True)), "requests": row.requests, **counts, "cost": row.money}


def _plain(money: float | None) -> str | None:
    return None if money is None else f"{money:.6f}".rstrip("0").rstrip(".")


def _drawn(environment: Environment, keys: tuple[str, ...], rows: list[Row], priced: bool) -> str:
    """The table: columns that hold nothing are left out, and the bars show the tokens of each row."""
    profiles = len(keys) == 1 or any(row.key[-1] for row in rows)
    shown = [place for place, key in enumerate(keys) if key != "profile" or profiles]
    counts = [name for name in _COUNTS if any(row.counted(name) for row in rows)]
    room = measure(environment, environment.stdout)[0]
    names_wide = sum(max(len(keys[place]), *(len(row.key[place]) for row in rows)) + _GAP for place in shown)
    for spare in ("cached", "reasoning", "prompt", "completion"):  # what a narrow terminal can do without
        numbers_wide = sum(max(len(name), 7) + _GAP for name in counts) + (len("requests") + _GAP) + 12 * priced
        if spare in counts and names_wide + numbers_wide + _SHORTEST_BAR > room:
            counts.remove(spare)
    columns = [Column(keys[place], elastic=keys[place] != "day") for place in shown]
    columns += [Column("requests", number=True)]
    columns += [Column(name, number=True) for name in counts]
    columns += [Column("cost", number=True)] * priced + [Column("", elastic=True)]
    largest = max(1, *(tokens(row.usage) for row in rows))

    def cells(row: Row, names: list[str]) -> list[str]:
        numbers = ["" if (count := row.counted(name)) is None else f"{count:,}" for name in counts]
        money = [] if not priced else [""] if row.money is None else [f"{row.money:,.4f}"]
        return [*names, f"{row.requests:,}", *numbers, *money]

    body: list[list[Cell]] = []
    last = ""
    for row in rows:
        names = [row.key[place] or "-" for place in shown]
        names[0], last = ("" if len(shown) > 1 and names[0] == last else names[0]), names[0]  # a day is named once
        body.append([*cells(row, names), tokens(row.usage) / largest])
    whole = rows[0]
    for row in rows[1:]:
        whole = _sum(whole, row)
    color = wants_color(environment, resolve(environment).settings.color, environment.stdout_is_terminal)
    footer = [*cells(whole, ["total", *[""] * (len(shown) - 1)]), ""] if len(rows) > 1 else None
    return table(environment, columns, body, color=color, footer=footer)


def _remark(messages: Messages, spent: list[Spent], prices: dict[str, dict[str, float]]) -> None:
    if not spent:
        messages.note("nothing has been used yet in this time")
    unpriced = sorted({one.model for one in spent if one.model not in prices and tokens(one.usage)})
    if prices and unpriced:
        messages.note("no price is set for " + ", ".join(unpriced))
