"""The completion file for PowerShell: a table of commands and options, and a script block that reads it."""

from __future__ import annotations

from collections.abc import Iterator

from generators.surface import (
    MEDIA_SUFFIXES,
    Command,
    Option,
    Value,
    kinds_of_settings,
    settings_to_set,
    values_of_settings,
)
from generators.template import template


def generate(root: Command, default_model: str) -> str:
    """The whole file."""
    return template("elkcli.ps1").fill(
        commands="\n".join(_command(command) for command in root.walk()),
        settings="\n".join(_settings()),
        keys=" ".join(settings_to_set()),
        media=" ".join(f".{suffix}" for suffix in MEDIA_SUFFIXES),
        model=_quoted(default_model),
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _command(command: Command) -> str:
    lists = {
        "Commands": [f"{below.name}|{below.summary}" for below in command.commands],
        "Options": [line for option in command.options for line in _option(option)],
        "Arguments": [_value(argument.value) for argument in command.arguments],
    }
    rows = [f"        {_quoted(command.path)} = @{{"]
    for name, lines in lists.items():
        rows += [f"            {name} = @(", *(f"                {_quoted(line)}" for line in lines), "            )"]
    return "\n".join([*rows, "        }"])


def _option(option: Option) -> Iterator[str]:
    value = "" if option.value is None else _value(option.value)
    for name in option.all_names:
        yield f"{name}|{value}|{option.brief(name)}"


def _value(value: Value) -> str:
    return "words " + " ".join(value.words) if value.kind == "words" else value.kind


def _settings() -> Iterator[str]:
    for key, words in values_of_settings().items():
        yield f"        {_quoted(key)} = {_quoted('words ' + ' '.join(words))}"
    for key, kind in kinds_of_settings().items():
        yield f"        {_quoted(key)} = {_quoted(kind)}"
