"""What bytes are: elkcli/media.py."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elkcli.media import dimensions, readable, sniff
from tests import samples

EVERYTHING = samples.everything()


@pytest.mark.parametrize("extension", EVERYTHING)
def test_every_kind_of_file_is_known_by_its_bytes(extension: str) -> None:
    kind = sniff(EVERYTHING[extension])
    assert kind is not None
    assert kind.extension == extension


def test_a_picture_that_is_cut_off_is_still_known() -> None:
    for extension, data in samples.every_image().items():
        kind = sniff(data[:40])
        assert kind is not None, extension
        assert kind.extension == extension


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"A",
        b"BMW builds cars, and motor cycles as well",
        b"GIF89a is a format for pictures",
        b"ID3 tags are found in mp3 files",
        b"RIFF is short for resource interchange file format",
        b"1234ftypheic is what a picture of a phone begins with",
        b"%PDF is how one begins",
        b"II*",
        "ÿû latin and ÿþ marks".encode("latin-1"),
        "héllo wörld".encode("utf-16"),
        b"<html><body>no picture <svg></svg></body></html>",
        b"\xff\xfb\x90\x00 one frame and then nothing like it",
        b"fLaC is a codec",
        b"OggStream",
    ],
)
def test_text_is_never_taken_for_media(text: bytes) -> None:
    assert sniff(text) is None


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_no_text_at_all_is_taken_for_sound_or_a_picture(text: str) -> None:
    kind = sniff(text.encode())
    assert kind is None or kind.kind == "document"


def test_a_drawing_in_words_is_a_document_and_no_picture() -> None:
    for data in (samples.SVG, b"\xef\xbb\xbf<svg></svg>", b"<!-- drawn -->\n<!DOCTYPE svg>\n<SVG >"):
        kind = sniff(data)
        assert kind is not None
        assert (kind.kind, kind.extension) == ("document", "svg")


def test_no_text_takes_long_to_judge() -> None:
    begun = time.process_time()
    for data in (b"<!---->" * 2000, b"<" + b" " * 9000, b" " * 9000 + b"<x", b"<?xml?>" * 2000, b"<!doctype>" * 900):
        assert sniff(data) is None
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF"])
@pytest.mark.parametrize("size", [(1, 1), (33, 21), (640, 3), (255, 256)])
def test_the_size_in_pixels_is_read_from_the_header(form: str, size: tuple[int, int]) -> None:
    assert dimensions(samples.by_pillow(form, *size)) == size


def test_the_size_is_read_from_each_kind_of_webp_and_from_a_progressive_jpeg() -> None:
    assert dimensions(samples.by_pillow("WEBP", 300, 17, lossless=True)) == (300, 17)
    assert dimensions(samples.by_pillow("WEBP", 300, 17, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")) == (300, 17)
    assert dimensions(samples.by_pillow("JPEG", 300, 17, progressive=True, comment=b"x" * 60000)) == (300, 17)


def test_a_size_that_nobody_states_is_nought() -> None:
    for data in (b"", b"text", samples.wav(), samples.png()[:14], samples.by_pillow("JPEG")[:30], samples.SVG):
        assert dimensions(data) == (0, 0)


@settings(deadline=None)
@given(st.sampled_from(sorted(EVERYTHING)), st.data())
def test_no_bytes_at_all_make_it_fail(extension: str, data: st.DataObject) -> None:
    good = EVERYTHING[extension]
    cut = good[: data.draw(st.integers(0, min(len(good), 120)))]
    bad = bytearray(cut + data.draw(st.binary(max_size=40)))
    for at in data.draw(st.lists(st.integers(0, max(0, len(bad) - 1)), max_size=6)):
        if bad:
            bad[at] = data.draw(st.integers(0, 255))
    sniff(bytes(bad))
    width, height = dimensions(bytes(bad))
    assert width >= 0
    assert height >= 0


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_do_not_make_it_fail(data: bytes) -> None:
    sniff(data)
    dimensions(data)


def test_a_number_of_bytes_reads_as_people_write_it() -> None:
    assert [readable(n) for n in (0, 1, 999, 1234, 31_000, 999_499, 999_500, 1_234_567, 140_000_000)] == [
        "0 bytes",
        "1 byte",
        "999 bytes",
        "1.2 kB",
        "31 kB",
        "999 kB",
        "1.0 MB",
        "1.2 MB",
        "140 MB",
    ]
