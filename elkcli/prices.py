"""What tokens cost, by the prices the user has set. No I/O."""

from __future__ import annotations

import math
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


def spelled(money: float) -> str:
    """An amount as a person reads it: four digits after the point, more where it is small, and never an exponent."""
    digits = 4 if money <= 0 else max(4, 1 - math.floor(math.log10(money)))
    return f"{money:.{digits}f}".rstrip("0").rstrip(".")
