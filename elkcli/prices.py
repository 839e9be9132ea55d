"""What tokens cost, by the prices the user has set. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from elkcli.conversation import Usage

PER = 1_000_000


def cost(usage: Usage, prices: Mapping[str, float] | None) -> float | None:
    """The money for ``usage``, in the currency of ``prices`` (``input``, ``output``, ``cached``, per million tokens).

    ``None`` without prices. Cached tokens are part of the prompt's, and cost what other input does unless told.
    """
    if not prices:
        return None
    prompt, cached = usage.prompt or 0, min(usage.cached or 0, usage.prompt or 0)
    dear = prices.get("input", 0.0)
    spent = (prompt - cached) * dear + cached * prices.get("cached", dear)
    return (spent + (usage.completion or 0) * prices.get("output", 0.0)) / PER
