"""Changing `config.toml` as a careful person would: comments and order stay, and what is wrong is never written."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable

from elkcli.environment import Environment
from elkcli.errors import ConfigError, ElkError, UsageError
from elkcli.storage.checks import BadValue
from elkcli.storage.lock import locked
from elkcli.storage.private import replace
from elkcli.storage.settings import KEYS, check, parse, unknown_key


def split_key(key: str) -> tuple[str, str | None]:
    """``headers.NAME`` as its table and member; any other key as itself. Raises :class:`UsageError`."""
    table, dot, member = key.partition(".")
    if dot and table == "headers" and member:
        return table, member
    if key not in KEYS:
        raise unknown_key(key)
    return key, None


def set_value(environment: Environment, key: str, text: str, profile: str | None) -> None:
    """Set ``key`` at the top or in a profile. Raises :class:`UsageError` for a bad key or value."""
    try:
        f"{key}{text}{profile or ''}".encode()
    except UnicodeEncodeError:
        raise UsageError("a setting is valid UTF-8, and this is not") from None
    if key == "profile" and profile is None:
        _edit(environment, lambda document: document.__setitem__("profile", text), text_profile=text)
        return
    table, member = split_key(key)
    try:
        if member is not None:
            value: Any = check("headers", f"{member}: {text}")[member]
        else:
            value = check(table, text)
    except BadValue as problem:
        raise UsageError(f"{key} takes {problem}") from problem

    def change(document: Any) -> None:
        place = _place(document, profile)
        if member is not None:
            if table not in place:
                place[table] = _new(place, inline=profile is not None)
            place[table][member] = value
        elif isinstance(value, dict) and table in place:  # what is written about its members stays
            for name in [name for name in place[table] if name not in value]:
                del place[table][name]
            place[table].update(value)
        else:
            place[table] = list(value) if isinstance(value, tuple) else value

    _edit(environment, change)


def unset_value(environment: Environment, key: str, profile: str | None) -> bool:
    """Drop ``key``; whether it was there. Raises :class:`UsageError` for an unknown key."""
    if key == "profile" and profile is None:
        table, member = "profile", None
    else:
        table, member = split_key(key)
    found = False

    def change(document: Any) -> None:
        nonlocal found
        place = document if profile is None else document.get("profiles", {}).get(profile, {})
        if member is not None:
            place = place.get(table, {})
        found = (member or table) in place
        if found:
            del place[member or table]

    _edit(environment, change)
    return found


def _place(document: Any, profile: str | None) -> Any:
    if profile is None:
        return document
    if "profiles" not in document:
        document["profiles"] = _new(document, is_super_table=True)
    profiles = document["profiles"]
    if profile not in profiles:
        profiles[profile] = _new(profiles)
    return profiles[profile]


def _new(place: Any, *, inline: bool = False, is_super_table: bool = False) -> Any:
    """An empty table of the kind that ``place`` takes."""
    if type(place) is dict:
        return {}
    if inline or isinstance(place, InlineTable):
        return tomlkit.inline_table()
    return tomlkit.table(is_super_table=is_super_table)


def _edit(environment: Environment, change: Any, text_profile: str | None = None) -> None:
    path = environment.config_dir / "config.toml"
    try:
        with locked(environment.config_dir):
            raw = path.read_bytes() if path.exists() else b""
            config = parse(path, raw)  # a file that is wrong already is mended by hand, not written over
            if text_profile is not None and text_profile not in (*config.profiles, "demo", "default"):
                raise UsageError(
                    f"no profile is called {text_profile!r}", hint="elkcli config set KEY VALUE -p NAME makes one"
                )
            try:
                before = raw.decode("utf-8-sig")
                document, wanted = tomlkit.parse(before), tomllib.loads(before)
                change(document)
                change(wanted)
                text = tomlkit.dumps(document)
                if tomllib.loads(text) != wanted:
                    raise ValueError("its tables are written in an unusual way")
            except (TOMLKitError, ValueError) as problem:
                raise ConfigError(f"{path} cannot be changed here: {problem}", hint="elkcli config edit") from problem
            if before.count("\n") == before.count("\r\n") > 0:
                text = re.sub("(?<!\r)\n", "\r\n", text)
            parse(path, text.encode())
            replace(path, text.encode())
    except OSError as problem:
        raise ElkError(f"cannot write {path}: {problem.strerror}") from problem
