"""One question asked: its parts read, its request sent, its answer shown and kept.

Without Typer, which a question that comes without options leaves nothing to parse.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from elkcli.api.request import Request, as_curl, shown
from elkcli.commands import reading
from elkcli.commands.connecting import client_for, token_for
from elkcli.commands.prompt import Input, Prompt, attachments, build, edited, from_json
from elkcli.commands.turn import (
    Turn,
    checker_of,
    display_for,
    insisting,
    refuse,
    request_of,
    saver_for,
    shy_of,
    speaker,
    warn_of_image_settings,
)
from elkcli.conversation import Message
from elkcli.environment import Environment
from elkcli.errors import ElkError, Incomplete, UsageError
from elkcli.storage.checks import DEMO_URL
from elkcli.storage.settings import Resolved, resolve
from elkcli.terminal.messages import Messages
from elkcli.value import Value, changed

if TYPE_CHECKING:
    from elkcli.chat import Record
    from elkcli.schema import Check


class Question(Value):
    """What one call of `ask` wants: ``words`` and ``given``, which are settings, and the options that are none."""

    words: tuple[str, ...]
    given: Mapping[str, Any] = {}
    profile: str | None = None
    attach: tuple[str, ...] = ()
    fetch: bool = False
    shrink: bool = False
    messages_file: str | None = None
    edit: bool = False
    use_stdin: bool = True
    choices: str | None = None
    schema: str | None = None
    schema_retries: str | None = None
    fields: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    extract: str | None = None
    raw_events: bool = False
    output: str | None = None
    force: bool = False
    go_on: bool = False
    session: str | None = None
    print_id: bool = False
    fail_on_length: bool = False
    dry_run: bool = False
    curl: bool = False
    quiet: bool = False
    verbose: bool = False


def answered(environment: Environment, question: Question) -> int:
    """Ask ``question``, and return the exit code. Raises :class:`ElkError` for settings that cannot be."""
    resolved = resolve(environment, profile=question.profile, options=question.given)
    messages = speaker(environment, resolved.settings, quiet=question.quiet, verbose=question.verbose)
    try:
        _Asked(environment, resolved, messages, question).run()
    except ElkError as error:
        messages.error(error)
        return error.exit_code
    return 0


class _Asked:
    """What one call of `ask` sends, as it comes together."""

    def __init__(self, environment: Environment, resolved: Resolved, messages: Messages, question: Question) -> None:
        self.environment = environment
        self.resolved = resolved
        self.messages = messages
        self.question = question
        self.given = dict(question.given)
        self.earlier: list[Message] = []
        self.remembered: list[Message] = []
        self.prompt = Prompt("", [])
        self.conversation: str | None = None
        self.name: str | None = None

    def run(self) -> None:
        """Read, send, show and keep. Raises :class:`ElkError`, once all that came is shown."""
        question = self.question
        if question.extract is not None:
            from elkcli.codeblocks import check_which

            check_which(question.extract)
        self._read_headers()
        choices = reading.choices(question.choices)
        schema = reading.schema(question.schema, self.environment.directory)
        check = checker_of(schema, self.messages)
        times = reading.whole("--schema-retries", question.schema_retries, 0, 100) or 0
        refuse(times > 0 and schema is None, "--schema-retries needs --schema")
        fields = reading.body_fields(question.fields)
        self._go_on()
        self._read()
        warn_of_image_settings(self.resolved.settings, self.messages)
        request = self._request(choices=choices, schema=schema, fields=fields)
        if question.dry_run or question.curl:
            self._show(request)
            return
        self._send(request, check, times)

    # What is sent

    def _read_headers(self) -> None:
        """Lay ``-H`` over the headers of the settings."""
        extra = reading.headers(self.question.headers)
        if extra:
            self.given["headers"] = {**self.resolved.settings.headers, **extra}
            self.resolved = resolve(self.environment, profile=self.question.profile, options=self.given)

    def _go_on(self) -> None:
        """Take up an earlier conversation, with its model, profile and system message."""
        latest, session = self.question.go_on, self.question.session
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
        self.resolved = found.resolve(self.environment, self.question.profile, self.given)

    def _read(self) -> None:
        """Build the prompt from everything that was given. Refuses to send nothing."""
        question, settings = self.question, self.resolved.settings
        source = Input(self.environment, self.messages)
        if question.messages_file is not None:
            self.earlier += from_json(question.messages_file, source)
        attached = attachments(question.attach, source, settings, fetch=question.fetch, shrink=question.shrink)
        self.prompt = build(question.words, source, use_stdin=question.use_stdin, shrink=question.shrink)
        self.prompt.parts += attached
        if self.prompt.parts:
            from elkcli.storage.attachments import check

            check(self.prompt.parts, settings.model)
        if question.edit:
            self.prompt.text = edited(self.prompt.text, self.environment)
        before = [*self.remembered, *self.earlier]
        if self.prompt.empty and not (before and before[-1].role in ("user", "tool", "function")):
            raise UsageError("no prompt", hint='elkcli ask "a question", or pipe one in; elkcli ask --help')

    def _request(self, **extra: Any) -> Request:
        shy = shy_of(self.environment, self.resolved)
        sent = [*self._earlier_messages(), *self._new_messages()]
        request = request_of(sent, self.resolved.settings, shy=shy, **extra)
        output = self.question.output
        if output is not None:
            request = changed(request, drawn=_is_file(output, self.environment))
        request.content()  # what cannot be encoded is told before anything else is done
        return request

    def _earlier_messages(self) -> list[Message]:
        """A system message that is given replaces earlier ones, an empty one too; a usual one gives way to them."""
        from elkcli.context import with_images

        earlier = [*with_images(self.remembered, self.resolved.settings.image_history), *self.earlier]
        system = self.resolved.settings.system
        if self.given.get("system") is not None or (system and not _has_system(earlier)):
            earlier = [message for message in earlier if message.role not in ("system", "developer")]
            if system:
                earlier.insert(0, Message("system", system))
        return earlier

    def _new_messages(self) -> list[Message]:
        return [] if self.prompt.empty else [self.prompt.message()]

    # What is done with it

    def _show(self, request: Request) -> None:
        """Print the request. Whether a token would be sent is told without fetching one."""
        with_token = self.resolved.settings.base_url != DEMO_URL
        text = as_curl(request) if self.question.curl else _as_json(shown(request, with_token=with_token))
        _print(self.environment, text)

    def _send(self, request: Request, check: Check | None, times: int) -> None:
        environment, messages, question = self.environment, self.messages, self.question
        settings = self.resolved.settings
        token = token_for(environment, self.resolved)
        save = saver_for(environment, settings, output=question.output, force=question.force)
        client = client_for(environment, settings, token, messages, profile=self.resolved.profile)
        shown_in = environment if question.output != "-" else _text_to_stderr(environment)
        raw = question.raw_events
        turn = Turn(
            environment=environment,
            resolved=self.resolved,
            messages=messages,
            client=insisting(client, check, times),
            request=request,
            display=display_for(shown_in, settings, messages, extract=question.extract, raw=raw),
            save=save,
            raw=raw or settings.format == "json",
        )
        turn.record = self._record()
        answer = turn.run()
        if question.print_id and turn.record is not None and turn.record.conversation:
            messages.line(turn.record.conversation)
        if (request.asks_for_image or question.fetch) and not answer.media:
            from elkcli.commands.links import settle

            settle(answer.text, save if question.fetch else None, settings, messages, request)
        if check is not None and (reason := check(answer.text)) is not None:
            raise Incomplete(
                f"the answer does not follow the schema: {reason}",
                hint=None if times else "--schema-retries asks again",
            )
        if question.fail_on_length and answer.reason == "length":
            raise Incomplete("the answer was cut at the token limit", hint="raise --max-tokens")

    def _record(self) -> Record | None:
        """Where the exchange is kept, the prompt already on disk; ``None`` where nothing is to be kept."""
        if not self.resolved.settings.history:
            return None
        from elkcli.commands.memory import begin

        system = "\n\n".join(one.text for one in self._earlier_messages() if one.role == "system")
        return begin(
            self.environment,
            self.resolved,
            self.messages,
            [*(message for message in self.earlier if message.role != "system"), *self._new_messages()],
            conversation=self.conversation,
            name=self.name,
            system=system or self.given.get("system"),  # as it was sent
        )


def _is_file(output: str, environment: Environment) -> bool:
    """Whether ``-o`` names the file that is to be, and no directory."""
    try:
        return not output.endswith(("/", os.sep)) and not (environment.directory / Path(output).expanduser()).is_dir()
    except OSError:  # too long, or behind a closed directory: who checks where images go says so
        return True


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
    return changed(
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
    from elkcli.terminal.printing import print_text
    from elkcli.terminal.safe import safe

    print_text(environment, (safe(text) if environment.stdout_is_terminal else text) + "\n")
