"""The completion file for zsh: one function of ``_arguments`` for each command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from generators.surface import (
    MEDIA_SUFFIXES,
    Argument,
    Command,
    Option,
    Value,
    kinds_of_settings,
    settings_to_set,
    values_of_settings,
)
from generators.template import template

ACTIONS = {
    "files": "_files",
    "directories": "_directories",
    "json": "_files -g '*.json(-.)'",
    "jsonl": "_files -g '*.(jsonl|ndjson)(-.)'",
    "values": "->value",
    "sessions": "_elkcli_conversations -n",
    "nothing": " ",
}


def generate(root: Command, default_model: str) -> str:
    """The whole file."""
    return template("_elkcli").fill(
        functions="\n\n".join(_function(command) for command in root.walk()),
        keys=" ".join(settings_to_set()),
        settings="\n".join(_settings()),
        media="|".join(MEDIA_SUFFIXES),
        model=default_model,
    )


def _settings() -> Iterator[str]:
    for key, words in values_of_settings().items():
        yield f"    {key}) _wanted values expl value compadd -V values -- {' '.join(map(shlex.quote, words))} ;;"
    for key, kind in kinds_of_settings().items():
        yield f"    {key}) {ACTIONS.get(kind, f'_elkcli_{kind}')} ;;"


def function_of(path: str) -> str:
    """The name of a command's function."""
    return "_elkcli" if not path else "_elkcli_run_" + re.sub(r"\W", "_", path)


def _function(command: Command) -> str:
    specs = [spec for option in command.options for spec in _option(option)]
    if command.commands:
        specs += ["'1: :->command'", "'*:: :->rest'"]
    specs += [_argument(argument, at) for at, argument in enumerate(command.arguments, 1)]
    body = [
        f"{function_of(command.path)}() {{",
        '  local curcontext="$curcontext" state state_descr line expl ret=1',
        "  typeset -A opt_args",
        "  _arguments -s -S -C : \\",
        *(f"    {spec} \\" for spec in specs[:-1]),
        f"    {specs[-1]} && ret=0",
    ]
    if command.commands:
        rows = " ".join(shlex.quote(f"{below.name}:{_escaped(below.summary)}") for below in command.commands)
        body += [
            "  case $state in",
            f"    command) local -a commands=({rows})",
            "      _describe -t commands command commands && ret=0 ;;",
            "    rest)",
            "      case $words[1] in",
            *(f"        {below.name}) {function_of(below.path)} && ret=0 ;;" for below in command.commands),
            "      esac ;;",
            "  esac",
        ]
    if any(argument.value.kind == "values" for argument in command.arguments):
        body.append("  [[ $state != value ]] || _elkcli_value $line[1] && ret=0")
    return "\n".join([*body, "  return ret", "}"])


def _option(option: Option) -> Iterator[str]:
    others = " ".join(option.all_names)
    alone = "(- *)" if option.names[-1] in ("--help", "--version") else f"({others})"
    before = "*" if option.repeatable else alone
    for name in option.all_names:
        said = f"{before}{name}"
        if option.value is None:
            yield shlex.quote(f"{said}[{_escaped(option.brief(name))}]")
        else:
            glued = "=" if name.startswith("--") else "+"
            yield shlex.quote(f"{said}{glued}[{_escaped(option.brief(name))}]{_place(option.stand_in, option.value)}")


def _argument(argument: Argument, at: int) -> str:
    place = "*" if argument.repeatable else (str(at) if argument.required else f"{at}:")
    if argument.value.kind == "nothing":  # and nothing is said: a message would keep options from being inserted
        return shlex.quote(f"{place}:{_escaped(argument.name)}:()")
    return shlex.quote(f"{place}{_place(argument.name, argument.value)}")


def _place(name: str, value: Value) -> str:
    """``:message:action``, where a value goes."""
    if value.kind == "words":
        action = f"{{compadd -V words -- {' '.join(_escaped(word) for word in value.words)}}}"
    else:
        action = ACTIONS.get(value.kind, f"_elkcli_{value.kind}")
    return f":{_escaped(name.replace('|', ' ').strip(chr(39)))}:{action}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\\[\]:])", r"\\\1", text)
