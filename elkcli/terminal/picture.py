"""Pictures at a terminal: kitty, iTerm2 or sixel graphics where the terminal says that it can, else half blocks.

A picture's bytes reach the terminal as base64 or as colours that were read from it, never as they are.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from base64 import b64encode
from functools import cache
from math import ceil
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from elkcli.conversation import SavedMedia
from elkcli.environment import Environment
from elkcli.media import GIF, JPEG, PNG, WEBP, dimensions, sniff

Mode: TypeAlias = Literal["kitty", "iterm2", "sixel", "blocks", "none"]

WIDEST, TALLEST = 60, 20
"""Columns and rows that a picture may take."""
_PIXELS = 50_000_000
_DIRECT = 1_500_000  # bytes that go to the terminal as they are; what is more is made smaller where Pillow can
_CHUNK = 4096
_NO_PICTURES = {"", "dumb", "unknown"}
_TRUE_COLOUR = ("kitty", "ghostty", "alacritty", "foot", "wezterm", "contour", "direct", "truecolor")


class Room(NamedTuple):
    """What a picture gets: cells, and the size of a cell in pixels."""

    columns: int
    rows: int
    cell: tuple[float, float]


def preview(data: bytes, saved: SavedMedia, environment: Environment, mode: str, columns: int) -> str | None:
    """Terminal output that shows the picture, without a line end; ``None`` where it cannot be shown.

    ``mode`` is the setting ``image_preview``; ``columns`` is the width there is.
    """
    kind = sniff(data)
    if saved.kind != "image" or kind is None or kind.kind != "image":
        return None
    chosen = choose(environment, mode)
    width, height = dimensions(data)
    if chosen == "none" or columns < 2 or width * height > _PIXELS:
        return None
    if chosen == "kitty" and kind is PNG and len(data) <= _DIRECT:
        return _kitty(data, _room(width, height, environment, columns))
    if chosen == "iterm2" and kind in {PNG, JPEG, GIF, WEBP} and len(data) <= _DIRECT and width:
        return _iterm2(data, _room(width, height, environment, columns))
    image = _opened(data)
    if image is None:  # no Pillow: a large picture still goes to a terminal that decodes it
        if chosen == "kitty" and kind is PNG:
            return _kitty(data, _room(width, height, environment, columns))
        if chosen == "iterm2" and kind in {PNG, JPEG} and width:
            return _iterm2(data, _room(width, height, environment, columns))
        return None
    if chosen == "blocks":
        return _blocks(image, columns, true_colour=_has_true_colour(environment))
    room = _room(image.width, image.height, environment, columns)
    if chosen == "sixel":
        return _sixel(image, room)
    png = io.BytesIO()
    sharp = 2  # dense screens show more pixels than they report
    image.thumbnail((ceil(room.columns * room.cell[0] * sharp), ceil(room.rows * room.cell[1] * sharp)))
    image.save(png, "PNG")
    return (_kitty if chosen == "kitty" else _iterm2)(png.getvalue(), room)


def needs_pillow(environment: Environment, mode: str) -> bool:
    """Whether a picture would be shown if only Pillow were there."""
    if choose(environment, mode) == "none":
        return False
    try:
        import PIL  # noqa: F401
    except ImportError:
        return True
    return False


# Which


def choose(environment: Environment, mode: str) -> Mode:
    """How pictures are shown here. A terminal is asked nothing: it says what it is in its variables."""
    if mode != "auto":
        return cast(Mode, mode) if mode in {"kitty", "iterm2", "sixel", "blocks"} else "none"
    variables = environment.variables
    term, program = variables.get("TERM", ""), variables.get("TERM_PROGRAM", "").lower()
    if term in _NO_PICTURES and not variables.get("WT_SESSION"):
        return "none"
    blocks: Mode = "none" if variables.get("NO_COLOR") else "blocks"
    if variables.get("TMUX") or variables.get("STY") or variables.get("ZELLIJ") or term.startswith(("screen", "tmux")):
        return blocks  # a multiplexer loses graphics, or keeps them when the text has gone
    if program in {"iterm.app", "wezterm", "mintty", "rio"} or variables.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if program in {"ghostty", "kitty"} or term in {"xterm-kitty", "xterm-ghostty"}:
        return "kitty"
    if program:  # a terminal that names itself, and no other: what is left of the parent's variables is not its own
        return blocks
    if variables.get("KITTY_WINDOW_ID") or variables.get("GHOSTTY_RESOURCES_DIR"):
        return "kitty"
    if variables.get("WEZTERM_PANE"):
        return "iterm2"
    konsole = variables.get("KONSOLE_VERSION", "")
    if term.startswith(("foot", "mlterm", "yaft", "contour")) or (konsole.isdigit() and int(konsole) >= 220400):
        return "sixel"
    return blocks


def _has_true_colour(environment: Environment) -> bool:
    variables = environment.variables
    return (
        variables.get("COLORTERM", "").lower() in {"truecolor", "24bit"}
        or any(word in variables.get("TERM", "") for word in _TRUE_COLOUR)
        or bool(variables.get("WT_SESSION") or variables.get("KONSOLE_VERSION"))
    )


# How large


def _room(width: int, height: int, environment: Environment, columns: int) -> Room:
    """The cells that a picture gets: within the limits, its shape kept, and no larger than it is."""
    cell = _cell(environment)
    if not width or not height:
        return Room(min(columns, WIDEST), TALLEST, cell)
    scale = min(min(columns, WIDEST) * cell[0] / width, TALLEST * cell[1] / height, 1.0)
    return Room(max(1, round(width * scale / cell[0])), max(1, round(height * scale / cell[1])), cell)


def _cell(environment: Environment) -> tuple[float, float]:
    """The size of a cell in pixels, as the terminal's driver has it; else what is common."""
    with contextlib.suppress(OSError, ValueError, AttributeError, ImportError, struct.error):
        import fcntl
        import termios

        assert environment.stdout is not None
        size = fcntl.ioctl(environment.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        rows, columns, across, down = struct.unpack("HHHH", size)
        if rows and columns and 3 * columns <= across <= 100 * columns and 3 * rows <= down <= 200 * rows:
            return (across / columns, down / rows)
    return (9.0, 18.0)


# How


def _kitty(png: bytes, room: Room) -> str:
    """Kitty's graphics: the file in chunks; ``q=2``, so that the terminal says nothing that would look like typing."""
    text = b64encode(png).decode()
    out = []
    for at in range(0, len(text), _CHUNK):
        last = at + _CHUNK >= len(text)
        first = f"a=T,f=100,q=2,c={room.columns},r={room.rows}," if at == 0 else "q=2," if last else ""
        out.append(f"\x1b_G{first}m={0 if last else 1};{text[at : at + _CHUNK]}\x1b\\")
    return "".join(out)


def _iterm2(data: bytes, room: Room) -> str:
    """iTerm2's inline image. No name is sent: the terminal would offer it for a download."""
    size = f"size={len(data)};width={room.columns};height={room.rows};preserveAspectRatio=1"
    return f"\x1b]1337;File=inline=1;{size}:{b64encode(data).decode()}\x07"


def _opened(data: bytes) -> Any:
    """The first moment of the picture, upright, with its transparency; ``None`` without Pillow, or for a broken one."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
            if image.width * image.height > _PIXELS:
                return None
            image.draft("RGB", (1600, 1600))  # a JPEG is read at a fraction of its size at once
            image.load()
            upright: Image.Image = ImageOps.exif_transpose(image) or image
            return upright.convert("RGBA")
    except Exception:  # noqa: BLE001 - Pillow's decoders raise what they like at a broken file; it is saved and named all the same
        return None


def _sixel(image: Any, room: Room) -> str:
    from PIL import Image

    from elkcli.terminal.sixel import encode

    size = (max(1, round(room.columns * room.cell[0])), max(1, round(room.rows * room.cell[1])))
    image = image.resize(size, Image.Resampling.LANCZOS)
    colours = image.convert("RGB").quantize(255, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    raw = colours.getpalette() or []
    palette = [tuple(raw[at : at + 3]) for at in range(0, len(raw), 3)]
    indexes, alpha = colours.tobytes(), image.getchannel("A").tobytes()
    if min(alpha) < 128:
        indexes = bytes(at if seen >= 128 else 255 for at, seen in zip(indexes, alpha, strict=True))
    return encode(indexes, size[0], cast("list[tuple[int, int, int]]", palette), transparent=255)


def _blocks(image: Any, columns: int, *, true_colour: bool) -> str:
    """Two pixels a cell: the upper half in the ink's colour, the lower in the ground's."""
    from PIL import Image

    width, height = image.size
    scale = min(min(columns, WIDEST) / width, 2 * TALLEST / height, 1.0)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    if (across, down) != (width, height):
        image = image.resize((across, down), Image.Resampling.BOX if scale < 0.25 else Image.Resampling.LANCZOS)
    pixels = image.tobytes()
    rows = []
    for top in range(0, down, 2):
        row, state = [], ""
        for column in range(across):
            upper = _colour(pixels, (top * across + column) * 4, true_colour)
            lower = _colour(pixels, ((top + 1) * across + column) * 4, true_colour) if top + 1 < down else ""
            if upper and lower:
                wanted, char = f"\x1b[38;{upper};48;{lower}m", "▀"
            elif upper or lower:
                wanted, char = f"\x1b[0;38;{upper or lower}m", "▀" if upper else "▄"
            else:
                wanted, char = "\x1b[0m", " "
            row.append(char if wanted == state else wanted + char)
            state = wanted
        rows.append("".join(row) + "\x1b[0m")
    return "\n".join(rows)


def _colour(pixels: bytes, at: int, true_colour: bool) -> str:
    """The colour of one pixel as SGR has it after 38 or 48; nothing where it is transparent."""
    r, g, b, alpha = pixels[at : at + 4]
    if alpha < 128:
        return ""
    return f"2;{r};{g};{b}" if true_colour else f"5;{_of_256(r, g, b)}"


@cache
def _of_256(r: int, g: int, b: int) -> int:
    """The nearest of the 240 colours that every terminal with 256 of them has alike."""
    steps = (0, 95, 135, 175, 215, 255)
    nearest = [min(range(6), key=lambda at: abs(steps[at] - part)) for part in (r, g, b)]
    grey = max(0, min(23, round(((r + g + b) / 3 - 8) / 10)))
    if max(r, g, b) - min(r, g, b) <= 20 and len(set(nearest)) == 1 and max(r, g, b) < 247 and r + g + b > 12:
        return 232 + grey  # a ramp of greys stands beside the cube; a dull colour stays a colour
    return 16 + 36 * nearest[0] + 6 * nearest[1] + nearest[2]
