"""Rendered Markdown at a terminal: CPU and bytes of a streamed answer against rendering it once at the end.

Run it with ``python -m tests.bench.markdown``. Each figure is a process of its own on a pty of 80 by 24 that takes what
is written at once; the answer comes in chunks of 20 characters. ``once`` is rich's Markdown over the whole answer,
``plain`` the words as they are, ``live`` rich's Live over the answer so far (small sizes only: it is quadratic).
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

MIXED = """## Heading {0}

A paragraph with **bold**, *italic*, `code` and a [link](https://example.com/{0}), long enough to take two rows.

- first item with some words
- second item
  - nested **item**

1. one
2. two

| Name | Value |
|------|------:|
| a{0} | 1 |
| b | 22 |

```python
def f{0}(x: int) -> int:
    '''Says what it does.'''
    return x + {0}  # a comment
```

> A quote of a few words.

"""
KINDS: dict[str, Callable[[int], str]] = {
    "mixed": lambda size: "".join(MIXED.format(number) for number in range(size // 400 + 1))[:size],
    "code": lambda size: "```python\n" + "def f(x):\n    return x + 1  # add one to it\n" * (size // 44) + "```\n",
    "list": lambda size: "- an item with some **bold** words in it and more\n" * (size // 50),
    "paragraph": lambda size: "word and *more* words `code` and so on. " * (size // 40),
}  # fmt: skip
SIZES = (10_000, 40_000, 160_000)


def once(text: str) -> None:
    """Wait for the whole answer and render it."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def plain(text: str) -> None:
    """Words as they come."""
    for at in range(0, len(text), 20):
        os.write(1, text[at : at + 20].encode())


def live(text: str) -> None:
    """rich's Live over all that came so far."""
    from rich.live import Live
    from rich.markdown import Markdown

    with Live(refresh_per_second=16) as screen:
        for at in range(0, len(text), 20):
            screen.update(Markdown(text[: at + 20]), refresh=at % 200 == 0)


def ours(text: str) -> None:
    """elkcli."""
    from elkcli.conversation import Text
    from elkcli.environment import Environment
    from elkcli.terminal.markdown import MarkdownDisplay

    with MarkdownDisplay(Environment.real(), color=True, theme="auto", reasoning=False) as display:
        pause = float(os.environ.get("PAUSE", "0"))
        for at in range(0, len(text), 20):
            display.show(Text(text[at : at + 20]))
            if pause:
                time.sleep(pause)


WAYS = {"once": once, "plain": plain, "live": live, "ours": ours}


def measure(way: str, kind: str, size: int, pause: float = 0) -> tuple[float, int, float]:
    """CPU seconds, bytes written, and peak MiB of one way to show one answer."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "tests.bench.markdown", way, kind, str(size)]
    environment = {**os.environ, "TERM": "xterm-256color", "PAUSE": str(pause)}
    with subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment) as process:
        os.close(slave)
        written = 0
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            written += len(data)
        os.close(master)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    return used.ru_utime + used.ru_stime, written, used.ru_maxrss / 1024


def best(way: str, kind: str, size: int, pause: float = 0) -> tuple[float, int, float]:
    """The cheapest of three runs: what disturbs a run only ever adds to it."""
    return min(measure(way, kind, size, pause) for _ in range(3))


def main() -> None:
    """Print the table."""
    print(f"{'':10}{'KB':>5} {'ours s':>8} {'once s':>8} {'÷ once':>7} {'× bytes':>8} {'MiB':>6} {'÷ quarter':>10}")
    for kind in KINDS:
        last = 0.0
        for size in SIZES:
            cpu, written, peak = best("ours", kind, size)
            reference = best("once", kind, size)[0]
            growth = f"{cpu / last:.1f}" if last else ""
            print(
                f"{kind:10}{size // 1000:>5} {cpu:>8.2f} {reference:>8.2f} {cpu / reference:>7.2f}"
                f" {written / size:>8.1f} {peak:>6.1f} {growth:>10}",
                flush=True,
            )
            last = cpu
    for way, size in (("plain", 40_000), ("live", 10_000)):
        cpu, written, peak = measure(way, "mixed", size)
        print(f"{way} mixed {size // 1000} KB: {cpu:.2f} s, {written / size:.1f} × bytes, {peak:.1f} MiB")
    cpu, written, peak = measure("ours", "mixed", 10_000, 0.01)
    print(f"ours mixed 10 KB in 5 s, as streamed: {cpu:.2f} s, {written / 10_000:.1f} × bytes, {peak:.1f} MiB")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        WAYS[sys.argv[1]](KINDS[sys.argv[2]](int(sys.argv[3])))
    else:
        main()
