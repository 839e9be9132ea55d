"""The model ids that servers have listed, kept by origin and profile, for completion and for near-name hints."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from elkcli.environment import Environment
from elkcli.storage.origin import origin
from elkcli.storage.private import make_directory, replace

NAME = "models.json"
MOST_LISTS = 32
MOST_IDS = 5000


def cache_path(environment: Environment) -> Path:
    """Where the ids lie."""
    return environment.data_dir / NAME


def save(environment: Environment, base_url: str, profile: str | None, ids: Iterable[str]) -> None:
    """Keep what a server listed. What cannot be kept is only missing from hints, so nothing is raised."""
    lists = _read(environment)
    key = f"{origin(base_url)} {profile or 'default'}"
    lists.pop(key, None)
    lists[key] = {"at": int(environment.clock()), "ids": list(ids)[:MOST_IDS]}
    for oldest in list(lists)[:-MOST_LISTS]:
        del lists[oldest]
    with suppress(OSError, ValueError):
        make_directory(environment.data_dir)
        replace(cache_path(environment), json.dumps(lists).encode())


def known(environment: Environment, base_url: str | None = None) -> list[str]:
    """The ids a server has listed, sorted; without ``base_url`` those of every server."""
    ids: set[str] = set()
    for key, entry in _read(environment).items():
        if base_url is None or key.partition(" ")[0] == origin(base_url):
            ids.update(name for name in entry["ids"] if isinstance(name, str))
    return sorted(ids)


def near(environment: Environment, base_url: str, model: str) -> list[str]:
    """Up to three ids that the server has listed and that ``model`` may have meant, the nearest first."""
    by_lower = {name.lower(): name for name in known(environment, base_url) if name != model}
    wanted = model.strip().lower()
    close = get_close_matches(wanted, by_lower, n=3, cutoff=0.6)
    if len(wanted) >= 3:
        close += [name for name in sorted(by_lower, key=len) if wanted in name and name not in close]
    return [by_lower[name] for name in close[:3]]


def _read(environment: Environment) -> dict[str, Any]:
    try:
        found = json.loads(cache_path(environment).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        key: entry for key, entry in found.items() if isinstance(entry, dict) and isinstance(entry.get("ids"), list)
    }
