"""Answers as they come: how soon, how fast, how much memory, and how soon it is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.bench import floors
from tests.bench.measuring import Place, Row, median_ms, pairs, run, run_and_see, run_at_terminal
from tests.bench.servers import FIRST

PACED = "bench paced"


def rows(place: Place) -> Iterator[Row]:
    """Delays first, then throughput and memory."""
    yield from _delays(place)
    few = min(place.runs, 5)
    for prompt, what, must, aim in (
        ("bench chunks", "20,000 chunks", 1.15, 0.9),
        ("bench long", "10 MB answer", None, None),
    ):
        found = pairs([place.elkcli, "ask", prompt], [*place.script(floors.STREAM), prompt], place, few)
        yield found.row(f"{what} ÷ httpx loop", must, aim)
        yield Row(f"{what}: peak", found.peak, "MiB", *((32, 28) if must else (None, None)))


def _delays(place: Place) -> Iterator[Row]:
    ours = [place.elkcli, "ask", PACED]
    commands: list[tuple[str, Sequence[str] | None]] = [
        ("elkcli", ours),
        ("httpx loop", [*place.script(floors.STREAM), PACED]),
        ("curl", floors.curl(place.url, PACED)),
    ]
    for name, command in commands:
        if command is None:
            continue
        run(command, place)
        left, first, last = [], [], []
        for _ in range(place.runs):
            seen = run_and_see(command, place)
            asked, began, over = place.told()
            left.append(asked - seen.began)
            first.append(seen.first - began)
            last.append(seen.ended - over)
        ours_too = name == "elkcli"
        shown = name if ours_too else f"({name})"
        yield Row(f"request has left: {shown}", median_ms(left), "ms")
        if name != "curl":  # it writes events, and so before there is a word
            bounds = (3.0, 1.0) if ours_too else (None, None)
            yield Row(f"first byte after the server's, pipe: {shown}", median_ms(first), "ms", *bounds)
        yield Row(f"exit after the server's last byte: {shown}", median_ms(last), "ms", *((15, 5) if ours_too else ()))
    first = []
    for _ in range(place.runs + 1):
        came = run_at_terminal(ours, place, until=lambda seen: FIRST.encode() in seen).found
        first.append(came - place.told()[1])
    yield Row("first word after the server's, rendered: elkcli", median_ms(first[1:]), "ms", 10, 3)
