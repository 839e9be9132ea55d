"""Draw the README's pictures from real runs in a real terminal. ``--check`` only says whether they are fresh."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE), str(TREE / ".ci")]

import pyte  # noqa: E402 - found only once the path is set
from svg import Glass, draw  # noqa: E402

from tests.server import Server  # noqa: E402
from tests.terminals import Terminal  # noqa: E402

FOLDER = TREE / ".ci" / "pictures"
ANSWER = """\
# Bread without kneading

Mix, wait, **fold**, wait, *bake*: ~~kneading~~ is what **time** does. See `autolyse`, or the [long version](https://example.org/bread).

1. Mix flour and water; leave them alone for an hour
2. Add the rest
   - salt
   - the starter, if it
     - floats, and
     - smells of yoghurt
3. Fold four times, every half hour

> A dough is ready when it *says* so,
> not when the clock does.

| flour | water | note |
| :---- | ----: | :--: |
| wheat 小麦 | 70 % | **usual** |
| rye | 85 % | dense |

- [x] bought flour
- [ ] fed the starter

```python
def water(flour: float, hydration: float = 0.7) -> float:
    \"\"\"Grams of water for so many grams of flour.\"\"\"
    return flour * hydration  # Vec<String> and <b>tags</b> stay as they are


print(f"{water(500):.0f} g")
```

The share of salt is $s = 0.02 \\cdot f$.

---

That is all.
"""


@contextmanager
def desk(command: str, columns: int, rows: int, **variables: str) -> Iterator[Terminal]:
    """A terminal in an empty home, at which ``elkcli`` was called with these words."""
    with tempfile.TemporaryDirectory() as home:
        work = Path(home, "work")
        work.mkdir()
        # a command of that name, so that what is typed is what is shown
        tool = Path(home, "elkcli")
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m elkcli "$@"\n')
        tool.chmod(0o755)
        env = {
            "HOME": home,
            "PATH": f"{home}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "COLORTERM": "truecolor",
            "PYTHONPATH": str(TREE),
            "ELKCLI_CONFIG_DIR": f"{home}/config",
            "ELKCLI_DATA_DIR": f"{home}/data",
            **variables,
        }
        terminal = Terminal(["/bin/sh", "-c", command], cwd=work, env=env, columns=columns, rows=rows)
        glass = Glass(columns, rows)
        glass.write_process_input = terminal.view.write_process_input  # type: ignore[method-assign]
        terminal.view, terminal._stream = glass, pyte.ByteStream(glass)
        glass.draw("$ ")
        glass.select_graphic_rendition(1)
        glass.draw(command)
        glass.select_graphic_rendition(0)
        glass.carriage_return()
        glass.linefeed()
        try:
            yield terminal
        finally:
            terminal.end()


def whole(command: str, columns: int, **variables: str) -> str:
    """The picture of a command that ends by itself."""
    with desk(command, columns, 100, **variables) as terminal:
        if code := terminal.exit(within=60):
            raise SystemExit(f"{command}: exit code {code}\n{terminal.scrolled}")
        return draw(terminal.view, "elkcli")


def answer() -> str:
    """An answer with every construct, streamed by a server on this machine."""
    server = Server()
    try:
        pieces = [ANSWER[at : at + 7] for at in range(0, len(ANSWER), 7)]
        server.says(chunks=pieces)
        environment = {"ELKCLI_BASE_URL": server.url, "ELKCLI_TOKEN": "sk-picture", "ELKCLI_USAGE": "false"}
        return whole("elkcli ask how do I bake bread without kneading", 80, **environment)
    finally:
        server.close()


def picture() -> str:
    """The demo's picture of an elk, in half blocks."""
    return whole("elkcli ask -p demo --aspect-ratio 16:9 -o elk.png --no-usage an elk at dawn", 80)


def chat() -> str:
    """A chat with the demo: a command, a turn, and the beginning of another command."""
    with desk("elkcli chat -p demo -S elks --no-usage", 80, 48) as terminal:
        terminal.see("demo · elks", within=30).settle(0.3)
        terminal.enter("/model demo-reason").see("model: demo-reason").settle()
        terminal.enter("show me some Python").see("tokens", within=30).settle(0.5)
        terminal.type("/s").see("/system", within=30).settle(0.5)
        return draw(terminal.view, "elkcli chat")


PICTURES: dict[str, Callable[[], str]] = {"answer.svg": answer, "picture.svg": picture, "chat.svg": chat}


def main(arguments: list[str]) -> int:
    """Draw or check them all, or those that are named."""
    check = "--check" in arguments
    names = [name for name in arguments if name != "--check"] or list(PICTURES)
    stale = []
    for name in names:
        path, draw_it = FOLDER / name, PICTURES[name]
        held = path.read_text(encoding="utf-8") if path.exists() else ""
        drawn = draw_it()
        # a busy machine may be caught in the middle of a key: what is stale is so every time
        if drawn == held or (check and any(draw_it() == held for _ in range(2))):
            continue
        stale.append(name)
        sys.stderr.write(f"{'stale' if check else 'drew'}: {name}\n")
        if not check:
            path.write_text(drawn, encoding="utf-8")
    if check and stale:
        sys.stderr.write("python .ci/pictures.py draws them\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
