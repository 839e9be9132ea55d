"""Help: what ``--help`` prints, plain and within 80 columns; examples first, then options by group."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

UNNAMED = "Options"
WIDEST_NAMES = 26  # the column of names; a longer name has a line of its own
NARROW = 58  # in less room than this every name has, and what it means stands below it


class Command(TyperCommand):
    """A command whose help people can read."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Within the terminal, however narrow."""
        formatter.width = room(formatter.width)
        super().format_help(ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] KEY [VALUE]...``"""
        return usage_pieces(self)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The first sentence, then examples."""
        write_text(self, ctx, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """One section for each group of options."""
        write_sections(self, formatter)


class Group(TyperGroup):
    """A command of commands, with the same help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Within the terminal, however narrow."""
        formatter.width = room(formatter.width)
        super().format_help(ctx, formatter)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The first sentence, then examples."""
        write_text(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """``[OPTIONS] COMMAND ...``"""
        return [*usage_pieces(self), "COMMAND ..."]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands before the options: they are what is looked for."""
        self.format_commands(ctx, formatter)
        write_sections(self, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands with the first line of their help."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, summary(command.help)) for name, command in found if command and not command.hidden]
        write_rows(formatter, "Commands", rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without a command there is nothing to do: the help, on stderr, as wrong usage."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            ctx.obj.stderr.write(ctx.get_help() + "\n")
            raise typer.Exit(2)
        return super().parse_args(ctx, args)


def room(width: int) -> int:
    """The columns of help. What Typer takes to be the least is more than a narrow terminal has."""
    return min(width, max(24, get_terminal_size().columns - 2))


def write_text(command: Any, ctx: Any, formatter: Any) -> None:
    """What a command does, and its examples."""
    with formatter.indentation():
        formatter.write_paragraph()
        formatter.write_text(with_examples(command, ctx, formatter.width - 2))


def dressed(app: typer.Typer) -> typer.Typer:
    """``app``, whose commands all print their help like this: no author of a command has to remember it."""
    for command in app.registered_commands:
        command.cls = Command
    app.info.cls = Group
    return app


def summary(help_text: str | None) -> str:
    """The first sentence of a help text, without its full stop."""
    first = inspect.cleandoc(help_text or "").partition("\n\n")[0].replace("\n", " ")
    return first.partition(". ")[0].removesuffix(".")


def examples(help_text: str | None) -> list[str]:
    """The lines of a help text that can be typed: the block behind a backspace character."""
    paragraphs = inspect.cleandoc(help_text or "").split("\n\n")
    blocks = [block.splitlines()[1:] for block in paragraphs if block.startswith("\b")]
    return [line.strip() for block in blocks for line in block]


def with_examples(command: Any, ctx: Any, width: int) -> str:
    """The help of a command. One without examples shows those of its group that are its own."""
    text = inspect.cleandoc(command.help or "")
    if "\b" not in text and ctx.parent is not None:
        own = [line for line in examples(ctx.parent.command.help) if f"{ctx.command_path} " in f"{line} "]
        if own:
            text += "\n\n\b\n" + "\n".join(f"  {line}" for line in own)
    return "\n".join(line for written in text.splitlines() for line in _narrowed(written, width))


def _narrowed(line: str, width: int) -> list[str]:
    """An example that is too long for one line, as several: the remark behind it goes below."""
    if not line.startswith("  ") or len(line) <= width:
        return [line]
    example, gap, remark = line.rpartition("  (")
    if gap:
        return [example.rstrip(), *(f"      {more}" for more in textwrap.wrap(f"({remark}", width - 6))]
    first, *rest = fitting(line, width)
    return [first, *(f"    {more}" for more in rest)]


def fitting(example: str, width: int) -> list[str]:
    """A pipeline too long for one line as several, each but the last with its bar: a shell takes that as well."""
    if len(example) <= width or " | " not in example:
        return [example]
    first, _, rest = example[: width - 1].rpartition(" | ")
    if not first.strip():
        first, _, rest = example.partition(" | ")
        return [f"{first} |", *fitting(f"  {rest}", width)]
    return [f"{first} |", *fitting(f"  {rest}{example[width - 1 :]}", width)]


def usage_pieces(command: Any) -> list[str]:
    """What follows the command's name in its usage line."""
    pieces = ["[OPTIONS]"]
    for parameter in command.params:
        if parameter.param_type_name == "argument" and not parameter.hidden:
            name = argument_name(parameter)
            pieces.append((name if parameter.required else f"[{name}]") + ("..." if parameter.nargs == -1 else ""))
    return pieces


def argument_name(parameter: Any) -> str:
    """An argument's name as people read it."""
    return str(parameter.metavar or parameter.name.strip("_").upper())


def write_sections(command: Any, formatter: Any) -> None:
    """Arguments, then options under the names of their groups, in the order in which they were declared."""
    arguments = [
        (argument_name(parameter), parameter.help or "")
        for parameter in command.params
        if parameter.param_type_name == "argument" and not parameter.hidden
    ]
    if any(text for _, text in arguments):
        write_rows(formatter, "Arguments", arguments)
    groups: dict[str, list[tuple[str, str]]] = {UNNAMED: []}
    for parameter in command.params:
        if parameter.param_type_name == "option" and not parameter.hidden:
            rows = groups.setdefault(parameter.rich_help_panel or UNNAMED, [])
            rows.append((option_names(parameter), option_help(parameter)))
    groups[UNNAMED].append(("-h, --help", "Show this help"))
    width = min(WIDEST_NAMES, max(len(names) for rows in groups.values() for names, _ in rows))
    for title, rows in groups.items():
        write_rows(formatter, title, rows, width)


def write_rows(formatter: Any, title: str, rows: Sequence[tuple[str, str]], width: int | None = None) -> None:
    """A section of names and what they mean. Nothing is broken at a hyphen: it may be part of a model's name."""
    width = width or max((len(name) for name, _ in rows), default=0)
    if formatter.width < NARROW and width > 8:
        width = 4  # further in than a name, which is always longer
    with formatter.section(title):
        for name, text in rows:
            columns = max(18, formatter.width - width - 4)
            lines = textwrap.wrap(text, columns, break_on_hyphens=False, break_long_words=False) or [""]
            if len(name) > width:
                lines.insert(0, "")
            for at, line in enumerate(lines):
                formatter.write(f"  {name if at == 0 else '':<{width}}  {line}".rstrip() + "\n")


def option_names(parameter: Any) -> str:
    """``-m, --model ID``; a long name alone stands where long names stand."""
    short = [name for name in parameter.opts if not name.startswith("--")]
    long = [name for name in parameter.opts if name.startswith("--")]
    text = ", ".join([*short, *long]) if short else "    " + ", ".join(long)
    text += "".join(f" / {name}" for name in parameter.secondary_opts)
    return text if parameter.is_flag and not parameter.metavar else f"{text} {option_value(parameter)}"


def option_value(parameter: Any) -> str:
    """The stand-in for an option's value."""
    return str(parameter.metavar or parameter.name.strip("_").upper())


def option_help(parameter: Any) -> str:
    """What an option does, with its default and the variable that also sets it."""
    text = parameter.help or ""
    key = setting_of(parameter)
    if key is None:
        return text
    return " ".join([text, *_notes(key, text)])


def _notes(key: str, text: str) -> Iterator[str]:
    from elkcli.storage.settings import variable

    if "[default:" not in text and (note := default_note(key)):
        yield note
    yield f"[${variable(key)}]"


def default_note(key: str | None) -> str:
    """``[default: 300]`` for the setting ``key``, or nothing where it has none."""
    from elkcli.storage.settings import KEYS, default_of

    default = default_of(key) if key in KEYS else None
    if default in (None, False, {}):
        return ""
    return f"[default: {default:g}]" if isinstance(default, float) else f"[default: {default}]"


def setting_of(parameter: Any) -> str | None:
    """The setting that an option is for once: of the same name, and taking the same."""
    from elkcli.storage.settings import KEYS, about

    key = parameter.name.strip("_")
    if key == "profile":
        return "profile"
    if key not in KEYS:
        return None
    takes = about(key)["takes"]
    same = takes == "true|false" if parameter.is_flag else takes.startswith(option_value(parameter))
    return key if same else None
