"""Markdown at a terminal, streamed in chunks of 20 characters, beside rendering it once at the end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.measuring import Cost, Place, Row, Shown, pairs, run_at_terminal

SCRIPT = str(Path(__file__).with_name("ways.py"))
SHORT, MIDDLE, LONG = 10_000, 40_000, 160_000


def rows(place: Place) -> Iterator[Row]:
    """Kinds of answers, growing sizes, and other ways to show them."""
    few = min(place.runs, 5)

    def shown(way: str, kind: str, size: int) -> Shown:
        # -P: what is imported is what is installed, and not what lies beside the script
        return run_at_terminal([str(place.python), "-P", SCRIPT, way, kind, str(size)], place)

    def cost(way: str, kind: str, size: int) -> Cost:
        return shown(way, kind, size).cost

    for kind in ("mixed", "code", "list", "paragraph"):
        found = pairs(partial(cost, "ours", kind, MIDDLE), partial(cost, "once", kind, MIDDLE), place, few)
        bounds = (None, None) if kind == "paragraph" else (3.0, 1.5)
        yield found.row(f"40 KB of Markdown, {kind} ÷ rendered once", *bounds)
        if kind == "mixed":
            yield Row("40 KB rendered: peak", median(cost.peak for cost in found.ours), "MiB", 44, 38)
        longer = pairs(partial(cost, "ours", kind, LONG), partial(cost, "ours", kind, MIDDLE), place, few)
        yield longer.row(f"160 KB of Markdown, {kind} ÷ 40 KB", 5, 4)
        more = shown("ours", kind, LONG).written / shown("ours", kind, MIDDLE).written
        yield Row(f"160 KB of Markdown, {kind} ÷ 40 KB: bytes written", more)
    for way, size in (("plain", MIDDLE), ("once", MIDDLE), ("ours", MIDDLE), ("ours", SHORT), ("live", SHORT)):
        seen = shown(way, "mixed", size)
        yield Row(f"({way}, {size // 1000} KB: bytes written per byte)", seen.written / size, ours=seen.cost.cpu * 1000)
