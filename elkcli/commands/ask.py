"""`elkcli ask`: one question, one answer."""

from typing import Annotated

import typer

from elkcli.commands import options
from elkcli.commands.asking import Question, answered
from elkcli.commands.turn import refuse
from elkcli.environment import Environment

HELP = """One question, one answer.

\b
  elkcli ask why is the sky blue
  git diff | elkcli ask "write a commit message"
  elkcli ask -a photo.jpg what is this
  elkcli ask --aspect-ratio 16:9 -o elk.png an elk at dawn
  elkcli ask -c and in winter?
"""


def ask(
    ctx: typer.Context,
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="The question; - puts stdin there")
    ] = None,
    model: options.Model = None,
    system: options.System = None,
    profile: options.Profile = None,
    attach: options.Attach = None,
    fetch: options.Fetch = False,
    shrink: options.Shrink = False,
    messages_file: options.Messages = None,
    edit: Annotated[
        bool, typer.Option("-e", "--edit", rich_help_panel="Prompt", help="Write or finish the prompt in an editor")
    ] = False,
    no_stdin: Annotated[
        bool, typer.Option("--no-stdin", rich_help_panel="Prompt", help="Leave standard input alone")
    ] = False,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    stop: options.Stop = None,
    seed: options.Seed = None,
    choices: options.Choices = None,
    reasoning_effort: options.Effort = None,
    aspect_ratio: options.AspectRatio = None,
    image_size: options.ImageSize = None,
    contents: options.Contents = False,
    schema: options.Schema = None,
    schema_retries: options.SchemaRetries = None,
    set_: options.Set = None,
    header: options.Header = None,
    stream: options.Stream = None,
    format_: options.Format = None,
    extract: Annotated[
        str | None,
        typer.Option(
            "-x", "--extract", metavar="all|N|LANGUAGE", rich_help_panel="Output", help="Print only code blocks"
        ),
    ] = None,
    raw_events: Annotated[
        bool, typer.Option("--raw-events", rich_help_panel="Output", help="Print the server's own objects, one a line")
    ] = False,
    output: options.Output = None,
    force: options.Force = False,
    usage: options.Usage = None,
    reasoning: options.Reasoning = None,
    preview: options.Preview = None,
    continue_: options.Continue = False,
    session: options.Session = None,
    no_history: options.NoHistory = False,
    print_id: Annotated[
        bool, typer.Option("--print-id", rich_help_panel="Output", help="Print the conversation's id on stderr")
    ] = False,
    fail_on_length: Annotated[
        bool,
        typer.Option("--fail-on-length", rich_help_panel="Output", help="Exit 8 where the token limit cut the answer"),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel="Output", help="Print the request and stop")
    ] = False,
    curl: Annotated[
        bool, typer.Option("--curl", rich_help_panel="Output", help="Print the request as a curl command and stop")
    ] = False,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    base_url: options.BaseUrl = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = None,
) -> int:
    environment: Environment = ctx.obj
    refuse(continue_ and session is not None, "--continue and --session exclude each other")
    refuse(extract is not None and format_ in ("json", "jsonl"), f"--extract does not go with --format {format_}")
    given = options.given(ctx.params, environment.directory)
    if extract is not None and format_ is None:
        given["format"] = "text"
    question = Question(
        words=tuple(prompt or ()),
        given=given,
        profile=profile,
        attach=tuple(attach or ()),
        fetch=fetch,
        shrink=shrink,
        messages_file=messages_file,
        edit=edit,
        use_stdin=not no_stdin,
        choices=choices,
        schema=schema,
        schema_retries=schema_retries,
        fields=tuple(set_ or ()),
        headers=tuple(header or ()),
        extract=extract,
        raw_events=raw_events,
        output=output,
        force=force,
        go_on=continue_,
        session=session,
        print_id=print_id,
        fail_on_length=fail_on_length,
        dry_run=dry_run,
        curl=curl,
        quiet=quiet,
        verbose=verbose,
    )
    return answered(environment, question)
