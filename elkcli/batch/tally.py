"""Where a batch is to stop of itself, and what has happened so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from elkcli.conversation import Usage
from elkcli.errors import ElkError


@dataclass(frozen=True)
class Limits:
    """Where a batch stops of itself, and which part of the input is its own (``part`` of ``parts``, from 0)."""

    lines: int | None = None
    tokens: int | None = None
    part: int = 0
    parts: int = 1


@dataclass
class Tally:
    """What has happened so far. ``spent`` is what has not been counted in history yet, by model.

    ``reasons`` are those that lines failed for, as far as two different ones.
    """

    answered: int = 0
    failed: int = 0
    reasons: set[str] = field(default_factory=set)
    skipped: int = 0
    tokens: int = 0
    earlier_tokens: int = 0
    position: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    spent: dict[str, Usage] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Lines that have a result of this run."""
        return self.answered + self.failed

    def fail(self, error: ElkError) -> None:
        """One more line failed."""
        self.failed += 1
        if len(self.reasons) < 2:
            self.reasons.add(error.message)
