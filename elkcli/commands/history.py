"""`elkcli history`: earlier conversations, listed, shown, searched, named, exported and deleted."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from elkcli.commands.app import NAMES
from elkcli.commands.periods import moment
from elkcli.conversation import SavedMedia, Text
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.storage import placing, private, transcript
from elkcli.storage.history import Conversation, History
from elkcli.storage.settings import resolve
from elkcli.terminal.display import standard_output
from elkcli.terminal.messages import Messages, wants_color
from elkcli.terminal.printing import print_json, print_text
from elkcli.terminal.safe import safe, safe_json
from elkcli.terminal.tables import Column, tab_separated, table

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings=NAMES,
    help="""Earlier conversations.

\b
  elkcli history list
  elkcli history show                 (the latest)
  elkcli history show 5ww8 --format json
  elkcli history search bread flour
  elkcli history rename 5ww8 baking   (and then: elkcli ask -S baking ...)
  elkcli history export --format markdown -o all.md
  elkcli history delete --older-than 30d

An ID may be shortened to four characters or more; a name does as well.
""",
)
USUAL = 20
_MOST = 2**31
"""As good as all, and a number that SQLite takes."""
Id = Annotated[str, typer.Argument(metavar="ID", help="A conversation: its ID, the beginning of it, or its name")]
OptionalId = Annotated[
    str | None, typer.Argument(metavar="ID", help="A conversation: its ID, the beginning of it, or its name")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON array")]
Longest = Annotated[
    int | None,
    typer.Option("-n", "--limit", metavar="N", min=0, help=f"At most N; 0 for all [default: {USUAL} at a terminal]"),
]
Limit = Annotated[
    int | None, typer.Option("-n", "--limit", metavar="N", min=0, help=f"At most N; 0 for all [default: {USUAL}]")
]


@app.command("list")
def list_(ctx: typer.Context, limit: Longest = None, as_json: Json = False) -> int:
    """List conversations, the latest first."""
    environment: Environment = ctx.obj
    most = _most(limit)
    if limit is None and (as_json or not environment.stdout_is_terminal):
        most = None  # a program does not see that some are missing
    with History.open(environment.data_dir, create=False) as history:
        found = history.listing(None if most is None else most + 1)
    shown = found[:most]
    if as_json:
        print_json(environment, [{**transcript.summary(one), "turns": one.turns} for one in shown])
    elif environment.stdout_is_terminal:
        columns = [Column("id"), Column("when"), Column("turns", number=True)]
        columns += [Column("model", elastic=True), Column("title", elastic=True)]
        rows = [(one.id, _when(one.updated), f"{one.turns:,}", one.model or "", _called(one)) for one in shown]
        _print_table(environment, columns, rows)
    else:
        print_text(
            environment,
            tab_separated(
                (one.id, transcript.moment(one.updated), one.turns, one.model, one.name, one.title) for one in shown
            ),
        )
    if len(found) > len(shown) and limit is None and environment.stderr_is_terminal:
        Messages(environment).note(f"the latest {len(shown)}; -n 0 lists all")
    return 0


@app.command()
def show(
    ctx: typer.Context,
    wanted: OptionalId = None,
    format_: Annotated[
        str | None,
        typer.Option("-f", "--format", metavar="NAME", help="auto, markdown, text, json or jsonl [default: auto]"),
    ] = None,
) -> int:
    """Show a conversation, the latest if none is named."""
    environment: Environment = ctx.obj
    form = _one_of(format_ or "auto", "auto", "markdown", "text", "json", "jsonl")
    with History.open(environment.data_dir, create=False) as history:
        conversation = history.find(wanted) if wanted is not None else _latest(history)
        turns = history.turns(conversation.id)
    if form == "auto":
        form = "markdown" if environment.stdout_is_terminal else "text"
    if form == "json":
        print_json(environment, transcript.document(conversation, turns))
    elif form == "jsonl":
        text = "".join(_line(one) for one in transcript.lines(conversation, turns))
        print_text(environment, safe_json(text) if environment.stdout_is_terminal else text)
    elif form == "text":
        text = transcript.plain(turns)
        print_text(environment, safe(text) if environment.stdout_is_terminal else text)
    elif environment.stdout_is_terminal:
        pictures = [media for turn in turns for answer in turn.answers for media in answer.media]
        _render(environment, transcript.markdown(conversation, turns), pictures)
    else:
        print_text(environment, transcript.markdown(conversation, turns))
    return 0


@app.command()
def search(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="TEXT", help="Words, or their beginnings, of one message")],
    limit: Limit = None,
    as_json: Json = False,
) -> int:
    """Find conversations by what was said in them, the latest first."""
    environment: Environment = ctx.obj
    text = " ".join(words)
    if not text.strip():
        raise UsageError("nothing to search for")
    most = _most(limit)
    with History.open(environment.data_dir, create=False) as history:
        found = history.search(text, sys.maxsize if most is None else most)
    if as_json:
        rows = [{**transcript.summary(hit.conversation), "role": hit.role, "excerpt": hit.excerpt} for hit in found]
        print_json(environment, rows)
    elif environment.stdout_is_terminal:
        columns = [Column("id"), Column("when"), Column("title", elastic=True), Column("found", elastic=True)]
        cells = []
        for hit in found:
            one = hit.conversation
            cells.append((one.id, _when(one.updated), _called(one), hit.excerpt))
        _print_table(environment, columns, cells)
    else:
        print_text(
            environment,
            tab_separated(
                (hit.conversation.id, transcript.moment(hit.conversation.updated), hit.role, hit.excerpt)
                for hit in found
            ),
        )
    if not found and environment.stderr_is_terminal:
        Messages(environment).note("nothing was found")
    return 0


@app.command()
def rename(
    ctx: typer.Context, wanted: Id, name: Annotated[str, typer.Argument(metavar="NAME", help="Its new name")]
) -> int:
    """Give a conversation a name, for `-S NAME` and all the commands here."""
    environment: Environment = ctx.obj
    with History.open(environment.data_dir, create=False) as history:
        conversation = history.find(wanted)
        history.rename(conversation.id, name)
    return 0


@app.command()
def export(
    ctx: typer.Context,
    wanted: OptionalId = None,
    format_: Annotated[
        str | None,
        typer.Option("-f", "--format", metavar="NAME", help="jsonl (one conversation a line, the default) or markdown"),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write here instead of standard output")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there")] = False,
) -> int:
    """Write out a conversation, or all of them, the oldest first."""
    environment: Environment = ctx.obj
    form = _one_of(format_ or "jsonl", "jsonl", "markdown")
    with History.open(environment.data_dir, create=False) as history:
        chosen = [history.find(wanted)] if wanted is not None else history.listing()[::-1]
        with _writing_to(environment, output, force) as out:
            for place, one in enumerate(chosen):
                turns = history.turns(one.id)
                if form == "jsonl":
                    text = _line(transcript.document(one, turns))
                else:
                    text = ("\n" if place else "") + transcript.markdown(one, turns)
                if output is None and environment.stdout_is_terminal:
                    text = safe_json(text) if form == "jsonl" else safe(text)
                out.write(text.encode("utf-8", "backslashreplace"))
            out.flush()
    return 0


@app.command()
def delete(
    ctx: typer.Context,
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Conversations: their IDs, the beginnings, or their names")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete every conversation")] = False,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="TIME", help="Delete what nobody has gone on with for 30d, 12h, 2w"),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask")] = False,
) -> int:
    """Delete conversations and their media. What they cost stays in `elkcli usage`, without a word of theirs."""
    environment: Environment = ctx.obj
    messages = Messages(environment)
    if sum((bool(wanted), everything, older_than is not None)) != 1:
        raise UsageError("what to delete: IDs, --all, or --older-than TIME", hint="elkcli history list shows the IDs")
    with History.open(environment.data_dir, create=False) as history:
        if wanted:
            doomed = list({one.id: one for one in map(history.find, wanted)}.values())
        else:
            doomed = history.listing()
            if older_than is not None:
                limit = moment(older_than, environment.clock(), "--older-than")
                doomed = [one for one in doomed if one.updated < limit]
        if not doomed:
            messages.note("there is nothing to delete")
            return 0
        if not yes and not _agreed(environment, doomed):
            messages.note("nothing was deleted")
            return 0
        gone = history.delete([one.id for one in doomed])
    if not gone:
        messages.note("another elkcli has the history open: the words leave the disk when it ends")
    return 0


def _agreed(environment: Environment, doomed: list[Conversation]) -> bool:
    many = f"{len(doomed):,} conversations" if len(doomed) > 1 else f"the conversation {_called(doomed[0])!r}"
    if not (environment.stdin_is_terminal and environment.stderr_is_terminal) or environment.stdin is None:
        raise UsageError(f"would delete {many}, and nobody can be asked", hint="--yes deletes without asking")
    environment.stderr.write(safe(f"delete {many} with {sum(one.turns for one in doomed):,} turns? [y/N] "))
    environment.stderr.flush()
    return environment.stdin.readline(100).strip().lower() in (b"y", b"yes")


def _latest(history: History) -> Conversation:
    found = history.listing(1)
    if not found:
        raise UsageError("there is no conversation yet", hint="elkcli ask and elkcli chat keep what is said")
    return found[0]


def _most(limit: int | None) -> int | None:
    return USUAL if limit is None else min(limit, _MOST) or None


def _one_of(form: str, *known: str) -> str:
    if form not in known:
        raise UsageError(f"no format is called {form!r}", hint="the formats: " + " ".join(known))
    return form


def _called(conversation: Conversation) -> str:
    return f"{conversation.name}: {conversation.title}" if conversation.name else conversation.title


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


# Output


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _print_table(environment: Environment, columns: list[Column], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        color = wants_color(environment, resolve(environment).settings.color, environment.stdout_is_terminal)
        print_text(environment, table(environment, columns, rows, color=color))


def _render(environment: Environment, text: str, pictures: Sequence[SavedMedia]) -> None:
    """Show Markdown, and each of the ``pictures`` behind the line that refers to it."""
    from elkcli.commands.turn import previewer
    from elkcli.terminal.markdown import MarkdownDisplay

    standard_output(environment)
    settings = resolve(environment).settings
    color = wants_color(environment, settings.color, environment.stdout_is_terminal)
    with MarkdownDisplay(
        environment,
        color=color,
        theme=settings.theme,
        reasoning=False,
        preview=previewer(environment, settings),
        spinner=False,
    ) as display:
        at = 0
        for picture in pictures:
            place = text.find(f"]({picture.reference}", at)
            if place >= 0:
                display.show(Text(text[at : place + 2]))
                display.show(picture)
                at = place + 2 + len(picture.reference)
        display.show(Text(text[at:]))


@contextmanager
def _writing_to(environment: Environment, output: str | None, force: bool) -> Iterator[BinaryIO]:
    """stdout, or a file that appears under its name only when it is whole."""
    if output is None or output == "-":
        yield standard_output(environment)
        return
    path = environment.directory / Path(output).expanduser()
    try:
        if placing.is_special(path):  # /dev/null, a pipe: there is nothing to replace
            with path.open("wb") as file:
                yield file
            return
        if path.is_dir():
            raise UsageError(f"cannot write {output}: Is a directory")
        if os.path.lexists(path) and not force:
            raise UsageError(f"{output} is there already", hint="--force replaces it")
        target = Path(os.path.realpath(path))  # a link stays one
        aside = private.beside(target)
        try:
            with private.create(aside) as file:
                yield file
            aside.replace(target)
        finally:
            with suppress(OSError):
                aside.unlink()
    except OSError as problem:
        raise ElkError(f"cannot write {output}: {problem.strerror}") from problem
