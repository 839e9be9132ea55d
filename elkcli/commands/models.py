"""`elkcli models`: the models this token may use."""

from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from elkcli.api.catalog import kinds_of, models_in
from elkcli.commands import options
from elkcli.commands.connecting import client_for, token_for
from elkcli.commands.turn import speaker
from elkcli.environment import Environment
from elkcli.storage import model_cache
from elkcli.storage.settings import resolve
from elkcli.terminal.display import standard_output
from elkcli.terminal.messages import wants_color
from elkcli.terminal.printing import print_json, print_text
from elkcli.terminal.safe import safe_line

HELP = """The models this token may use.

\b
  elkcli models
  elkcli models image             (those with image in their name)
  elkcli models 'gemini-*-flash'
  elkcli models -q | fzf

Exit 1, as grep, where none matches.
"""


def models(
    ctx: typer.Context,
    wanted: Annotated[
        str | None, typer.Argument(metavar="FILTER", help="A part of the name, or a pattern with * and ?")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's own objects, as one array")] = False,
    profile: options.Profile = None,
    base_url: options.BaseUrl = None,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Names only, one a line, and no notes")] = False,
    verbose: options.Verbose = False,
    color: options.Color = None,
) -> int:
    environment: Environment = ctx.obj
    given = {"base_url": base_url, "timeout": timeout, "retries": retries, "color": color}
    resolved = resolve(environment, profile=profile, options=given)
    settings = resolved.settings
    messages = speaker(environment, settings, quiet=quiet, verbose=verbose)
    standard_output(environment)  # where there is none, nothing is asked
    token = token_for(environment, resolved)
    with client_for(environment, settings, token, messages, paced=False) as client:
        listed = models_in(client.get("/models"))
    model_cache.save(environment, settings.base_url, resolved.profile, [model["id"] for model in listed])
    found = [model for model in listed if wanted is None or _matches(model["id"], wanted)]
    if as_json:
        print_json(environment, found)
    elif not found:
        print_text(environment, "")
    elif environment.stdout_is_terminal and not quiet:
        from elkcli.terminal.tables import Column, table

        columns = (Column("model"), Column("owner", elastic=True), Column("takes", elastic=True))
        rows = [(model["id"], _word(model.get("owned_by")), kinds_of(model)) for model in found]
        tinted = wants_color(environment, settings.color, environment.stdout_is_terminal)
        print_text(environment, table(environment, columns, rows, color=tinted))
    else:
        print_text(environment, "".join(safe_line(model["id"]) + "\n" for model in found))
    if not listed:
        messages.note("the server lists no models for this token")
    elif not found and environment.stderr_is_terminal:
        messages.note(f"none of {len(listed)} models matches {wanted!r}")
    return 0 if found or wanted is None else 1


def _matches(name: str, wanted: str) -> bool:
    name, wanted = name.lower(), wanted.lower()
    return fnmatchcase(name, wanted) if any(char in wanted for char in "*?[") else wanted in name


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
