"""Pictures at a terminal: elkcli/terminal/picture.py."""

from __future__ import annotations

import io
import re
import sys
from base64 import b64decode

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from elkcli.conversation import SavedMedia
from elkcli.environment import Environment
from elkcli.media import dimensions
from elkcli.terminal import picture
from elkcli.terminal.picture import choose, needs_pillow, preview
from elkcli.terminal.sixel import encode
from tests import samples

IMAGES = samples.every_image()
TRUE = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}


def world(variables: dict[str, str] | None = None) -> Environment:
    return Environment([], TRUE if variables is None else variables, None, io.BytesIO(), io.StringIO())


def shown(data: bytes, mode: str = "auto", columns: int = 80, variables: dict[str, str] | None = None) -> str | None:
    saved = SavedMedia("/x.png", "x.png", "image", "image/png", len(data))
    return preview(data, saved, world(variables), mode, columns)


def squares(width: int = 40, height: int = 20) -> bytes:
    """Red above blue."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (0, height // 2, width, height))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def screen(text: str, columns: int = 80) -> pyte.Screen:
    terminal = pyte.Screen(columns, 24)
    pyte.Stream(terminal).feed(text.replace("\n", "\r\n"))
    return terminal


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "mlterm-256color"}, "sixel"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230802"}, "sixel"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "210802"}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "blocks"),
        ({"TERM": "screen-256color", "LC_TERMINAL": "iTerm2"}, "blocks"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ({"TERM": "dumb"}, "none"),
        ({}, "none"),
        ({"WT_SESSION": "x"}, "blocks"),
    ],
)
def test_the_terminal_is_known_by_what_it_says_of_itself(variables: dict[str, str], mode: str) -> None:
    assert choose(world(variables), "auto") == mode


def test_a_setting_goes_before_what_the_terminal_says() -> None:
    for mode in ("kitty", "iterm2", "sixel", "blocks", "none"):
        assert choose(world({"TERM": "xterm-kitty"}), mode) == mode
    assert shown(squares(), "none") is None
    assert shown(squares(), "auto", variables={"TERM": "dumb"}) is None


def test_half_blocks_show_the_colours_that_the_picture_has() -> None:
    text = shown(squares(), "blocks")
    assert text is not None
    assert text.count("\n") == 9
    seen = screen(text)
    for column in (0, 20, 39):
        assert (seen.buffer[0][column].data, seen.buffer[0][column].fg) == ("▀", "ff0000")
        assert seen.buffer[9][column].bg == "0000ff"
    assert seen.display[0].rstrip() == "▀" * 40
    assert seen.display[10].strip() == ""
    assert all(line.endswith("\x1b[0m") for line in text.split("\n"))


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (640, 480), (4000, 10), (10, 4000), (61, 41), (5, 7)])
@pytest.mark.parametrize("columns", [2, 19, 80, 300])
def test_a_picture_stays_within_its_limits_and_its_shape(size: tuple[int, int], columns: int) -> None:
    text = shown(squares(*size), "blocks", columns)
    assert text is not None
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in text.split("\n")]
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= min(columns, 60, size[0])
    assert len(lines) <= 20
    if max(size) < 1000 and columns > 2 and min(size) > 100:
        assert len(lines[0]) / len(lines) / 2 == pytest.approx(size[0] / size[1], rel=0.1)


def test_transparent_places_are_left_as_they_are() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 0, 2, 1))
    image.paste((0, 255, 0, 255), (2, 1, 4, 2))
    out = io.BytesIO()
    image.save(out, "PNG")
    text = shown(out.getvalue(), "blocks")
    assert text is not None
    seen = screen(text)
    assert seen.display[0].rstrip() == "▀▀▄▄"
    assert seen.display[1].strip() == ""
    assert {seen.buffer[0][column].bg for column in range(4)} == {"default"}


def test_without_true_colour_there_are_256() -> None:
    text = shown(squares(), "blocks", variables={"TERM": "xterm-256color"})
    assert text is not None
    assert "38;5;196;48;5;196" in text
    assert "38;5;21;48;5;21" in text
    assert "38;2" not in text
    assert [picture._of_256(*colour) for colour in ((0, 0, 0), (255, 255, 255), (128, 128, 128), (46, 42, 94))] == [
        16,
        231,
        244,
        17,
    ]


def kitty(text: str) -> tuple[dict[str, str], bytes]:
    parts = re.findall(r"\x1b_G([^;]*);([A-Za-z0-9+/=]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{body}\x1b\\" for keys, body in parts) == text
    assert all(len(body) <= 4096 and (len(body) % 4 == 0) for _, body in parts)
    assert all(keys.endswith("m=1") for keys, _ in parts[:-1])
    assert parts[-1][0].endswith("m=0")
    return dict(pair.split("=") for pair in parts[0][0].split(",")), b64decode("".join(body for _, body in parts))


@pytest.mark.parametrize("width", [40, 1200])
def test_kitty_gets_the_file_in_chunks_and_does_not_answer(width: int) -> None:
    data = samples.png(width, width // 2) + b""
    text = shown(data, "kitty")
    assert text is not None
    keys, body = kitty(text)
    assert body == data
    assert (keys["a"], keys["f"], keys["q"]) == ("T", "100", "2")
    assert int(keys["c"]) <= 60
    assert int(keys["r"]) <= 20


def test_what_kitty_cannot_read_is_made_a_png_and_what_is_large_is_made_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(samples.by_pillow("JPEG", 800, 400), "kitty")
    assert text is not None
    assert dimensions(kitty(text)[1]) == (800, 400)
    monkeypatch.setattr(picture, "_DIRECT", 10)
    text = shown(samples.png(4000, 2000), "kitty")
    assert text is not None
    width, height = dimensions(kitty(text)[1])
    assert 500 < width < 1300
    assert width == pytest.approx(2 * height, abs=2)


def test_iterm2_gets_the_file_as_it_is_and_no_name() -> None:
    for data in (samples.png(600, 300), samples.by_pillow("JPEG", 600, 300)):
        text = shown(data, "iterm2")
        assert text is not None
        match = re.fullmatch(
            r"\x1b\]1337;File=inline=1;size=(\d+);width=(\d+);height=(\d+);preserveAspectRatio=1:([^:]*)\x07", text
        )
        assert match is not None
        assert b64decode(match[4]) == data
        assert int(match[1]) == len(data)
        assert (int(match[2]), int(match[3])) == (60, 15)


def sixel(text: str) -> dict[tuple[int, int], int]:
    """A small decoder: the colour number of each pixel."""
    match = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.S)
    assert match is not None
    body = re.sub(r"#\d+;2;\d+;\d+;\d+", "", match[3])
    pixels: dict[tuple[int, int], int] = {}
    x = y = colour = 0
    for token in re.finditer(r"#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)", body):
        if token[1]:
            colour = int(token[1])
        elif token[5]:
            x = 0
        elif token[6]:
            x, y = 0, y + 6
        else:
            for _ in range(int(token[2] or 1)):
                bits = ord(token[3] or token[4]) - 63
                for row in range(6):
                    if bits >> row & 1:
                        assert (x, y + row) not in pixels
                        pixels[x, y + row] = colour
                x += 1
    assert all(px < int(match[1]) and py < int(match[2]) for px, py in pixels)
    return pixels


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 15), st.data())
def test_sixels_decode_to_the_pixels_that_went_in(width: int, height: int, data: st.DataObject) -> None:
    indexes = bytes(data.draw(st.lists(st.integers(0, 3), min_size=width * height, max_size=width * height)))
    pixels = sixel(encode(indexes, width, [(0, 0, 0), (255, 0, 0), (0, 255, 0)], transparent=3))
    for at, colour in enumerate(indexes):
        assert pixels.get((at % width, at // width)) == (None if colour == 3 else colour)


def test_a_picture_becomes_sixels_of_its_colours() -> None:
    text = shown(squares(400, 200), "sixel")
    assert text is not None
    assert '"1;1;' in text
    assert len(set(sixel(text).values())) >= 2
    assert re.search(r"#\d+;2;(100|99);0;0", text)
    assert re.search(r"#\d+;2;0;0;(100|99)", text)


@pytest.mark.parametrize("extension", IMAGES)
def test_every_format_is_shown_or_left_alone(extension: str) -> None:
    for mode in ("kitty", "iterm2", "sixel", "blocks"):
        text = shown(IMAGES[extension], mode)
        assert (text is None) == (extension in {"heic", "heif"})


def test_what_is_no_picture_is_not_shown() -> None:
    for data in (b"", b"text", samples.SVG, samples.PDF, samples.png()[:30], samples.by_pillow("JPEG")[:60]):
        assert shown(data, "blocks") is None
    sound = SavedMedia("/x.png", "x.png", "audio", "audio/wav", 1)
    assert preview(squares(), sound, world(), "blocks", 80) is None


@pytest.mark.parametrize("mode", ["kitty", "iterm2", "sixel", "blocks"])
def test_a_picture_with_too_many_pixels_is_never_decoded(mode: str) -> None:
    bomb = bytearray(samples.png())
    bomb[16:24] = (30000).to_bytes(4, "big") * 2
    assert shown(bytes(bomb), mode) is None


def test_without_pillow_only_a_terminal_that_decodes_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not needs_pillow(world(), "auto")
    jpeg = samples.by_pillow("JPEG")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert needs_pillow(world(), "auto")
    assert not needs_pillow(world(), "none")
    assert [mode for mode in ("blocks", "sixel", "kitty", "iterm2") if shown(samples.png(), mode)] == [
        "kitty",
        "iterm2",
    ]
    assert [mode for mode in ("blocks", "sixel", "kitty", "iterm2") if shown(jpeg, mode)] == ["iterm2"]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(IMAGES)), st.data(), st.sampled_from(["kitty", "iterm2", "sixel", "blocks"]))
def test_no_picture_breaks_out_of_its_frame(extension: str, data: st.DataObject, mode: str) -> None:
    bad = bytearray(IMAGES[extension])
    for at in data.draw(st.lists(st.integers(0, min(len(bad), 200) - 1), max_size=4)):
        bad[at] = data.draw(st.integers(0, 255))
    text = shown(bytes(bad[: data.draw(st.integers(20, len(bad)))]), mode)
    if text is not None:
        frames = r"\x1b\[[0-9;]*m|\x1b_G[^\x1b]*\x1b\\|\x1b\]1337;[^\x07\x1b]*\x07|\x1bP0;1;0q[^\x1b]*\x1b\\"
        assert set(re.sub(frames, "", text)) <= set("▀▄ \n")
