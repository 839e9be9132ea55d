"""Attachments: a file, an address or standard input as a part of a message, told by its bytes and within the limits."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from elkcli.conversation import REQUEST_LIMIT, MediaPart, Part, TextPart
from elkcli.environment import Environment
from elkcli.errors import UsageError
from elkcli.media import JPEG, MP3, PDF, PNG, SVG, WAV, Kind, readable, sniff

IMAGE_LIMIT = 7_000_000
"""Bytes of one image inside a request, as Google's models take it."""
IMAGES_LIMIT = 14
"""Images in one request; the older of the models that draw takes fewer."""
_FEWER = {"gemini-2.5-flash-image": 3}

_SENT_AS_IMAGES = {"png", "jpg", "webp", "heic", "heif"}
_CONVERTED = {"gif", "bmp", "tiff", "ico", "avif"}
_INSTALL = "pip install 'elkcli[images]' makes elkcli able to"
_PATIENCE = 2.0  # seconds for somebody to open a pipe's other end
_STEP = 1 << 20
TAKEN = "png, jpeg, webp, heic, heif, gif, bmp, tiff, pdf, wav, mp3, and text in UTF-8"
"""What can be attached, in words."""


def load(
    ref: str,
    environment: Environment,
    *,
    fetch: Callable[[str], bytes] | None = None,
    shrink: bool = False,
) -> Part:
    """The part that ``-a REF`` stands for. ``fetch`` downloads an address instead of passing it on.

    Raises :class:`UsageError`, one line, where there is no such file or the server would not take it.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|data:", ref):
        return _from_address(ref, fetch, shrink=shrink)
    path, data = _read(ref, environment)
    part = as_part(data, path.name, path=str(path), shrink=shrink)
    if part is None:
        raise UsageError(f"cannot attach {ref}: it is of no kind that the API takes", hint=f"it takes {TAKEN}")
    return part


def as_part(data: bytes, name: str, *, path: str | None = None, shrink: bool = False) -> Part | None:
    """Bytes as a part of a message, or ``None`` where they are of no kind that the API takes.

    Raises :class:`UsageError` where they are too large, or need Pillow to be converted and it is not there.
    """
    if not data:
        raise UsageError(f"cannot attach {name}: it is empty")
    name = name.encode("utf-8", "replace").decode()  # on the disk a name may be any bytes
    kind = sniff(data)
    if kind is None or kind is SVG:
        text = _text(data)
        return None if text is None else TextPart(_wrapped(text, name))
    if kind.extension in _SENT_AS_IMAGES | _CONVERTED:
        if kind.extension in _CONVERTED:
            data, kind = _converted(data, kind, name)
        if len(data) > IMAGE_LIMIT:
            data, kind = _shrunk(data, kind, name, wanted=shrink)
        return MediaPart("image", kind.mime, data, name=name, path=path)
    if kind in {PDF, WAV, MP3}:
        name = f"stdin.{kind.extension}" if name == "stdin" else name
        return MediaPart(kind.kind, kind.mime, data, name=name, path=path)
    return None


def check(parts: Iterable[Part], model: str = "") -> None:
    """Raise :class:`UsageError` where ``model`` would refuse a request with all these parts: too many, too much."""
    media = [part for part in parts if isinstance(part, MediaPart)]
    images = sum(part.kind == "image" for part in media)
    limit = next((count for name, count in _FEWER.items() if model.startswith(name)), IMAGES_LIMIT)
    if images > limit:
        taken = f"the models take {limit}" if limit == IMAGES_LIMIT else f"{model} takes {limit}"
        raise UsageError(f"{images} images are attached; {taken} at most")
    size = sum(len(part.data) * 4 // 3 for part in media if part.data is not None)
    if size > REQUEST_LIMIT - 1_000_000:
        raise UsageError(
            f"the attachments make a request of {readable(size)}; the API takes {readable(REQUEST_LIMIT)} at most",
            hint="attach less, or use --shrink",
        )


# Files


def _read(ref: str, environment: Environment) -> tuple[Path, bytes]:
    try:
        path = environment.directory / Path(ref).expanduser()
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"cannot attach {ref}: it is a directory")
        if stat.S_ISFIFO(mode):  # the shell's <(command), or a pipe with a name
            return path, _drained(path, ref)
        if not stat.S_ISREG(mode):
            raise UsageError(f"cannot attach {ref}: it is no ordinary file", hint="-a - attaches standard input")
        if (size := path.stat().st_size) > REQUEST_LIMIT:
            raise UsageError(
                f"cannot attach {ref}: it has {readable(size)}, and the API takes {readable(REQUEST_LIMIT)}"
            )
        return path.absolute(), path.read_bytes()
    except OSError as problem:
        raise UsageError(f"cannot attach {ref}: {(problem.strerror or str(problem)).lower()}") from problem
    except (ValueError, RuntimeError) as problem:  # a NUL in the name, a home that nobody knows
        raise UsageError(f"cannot attach {ref!r}: {problem}") from problem


def _drained(path: Path, ref: str) -> bytes:
    """All that comes through a pipe. One to which nobody writes would be waited for without end."""
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    data = bytearray()
    try:
        deadline = time.monotonic() + _PATIENCE
        while not data:
            try:
                data += os.read(pipe, _STEP)
            except BlockingIOError:
                break  # somebody is there, and has not written yet
            if not data and time.monotonic() > deadline:
                raise UsageError(
                    f"cannot attach {ref}: it is empty, or a pipe to which nobody writes",
                    hint="-a - attaches standard input",
                )
            if not data:
                time.sleep(0.02)
        os.set_blocking(pipe, True)
        while more := os.read(pipe, _STEP):
            data += more
            if len(data) > REQUEST_LIMIT:
                raise UsageError(
                    f"cannot attach {ref}: it goes on for more than the {readable(REQUEST_LIMIT)} of a request"
                )
    finally:
        os.close(pipe)
    return bytes(data)


def _from_address(ref: str, fetch: Callable[[str], bytes] | None, *, shrink: bool) -> Part:
    try:
        parts = urlsplit(ref)
        good = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or not ref.isprintable() or " " in ref:
        shown = ref if len(ref) < 100 else ref[:99] + "…"
        raise UsageError(f"cannot attach {shown!r}: an address begins with http:// or https://")
    name = unquote(parts.path).rpartition("/")[2] or parts.hostname or "image"
    suffix = name.rpartition(".")[2].lower()
    if fetch is not None:
        part = as_part(fetch(ref), name, shrink=shrink)
        if part is None:
            raise UsageError(f"cannot attach {ref}: what is there is of no kind that the API takes")
        if isinstance(part, TextPart) and suffix in _SENT_AS_IMAGES | _CONVERTED | {"jpeg", "tif", "pdf", "wav", "mp3"}:
            raise UsageError(f"cannot attach {ref}: what is there is text, no {suffix}")
        return part
    if suffix in {"pdf", "wav", "mp3", "txt", "md", "csv", "json", "html", "gif", "bmp", "tif", "tiff"}:
        raise UsageError(f"the API takes no {suffix} by its address", hint=f"--fetch downloads {name} and attaches it")
    known = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "heic": "image/heic"}
    return MediaPart("image", known.get(suffix, "image/png"), url=ref, name=name)


# Text


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _wrapped(text: str, name: str) -> str:
    """A file's text under its name, between fences longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    language = suffix if re.fullmatch(r"[a-z0-9+]{1,12}", suffix) else ""
    shown = "".join(char if char.isprintable() else "?" for char in name)
    end = "" if text.endswith("\n") else "\n"
    return f"{shown}:\n\n{fence}{language}\n{text}{end}{fence}"


# Pictures that need Pillow


def _opened(data: bytes, kind: Kind, name: str) -> Any:
    """The picture, decoded. Refused by what its header says where it would fill the memory."""
    import io
    import warnings

    try:
        from PIL import Image
    except ImportError:
        needs = (
            f"the API takes no {kind.extension}" if kind.extension in _CONVERTED else "Pillow is needed to shrink it"
        )
        raise UsageError(f"cannot attach {name}: {needs}", hint=_INSTALL) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=[_PILLOW.get(kind.extension, kind.extension.upper())])
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        raise UsageError(f"cannot attach {name}: it has too many pixels to convert") from problem
    except Exception as problem:  # Pillow's decoders raise what they like at a broken file
        raise UsageError(f"cannot attach {name}: it is a broken {kind.extension} file") from problem
    return image


_PILLOW = {"jpg": "JPEG"}


def _converted(data: bytes, kind: Kind, name: str) -> tuple[bytes, Kind]:
    """A picture of a kind that the API does not take, as PNG: of a moving one, its first moment."""
    import io

    image = _opened(data, kind, name)
    if image.mode not in {"1", "L", "LA", "P", "RGB", "RGBA"}:
        image = image.convert("RGBA" if "A" in image.mode else "RGB")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue(), PNG


def _shrunk(data: bytes, kind: Kind, name: str, *, wanted: bool) -> tuple[bytes, Kind]:
    """The picture in fewer bytes, if that is wanted: smaller, and a JPEG unless it has transparent places."""
    size = readable(len(data))
    if not wanted:
        said = f"cannot attach {name}: it has {size}, and the models take images of {readable(IMAGE_LIMIT)} at most"
        raise UsageError(said, hint="--shrink makes it smaller")
    if kind.extension in {"heic", "heif"}:
        raise UsageError(f"cannot shrink {name}: elkcli cannot read {kind.extension}", hint="convert it to jpeg first")
    import io

    image = _opened(data, kind, name)
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image) or image
    see_through = "A" in image.getbands() or "transparency" in image.info
    image = image.convert("RGBA" if see_through else "RGB")
    side = min(4096, max(image.size))
    while side >= 64:
        image.thumbnail((side, side))
        side = side * 3 // 4
        out = io.BytesIO()
        if see_through:
            image.save(out, "PNG", optimize=False)
        else:
            image.save(out, "JPEG", quality=88)
        if out.tell() <= IMAGE_LIMIT:
            return out.getvalue(), PNG if see_through else JPEG
    raise UsageError(f"cannot attach {name}: {size} do not shrink to {readable(IMAGE_LIMIT)}")
