"""Media as servers put them beside text: every shape of a part, read as the one URL that it holds. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_URLS = ("image_url", "video_url", "audio_url", "url", "image", "video", "file_data", "file_url", "file")
_WITH_TYPE = ("source", "inline_data", "inlineData")
_BARE = {"b64_json": "image/png", "result": "image/png"}


def url_in(part: object, depth: int = 0) -> str | None:
    """The address or data URL of a part that holds media and nothing else, ``None`` where it holds none known.

    What is base64 without a header gets one: the type that the part states, else that of its kind.
    """
    if isinstance(part, str):
        return part or None
    if not isinstance(part, dict) or depth > 3:
        return None
    for name, mime in _BARE.items():
        if isinstance(part.get(name), str) and part[name]:
            return _with_header(part[name], mime)
    for name in _WITH_TYPE:
        if isinstance(part.get(name), dict) and (url := _typed(part[name])):
            return url
    for name in _URLS:
        if url := url_in(part.get(name), depth + 1):
            return url
    return None


def _typed(source: Mapping[str, Any]) -> str | None:
    """``{"media_type": "image/png", "data": base64}`` as Anthropic writes it, and Google in two spellings."""
    data = source.get("data")
    if not isinstance(data, str) or not data:
        return url_in(source.get("url"), 3)
    named = (source.get(name) for name in ("media_type", "mime_type", "mimeType"))
    return _with_header(data, next((mime for mime in named if isinstance(mime, str) and mime), "image/png"))


def _with_header(data: str, mime: str) -> str:
    return data if data[:5].lower() == "data:" or data[:1] == "<" else f"data:{mime};base64,{data}"
