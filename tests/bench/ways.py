"""Ways to show an answer that comes in chunks of 20 characters: ``python ways.py WAY KIND SIZE`` is one, at a terminal.

``once`` is rich's Markdown over the whole answer at its end, ``plain`` the words as they are, ``live`` rich's Live over
the answer so far, ``ours`` is elkcli's. It is run by the Python of the environment that is measured.
"""

from __future__ import annotations

import os
import sys
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


if __name__ == "__main__":
    WAYS[sys.argv[1]](KINDS[sys.argv[2]](int(sys.argv[3])))
