"""The completion file for bash: a few functions that never change, and tables read off the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from generators.surface import (
    MEDIA_SUFFIXES,
    Command,
    Value,
    kinds_of_settings,
    settings_to_set,
    values_of_settings,
)
from generators.template import template


def generate(root: Command, default_model: str) -> str:
    """The whole file."""
    return template("elkcli.bash").fill(
        commands=_cases(
            (f"{command.path}", " ".join(below.name for below in command.commands))
            for command in root.walk()
            if command.commands
        ),
        options=_cases(
            (command.path, " ".join(name for option in command.options for name in option.all_names))
            for command in root.walk()
        ),
        values=_grouped(
            (f"{command.path} {name}".strip(), option.value)
            for command in root.walk()
            for option in command.options
            if option.value is not None
            for name in option.names
        ),
        arguments=_grouped(
            (f"{command.path} {'*' if argument.repeatable else at}", argument.value)
            for command in root.walk()
            for at, argument in enumerate(command.arguments)
            if argument.value.kind != "nothing"
        ),
        keys=" ".join(settings_to_set()),
        settings=_grouped(
            [(key, Value("words", words)) for key, words in values_of_settings().items()]
            + [(key, Value(kind)) for key, kind in kinds_of_settings().items()]
        ),
        media="|".join(f"*.{suffix}" for suffix in MEDIA_SUFFIXES),
        model=default_model,
    )


def _cases(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"    {shlex.quote(path)}) _list={shlex.quote(words)} ;;" for path, words in rows)


def _grouped(rows: Iterable[tuple[str, Value]]) -> str:
    """One line of a ``case`` for each value, with all the places that take it."""
    places: dict[Value, list[str]] = {}
    for place, value in rows:
        places.setdefault(value, []).append(place)
    return "\n".join(
        f"    {_wrapped([_pattern(place) for place in found])}) {_set(value)} ;;" for value, found in places.items()
    )


def _pattern(place: str) -> str:
    return shlex.quote(place[:-1]) + "*" if place.endswith(" *") else shlex.quote(place)


def _wrapped(patterns: list[str]) -> str:
    lines = [""]
    for pattern in patterns:
        if len(lines[-1]) + len(pattern) > 105:
            lines.append("")
        lines[-1] += ("|" if lines[-1] else "") + pattern
    return "|\\\n      ".join(lines)


def _set(value: Value) -> str:
    words = "" if value.kind != "words" else f" _list={shlex.quote(' '.join(value.words))}"
    return f"_kind={value.kind}{words}"
