"""What `GET /v1/models` and the balance pages answer, read into our own words, whichever shape it is in. No I/O."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elkcli.api.verdict import from_error
from elkcli.errors import ApiError

UNITS = 500_000  # quota units of the relay to one unit of money, unless its operator says otherwise
BOUNDLESS = 99_999_999  # what is written where nothing is limited: 100000000, 999999999 (wire.md §6.2, §6.4)
LONGEST_ID = 300


def models_in(reply: object) -> list[dict[str, Any]]:
    """The models of a list, sorted, each once and with an ``id``. Raises :class:`ElkError` where it is no list.

    Takes the OpenAI shape, Gemini's ``{"models": [{"name": …}]}``, and entries that are bare strings.
    """
    if isinstance(reply, dict) and reply.get("success") is False:
        raise from_error({"message": reply.get("message") or "no list of models", "code": reply.get("code")})
    entries = None
    if isinstance(reply, dict):
        entries = reply.get("data") if reply.get("data") is not None else reply.get("models")
        if entries is None and (reply.get("object") == "list" or reply.get("success") is True):
            entries = []  # Go's empty list
    if not isinstance(entries, list):
        raise ApiError("the server's reply holds no list of models", hint="check the base URL: elkcli config check")
    found: dict[str, dict[str, Any]] = {}
    for entry in entries:
        fields = {"id": entry} if isinstance(entry, str) else entry
        if not isinstance(fields, dict):
            continue
        name = fields.get("id")
        if name is None and isinstance(fields.get("name"), str):
            name = fields["name"].removeprefix("models/")
        if isinstance(name, str) and name.strip() and len(name) <= LONGEST_ID:
            found.setdefault(name, {**fields, "id": name})
    return [found[name] for name in sorted(found)]


def kinds_of(model: Mapping[str, Any]) -> str:
    """What a model is for, as far as the server says."""
    kinds = model.get("supported_endpoint_types")
    return ", ".join(kind for kind in kinds if isinstance(kind, str)) if isinstance(kinds, list) else ""


@dataclass(frozen=True)
class Balance:
    """What is left, in money where the server counts so. ``None``: not told. ``remaining`` is never below nothing."""

    source: str
    unlimited: bool
    remaining: float | None
    used: float | None
    granted: float | None
    expires: str | None = None
    name: str | None = None
    units: float | None = None
    requests: float | None = None

    def as_json(self) -> dict[str, object]:
        """What ``--json`` prints."""
        return {
            "unlimited": self.unlimited,
            "remaining": self.remaining,
            "used": self.used,
            "granted": self.granted,
            "units": self.units,
            "expires": self.expires,
            "requests": self.requests,
            "name": self.name,
            "source": self.source,
        }


def from_token_usage(reply: object) -> Balance:
    """``/api/usage/token/`` (wire.md §6.3). Raises :class:`ApiError` where it is something else."""
    data = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(data, dict) or (isinstance(reply, dict) and reply.get("success") is False):
        raise _unreadable(reply)
    left, used, granted = (_number(data.get(f"total_{name}")) for name in ("available", "used", "granted"))
    unlimited = data.get("unlimited_quota") is True
    if left is None and not unlimited:
        raise _unreadable(reply)
    return Balance(
        "token",
        unlimited,
        None if unlimited or left is None else max(left, 0.0) / UNITS,
        None if used is None or used < 0 else used / UNITS,
        None if unlimited or granted is None or granted < 0 else granted / UNITS,
        _date(data.get("expires_at")),
        data.get("name") if isinstance(data.get("name"), str) else None,
        None if unlimited or left is None else max(left, 0.0),
    )


def from_billing(subscription: object, usage: object) -> Balance:
    """The two OpenAI-style pages (wire.md §6.2). Raises :class:`ApiError` where they are something else."""
    limit = _number(subscription.get("hard_limit_usd")) if isinstance(subscription, dict) else None
    if limit is None:
        raise _unreadable(subscription)
    hundredths = _number(usage.get("total_usage")) if isinstance(usage, dict) else None
    used = None if hundredths is None or hundredths < 0 else hundredths / 100
    unlimited = limit >= BOUNDLESS or limit < 0
    expires = _date(subscription.get("access_until")) if isinstance(subscription, dict) else None
    if unlimited:
        return Balance("billing", True, None, used, None, expires)
    return Balance("billing", False, max(limit - (used or 0.0), 0.0), used, limit, expires)


def from_account(reply: object) -> tuple[Balance, list[Balance]]:
    """The account's page (wire.md §6.4): the account, and its keys. Raises :class:`ApiError`."""
    left = _number(reply.get("total_quota")) if isinstance(reply, dict) else None
    if left is None or not isinstance(reply, dict):
        raise _unreadable(reply)
    name = reply.get("username")
    account = _limited(
        "account",
        left,
        _number(reply.get("total_used_quota")),
        name if isinstance(name, str) else None,
        _number(reply.get("request_count")),
    )
    entries = reply.get("keys")
    keys = []
    for entry in entries if isinstance(entries, list) else []:
        left = _number(entry.get("remain_quota")) if isinstance(entry, dict) else None
        if left is not None:
            title = entry.get("name")
            used = _number(entry.get("used_quota"))
            keys.append(_limited("key", left, used, title if isinstance(title, str) else None))
    return account, keys


def _limited(source: str, left: float, used: float | None, name: str | None, requests: float | None = None) -> Balance:
    unlimited = left >= BOUNDLESS or left == -1
    spent = None if used is None or used < 0 else used
    return Balance(source, unlimited, None if unlimited else max(left, 0.0), spent, None, name=name, requests=requests)


def _unreadable(reply: object) -> ApiError:
    said = None
    if isinstance(reply, dict):
        said = next((reply[key] for key in ("message", "msg") if isinstance(reply.get(key), str)), None)
    return ApiError("the server says no balance" + (f": {said[:200]}" if said and said != "ok" else ""))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _date(value: object) -> str | None:
    seconds = _number(value)
    if seconds is None or seconds <= 0:
        return None
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return None
