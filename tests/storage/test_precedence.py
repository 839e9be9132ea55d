"""Option, then environment, then profile, then file, then default: for any subset of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from elkcli.environment import Environment
from elkcli.storage.settings import default_of, resolve

# one key of each kind, with a value a source
VALUES: dict[str, dict[str, Any]] = {
    "model": {"option": "mo", "environment": "me", "profile": "mp", "file": "mf"},
    "temperature": {"option": 0.1, "environment": 0.2, "profile": 0.3, "file": 0.4},
    "max_tokens": {"option": 1, "environment": 2, "profile": 3, "file": 4},
    "stream": {"option": False, "environment": True, "profile": False, "file": True},
    "format": {"option": "text", "environment": "json", "profile": "jsonl", "file": "markdown"},
}
SOURCES = ("option", "environment", "profile", "file")


def toml(values: dict[str, Any]) -> str:
    words = {True: "true", False: "false"}
    return "".join(
        f"{key} = {words[value] if isinstance(value, bool) else repr(value)}\n" for key, value in values.items()
    )


@settings(max_examples=200, deadline=None)
@given(said=st.fixed_dictionaries({key: st.sets(st.sampled_from(SOURCES)) for key in VALUES}))
def test_the_strongest_source_that_speaks_is_heard(said: dict[str, set[str]], tmp_path_factory: Any) -> None:
    home: Path = tmp_path_factory.mktemp("home")

    def by(source: str) -> dict[str, Any]:
        return {key: VALUES[key][source] for key, sources in said.items() if source in sources}

    (home / "config.toml").write_text(toml(by("file")) + 'profile = "p"\n[profiles.p]\n' + toml(by("profile")))
    variables = {f"ELKCLI_{key.upper()}": str(value) for key, value in by("environment").items()}
    environment = Environment([], {**variables, "ELKCLI_CONFIG_DIR": str(home)}, None, None, io.StringIO())
    resolved = resolve(environment, options={**dict.fromkeys(VALUES), **by("option")})
    for key, sources in said.items():
        strongest = next((source for source in SOURCES if source in sources), "default")
        wanted = default_of(key) if strongest == "default" else VALUES[key][strongest]
        assert getattr(resolved.settings, key) == wanted
        assert resolved.origins[key] == strongest
