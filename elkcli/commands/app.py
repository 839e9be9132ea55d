"""The application: which commands there are, and how one is found."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import ExitStack, redirect_stdout
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from elkcli import __version__
from elkcli.commands.ending import ended
from elkcli.commands.help import Group, dressed, write_rows
from elkcli.environment import Environment
from elkcli.errors import ElkError, ReaderGone, UsageError
from elkcli.value import changed

COMMANDS = {
    "ask": "One question, one answer",
    "chat": "An interactive conversation",
    "config": "Settings, profiles and the token",
    "models": "The models this token may use",
    "history": "Earlier conversations",
    "batch": "Many prompts, JSON Lines in and out",
    "usage": "Tokens and money by day and model, from history",
    "balance": "What the token has left",
}
NAMES = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


class Commands(Group):
    """The commands, each loaded when it is called and not before."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the table, which is the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load the command's module."""
        if cmd_name not in COMMANDS:
            return None
        return load(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The table, without loading what it names."""
        write_rows(formatter, "Commands", list(COMMANDS.items()))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Typer knows no option whose value may be left out, as these two have."""
        name, _, shell = args[0].partition("=") if args else ("", "", "")
        if name in ("--install-completion", "--show-completion"):
            from elkcli.commands import completion

            shell = shell or next(iter(args[1:]), "")
            if shell in ("-h", "--help"):
                return super().parse_args(ctx, [shell])
            (completion.show if name == "--show-completion" else completion.install)(ctx.obj, shell)
            raise typer.Exit
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run; the reader of stdout may go away at any time."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None


def load(name: str) -> TyperCommand | TyperGroup:
    """The command ``name``, ready to parse."""
    module = import_module(f"elkcli.commands.{name}")
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False, rich_markup_mode=None)
        group.command(name=name, help=getattr(module, "HELP", None), context_settings=NAMES)(getattr(module, name))
    command: Any = typer.main.get_command(dressed(group))
    command.name = name
    return command  # type: ignore[no-any-return]


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings=NAMES,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"elkcli {__version__}")
        raise typer.Exit


@app.callback()
def elkcli(
    ctx: typer.Context,
    profile: Annotated[
        str | None, typer.Option("-p", "--profile", metavar="NAME", help="Take defaults from this profile")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit")
    ] = False,
    install_completion: Annotated[
        bool, typer.Option("--install-completion", metavar="[SHELL]", help="Make Tab complete elkcli in your shell")
    ] = False,
    show_completion: Annotated[
        bool, typer.Option("--show-completion", metavar="[SHELL]", help="Print the completion file of your shell")
    ] = False,
) -> None:
    """Ask ElkAPI from the command line: one-off prompts, conversations, pipelines, pictures.

    \b
      elkcli ask why is the sky blue
      git diff | elkcli ask "write a commit message"
      elkcli ask -p demo hello            (built in: no token, no network)
      elkcli chat
      elkcli config set token
    """
    if profile is not None:
        ctx.obj = changed(ctx.obj, variables={**ctx.obj.variables, "ELKCLI_PROFILE": profile})


def execute(environment: Environment) -> int:
    """Run the command line of ``environment`` and return the exit code."""
    return ended(environment, lambda: _execute(environment))


class _Closed(io.TextIOBase):
    """In the place of a closed stdout, that help and version do not vanish with success."""

    def write(self, text: str) -> int:
        """Nowhere to write to."""
        raise ElkError("standard output is closed")


def _execute(environment: Environment) -> int:
    command: Any = typer.main.get_command(app)
    import sys

    with ExitStack() as stack:
        if environment.stdout is None:
            stack.enter_context(redirect_stdout(_Closed()))
        elif environment.stdout is not getattr(sys.stdout, "buffer", None):
            text = io.TextIOWrapper(environment.stdout, encoding="utf-8", write_through=True)
            stack.callback(text.detach)  # the stream belongs to the caller
            stack.enter_context(redirect_stdout(text))
        try:
            code = command.main(list(environment.arguments), prog_name="elkcli", standalone_mode=False, obj=environment)
        except typer.TyperException as problem:
            raise _usage_error(problem, environment.arguments) from problem
    return code if isinstance(code, int) else 0


def _usage_error(problem: typer.TyperException, arguments: Sequence[str]) -> UsageError:
    """Typer's words, as ours."""
    said = " ".join(str(getattr(problem, "format_message", problem.__str__)()).split())
    said, _, near = said.partition(" Did you mean ")
    said = re.sub(r" \(Possible options: .*\)$", "", said).rstrip(".")
    near = near.strip("? ").replace("'", "")
    if unknown := re.match(r"No such command '([^']*)'", said):
        near = near or ", ".join(get_close_matches(unknown[1], COMMANDS, n=1))
    context = getattr(problem, "ctx", None)
    if (option := getattr(problem, "option_name", None)) and hasattr(problem, "possibilities"):
        near = _near_option(option, context)
    path = context.command_path if context is not None else _called(arguments)
    hint = f"did you mean {near}?" if near else f"{path} --help"
    return UsageError(said[:1].lower() + said[1:], hint=hint)


def _near_option(typed: str, context: Any) -> str:
    """The option that ``typed`` begins, or nearly is. The dashes are left out: they make all options alike."""
    params = context.command.params if context is not None else []
    names = [name for param in params for name in (*param.opts, *param.secondary_opts) if name.startswith("--")]
    begun = [name for name in names if name.startswith(typed)]
    if 0 < len(begun) <= 3 and len(typed) > 2:
        return ", ".join(begun)
    near = get_close_matches(typed.lstrip("-"), [name.lstrip("-") for name in names], n=1)
    return f"--{near[0]}" if near and typed.startswith("--") else ""


def _called(arguments: Sequence[str]) -> str:
    """The command of a command line, where the problem does not say it: the words before any option."""
    path, named = "elkcli", COMMANDS.keys()
    for word in arguments:
        if word not in named:
            break
        path += f" {word}"
        named = getattr(load(word), "commands", {}).keys() if path == f"elkcli {word}" else {}.keys()
    return path
