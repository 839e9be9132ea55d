"""Many prompts: ``elkcli batch -j 64`` beside a bare asyncio loop of httpx that does the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.bench import floors
from tests.bench.measuring import Cost, Place, Row, forget, pairs, run, server

LINES, JOBS = 2000, 64


def rows(place: Place) -> Iterator[Row]:
    """2,000 prompts to a server that answers at once."""
    prompts, results = place.home / "in.jsonl", place.home / "out.jsonl"
    prompts.write_text("".join(json.dumps(f"prompt number {number}") + "\n" for number in range(LINES)))
    with server("tests.bench.servers", "instant") as url:
        variables = place.variables(ELKCLI_BASE_URL=url, BENCH_URL=url)
        floor = [*place.script(floors.BATCH), str(prompts), str(results), str(JOBS)]
        ours = [place.elkcli, "batch", str(prompts), "-o", str(results), "-j", str(JOBS)]

        def once(command: list[str]) -> Cost:
            forget(results)  # a batch goes on where it stopped
            cost = run(command, place, variables)
            with results.open("rb") as lines:
                assert sum(1 for _ in lines) == LINES
            return cost

        found = pairs(lambda: once(ours), lambda: once(floor), place, min(place.runs, 5))
    yield found.row(f"batch -j {JOBS}, {LINES:,} prompts ÷ asyncio httpx loop", 1.4, 1.1)
    yield Row(f"batch of {LINES:,} prompts: peak", found.peak, "MiB")
