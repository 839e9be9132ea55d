"""What the command line looks like from outside, read off the app: commands, options, and what completes a value."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import typer

from elkcli.api.request import ASPECT_RATIOS, IMAGE_SIZES
from elkcli.commands.app import COMMANDS, app, load
from elkcli.commands.help import UNNAMED, argument_name, examples, option_value, setting_of, summary
from elkcli.storage.settings import KEYS, about

MODELS, PROFILES, KEY, VALUE = "models", "profiles", "keys", "values"
SESSIONS, CONVERSATIONS = "sessions", "conversations"  # those with a name; all of them, by name or else by ID
FILES, DIRECTORIES, MEDIA, JSON, JSONL, SYSTEM = "files", "directories", "media", "json", "jsonl", "system"
NOTHING = "nothing"

# What completes a value, by the parameter's name; what is not here is told by its stand-in (FILE, DIR, a|b|c)
KIND_OF_NAME = {
    "model": MODELS,
    "profile": PROFILES,
    "session": SESSIONS,
    "attach": MEDIA,
    "messages_file": JSON,
    "schema": JSON,
    "system": SYSTEM,
}
KIND_OF_STAND_IN = {
    "FILE": FILES,
    "PATH": FILES,
    "DIR": DIRECTORIES,
    "ID": CONVERSATIONS,
    "ID...": CONVERSATIONS,
    "KEY": KEY,
}
KIND_OF_PLACE = {
    ("batch", "file"): JSONL,
    ("batch", "output"): JSONL,
    ("config set", "value"): VALUE,
    ("ask", "output"): DIRECTORIES,  # a file that exists would be refused
    ("chat", "output"): DIRECTORIES,
}
WORDS_OF_PLACE = {
    ("history show", "format_"): ("auto", "markdown", "text", "json", "jsonl"),
    ("history export", "format_"): ("jsonl", "markdown"),
    ("usage", "by"): ("day", "model", "profile"),
}
WORDS_OF_NAME = {
    "older_than": ("1d", "7d", "30d", "90d"),
    "since": ("1d", "7d", "30d", "90d"),
    "aspect_ratio": ASPECT_RATIOS,
    "image_size": IMAGE_SIZES,
    "install_completion": ("bash", "zsh", "fish", "powershell"),
    "show_completion": ("bash", "zsh", "fish", "powershell"),
    "extract": ("all", "1", "-1", "python", "bash", "json", "javascript", "sql", "diff"),
}
MEDIA_SUFFIXES = (
    *("png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff", "heic", "heif", "avif", "svg", "pdf"),
    *("mp3", "wav", "flac", "ogg", "opus", "m4a", "aac", "aiff"),
    *("txt", "md", "csv", "json", "jsonl", "toml", "yaml", "yml", "xml", "html", "log", "diff", "patch"),
    *("py", "js", "ts", "sh", "c", "h", "cpp", "go", "rs", "java", "rb", "sql", "tex"),
)


@dataclass(frozen=True)
class Value:
    """What may stand in a place: fixed ``words``, or a ``kind`` that is looked up when Tab is pressed."""

    kind: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Option:
    """One option. ``value`` is ``None`` for a flag; ``off`` are the names that say no."""

    names: tuple[str, ...]
    off: tuple[str, ...]
    stand_in: str
    value: Value | None
    repeatable: bool
    help: str
    group: str
    setting: str | None

    @property
    def all_names(self) -> tuple[str, ...]:
        """Every spelling."""
        return (*self.names, *self.off)

    def brief(self, name: str) -> str:
        """What a shell says beside ``name``: a few words."""
        text = re.sub(r" \[default:[^]]*\]| \(.*\)", "", self.help).partition(": ")[0].partition("; ")[0]
        return f"off: {text}" if name in self.off else text


@dataclass(frozen=True)
class Argument:
    """One positional argument."""

    name: str
    value: Value
    required: bool
    repeatable: bool
    help: str


@dataclass
class Command:
    """A command: ``path`` is ``""`` for elkcli itself, ``config set`` for a command of a command."""

    path: str
    summary: str
    text: str
    examples: tuple[str, ...]
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    commands: tuple[Command, ...] = field(default=())

    @property
    def name(self) -> str:
        """The last word."""
        return self.path.split(" ")[-1]

    def walk(self) -> Iterator[Command]:
        """This command, and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def read() -> Command:
    """The whole command line."""
    root: Any = typer.main.get_command(app)
    commands = tuple(_command(load(name), name, said) for name, said in COMMANDS.items())
    return _command(root, "", summary(root.help), commands)


def _command(found: Any, path: str, said: str, commands: tuple[Command, ...] = ()) -> Command:
    below = getattr(found, "commands", {}) if path else {}
    return Command(
        path=path,
        summary=said,
        text=_prose(found.help),
        examples=tuple(examples(found.help)),
        options=(*(_option(parameter, path) for parameter in found.params if _shown(parameter, "option")), HELP),
        arguments=tuple(_argument(parameter, path) for parameter in found.params if _shown(parameter, "argument")),
        commands=commands
        or tuple(
            _command(command, f"{path} {name}", summary(command.help))
            for name, command in below.items()
            if not command.hidden
        ),
    )


HELP = Option(("-h", "--help"), (), "", None, False, "Show this help", UNNAMED, None)


def _shown(parameter: Any, kind: str) -> bool:
    return parameter.param_type_name == kind and not parameter.hidden


def _prose(text: str | None) -> str:
    """The paragraphs of a help text but for its examples."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(block.split()) for block in paragraphs if not block.startswith("\b"))


def _option(parameter: Any, path: str) -> Option:
    stand_in = "" if parameter.is_flag and not parameter.metavar else option_value(parameter)
    return Option(
        names=tuple(sorted(parameter.opts, key=lambda name: name.startswith("--"))),
        off=tuple(parameter.secondary_opts),
        stand_in=stand_in,
        value=_value(parameter.name, stand_in, path) if stand_in else None,
        repeatable=bool(parameter.multiple),
        help=parameter.help or "",
        group=parameter.rich_help_panel or UNNAMED,
        setting=setting_of(parameter),
    )


def _argument(parameter: Any, path: str) -> Argument:
    name = argument_name(parameter)
    return Argument(
        name, _value(parameter.name, name, path), parameter.required, parameter.nargs == -1, parameter.help or ""
    )


def _value(name: str, stand_in: str, path: str) -> Value:
    if kind := KIND_OF_PLACE.get((path, name)):
        return Value(kind)
    if words := WORDS_OF_PLACE.get((path, name)) or WORDS_OF_NAME.get(name.strip("_")):
        return Value("words", tuple(words))
    if kind := KIND_OF_NAME.get(name):
        return Value(kind)
    parts = stand_in.split("|")
    if len(parts) > 1:
        literal = tuple(part for part in parts if not re.fullmatch(r"[A-Z]+|-", part))
        if literal:
            return Value("words", literal)
    return Value(KIND_OF_STAND_IN.get(parts[0], NOTHING))


def values_of_settings() -> dict[str, tuple[str, ...]]:
    """The words that ``config set KEY`` takes, where a setting takes certain words only."""
    found: dict[str, tuple[str, ...]] = {}
    for key in KEYS:
        meta = about(key)
        if meta["choices"]:
            found[key] = tuple(meta["choices"])
        elif meta["takes"] == "true|false":
            found[key] = ("true", "false")
        elif key in WORDS_OF_NAME:
            found[key] = tuple(WORDS_OF_NAME[key])
    return found


def kinds_of_settings() -> dict[str, str]:
    """What is looked up for ``config set KEY``."""
    return {"model": MODELS, "profile": PROFILES, "image_dir": DIRECTORIES, "ca_file": FILES, "system": SYSTEM}


def settings_to_set() -> tuple[str, ...]:
    """Every KEY of ``config set``."""
    return (*KEYS, "token", "profile")
