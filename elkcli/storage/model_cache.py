"""The model ids that servers have listed, kept by origin and profile, for completion and for near-name hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from elkcli.environment import Environment
from elkcli.origin import origin
from elkcli.storage import servers

NAME = "models.json"
MOST_LISTS = 32
MOST_IDS = 5000


def save(environment: Environment, base_url: str, profile: str | None, ids: Iterable[str]) -> None:
    """Keep what a server listed. What cannot be kept is only missing from hints, so nothing is raised."""
    entry = {"at": int(environment.clock()), "ids": list(ids)[:MOST_IDS]}
    servers.keep(environment, NAME, servers.key_of(base_url, profile), entry, most=MOST_LISTS)


def known(environment: Environment, base_url: str | None = None) -> list[str]:
    """The ids a server has listed, sorted; without ``base_url`` those of every server."""
    ids: set[str] = set()
    for key, entry in servers.read(environment, NAME).items():
        listed = entry.get("ids")
        if isinstance(listed, list) and (base_url is None or key.partition(" ")[0] == origin(base_url)):
            ids.update(name for name in listed if isinstance(name, str))
    return sorted(ids)


def near(environment: Environment, base_url: str, model: str) -> list[str]:
    """Up to three ids that the server has listed and that ``model`` may have meant, the nearest first."""
    by_lower = {name.lower(): name for name in known(environment, base_url) if name != model}
    wanted = model.strip().lower()
    close = get_close_matches(wanted, by_lower, n=3, cutoff=0.6)
    if len(wanted) >= 3:
        close += [name for name in sorted(by_lower, key=len) if wanted in name and name not in close]
    return [by_lower[name] for name in close[:3]]
