"""Times as people give them on the command line: ``30d``, ``12h``, ``2w``, ``2026-11-01``."""

from __future__ import annotations

import re
from datetime import datetime

from elkcli.errors import UsageError

_HOURS = {"h": 1, "d": 24, "w": 7 * 24}
_FORMS = "30d, 12h, 2w, or a day as 2026-11-01"


def moment(text: str, now: float, option: str) -> float:
    """The point in time that ``text`` means: that long before ``now``, or the beginning of that local day."""
    words = text.strip().lower()
    try:
        if match := re.fullmatch(r"(\d{1,6})\s*([hdw])", words):
            return now - int(match[1]) * _HOURS[match[2]] * 3600
        if re.fullmatch(r"\d{4}-\d\d-\d\d", words):
            return datetime.fromisoformat(words).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    raise UsageError(f"{option} takes {_FORMS}, and not {text!r}")


def midnight_before(seconds: float) -> float:
    """The beginning of the local day in which ``seconds`` lies."""
    day = datetime.fromtimestamp(seconds).replace(hour=0, minute=0, second=0, microsecond=0)
    return day.timestamp()
