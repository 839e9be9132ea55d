"""What was found out about servers, kept by origin and profile in small JSON files: what is lost is found out again."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from elkcli.environment import Environment
from elkcli.origin import origin
from elkcli.storage.private import make_directory, replace

NAME = "servers.json"
MOST = 64
DAYS = 30


def key_of(base_url: str, profile: str | None) -> str:
    """The name under which something about a server is kept: another profile may see another server there."""
    return f"{origin(base_url)} {profile or 'default'}"


def read(environment: Environment, name: str) -> dict[str, dict[str, Any]]:
    """The file called ``name``, by key; what cannot be read is not there."""
    try:
        found = json.loads((environment.data_dir / name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {key: entry for key, entry in entries if isinstance(entry, dict)}


def keep(environment: Environment, name: str, key: str, entry: dict[str, Any], *, most: int) -> None:
    """Write ``entry`` under ``key``, and of the others the latest. Raises nothing."""
    known = read(environment, name)
    known.pop(key, None)
    known[key] = entry
    for oldest in list(known)[:-most]:
        del known[oldest]
    with suppress(OSError, ValueError):
        make_directory(environment.data_dir)
        replace(environment.data_dir / name, json.dumps(known).encode())


# What they refuse


def refused(environment: Environment, base_url: str, profile: str | None) -> frozenset[str]:
    """The names of what the server refused in the last thirty days, and is not asked for."""
    entry = read(environment, NAME).get(key_of(base_url, profile), {})
    oldest = environment.clock() - DAYS * 86400
    return frozenset(name for name, at in entry.items() if isinstance(at, (int, float)) and at > oldest)


def remember(environment: Environment, base_url: str, profile: str | None, name: str) -> None:
    """Note that the server refused ``name``."""
    key = key_of(base_url, profile)
    entry = read(environment, NAME).get(key, {})
    keep(environment, NAME, key, {**entry, name: int(environment.clock())}, most=MOST)
