"""Servers that refuse a field they should ignore: what to leave out and ask again, once. No I/O."""

from __future__ import annotations

import re
from typing import Any

from elkcli.errors import ElkError

_REFUSED = (
    r"(?i)not\s+(?:\w+\s+)?(?:support|allow|permit|availab|enabl|implement|recogni[sz])\w*|unsupported|unrecogni[sz]ed"
    r"|unknown|unexpected|disabled|does(?:n't| not) (?:support|accept|allow)|can(?:not|'t) be (?:used|true)"
    r"|must be false|extra inputs|additional propert"
)
_STATUSES = frozenset({400, 404, 405, 406, 415, 422, 500, 501})
# what these change is how an answer comes, not which: anything else that was asked for is not dropped behind one's back
_OPTIONAL = ("stream_options", "contents")


def without_refused(body: dict[str, Any], error: ElkError) -> tuple[dict[str, Any], str] | None:
    """``body`` without what ``error`` refuses, and the name of that; ``None`` where that would change nothing."""
    if error.status not in _STATUSES or not re.search(_REFUSED, error.message):
        return None
    for name in _OPTIONAL:
        if name in body and re.search(rf"\b{name}\b", error.message):
            return {key: value for key, value in body.items() if key != name}, name
    if body.get("stream") is True and re.search(r"\bstream(?:s|ing|ed)?\b", error.message, re.I):
        return {**body, "stream": False}, "stream"
    return None
