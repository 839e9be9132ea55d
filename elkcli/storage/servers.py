"""What servers were found to refuse, kept by origin and profile, so that they are not asked for it each time."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from elkcli.environment import Environment
from elkcli.storage.origin import origin
from elkcli.storage.private import make_directory, replace

NAME = "servers.json"
MOST = 64
DAYS = 30


def refused(environment: Environment, base_url: str, profile: str | None) -> frozenset[str]:
    """The names of what the server refused in the last thirty days."""
    entry = _read(environment).get(_key(base_url, profile), {})
    if not isinstance(entry, dict):
        return frozenset()
    oldest = environment.clock() - DAYS * 86400
    return frozenset(name for name, at in entry.items() if isinstance(at, (int, float)) and at > oldest)


def remember(environment: Environment, base_url: str, profile: str | None, name: str) -> None:
    """Note that the server refused ``name``. What cannot be kept is found out again."""
    known = _read(environment)
    key = _key(base_url, profile)
    entry = known.pop(key, {})
    known[key] = {**(entry if isinstance(entry, dict) else {}), name: int(environment.clock())}
    for oldest in list(known)[:-MOST]:
        del known[oldest]
    with suppress(OSError, ValueError):
        make_directory(environment.data_dir)
        replace(environment.data_dir / NAME, json.dumps(known).encode())


def _key(base_url: str, profile: str | None) -> str:
    return f"{origin(base_url)} {profile or 'default'}"


def _read(environment: Environment) -> dict[str, Any]:
    try:
        found = json.loads((environment.data_dir / NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
