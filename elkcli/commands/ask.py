"""`elkcli ask`: one question, one answer."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO, cast

import typer

from elkcli.api.request import as_curl, shown
from elkcli.commands import options, reading
from elkcli.commands.prompt import Input, Prompt, attachments, build, edited, from_json
from elkcli.commands.turn import (
    Turn,
    checker_of,
    client_for,
    display_for,
    insisting,
    refuse,
    request_of,
    saver_for,
    shy_of,
    speaker,
    token_for,
    warn_of_image_settings,
)
from elkcli.conversation import Message
from elkcli.environment import Environment
from elkcli.errors import ElkError, Incomplete, UsageError
from elkcli.storage.checks import DEMO_URL
from elkcli.storage.settings import Resolved, resolve
from elkcli.terminal.messages import Messages
from elkcli.value import changed

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
    given: dict[str, Any] = {
        "model": model,
        "system": reading.system_message(system, environment.directory),
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "stop": stop or None,
        "seed": seed,
        "reasoning_effort": reasoning_effort,
        "aspect_ratio": aspect_ratio,
        "image_size": image_size,
        "contents": contents or None,
        "stream": stream,
        "format": "text" if extract is not None and format_ is None else format_,
        "usage": usage,
        "reasoning": reasoning,
        "image_preview": "none" if preview is False else None,
        "timeout": timeout,
        "retries": retries,
        "base_url": base_url,
        "color": color,
        "history": False if no_history else None,
    }
    resolved = resolve(environment, profile=profile, options=given)
    messages = speaker(environment, resolved.settings, quiet=quiet, verbose=verbose)
    try:
        if extract is not None:
            from elkcli.codeblocks import check_which

            check_which(extract)
        asked = _Asked(environment, resolved, messages, given, profile)
        asked.read_header(header)
        count, wanted = reading.choices(choices), reading.schema(schema, environment.directory)
        checker = checker_of(wanted, messages)
        insist = reading.whole("--schema-retries", schema_retries, 0, 100) or 0
        refuse(insist > 0 and wanted is None, "--schema-retries needs --schema")
        fields = reading.body_fields(set_)
        asked.go_on(continue_, session)
        asked.read(prompt or [], attach or [], messages_file, use_stdin=not no_stdin, fetch=fetch, shrink=shrink)
        if edit:
            asked.prompt.text = edited(asked.prompt.text, environment)
        asked.check()
        settings = asked.resolved.settings
        warn_of_image_settings(settings, messages)
        shy = shy_of(environment, asked.resolved)
        request = request_of(asked.all_messages(), settings, choices=count, schema=wanted, fields=fields, shy=shy)
        if output is not None:
            request = changed(request, drawn=_is_file(output, environment))
        request.content()
        if dry_run or curl:
            _print(environment, as_curl(request) if curl else _as_json(shown(request, with_token=asked.has_token())))
            return 0
        token = token_for(environment, asked.resolved)
        save = saver_for(environment, settings, output=output, force=force)
        turn = Turn(
            environment=environment,
            resolved=asked.resolved,
            messages=messages,
            client=insisting(
                client_for(environment, settings, token, messages, profile=asked.resolved.profile), checker, insist
            ),
            request=request,
            display=display_for(
                environment if output != "-" else _text_to_stderr(environment),
                settings,
                messages,
                extract=extract,
                raw=raw_events,
            ),
            save=save,
            raw=raw_events or settings.format == "json",
        )
        turn.record = asked.record()
        answer = turn.run()
        if print_id and turn.record is not None and turn.record.conversation:
            messages.line(turn.record.conversation)
        if (request.asks_for_image or fetch) and not answer.media:
            from elkcli.commands.links import settle

            settle(answer.text, save if fetch else None, settings, messages, request)
        if checker is not None and (reason := checker(answer.text)) is not None:
            raise Incomplete(
                f"the answer does not follow the schema: {reason}",
                hint=None if insist else "--schema-retries asks again",
            )
        if fail_on_length and answer.reason == "length":
            raise Incomplete("the answer was cut at the token limit", hint="raise --max-tokens")
    except ElkError as error:
        messages.error(error)
        return error.exit_code
    return 0


class _Asked:
    """What one call of ``ask`` sends, as it comes together."""

    def __init__(
        self,
        environment: Environment,
        resolved: Resolved,
        messages: Messages,
        given: dict[str, Any],
        profile: str | None,
    ) -> None:
        self.environment = environment
        self.resolved = resolved
        self.messages = messages
        self.given = given
        self.profile = profile
        self.source = Input(environment, messages)
        self.earlier: list[Message] = []
        self.remembered: list[Message] = []
        self.prompt = Prompt("", [])
        self.conversation: str | None = None
        self.name: str | None = None

    def read_header(self, header: list[str] | None) -> None:
        """Lay ``-H`` over the headers of the settings."""
        extra = reading.headers(header)
        if extra:
            self.given["headers"] = {**self.resolved.settings.headers, **extra}
            self.resolved = resolve(self.environment, profile=self.profile, options=self.given)

    def go_on(self, latest: bool, session: str | None) -> None:
        """Take up an earlier conversation, with its model, profile and system message."""
        if not latest and session is None:
            return
        from elkcli.commands.memory import earlier

        if session is not None:
            session = session_name(session)
        found = earlier(self.environment, latest=latest, session=session)
        self.name = session
        if found is None:
            if latest:
                raise UsageError("there is no conversation to continue yet", hint="elkcli ask begins one")
            return
        self.conversation, self.name = found.conversation.id, None
        self.remembered = found.messages
        if latest or found.conversation.name != session:
            self.messages.note(f"continuing {found.conversation.label} ({found.why}): {found.conversation.title}")
        self.resolved = found.resolve(self.environment, self.profile, self.given)

    def read(
        self,
        words: list[str],
        attach: list[str],
        messages_file: str | None,
        *,
        use_stdin: bool,
        fetch: bool,
        shrink: bool,
    ) -> None:
        """Build the prompt from everything that was given."""
        if messages_file is not None:
            self.earlier += from_json(messages_file, self.source)
        attached = attachments(attach, self.source, self.resolved.settings, fetch=fetch, shrink=shrink)
        self.prompt = build(words, self.source, use_stdin=use_stdin, shrink=shrink)
        self.prompt.parts += attached
        if self.prompt.parts:
            from elkcli.storage.attachments import check

            check(self.prompt.parts, self.resolved.settings.model)

    def check(self) -> None:
        """Refuse to send nothing."""
        before = [*self.remembered, *self.earlier]
        if self.prompt.empty and not (before and before[-1].role in ("user", "tool", "function")):
            raise UsageError("no prompt", hint='elkcli ask "a question", or pipe one in; elkcli ask --help')

    def all_messages(self) -> list[Message]:
        """System message, earlier messages, and the new one."""
        return [*self._earlier_messages(), *self.new_messages()]

    def _earlier_messages(self) -> list[Message]:
        """A system message that is given replaces earlier ones, an empty one too; a usual one gives way to them."""
        from elkcli.context import with_images

        earlier = [*with_images(self.remembered, self.resolved.settings.image_history), *self.earlier]
        system = self.resolved.settings.system
        if self.given["system"] is not None or (system and not _has_system(earlier)):
            earlier = [message for message in earlier if message.role not in ("system", "developer")]
            if system:
                earlier.insert(0, Message("system", system))
        return earlier

    def new_messages(self) -> list[Message]:
        """What this call says itself."""
        return [] if self.prompt.empty else [self.prompt.message()]

    def has_token(self) -> bool:
        """Whether a token would be sent; none is fetched for that."""
        return self.resolved.settings.base_url != DEMO_URL

    def record(self) -> Any:
        """Where the exchange is kept, the prompt already on disk; ``None`` where nothing is to be kept."""
        if not self.resolved.settings.history:
            return None
        from elkcli.commands.memory import begin

        system = "\n\n".join(one.text for one in self._earlier_messages() if one.role == "system")
        return begin(
            self.environment,
            self.resolved,
            self.messages,
            [*(message for message in self.earlier if message.role != "system"), *self.new_messages()],
            conversation=self.conversation,
            name=self.name,
            system=system or self.given["system"],  # as it was sent
        )


def _is_file(output: str, environment: Environment) -> bool:
    """Whether ``-o`` names the file that is to be, and no directory."""
    return not output.endswith(("/", os.sep)) and not (environment.directory / Path(output).expanduser()).is_dir()


def session_name(name: str) -> str:
    """A name that a conversation can bear. Raises :class:`UsageError`."""
    from elkcli.storage.history import checked_name

    try:
        return checked_name(name)
    except ValueError as problem:
        raise UsageError(f"--session: {problem}") from None


def _has_system(messages: list[Message]) -> bool:
    return any(message.role in ("system", "developer") for message in messages)


def _text_to_stderr(environment: Environment) -> Environment:
    """The same world with stderr in the place of stdout, which carries the picture's bytes."""
    stderr = environment.stderr
    return replace(
        environment,
        stdout=cast(BinaryIO, getattr(stderr, "buffer", None) or _Encoder(stderr)),
        stdout_is_terminal=environment.stderr_is_terminal,
    )


class _Encoder:
    """A text stream that takes bytes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        self._stream.write(data.decode("utf-8", "replace"))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()


def _as_json(value: object) -> str:
    from elkcli.terminal.safe import safe_json

    return safe_json(json.dumps(value, ensure_ascii=False, indent=2))


def _print(environment: Environment, text: str) -> None:
    from elkcli.terminal.display import standard_output
    from elkcli.terminal.safe import safe

    out = standard_output(environment)
    out.write(((safe(text) if environment.stdout_is_terminal else text) + "\n").encode())
    out.flush()
