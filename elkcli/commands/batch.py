"""`elkcli batch`: many prompts, JSON Lines in and out."""

import re
from typing import Annotated, Any

import typer

from elkcli.batch.jobs import Plan, Template
from elkcli.batch.lines import Source
from elkcli.batch.run import Batch
from elkcli.commands import options, reading
from elkcli.commands.connecting import connection_for, token_for
from elkcli.commands.turn import checker_of, fields_of, refuse, speaker, warn_of_image_settings
from elkcli.environment import Environment
from elkcli.errors import UsageError
from elkcli.storage.checks import DEMO_URL
from elkcli.storage.settings import Settings, resolve

HELP = """Many prompts: a line of JSON each in, a line of JSON each out.

\b
  elkcli batch prompts.jsonl -o answers.jsonl -j 16
  jq -c '{id, prompt: .title}' items.json | elkcli batch | jq -r .response.choices[0].message.content
  elkcli batch --csv people.csv --template letter.txt -o letters.jsonl
  elkcli batch prompts.jsonl -o part-3.jsonl --shard 3/8

A line is a JSON string, or an object with prompt or messages, an optional id, and any body field. A result is
{"id", "index", "response" | "error", "usage", "seconds"}; index is the line, counted from 0, blank ones too.
The same command again goes on where it stopped: what is missing or failed is sent, what is there is kept.
Exit 0 if every line succeeded, else 8. Where every further line would fail alike (the token is refused, nobody
listens), they are not sent; their results say so, and the same command sends them later.
"""
JOBS = 4
MOST_JOBS = 1024


def batch(
    ctx: typer.Context,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="The lines; - or none: standard input")] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="Where results go; one that is there is gone on with"),
    ] = None,
    jobs: Annotated[
        str | None, typer.Option("-j", "--jobs", metavar="N", help=f"Requests at once [default: {JOBS}]")
    ] = None,
    unordered: Annotated[bool, typer.Option("--unordered", help="Results as they come, not in input order")] = False,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="FILE", help="The prompt, with {field}s of each line or row in it"),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="The input is CSV with names in its first row")] = False,
    limit: Annotated[str | None, typer.Option("--limit", metavar="N", help="Only the first N lines")] = None,
    max_tokens_total: Annotated[
        str | None,
        typer.Option(
            "--max-tokens-total", metavar="N", help="Stop before a line would bring the sum of tokens above N"
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Only each Nth line, from the Ith (1/N to N/N)")
    ] = None,
    model: options.Model = None,
    system: options.System = None,
    profile: options.Profile = None,
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
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not count the tokens for `elkcli usage`")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the lines, print the first request, stop")] = False,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    base_url: options.BaseUrl = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    color: options.Color = None,
) -> int:
    environment: Environment = ctx.obj
    given = options.given(ctx.params, environment.directory)
    extra = reading.headers(header)
    if extra:
        given["headers"] = {**resolve(environment, profile=profile).settings.headers, **extra}
    resolved = resolve(environment, profile=profile, options=given)
    settings = resolved.settings
    messages = speaker(environment, settings, quiet=quiet, verbose=verbose)
    refuse(
        file is None and environment.stdin_is_terminal,
        "no lines: name a file, or pipe them in",
        "elkcli batch prompts.jsonl -o answers.jsonl; elkcli batch --help",
    )
    wanted = reading.schema(schema, environment.directory)
    again = reading.whole("--schema-retries", schema_retries, 0, 100) or 0
    refuse(again > 0 and wanted is None, "--schema-retries needs --schema")
    checker = checker_of(wanted, messages)
    warn_of_image_settings(settings, messages)
    plan = _plan(
        environment,
        settings,
        replaces_system=system is not None,
        choices=reading.choices(choices),
        schema=wanted,
        fields=reading.body_fields(set_),
        template=template,
        csv=csv,
        stream=bool(stream),
    )
    runner = Batch(
        environment=environment,
        resolved=resolved,
        messages=messages,
        plan=plan,
        source=Source(environment, file, csv=csv),
        output=output,
        jobs=reading.whole("--jobs", jobs, 1, MOST_JOBS) or JOBS,
        unordered=unordered,
        lines=reading.whole("--limit", limit, 0, 10**15),
        tokens=reading.whole("--max-tokens-total", max_tokens_total, 1, 10**15),
        shard=_shard(shard),
        check=checker,
        check_again=again,
    )
    if dry_run:
        return runner.rehearse(with_token=settings.base_url != DEMO_URL)
    token = token_for(environment, resolved)
    return runner.run(connection_for(environment, settings, token, paced=False))


def _plan(
    environment: Environment,
    settings: Settings,
    *,
    replaces_system: bool,
    choices: int | None,
    schema: Any,
    fields: tuple[tuple[str, Any], ...],
    template: str | None,
    csv: bool,
    stream: bool,
) -> Plan:
    from elkcli.api.request import headers_of

    filled = None
    if template is not None:
        filled = Template(reading.read_text(template, environment.directory, "--template").removesuffix("\n"))
    return Plan(
        url=settings.base_url + "/chat/completions",
        headers=headers_of(settings.headers),
        fields=fields_of(settings, stream=stream, choices=choices, schema=schema, fields=fields),
        system=settings.system,
        replaces_system=replaces_system,
        template=filled,
        csv=csv,
    )


def _shard(given: str | None) -> tuple[int, int]:
    """``I/N`` as the part, from 0, and the number of parts. Raises :class:`UsageError`."""
    if given is None:
        return 0, 1
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", given)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(
            "--shard takes I/N, from 1/N to N/N", hint="parts are counted from 1: --shard 1/4 … --shard 4/4"
        )
    return int(found[1]) - 1, int(found[2])
