"""Short runs: what it costs to say the version, to help, to tell a setting, and to ask once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.bench import floors
from tests.bench.measuring import Place, Row, optional, pairs, run

SHORT = "bench short"
PEERS: dict[str, tuple[list[str], float | None, float | None]] = {
    "llm": ([], 1 / 5, 1 / 7),
    "sgpt": ([], 1 / 9, 1 / 13),
    "gptme": (["-n", "--no-workspace"], None, None),
}


def rows(place: Place) -> Iterator[Row]:
    """``python -c pass`` is the floor of what sends nothing, a minimal httpx script of what asks."""
    bare = place.script(floors.BARE)
    for words, must, aim in (("--version", 1.6, 1.2), ("--help", 9, 7), ("config get model", 9, 7)):
        yield pairs([place.elkcli, *words.split()], bare, place).row(f"{words} ÷ python -c pass", must, aim)
    post = [*place.script(floors.ASK), SHORT]
    asked = pairs([place.elkcli, "ask", SHORT], post, place)
    yield asked.row("ask ÷ httpx.post script", 1.10, 0.85)
    yield pairs([place.elkcli, "ask", "--no-history", SHORT], post, place).row(
        "ask --no-history ÷ httpx.post script", 1.10, 0.85
    )
    yield Row("ask: peak", asked.peak, "MiB", 32, 28)
    if curl := floors.curl(place.url, SHORT):
        yield pairs(curl, post, place).row("(curl ÷ httpx.post script)")

    yield from _peers(place)


def _peers(place: Place) -> Iterator[Row]:
    """The same question, asked by others."""
    variables = place.variables(OPENAI_API_KEY="sk-bench", OPENAI_BASE_URL=place.url, API_BASE_URL=place.url)
    for name, command in place.peers.items():
        words, must, aim = PEERS[name]
        theirs = partial(run, [*command, *words, SHORT], place, variables)
        with optional():
            yield pairs([place.elkcli, "ask", SHORT], theirs, place, min(place.runs, 5)).row(f"ask ÷ {name}", must, aim)
