"""The options that commands share, written once. What is read from their values is in :mod:`reading`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from elkcli.commands.reading import system_message
from elkcli.storage.settings import KEYS

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
        help="Attach an image, PDF, audio or text file, or an image URL (repeatable)",
        group=_PROMPT,
    ),
]
Fetch = Annotated[
    bool, _option("--fetch", help="Download attached URLs, and images the answer links to", group=_PROMPT)
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
    _option(
        "--set", metavar="KEY=VALUE", help="Any other body field; dotted KEY, JSON VALUE (repeatable)", group=_REQUEST
    ),
]
Header = Annotated[
    list[str] | None,
    _option("-H", "--header", metavar="'NAME: VALUE'", help="A further request header (repeatable)", group=_CONNECTION),
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


def given(chosen: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The settings among the options of a command line (``ctx.params``): ``None`` where one was not given.

    An option that is named as a setting is that setting's. A flag that only turns on, and was not, says nothing.
    """
    found = {key: chosen[name] for key in KEYS for name in (key, f"{key}_") if name in chosen}
    found |= {key: None for key in ("stop", "contents") if not found.get(key)}
    if "system" in found:
        found["system"] = system_message(found["system"], directory)
    if chosen.get("preview") is False:
        found["image_preview"] = "none"
    if chosen.get("no_history"):
        found["history"] = False
    return found
