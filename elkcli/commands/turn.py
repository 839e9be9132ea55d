"""Assembly: settings become a request, a display and a place for pictures, and one turn is run with them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elkcli.api.request import Options, Request, body_of, headers_of
from elkcli.conversation import Media, Message, Note, SavedMedia
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.media import readable
from elkcli.storage.settings import Resolved, Settings
from elkcli.terminal.display import Display, ExtractDisplay, JsonlDisplay, TextDisplay
from elkcli.terminal.messages import Messages, wants_color
from elkcli.value import changed

if TYPE_CHECKING:
    from elkcli.api.client import Client
    from elkcli.chat import Answer, Record, Saver
    from elkcli.schema import Check, Insisting


def speaker(environment: Environment, settings: Settings, *, quiet: bool = False, verbose: bool = False) -> Messages:
    """The voice on stderr, as the settings want it."""
    return Messages(
        environment,
        quiet=quiet,
        verbose=verbose,
        as_json=settings.format in ("json", "jsonl"),
        color=wants_color(environment, settings.color, environment.stderr_is_terminal),
    )


def wants_image(settings: Settings) -> bool:
    """Whether a picture is asked for in so many words."""
    return settings.aspect_ratio is not None or settings.image_size is not None


def request_of(
    messages: Sequence[Message],
    settings: Settings,
    *,
    choices: int | None = None,
    schema: Any = None,
    fields: tuple[tuple[str, Any], ...] = (),
    shy: Container[str] = (),
) -> Request:
    """The request that asks ``messages`` with ``settings``. ``shy`` names what the server was found to refuse."""
    stream = settings.stream
    if stream is None:
        stream = settings.format != "json" and not wants_image(settings) and "stream" not in shy
    if "contents" in shy:
        settings = changed(settings, contents=False)
    options = fields_of(settings, stream=stream, choices=choices, schema=schema, fields=fields)
    return Request(settings.base_url + "/chat/completions", body_of(messages, options), headers_of(settings.headers))


def fields_of(
    settings: Settings,
    *,
    stream: bool,
    choices: int | None = None,
    schema: Any = None,
    fields: tuple[tuple[str, Any], ...] = (),
) -> Options:
    """The request fields that the settings ask for."""
    return Options(
        model=settings.model,
        stream=stream,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_tokens,
        stop=settings.stop,
        seed=settings.seed,
        choices=choices,
        reasoning_effort=settings.reasoning_effort,
        aspect_ratio=settings.aspect_ratio,
        image_size=settings.image_size,
        contents=settings.contents,
        schema=schema,
        set=fields,
    )


def warn_of_image_settings(settings: Settings, messages: Messages) -> None:
    """Say what the server may not know; it is sent all the same, since the list grows (wire.md §7)."""
    from elkcli.api.request import ASPECT_RATIOS, IMAGE_SIZES, KNOWN_TO

    ratios, sizes = next(
        (known for name, known in KNOWN_TO.items() if settings.model.startswith(name)), (ASPECT_RATIOS, IMAGE_SIZES)
    )
    for what, value, all_known, known in (
        ("aspect ratio", settings.aspect_ratio, ASPECT_RATIOS, ratios),
        ("image size", settings.image_size, IMAGE_SIZES, sizes),
    ):
        if value is None or value in known:
            continue
        if value in all_known:
            messages.warn(f"{settings.model} takes no {what} {value} as far as is known, but {' '.join(known)}; sent")
        else:
            messages.warn(f"the {what} {value} is not one of {' '.join(all_known)}; sent as it is")


def shy_of(environment: Environment, resolved: Resolved) -> Container[str]:
    """What the server was found to refuse before."""
    try:
        if not (environment.data_dir / "servers.json").is_file():
            return ()
    except OSError:  # a directory that is closed to us: a question needs no cache
        return ()
    from elkcli.storage.servers import refused

    return refused(environment, resolved.settings.base_url, resolved.profile)


def display_for(
    environment: Environment, settings: Settings, messages: Messages, *, extract: str | None = None, raw: bool = False
) -> Display:
    """The display of the chosen format."""
    reasoning = settings.reasoning if settings.reasoning is not None else environment.at_terminal
    if raw:
        return JsonlDisplay(environment, raw=True)
    if extract is not None:
        return ExtractDisplay(environment, extract)
    name = settings.format
    if name == "auto":
        name = "markdown" if environment.stdout_is_terminal else "text"
    if name == "json":
        from elkcli.terminal.whole_reply import JsonDisplay

        return JsonDisplay(environment)
    if name == "jsonl":
        return JsonlDisplay(environment)
    if name == "text":
        spinner = None
        if environment.at_terminal and environment.variables.get("TERM") != "dumb" and not messages.quiet:
            from elkcli.terminal.spinner import Spinner

            spinner = Spinner(environment)
        return TextDisplay(environment, reasoning=reasoning, spinner=spinner)
    from elkcli.terminal.markdown import MarkdownDisplay

    display = MarkdownDisplay(
        environment,
        color=wants_color(environment, settings.color, environment.stdout_is_terminal),
        theme=settings.theme,
        reasoning=reasoning,
        preview=previewer(environment, settings),
        spinner=not messages.quiet,
    )
    messages.route = display.note
    return display


def previewer(environment: Environment, settings: Settings) -> Any:
    """What shows a saved picture at a terminal, or ``None`` where none is to be shown."""
    if settings.image_preview == "none" or not environment.stdout_is_terminal:
        return None

    def preview(saved: Any, columns: int) -> str:
        from elkcli.terminal.picture import preview as show

        try:
            data = Path(saved.path).read_bytes()
        except OSError:
            return ""
        return show(data, saved, environment, settings.image_preview, columns) or ""

    return preview


class Turn:
    """One exchange, assembled. ``run`` sends it and returns the answer, its error raised if there is one.

    ``keep_open``: the client's connections serve further turns.
    """

    def __init__(
        self,
        environment: Environment,
        resolved: Resolved,
        messages: Messages,
        client: Client | Insisting,
        request: Request,
        display: Display,
        *,
        record: Record | None = None,
        save: Saver | None = None,
        raw: bool = False,
        keep_open: bool = False,
    ) -> None:
        self.environment = environment
        self.resolved = resolved
        self.messages = messages
        self.client = client
        self.request = request
        self.display = display
        self.record = record
        self.save = save
        self.raw = raw
        self.keep_open = keep_open
        self.notes: list[Note] = []

    def run(self) -> Answer:
        """Send, show, keep. Raises the answer's error once all that came is shown."""
        from elkcli.chat import send

        def say(note: Note) -> None:
            (self.messages.warn if note.warning else self.messages.note)(note.text)

        try:
            answer = send(
                self.client.answer(self.request, raw=self.raw),
                self.display,
                record=self.record,
                save=self.save,
                say=self.notes.append,  # remarks wait: the answer's line is open, often on the same screen
                rest=self.client.rest,
            )
        except BrokenPipeError:
            raise
        except OSError as problem:
            kept = self.record is not None and self.record.conversation
            raise ElkError(
                f"cannot write to standard output: {problem.strerror or problem}",
                hint=f"what came is kept: elkcli history show {kept}" if kept else None,
            ) from problem
        finally:
            if not self.keep_open:
                self.client.close()
            self.messages.route = None
            for note in self.notes:
                say(note)
        self._usage(answer)
        if answer.media and self.environment.at_terminal:
            self._preview_hint()
        if answer.unsaved is not None and (self.keep_open or answer.error is not None):
            self.messages.warn(answer.unsaved)
        if answer.error is not None:
            self._suggest(answer.error)
            raise answer.error
        if answer.unsaved is not None and not self.keep_open:
            raise ElkError(answer.unsaved)
        return answer

    def _preview_hint(self) -> None:
        from elkcli.terminal.picture import needs_pillow

        if needs_pillow(self.environment, self.resolved.settings.image_preview):
            self.messages.note("to see pictures here: pip install 'elkcli[images]'")

    def _suggest(self, error: ElkError) -> None:
        """Name models that an unknown one may have meant, where the server's list was seen before."""
        from elkcli.api.verdict import UNKNOWN_MODEL_CODES

        if error.code in UNKNOWN_MODEL_CODES:
            from elkcli.storage.model_cache import near

            found = near(self.environment, self.resolved.settings.base_url, self.request.model)
            if found:
                error.hint = f"did you mean {' or '.join(found)}? `elkcli models` lists what this token may use"

    def _usage(self, answer: Answer) -> None:
        settings = self.resolved.settings
        wanted = settings.usage if settings.usage is not None else self.environment.at_terminal
        hushed = self.messages.quiet or settings.format in ("json", "jsonl")
        if not wanted or (hushed and self.resolved.origins["usage"] != "option"):
            return
        if answer.usage is None and answer.error is not None:
            return
        from elkcli.prices import cost

        model = answer.served or settings.model
        prices = self.resolved.file.prices
        money = cost(answer.usage, prices.get(model) or prices.get(settings.model)) if answer.usage else None
        self.messages.usage(answer.usage, model, answer.seconds, money)


def saver_for(environment: Environment, settings: Settings, *, output: str | None, force: bool) -> Saver | None:
    """What saves the pictures of an answer. A place that was named is checked before anything is sent."""
    if settings.format == "json" and output is None:
        return None
    pictures: Any = None

    def ready() -> Any:
        nonlocal pictures
        if pictures is None:  # loaded for the first picture, or for a place that has to be checked
            from elkcli.storage.pictures import Saver as Pictures

            pictures = Pictures(environment, output=output, force=force, image_dir=settings.image_dir)
            if output is not None:
                pictures.check()
        return pictures

    def save(media: Media) -> tuple[SavedMedia, list[Note]]:
        saved, notes = ready().save(media)
        size = f"{saved.width}×{saved.height}, " if saved.width else ""
        what = "wrote the picture to standard output"
        if saved.path != "-":
            path = Path(saved.path)
            here = environment.directory
            what = f"saved {path.relative_to(here) if path.is_relative_to(here) else path}"
        return saved, [*notes, Note(f"{what} ({size}{readable(saved.size)})")]

    if output is not None:
        ready()
    return save


def checker_of(schema: Any, messages: Messages) -> Check | None:
    """What checks answers against ``schema``, if there is one. Raises :class:`UsageError` for one that is not valid."""
    if schema is None:
        return None
    from elkcli.schema import NOT_CHECKED, checker_for

    checker = checker_for(schema)
    if checker is None:
        messages.note(NOT_CHECKED)
    return checker


def insisting(client: Client, check: Check | None, times: int) -> Client | Insisting:
    """The client, asking again up to ``times`` where an answer does not pass ``check``."""
    if check is None or not times:
        return client
    from elkcli.schema import Insisting

    return Insisting(client, check, times)


def refuse(condition: bool, message: str, hint: str | None = None) -> None:
    """Raise :class:`UsageError` where ``condition`` holds."""
    if condition:
        raise UsageError(message, hint=hint)
