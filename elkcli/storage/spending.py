"""Requests and tokens by day, model and profile: of the conversations that are kept, and of those that were deleted."""

from __future__ import annotations

import sqlite3
from typing import Any

from elkcli.storage.turns import TOKENS

_COLUMNS = ", ".join(f"{name}_tokens" for name in TOKENS)
_SUMS = ", ".join(f"sum({name}_tokens)" for name in TOKENS)
_DAY = "strftime('%Y-%m-%d', started, 'unixepoch', 'localtime')"
# A question that no server answered costs nothing. One that was taken back was paid for.
_PAID = "(answered = 1 OR total_tokens IS NOT NULL OR prompt_tokens IS NOT NULL)"
_OF_TURNS = f"""SELECT {_DAY} AS day, coalesce(model, '') AS model, coalesce(profile, '') AS profile,
    count(*) AS requests, {{sums}} FROM turns WHERE {_PAID} AND {{which}} GROUP BY 1, 2, 3"""  # noqa: S608 - our own words
_ADD = "ON CONFLICT (day, model, profile) DO UPDATE SET requests = requests + excluded.requests, " + ", ".join(
    f"{name}_tokens = CASE WHEN {name}_tokens IS NULL THEN excluded.{name}_tokens "
    f"ELSE {name}_tokens + coalesce(excluded.{name}_tokens, 0) END"
    for name in TOKENS
)


def spending(connection: sqlite3.Connection, since: float | None) -> list[tuple[Any, ...]]:
    """Rows of day, model, profile, requests and the counts of :data:`TOKENS`, the oldest day first."""
    named = ", ".join(f"sum({name}_tokens) AS {name}_tokens" for name in TOKENS)
    turns = _OF_TURNS.format(sums=named, which="started >= ?")
    first = -1e12 if since is None else since
    return connection.execute(
        f"SELECT day, model, profile, sum(requests), {_SUMS} FROM ({turns} UNION ALL "  # noqa: S608
        f"SELECT day, model, profile, requests, {_COLUMNS} FROM spent "
        "WHERE day >= coalesce(strftime('%Y-%m-%d', ?, 'unixepoch', 'localtime'), '')) "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        (first, since),
    ).fetchall()


def keep_counts(connection: sqlite3.Connection, conversations: str) -> None:
    """Count the turns of some conversations (a subquery) that are about to be deleted, in the caller's transaction."""
    turns = _OF_TURNS.format(sums=_SUMS, which=f"conversation IN ({conversations})")
    connection.execute(f"INSERT INTO spent {turns} {_ADD}")


def spend(
    connection: sqlite3.Connection,
    when: float,
    model: str,
    profile: str | None,
    counts: tuple[int | None, ...],
    requests: int = 1,
) -> None:
    """Count requests, ``counts`` their sums, in the caller's transaction."""
    marks = ", ".join("?" * len(counts))
    connection.execute(
        f"INSERT INTO spent VALUES (strftime('%Y-%m-%d', ?, 'unixepoch', 'localtime'), ?, ?, ?, {marks}) {_ADD}",  # noqa: S608
        (when, model, profile or "", requests, *counts),
    )
