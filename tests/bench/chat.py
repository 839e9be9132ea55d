"""The first prompt of a chat: from the start of the process until the prompt is on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from tests.bench import floors
from tests.bench.measuring import Cost, Place, Row, optional, pairs, run_at_terminal

# how each peer's chat is begun, and what its prompt looks like
PEERS = {"llm": (["chat", "-m", "gpt-4o-mini"], b"> "), "sgpt": (["--repl", "temp"], b">>> "), "gptme": ([], b"User: ")}


def rows(place: Place) -> Iterator[Row]:
    """All are killed at their prompt: what a chat loads while one is typing is not counted."""
    variables = place.variables(OPENAI_API_KEY="sk-bench", OPENAI_BASE_URL=place.url, API_BASE_URL=place.url)

    def prompted(command: Sequence[str], prompt: bytes = b"> ") -> Cost:
        return run_at_terminal(command, place, until=lambda seen: prompt in seen, leave=True, variables=variables).cost

    def ours() -> Cost:
        return prompted([place.elkcli, "chat"])

    found = pairs(ours, partial(prompted, place.script(floors.PROMPT), b"elk>"), place)
    yield found.row("first chat prompt ÷ prompt_toolkit script", 1.3, 1.1)
    for name, command in place.peers.items():
        words, prompt = PEERS[name]
        with optional():
            found = pairs(ours, partial(prompted, [*command, *words], prompt), place, min(place.runs, 5))
            yield found.row(f"first chat prompt ÷ {' '.join([name, *words][:2])}")
