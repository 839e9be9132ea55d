"""Pictures that an answer only links to: found in its text, and downloaded where ``--fetch`` asks for that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from elkcli.api.fetch import fetch
from elkcli.api.trust import trust
from elkcli.conversation import Media
from elkcli.errors import ElkError, Incomplete
from elkcli.media import sniff

if TYPE_CHECKING:
    from elkcli.api.request import Request
    from elkcli.chat import Saver
    from elkcli.storage.settings import Settings
    from elkcli.terminal.messages import Messages

_MOST = 10
_LINK = re.compile(
    r"!\[[^\]]*\]\(\s*<?(https?://[^\s<>()]+)"
    r"|(https?://[^\s<>()\"'\[\]]+?\.(?:png|jpe?g|webp|gif|bmp|heic|heif|avif)(?:\?[^\s<>()\"'\[\]]*)?)"
    r"(?=[\s<>()\"'\[\].,;:!?]|\Z)",
    re.I,
)


def linked_images(text: str) -> list[str]:
    """The addresses of pictures in ``text``, as Markdown or by their names, each once."""
    return list(dict.fromkeys(match[1] or match[2] for match in _LINK.finditer(text)))


def settle(text: str, save: Saver | None, settings: Settings, messages: Messages, request: Request) -> None:
    """See to an answer without an image: with ``save`` its links are downloaded.

    Raises :class:`Incomplete` where an image was asked for and there is none, or a file was named for one that is only
    linked to.
    """
    links = linked_images(text)
    if links and save is not None:
        _download(links, save, settings.ca_file, messages)
    elif links and request.drawn:
        raise Incomplete("the answer only links to the image; nothing was saved", hint="--fetch downloads it")
    elif request.asks_for_image and not links and "](http" not in text:
        raise Incomplete("no image in the answer", hint="ask a model that draws, such as -m gemini-3-pro-image-preview")


def _download(links: list[str], save: Saver, ca_file: str | None, messages: Messages) -> None:
    """The token stays here: whoever is linked to gets none."""
    for link in links[:_MOST]:
        try:
            data = fetch(link, verify=trust(ca_file))
        except ElkError as problem:
            raise Incomplete(problem.message) from problem
        kind = sniff(data)
        if kind is None or kind.kind != "image":
            raise Incomplete(f"what is at {link} is no image")
        saved, notes = save(Media(data, kind.mime))
        if saved.problem:
            raise ElkError(saved.problem)
        for note in notes:
            (messages.warn if note.warning else messages.note)(note.text)
