"""What `-a` attaches: elkcli/storage/attachments.py."""

from __future__ import annotations

import io
import os
import random
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from elkcli.conversation import MediaPart, Part, TextPart
from elkcli.environment import Environment
from elkcli.errors import UsageError
from elkcli.media import dimensions
from elkcli.storage import attachments
from elkcli.storage.attachments import as_part, check, load
from tests import samples

FILES = samples.everything()


@pytest.fixture
def world(tmp_path: Path) -> Environment:
    return Environment([], {}, None, None, io.StringIO(), directory=tmp_path)


def attached(world: Environment, name: str, data: bytes, *, shrink: bool = False) -> Part:
    (world.directory / name).write_bytes(data)
    return load(name, world, shrink=shrink)


def refusal(world: Environment, name: str, data: bytes | None = None, *, shrink: bool = False) -> UsageError:
    if data is not None:
        (world.directory / name).write_bytes(data)
    with pytest.raises(UsageError) as refused:
        load(name, world, shrink=shrink)
    assert "\n" not in refused.value.message
    return refused.value


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "heic", "heif"])
def test_pictures_that_the_api_takes_are_sent_as_they_are(world: Environment, extension: str) -> None:
    part = attached(world, "misnamed.txt", FILES[extension])
    assert isinstance(part, MediaPart)
    assert part.kind == "image"
    assert part.data == FILES[extension]
    assert part.mime == "image/" + extension.replace("jpg", "jpeg")
    assert part.name == "misnamed.txt"
    assert part.path == str(world.directory / "misnamed.txt")


@pytest.mark.parametrize("extension", ["gif", "bmp", "tiff", "ico", "avif"])
def test_other_pictures_are_converted(world: Environment, extension: str) -> None:
    part = attached(world, f"a.{extension}", FILES[extension])
    assert isinstance(part, MediaPart)
    assert part.mime == "image/png"
    assert part.data is not None
    assert part.data.startswith(b"\x89PNG")
    if extension != "ico":
        assert dimensions(part.data) == (33, 21)


def test_odd_modes_are_converted_too(world: Environment) -> None:
    for mode in ("CMYK", "I;16", "F", "YCbCr", "LA", "1"):
        out = io.BytesIO()
        Image.new(mode, (5, 4)).save(out, "TIFF")
        part = attached(world, "a.tiff", out.getvalue())
        assert isinstance(part, MediaPart)
        assert dimensions(part.data or b"") == (5, 4)


def test_without_pillow_the_hint_says_what_to_install(world: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused = refusal(world, "a.gif", FILES["gif"])
    assert refused.message == "cannot attach a.gif: the API takes no gif"
    assert "elkcli[images]" in (refused.hint or "")


@pytest.mark.parametrize(("extension", "kind"), [("pdf", "document"), ("wav", "audio"), ("mp3", "audio")])
def test_documents_and_sound_are_sent_as_they_are(world: Environment, extension: str, kind: str) -> None:
    part = attached(world, "a", FILES[extension])
    assert isinstance(part, MediaPart)
    assert (part.kind, part.data, part.name) == (kind, FILES[extension], "a")


@pytest.mark.parametrize("data", [b"hello\n", "héllo".encode(), b"\xef\xbb\xbfbom", b"a\r\nb\r\n", FILES["svg"]])
def test_text_is_wrapped_under_its_name(world: Environment, data: bytes) -> None:
    part = attached(world, "notes.txt", data)
    assert isinstance(part, TextPart)
    text = data.decode("utf-8-sig")
    assert part.text == f"notes.txt:\n\n```txt\n{text}{'' if text.endswith(chr(10)) else chr(10)}```"


def test_no_fence_in_a_file_ends_its_wrapping(world: Environment) -> None:
    part = attached(world, "a.md", b"```py\n1\n```\n\n`````\n")
    assert isinstance(part, TextPart)
    assert part.text.startswith("a.md:\n\n``````md\n")
    assert part.text.endswith("\n``````")


def test_a_hostile_name_is_made_harmless(world: Environment) -> None:
    part = attached(world, "a\x1b[31m\nb.t`xt", b"x")
    assert isinstance(part, TextPart)
    assert part.text == "a?[31m?b.t`xt:\n\n```\nx\n```"


@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2",
        b"ab\0cd",
        b"\xff\xfe\0",
        "ü".encode("latin-1"),
        FILES["flac"],
        FILES["mp4"],
        FILES["webm"],
        FILES["ogg"],
    ],
)
def test_anything_else_is_refused(world: Environment, data: bytes) -> None:
    refused = refusal(world, "a.bin", data)
    assert refused.message == "cannot attach a.bin: it is of no kind that the API takes"
    assert as_part(data, "stdin") is None


def test_what_is_no_readable_file_is_refused_in_one_line(world: Environment) -> None:
    (world.directory / "sub").mkdir()
    os.mkfifo(world.directory / "pipe")
    assert refusal(world, "gone").message == "cannot attach gone: no such file or directory"
    assert refusal(world, "sub").message == "cannot attach sub: it is a directory"
    assert refusal(world, "pipe").hint == "-a - attaches standard input"
    assert refusal(world, "empty", b"").message == "cannot attach empty: it is empty"
    for name in ("a\0b", "~nobody-of-this-name/x", "x" * 300, "", "pipe/x"):
        refusal(world, name)


def test_a_pipe_is_read_to_its_end_however_slow_its_writer(world: Environment) -> None:
    pipe = world.directory / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb") as file:
            time.sleep(0.1)
            for at in range(0, len(FILES["png"]), 40):
                file.write(FILES["png"][at : at + 40])
                file.flush()
                time.sleep(0.01)

    writer = threading.Thread(target=write)
    writer.start()
    part = load("pipe", world)
    writer.join()
    assert isinstance(part, MediaPart)
    assert part.data == FILES["png"]


def test_a_tilde_is_the_home(world: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "of mine"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "a.png").write_bytes(FILES["png"])
    part = load("~/a.png", world)
    assert isinstance(part, MediaPart)
    assert part.path == str(home / "a.png")


def test_too_large_a_picture_is_refused_or_shrunk(world: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "IMAGE_LIMIT", 60_000)
    noise = Image.frombytes("RGB", (400, 300), random.Random(1).randbytes(400 * 300 * 3))
    out = io.BytesIO()
    noise.save(out, "PNG")
    refused = refusal(world, "a.png", out.getvalue())
    assert "it has 361 kB, and the models take images of 60 kB at most" in refused.message
    assert refused.hint == "--shrink makes it smaller"
    monkeypatch.setattr(attachments, "IMAGE_LIMIT", 100_000)
    part = attached(world, "a.png", out.getvalue(), shrink=True)
    assert isinstance(part, MediaPart)
    assert part.mime == "image/jpeg"
    assert len(part.data or b"") <= 100_000
    width, height = dimensions(part.data or b"")
    assert 100 < height < width <= 400
    monkeypatch.setattr(attachments, "IMAGE_LIMIT", 300)
    assert "do not shrink to 300 bytes" in refusal(world, "a.png", shrink=True).message
    assert "cannot read heic" in refusal(world, "a.heic", FILES["heic"] + bytes(1000), shrink=True).message


def test_a_small_picture_is_not_touched_by_shrinking(world: Environment) -> None:
    part = attached(world, "a.png", FILES["png"], shrink=True)
    assert isinstance(part, MediaPart)
    assert part.data == FILES["png"]


def test_a_broken_picture_that_would_be_converted_is_refused(world: Environment) -> None:
    assert "broken gif" in refusal(world, "a.gif", FILES["gif"][:20]).message
    bomb = FILES["bmp"][:18] + (60000).to_bytes(4, "little") * 2 + FILES["bmp"][26:]
    assert "too many pixels" in refusal(world, "a.bmp", bomb).message


def test_a_file_larger_than_any_request_is_not_even_read(world: Environment) -> None:
    with (world.directory / "huge").open("wb") as file:
        file.truncate(200 * 1024 * 1024)
    assert "it has 210 MB" in refusal(world, "huge").message


def test_a_picture_on_the_web_is_passed_on_by_its_address(world: Environment) -> None:
    part = load("https://example.org/a/cat%20one.JPG?x=1", world)
    assert part == MediaPart("image", "image/jpeg", url="https://example.org/a/cat%20one.JPG?x=1", name="cat one.JPG")


@pytest.mark.parametrize(
    "ref",
    [
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "https://",
        "http://[::1",
        "javascript://x",
    ]
    + ["https://example.org/a b.png", "https://example.org/\x1b[31m"],
)
def test_other_addresses_are_refused(world: Environment, ref: str) -> None:
    refused = refusal(world, ref)
    assert "an address begins with http:// or https://" in refused.message
    assert "\x1b" not in refused.message


def test_a_document_on_the_web_has_to_be_fetched(world: Environment) -> None:
    assert "--fetch" in (refusal(world, "https://example.org/a.pdf").hint or "")
    part = load("https://example.org/a.pdf", world, fetch=lambda url: FILES["pdf"])
    assert isinstance(part, MediaPart)
    assert (part.kind, part.name, part.data) == ("document", "a.pdf", FILES["pdf"])
    with pytest.raises(UsageError, match="no kind that the API takes"):
        load("https://example.org/a", world, fetch=lambda url: b"\0")


def test_too_many_and_too_much_are_refused() -> None:
    picture = MediaPart("image", "image/png", FILES["png"])
    check([picture] * 14)
    check([picture] * 3, "gemini-2.5-flash-image")
    with pytest.raises(UsageError, match=r"4 images are attached; gemini-2\.5-flash-image takes 3 at most"):
        check([picture] * 4, "gemini-2.5-flash-image")
    with pytest.raises(UsageError, match="15 images are attached; the models take 14"):
        check([picture] * 15)
    sound = MediaPart("audio", "audio/wav", bytes(60_000_000))
    check([sound, TextPart("x")])
    with pytest.raises(UsageError, match="a request of 160 MB; the API takes 134 MB"):
        check([sound, sound])


@settings(deadline=None)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=30), st.integers(0, 100))
def test_no_bytes_do_more_than_be_refused(extension: str, more: bytes, cut: int) -> None:
    data = FILES[extension][:cut] + more
    try:
        as_part(data, "x")
    except UsageError:
        pass
