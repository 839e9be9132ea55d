"""Going on with a conversation when a hundred thousand messages are stored, and when ten are."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measuring import Place, Row, pairs, run

SHORT = "bench short"
TURNS = 5  # two messages each
MANY = 100_000


def rows(place: Place) -> Iterator[Row]:
    """Each run adds to its conversation, as going on does: to both alike."""
    few, many = place.home / "few", place.home / "many"

    def go_on(data: Path) -> list[str]:
        return ["/usr/bin/env", f"ELKCLI_DATA_DIR={data}", place.elkcli, "ask", "-c", SHORT]

    began = place.variables(ELKCLI_DATA_DIR=str(few))
    for turn in range(TURNS):
        run([place.elkcli, "ask", *(["-c"] if turn else []), SHORT], place, began)
    shutil.copytree(few, many)
    stored = multiply(many / "history.db", MANY)
    found = pairs(go_on(many), go_on(few), place)
    yield found.row(f"-c with {stored:,} stored messages ÷ with {2 * TURNS}", 1.1, 1.0)


def multiply(path: Path, wanted: int) -> int:
    """Store the one conversation there is again and again, each copy older, until there are ``wanted`` messages."""
    store = sqlite3.connect(path)

    def columns(table: str, **instead: str) -> tuple[str, str]:
        names = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
        return ", ".join(names), ", ".join(instead.get(name, name) for name in names)

    [(turns, last)] = store.execute("SELECT count(*), max(id) FROM turns")
    [(messages, highest)] = store.execute("SELECT count(*), max(id) FROM messages")
    [(original,)] = store.execute("SELECT id FROM conversations")
    copies = (
        f"WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {wanted // messages - 1})"
    )
    for table, source, instead in (
        ("conversations", f"id = '{original}'", {"id": "id || n", "updated": "updated - n", "name": "NULL"}),
        ("turns", f"conversation = '{original}'", {"id": f"id + n * {last}", "conversation": "conversation || n"}),
        ("messages", f"id <= {highest}", {"id": f"id + n * {highest}", "turn": f"turn + n * {last}"}),
    ):
        names, values = columns(table, **instead)
        store.execute(f"INSERT INTO {table} ({names}) {copies} SELECT {values} FROM {table}, copies WHERE {source}")
    store.execute(f"INSERT INTO words (rowid, text) SELECT id, text FROM messages WHERE id > {highest}")
    store.commit()
    [(stored,)] = store.execute("SELECT count(*) FROM messages")
    store.close()
    assert turns == TURNS
    return int(stored)
