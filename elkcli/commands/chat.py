"""`elkcli chat`: an interactive conversation, or a script of one."""

from typing import Annotated

import typer

from elkcli.commands import options
from elkcli.commands.turn import refuse
from elkcli.environment import Environment

HELP = """An interactive conversation.

\b
  elkcli chat
  elkcli chat -p demo
  elkcli chat -c                  (go on with the latest)
  elkcli chat -S elks -m gemini-3-flash-preview
  elkcli chat < script.txt        (each line is a turn)

Enter sends, Alt-Enter makes a new line, Ctrl-C stops an answer, /help tells the rest.
"""


def chat(
    ctx: typer.Context,
    model: options.Model = None,
    system: options.System = None,
    profile: options.Profile = None,
    attach: options.Attach = None,
    fetch: options.Fetch = False,
    shrink: options.Shrink = False,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    stop: options.Stop = None,
    seed: options.Seed = None,
    reasoning_effort: options.Effort = None,
    aspect_ratio: options.AspectRatio = None,
    image_size: options.ImageSize = None,
    contents: options.Contents = False,
    schema: options.Schema = None,
    set_: options.Set = None,
    header: options.Header = None,
    stream: options.Stream = None,
    format_: Annotated[
        str | None,
        typer.Option("-f", "--format", metavar="auto|markdown|text", help="Output format", rich_help_panel="Output"),
    ] = None,
    output: options.Output = None,
    usage: options.Usage = None,
    reasoning: options.Reasoning = None,
    preview: options.Preview = None,
    continue_: options.Continue = False,
    session: options.Session = None,
    no_history: options.NoHistory = False,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    base_url: options.BaseUrl = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = None,
) -> int:
    environment: Environment = ctx.obj
    refuse(continue_ and session is not None, "--continue and --session exclude each other")
    refuse(format_ in ("json", "jsonl"), f"--format {format_} does not go with chat", "elkcli ask, or elkcli batch")
    refuse(output == "-", "--output - does not go with chat", "name a directory")
    given = options.given(ctx.params, environment.directory)
    from elkcli.commands.conversing import converse

    return converse(
        environment,
        given,
        profile=profile,
        attach=attach or (),
        fetch=fetch,
        shrink=shrink,
        header=header,
        fields=set_,
        schema=schema,
        output=output,
        go_on=continue_,
        session=session,
        quiet=quiet,
        verbose=verbose,
    )
