"""A conversation assembled: settings, client, display and store for the REPL, or for a script of lines.

Without Typer, which takes longer to load than the prompt takes to appear: a bare `elkcli chat` leaves it nothing to
parse.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from elkcli.commands import reading
from elkcli.commands.connecting import client_for, token_for
from elkcli.commands.turn import Turn, display_for, request_of, saver_for, shy_of, speaker, warn_of_image_settings
from elkcli.conversation import Message, Part
from elkcli.environment import Environment
from elkcli.errors import ElkError, HungUp, TokenRefused, UsageError
from elkcli.repl.session import Extra, Session
from elkcli.storage.settings import Resolved, Settings, resolve
from elkcli.terminal.messages import Messages

if TYPE_CHECKING:
    from elkcli.api.client import Client
    from elkcli.api.request import Request
    from elkcli.chat import Answer, Record, Saver

_CONNECTION = ("base_url", "timeout", "retries", "ca_file", "allow_insecure", "token_command", "color")


def converse(
    environment: Environment,
    given: Mapping[str, Any] | None = None,
    *,
    profile: str | None = None,
    attach: Sequence[str] = (),
    fetch: bool = False,
    shrink: bool = False,
    header: list[str] | None = None,
    fields: list[str] | None = None,
    schema: str | None = None,
    output: str | None = None,
    go_on: bool = False,
    session: str | None = None,
    quiet: bool = False,
    verbose: bool = False,
) -> int:
    """Talk until the end of input, and return the exit code. ``given`` are settings, the rest the options of `chat`."""
    settings = dict(given or {})
    assembly = _Assembly(environment, quiet=quiet, verbose=verbose, fetch=fetch, shrink=shrink)
    resolved = assembly.resolve(profile, settings)
    further = reading.headers(header)
    if further:
        settings["headers"] = {**resolved.settings.headers, **further}
        resolved = assembly.resolve(profile, settings)
    wanted = reading.schema(schema, environment.directory)
    extra = Extra(dict(reading.body_fields(fields)), schema=wanted, output=output)
    messages = assembly.speaker(resolved.settings)
    talk = Session(environment, assembly, resolved, messages, settings, profile=profile, extra=extra)
    if output is not None:
        assembly.saver(resolved.settings, output)
    warn_of_image_settings(resolved.settings, messages)
    if environment.stdin is None:
        raise UsageError("standard input is closed")
    if go_on or session is not None:
        from elkcli.repl import resuming

        talk.interactive = environment.stdin_is_terminal
        resuming.go_on(talk, session)
    talk.waiting += [assembly.attach(name) for name in attach]
    gone = False
    try:
        if environment.stdin_is_terminal:
            from elkcli.repl.loop import run

            return run(talk)
        from elkcli.repl.script import run as run_script

        return run_script(talk, environment.stdin)
    except HungUp:
        gone = True
        raise
    finally:
        assembly.close()
        if environment.stdin_is_terminal and not gone and talk.way_back:
            talk.messages.note(f"to go on: {talk.way_back}")


class _Assembly:
    """What a chat needs of the other parts. One client serves all turns, as long as its settings hold."""

    def __init__(self, environment: Environment, *, quiet: bool, verbose: bool, fetch: bool, shrink: bool) -> None:
        self._environment = environment
        self._quiet = quiet
        self._verbose = verbose
        self._fetch = fetch
        self._shrink = shrink
        self._client: Client | None = None
        self._client_is_for: tuple[Any, ...] = ()
        self._one_by_one = threading.Lock()  # threads warm and approach: no client may be taken for that of another
        self._ca_file: str | None = None
        self._saver: Saver | None = None
        self._saver_is_for: tuple[str | None, ...] = ()

    def saver(self, settings: Settings, output: str | None) -> Saver | None:
        """What saves the pictures: one counts those of all turns, so that the second does not find the first's name."""
        wanted = (output, settings.image_dir)
        if self._saver is None or self._saver_is_for != wanted:
            try:
                self._saver = saver_for(self._environment, settings, output=output, force=False)
            except UsageError as problem:
                if problem.hint is not None and "--force" in problem.hint:  # a chat has many pictures
                    raise UsageError(problem.message, hint="name a directory, or a file that is not there") from None
                raise
            self._saver_is_for = wanted
        return self._saver

    def resolve(self, profile: str | None, given: Mapping[str, Any]) -> Resolved:
        """The settings. A format for programs, set for `ask`, is none for a conversation."""
        from elkcli.value import changed

        resolved = resolve(self._environment, profile=profile, options=given)
        self._ca_file = resolved.settings.ca_file
        if resolved.settings.format in ("json", "jsonl"):
            return changed(resolved, settings=changed(resolved.settings, format="auto"))
        return resolved

    def speaker(self, settings: Settings) -> Messages:
        """The voice on stderr."""
        return speaker(self._environment, settings, quiet=self._quiet, verbose=self._verbose)

    def option(self, name: str, text: str) -> Any:
        """The value of an option of `ask`."""
        directory = self._environment.directory
        if name == "system":
            return reading.system_message(text, directory)
        if name == "choices":
            return reading.choices(text)
        if name == "schema":
            return reading.schema(text, directory)
        if name == "output":
            if text == "-":
                raise UsageError("output - does not go with chat", hint="name a directory")
            self.saver(Settings(), text)
        if name == "headers":
            return reading.headers([text])
        return text

    def remark(self, settings: Settings) -> None:
        """Say which shape or size of pictures is not a known one."""
        warn_of_image_settings(settings, self.speaker(settings))

    def request(self, messages: Sequence[Message], resolved: Resolved, extra: Extra) -> Request:
        """The request, without what this server was found to refuse."""
        fields = tuple(extra.fields.items())
        shy = shy_of(self._environment, resolved)
        return request_of(
            messages, resolved.settings, choices=extra.choices, schema=extra.schema, fields=fields, shy=shy
        )

    def run(self, request: Request, resolved: Resolved, extra: Extra, record: Record) -> Answer:
        """One turn."""
        environment, settings = self._environment, resolved.settings
        messages = self.speaker(settings)
        save = self.saver(settings, extra.output)
        turn = Turn(
            environment=environment,
            resolved=resolved,
            messages=messages,
            client=self._client_of(resolved, messages),
            request=request,
            display=display_for(environment, settings, messages),
            record=record,
            save=save,
            keep_open=True,
        )
        try:
            return turn.run()
        except TokenRefused:
            self.close()  # the next try asks for the token anew: somebody may set a better one
            raise

    def _client_of(self, resolved: Resolved, messages: Messages) -> Client:
        """The client that is open, or a new one where the settings have changed."""
        wanted = self._wanted(resolved)
        with self._one_by_one:
            if self._client_is_for != wanted:
                self.close()
            if self._client is None:
                token = token_for(self._environment, resolved)
                self._client = client_for(
                    self._environment, resolved.settings, token, messages, profile=resolved.profile, at_once=False
                )
                self._client_is_for = wanted
            return self._client

    def _wanted(self, resolved: Resolved) -> tuple[Any, ...]:
        return (resolved.profile, *(getattr(resolved.settings, key) for key in _CONNECTION))

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def warm(self, resolved: Resolved) -> None:
        """Load the client and what draws, and set up TLS. A program that gives the token is not run for that."""
        from contextlib import suppress

        with suppress(Exception):  # what is wrong is told when something is sent
            import elkcli.api.client
            import elkcli.storage.recorder

            if resolved.settings.token_command is None:
                self._client_of(resolved, self.speaker(resolved.settings)).warm()
            if self._environment.stdout_is_terminal:
                import elkcli.terminal.markdown
                import elkcli.terminal.painter  # noqa: F401

    def approach(self, resolved: Resolved) -> None:
        """Connect to the server of a client that is there. A program that gives the token is not run for that."""
        from contextlib import suppress

        with suppress(Exception):  # what is wrong is told when something is sent
            known = self._client_is_for == self._wanted(resolved) or resolved.settings.token_command is None
            if self._client is not None and known:
                self._client_of(resolved, self.speaker(resolved.settings)).approach()

    def attach(self, name: str) -> Part:
        """The part that a file or address is."""
        from elkcli.commands.prompt import Input, attachments

        if name == "-":
            raise UsageError("cannot attach standard input to a chat: it is what is read here")
        settings = self.resolve_for_attachments()
        source = Input(self._environment, self.speaker(settings))
        return attachments([name], source, settings, fetch=self._fetch, shrink=self._shrink)[0]

    def resolve_for_attachments(self) -> Settings:
        """The settings a download needs: the trust that the client of the API has."""
        return Settings(ca_file=self._ca_file)

    def edited(self, text: str) -> str:
        """``text`` as the person left it in the editor."""
        from elkcli.commands.prompt import edited

        return edited(text, self._environment)

    def models(self, resolved: Resolved) -> list[str]:
        """The models the server listed when it was last asked."""
        from elkcli.storage.model_cache import known

        try:
            return known(self._environment, resolved.settings.base_url)
        except (ElkError, ValueError):
            return []
