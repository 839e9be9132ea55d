"""Pictures on their way in: how much memory one takes beyond what a short answer does, against the picture's size."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tests.bench.measuring import Cost, Place, Row, forget, run
from tests.bench.servers import MEGABYTE


def rows(place: Place) -> Iterator[Row]:
    """Each arrives as Markdown in one line of a stream; base64 makes it a third longer."""
    little = median(run([place.elkcli, "ask", "bench short"], place).peak for _ in range(3))
    target = place.home / "picture.png"
    for size in (1, 10, 40):
        costs: list[Cost] = []
        for _ in range(3):
            forget(target)
            costs.append(run([place.elkcli, "ask", "-o", str(target), f"bench image {size}"], place))
        assert target.stat().st_size > size * MEGABYTE
        peak = median(cost.peak for cost in costs)
        must, aim = (5.0, 3.0) if size == 40 else (None, None)
        over = (peak - little) * 2**20 / (size * MEGABYTE)
        cpu = median(cost.cpu for cost in costs) * 1000
        yield Row(f"{size} MB image line: peak over the image's size", over, "×", must, aim, cpu)
    forget(target)
