"""Small real files of every kind that elkcli knows, made here, so that no binary lies in the repository."""

from __future__ import annotations

import io
import struct
import wave
import zlib


def png(width: int = 3, height: int = 2, colour: tuple[int, int, int] = (200, 30, 60)) -> bytes:
    """A plain PNG, without Pillow."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = (b"\0" + bytes(colour) * width) * height
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        )
    )


def by_pillow(form: str, width: int = 33, height: int = 21, **options: object) -> bytes:
    """A picture in one of Pillow's formats."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 60)).save(stream, form, **options)
    return stream.getvalue()


def wav() -> bytes:
    """A tenth of a second of silence."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return stream.getvalue()


def mp3(*, tagged: bool = False) -> bytes:
    """Two silent frames of 128 kbit/s, 44.1 kHz."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    return (b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) if tagged else b"") + frame * 2


def box(brand: bytes, *compatible: bytes) -> bytes:
    """The first box of a file of the ISO base media family."""
    body = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(body) + 4) + body + bytes(32)


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"></svg>'


def every_image() -> dict[str, bytes]:
    """One picture of each format, by its extension."""
    return {
        "png": png(33, 21),
        "jpg": by_pillow("JPEG"),
        "gif": by_pillow("GIF"),
        "webp": by_pillow("WEBP"),
        "bmp": by_pillow("BMP"),
        "tiff": by_pillow("TIFF"),
        "ico": by_pillow("ICO", sizes=[(16, 16)]),
        "heic": box(b"heic", b"mif1", b"heic"),
        "heif": box(b"mif1", b"mif1"),
        "avif": by_pillow("AVIF"),
    }


def everything() -> dict[str, bytes]:
    """One file of each kind, by its extension."""
    return {
        **every_image(),
        "pdf": PDF,
        "wav": wav(),
        "mp3": mp3(),
        "flac": b"fLaC\0\0\0\x22" + bytes(34),
        "ogg": b"OggS\0\2" + bytes(30),
        "m4a": box(b"M4A ", b"isom"),
        "mp4": box(b"isom", b"mp42"),
        "mov": box(b"qt  "),
        "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm" + bytes(20),
        "mkv": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska" + bytes(20),
        "svg": SVG,
    }
