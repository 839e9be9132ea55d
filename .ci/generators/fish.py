"""The completion file for fish: one line for each command and option, with the place where it holds."""

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

LOOKED_UP = {
    "directories": "__elkcli_directories",
    "json": "__elkcli_files_first json",
    "jsonl": "__elkcli_files_first jsonl ndjson",
    "keys": "__elkcli_keys",
    "values": "__elkcli_values",
    "models": "__elkcli_models",
    "profiles": "__elkcli_profiles",
    "sessions": "__elkcli_conversations named",
    "conversations": "__elkcli_conversations",
    "system": "__elkcli_system",
    "media": "__elkcli_media",
}


def generate(root: Command, default_model: str) -> str:
    """The whole file."""
    groups = [command.path for command in root.walk() if command.commands]
    return template("elkcli.fish").fill(
        groups=" ".join(_quoted(path) for path in groups),
        with_value="\n".join(_with_value(command) for command in root.walk()),
        rules="\n".join(rule for command in root.walk() for rule in _rules(command)),
        keys=" ".join(settings_to_set()),
        settings="\n".join(_settings()),
        media=" ".join(MEDIA_SUFFIXES),
        model=default_model,
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _with_value(command: Command) -> str:
    names = [name for option in command.options if option.value is not None for name in option.names]
    return f"        case {_quoted(command.path)}\n            set names {' '.join(names)}".rstrip()


def _settings() -> Iterator[str]:
    for key, words in values_of_settings().items():
        yield f"        case {key}\n            printf '%s\\n' {' '.join(words)}"
    for key, kind in kinds_of_settings().items():
        yield f"        case {key}\n            {LOOKED_UP.get(kind, '__elkcli_files')}"


def _rules(command: Command) -> Iterator[str]:
    start = f"complete -c elkcli -n {_quoted(f'__elkcli_at {_quoted(command.path)}')}"
    for option in command.options:
        yield from _option(start, option)
    for below in reversed(command.commands):  # fish puts the latest first
        yield f"{start} -k -a {below.name} -d {_quoted(below.summary)}"
    for at, argument in enumerate(command.arguments):
        where = f"__elkcli_at {_quoted(command.path)} {'' if argument.repeatable else at}".strip()
        if action := _action(argument.value):
            yield f"complete -c elkcli -n {_quoted(where)} {action}"


def _option(start: str, option: Option) -> Iterator[str]:
    short = "".join(f" -s {name[1:]}" for name in option.names if not name.startswith("--"))
    long = "".join(f" -l {name[2:]}" for name in option.names if name.startswith("--"))
    value = ""
    if option.value is not None:
        value = " -r " + (_action(option.value) or "-f")
    yield f"{start}{short}{long}{value} -d {_quoted(option.brief(option.names[0]))}"
    for name in option.off:
        yield f"{start} -l {name[2:]} -d {_quoted(option.brief(name))}"


def _action(value: Value) -> str:
    """How a value is completed; nothing where it is not."""
    if value.kind == "words":
        return f"-f -k -a {_quoted(' '.join(value.words))}"
    if value.kind == "files":
        return "-F"
    if value.kind in LOOKED_UP:
        return f"-f -k -a {_quoted(f'({LOOKED_UP[value.kind]})')}"
    return ""
