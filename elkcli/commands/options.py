"""The options that commands share, written once, and what is read from them before settings are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from elkcli.api.request import parse_set
from elkcli.errors import UsageError
from elkcli.storage.checks import BadValue, header

_REQUEST = "Request"
_CONNECTION = "Connection"
_OUTPUT = "Output"
_PROMPT = "Prompt"
_CONVERSATION = "Conversation"


def _option(*names: str, help: str, metavar: str | None = None, group: str | None = None) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=group)


Text = str | None
Flag = bool | None

Profile = Annotated[Text, _option("-p", "--profile", metavar="NAME", help="Use this profile's settings")]
Model = Annotated[Text, _option("-m", "--model", metavar="ID", help="Model [default: gemini-3.1-pro-preview]")]
System = Annotated[
    Text, _option("-s", "--system", metavar="TEXT", help="System message; @FILE reads it from a file", group=_PROMPT)
]
Attach = Annotated[
    list[str] | None,
    _option(
        "-a",
        "--attach",
        metavar="FILE|URL|-",
        help="Attach an image, PDF, audio or text file, or an image URL",
        group=_PROMPT,
    ),
]
Fetch = Annotated[
    bool, _option("--fetch", help="Download attached URLs here instead of sending the address", group=_PROMPT)
]
Shrink = Annotated[bool, _option("--shrink", help="Shrink attached images that are too large", group=_PROMPT)]
Messages = Annotated[
    Text,
    _option(
        "--messages", metavar="FILE", help="Earlier messages, a JSON array of {role, content} (-: stdin)", group=_PROMPT
    ),
]
Temperature = Annotated[Text, _option("--temperature", metavar="0..2", help="Sampling temperature", group=_REQUEST)]
TopP = Annotated[Text, _option("--top-p", metavar="0..1", help="Nucleus sampling", group=_REQUEST)]
MaxTokens = Annotated[Text, _option("--max-tokens", metavar="N", help="Longest answer, in tokens", group=_REQUEST)]
Stop = Annotated[
    list[str] | None, _option("--stop", metavar="TEXT", help="End the answer here (repeatable)", group=_REQUEST)
]
Seed = Annotated[Text, _option("--seed", metavar="N", help="Seed of the sampling", group=_REQUEST)]
Choices = Annotated[Text, _option("-n", "--choices", metavar="N", help="Ask for several answers", group=_REQUEST)]
Effort = Annotated[
    Text, _option("--reasoning-effort", metavar="low|medium|high", help="How long to think", group=_REQUEST)
]
AspectRatio = Annotated[
    Text,
    _option(
        "--aspect-ratio",
        metavar="W:H",
        help="Ask for an image of this shape: 1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9"
        " (gemini-3.1-flash-image also 1:4 4:1 1:8 8:1)",
        group=_REQUEST,
    ),
]
ImageSize = Annotated[
    Text,
    _option(
        "--image-size",
        metavar="1K|2K|4K",
        help="Ask for an image of this size (gemini-2.5-flash-image: 1K only; gemini-3.1-flash-image also 512)",
        group=_REQUEST,
    ),
]
Contents = Annotated[
    bool, _option("--contents", help="Also send the documented contents array, mirroring messages", group=_REQUEST)
]
Schema = Annotated[
    Text, _option("--schema", metavar="FILE", help="A JSON Schema the answer must follow", group=_REQUEST)
]
SchemaRetries = Annotated[
    Text,
    _option(
        "--schema-retries",
        metavar="N",
        help="Ask again, with the reason, when the answer does not follow the schema [default: 0]",
        group=_REQUEST,
    ),
]
Set = Annotated[
    list[str] | None,
    _option("--set", metavar="KEY=VALUE", help="Any other body field; dotted KEY, JSON VALUE", group=_REQUEST),
]
Header = Annotated[
    list[str] | None,
    _option("-H", "--header", metavar="'NAME: VALUE'", help="A further request header", group=_CONNECTION),
]
Stream = Annotated[
    Flag, _option("--stream/--no-stream", help="Stream [default: yes, but for json and images]", group=_REQUEST)
]
Format = Annotated[
    Text,
    _option(
        "-f", "--format", metavar="auto|markdown|text|json|jsonl", help="Output format [default: auto]", group=_OUTPUT
    ),
]
Output = Annotated[
    Text, _option("-o", "--output", metavar="PATH", help="Where images go: a file, a directory, or -", group=_OUTPUT)
]
Force = Annotated[bool, _option("--force", help="Replace an existing file", group=_OUTPUT)]
Usage = Annotated[Flag, _option("--usage/--no-usage", help="Usage on stderr [default: at a terminal]", group=_OUTPUT)]
Reasoning = Annotated[
    Flag,
    _option("--reasoning/--no-reasoning", help="Reasoning on stderr [default: at a terminal]", group=_OUTPUT),
]
Preview = Annotated[
    Flag, _option("--preview/--no-preview", help="Show pictures at a terminal [default: yes]", group=_OUTPUT)
]
Continue = Annotated[
    bool,
    _option(
        "-c",
        "--continue",
        help="Go on with the latest conversation of this terminal, else of this directory",
        group=_CONVERSATION,
    ),
]
Session = Annotated[
    Text,
    _option("-S", "--session", metavar="NAME", help="Go on with this conversation, or begin it", group=_CONVERSATION),
]
NoHistory = Annotated[bool, _option("--no-history", help="Keep nothing of this exchange", group=_CONVERSATION)]
Timeout = Annotated[
    Text, _option("--timeout", metavar="SECONDS", help="Longest silence [default: 300]", group=_CONNECTION)
]
Retries = Annotated[
    Text, _option("--retries", metavar="N", help="Tries after the first [default: 2]", group=_CONNECTION)
]
BaseUrl = Annotated[Text, _option("--base-url", metavar="URL", help="Where the API is", group=_CONNECTION)]
Quiet = Annotated[bool, _option("-q", "--quiet", help="No notes or warnings", group=_OUTPUT)]
Verbose = Annotated[bool, _option("-v", "--verbose", help="Show what goes over the wire", group=_OUTPUT)]
Color = Annotated[Text, _option("--color", metavar="auto|always|never", help="Colour in the output", group=_OUTPUT)]


def headers(given: list[str] | None) -> dict[str, str] | None:
    """``-H`` as a table. Raises :class:`UsageError`."""
    if not given:
        return None
    try:
        return dict(header(text) for text in given)
    except BadValue as problem:
        raise UsageError(f"--header takes {problem}") from problem


def body_fields(given: list[str] | None) -> tuple[tuple[str, Any], ...]:
    """``--set`` as paths and values. Raises :class:`UsageError`."""
    return tuple(parse_set(text) for text in given or ())


def choices(given: str | None) -> int | None:
    """``-n`` as a number. Raises :class:`UsageError`."""
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= 128):
        raise UsageError("--choices takes a whole number from 1 to 128")
    return int(given)


def whole(option: str, given: str | None, low: int, high: int) -> int | None:
    """A whole number. Raises :class:`UsageError`."""
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and low <= int(given[:18]) <= high):
        raise UsageError(f"{option} takes a whole number from {low} to {high}")
    return int(given)


def read_file(path: str, directory: Path, option: str) -> bytes:
    """The bytes of a file that an option names. Raises :class:`UsageError`."""
    try:
        return (directory / Path(path).expanduser()).read_bytes()
    except (OSError, ValueError, RuntimeError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise UsageError(f"{option}: cannot read {path}: {why}") from problem


def read_text(path: str, directory: Path, option: str) -> str:
    """The text of a file that an option names. Raises :class:`UsageError`."""
    try:
        return read_file(path, directory, option).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {path} is not UTF-8 text") from None


def system_message(given: str | None, directory: Path) -> str | None:
    """A system message, or what the file behind ``@`` holds."""
    if given is not None and given.startswith("@"):
        return read_text(given[1:], directory, "--system").rstrip("\n")
    return given


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def schema(path: str | None, directory: Path) -> Mapping[str, Any] | None:
    """The JSON Schema in ``path``. Raises :class:`UsageError`."""
    if path is None:
        return None
    try:
        found = json.loads(read_text(path, directory, "--schema"), parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"--schema: {path} is not valid JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise UsageError(f"--schema: {path} holds no JSON object")
    return found
