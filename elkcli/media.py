"""What bytes are, told by the bytes themselves: kind, type, file extension, and size in pixels. No I/O."""

from __future__ import annotations

import re
from typing import NamedTuple

from elkcli.conversation import MediaKind


class Kind(NamedTuple):
    """What some bytes are. ``extension`` has no dot."""

    kind: MediaKind
    mime: str
    extension: str


PNG = Kind("image", "image/png", "png")
JPEG = Kind("image", "image/jpeg", "jpg")
GIF = Kind("image", "image/gif", "gif")
WEBP = Kind("image", "image/webp", "webp")
BMP = Kind("image", "image/bmp", "bmp")
TIFF = Kind("image", "image/tiff", "tiff")
HEIC = Kind("image", "image/heic", "heic")
HEIF = Kind("image", "image/heif", "heif")
AVIF = Kind("image", "image/avif", "avif")
ICO = Kind("image", "image/x-icon", "ico")
PDF = Kind("document", "application/pdf", "pdf")
WAV = Kind("audio", "audio/wav", "wav")
MP3 = Kind("audio", "audio/mpeg", "mp3")
FLAC = Kind("audio", "audio/flac", "flac")
OGG = Kind("audio", "audio/ogg", "ogg")
M4A = Kind("audio", "audio/mp4", "m4a")
MP4 = Kind("video", "video/mp4", "mp4")
MOV = Kind("video", "video/quicktime", "mov")
WEBM = Kind("video", "video/webm", "webm")
MKV = Kind("video", "video/x-matroska", "mkv")
# A drawing in words that may carry scripts and links: a document, never a picture that elkcli shows.
SVG = Kind("document", "image/svg+xml", "svg")

ALSO_CALLED = {"jpeg": "jpg", "jpe": "jpg", "tif": "tiff", "hif": "heif", "wave": "wav", "oga": "ogg", "m4v": "mp4"}
"""Other extensions in use, and ours for the same thing."""

_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), HEIC),
    **dict.fromkeys((b"mif1", b"msf1", b"mif2"), HEIF),
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P "), M4A),
    b"qt  ": MOV,
}
# Compiled when needed. Atomic: many comments can be read in many ways, and trying them all takes for ever
_SVG = rb"(?si)(?>(?:<\?xml[^>]{0,512}\?>|<!--.{0,2048}?-->|<!DOCTYPE[^>]{0,512}>|\s)*)<svg[\s>]"


def sniff(data: bytes) -> Kind | None:  # noqa: C901, PLR0912 - a table of cases
    """What ``data`` is, or ``None`` where nothing known is recognised (text among it)."""
    head = data[:64]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith((b"GIF87a", b"GIF89a")) and not _printable(head[6:13]):
        return GIF
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head.startswith((b"II*\0", b"MM\0*")):
        return TIFF
    if re.match(rb"(?:\xef\xbb\xbf)?\s{0,16}%PDF-\d\.\d", head):
        return PDF
    if head[4:8] == b"ftyp":
        return _brand(data)
    if head.startswith(b"BM") and head[15:18] == b"\0\0\0" and head[14] in {12, 40, 52, 56, 64, 108, 124}:
        return BMP
    if head.startswith(b"\0\0\1\0") and 0 < int.from_bytes(head[4:6], "little") <= 64 and head[9:10] == b"\0":
        return ICO
    if head.startswith(b"OggS\0"):
        return OGG
    if head.startswith(b"fLaC") and head[4:6] in {b"\0\0", b"\x80\0"}:
        return FLAC
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head else MKV
    if _is_mp3(data):
        return MP3
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and re.match(
        _SVG, data[:8192].removeprefix(b"\xef\xbb\xbf")
    ):
        return SVG
    return None


def _printable(some: bytes) -> bool:
    """Whether ``some`` could be the next words of a text that merely begins like a magic number."""
    return len(some) > 0 and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in some)


def _brand(data: bytes) -> Kind | None:
    """The ISO base media family: the first box names the major brand and the compatible ones."""
    size = int.from_bytes(data[:4], "big")
    if not 16 <= size <= 4096 or size % 4:  # text with "ftyp" in its fifth place has no such size
        return None
    major = data[8:12]
    compatible = [data[at : at + 4] for at in range(16, min(size, len(data)), 4)]
    kind = _BRANDS.get(major, MP4)
    if kind is HEIF:
        return AVIF if b"avif" in compatible else HEIC if b"heic" in compatible else HEIF
    return kind


_MP3_BITRATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mp3_frame(header: bytes) -> int:
    """The length of the MPEG layer III frame that begins with ``header``, 0 if none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer != 1 or bitrate in {0, 15} or rate == 3:
        return 0
    kilobits = _MP3_BITRATES[3 if version == 3 else 2][bitrate]
    return (144 if version == 3 else 72) * kilobits * 1000 // _MP3_RATES[version][rate] + padding


def _is_mp3(data: bytes) -> bool:
    if data[:3] == b"ID3":
        # version 2.2 to 2.4, and a size of four bytes whose top bits are clear, before something that follows
        return len(data) > 10 and data[3] in {2, 3, 4} and data[4] < 16 and all(byte < 128 for byte in data[6:10])
    # Eleven set bits are no proof: another frame must follow where the first says that it ends
    length = _mp3_frame(data[:4])
    return length > 4 and (len(data) == length or _mp3_frame(data[length : length + 4]) > 4)


# Pixels


def dimensions(data: bytes) -> tuple[int, int]:
    """Width and height in pixels as the header says, ``(0, 0)`` where it says nothing. Never raises."""
    kind = sniff(data)
    if kind is PNG:
        return _pair(data, 16, 4, "big") if data[12:16] == b"IHDR" else (0, 0)
    if kind is GIF:
        return _pair(data, 6, 2, "little")
    if kind is JPEG:
        return _jpeg(data)
    if kind is WEBP:
        return _webp(data)
    if kind is BMP:
        if data[14] == 12:
            return _pair(data, 18, 2, "little")
        width = int.from_bytes(data[18:22], "little", signed=True)
        height = int.from_bytes(data[22:26], "little", signed=True)  # negative: its rows run from the top
        return (width, abs(height)) if width > 0 and height and len(data) >= 26 else (0, 0)
    if kind is ICO and len(data) >= 8:
        return (data[6] or 256, data[7] or 256)
    if kind in {HEIC, HEIF, AVIF}:
        return _ispe(data)
    return (0, 0)


def _pair(data: bytes, at: int, size: int, order: str) -> tuple[int, int]:
    little = order == "little"
    if len(data) < at + 2 * size:
        return (0, 0)
    width = int.from_bytes(data[at : at + size], "little" if little else "big")
    height = int.from_bytes(data[at + size : at + 2 * size], "little" if little else "big")
    return (width, height) if width and height else (0, 0)


def _jpeg(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = _pair(data, at + 5, 2, "big")
            return (width, height)
        elif marker in {0x01, *range(0xD0, 0xD8)}:  # markers without a length
            at += 2
        elif marker in {0xD9, 0xDA}:  # the end, or the picture itself: no frame header came
            break
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return (0, 0)


def _webp(data: bytes) -> tuple[int, int]:
    form = data[12:16]
    if form == b"VP8X" and len(data) >= 30:
        return (int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if form == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = _pair(data, 26, 2, "little")
        return (width & 0x3FFF, height & 0x3FFF)
    return (0, 0)


def _ispe(data: bytes) -> tuple[int, int]:
    """The largest extent that a HEIF file's properties name: the picture; smaller ones are tiles and thumbnails."""
    best, at, head = (0, 0), 0, data[:65536]
    while (at := head.find(b"ispe", at)) >= 0:
        found = _pair(head, at + 8, 4, "big")
        best = max(best, found, key=lambda pair: pair[0] * pair[1])
        at += 4
    return best


def readable(size: int) -> str:
    """A number of bytes for people: ``1 byte``, ``310 kB``, ``1.2 MB``."""
    if size < 1000:
        return "1 byte" if size == 1 else f"{size} bytes"
    if size < 999_500:
        return f"{size / 1000:.0f} kB" if size >= 9_950 else f"{size / 1000:.1f} kB"
    return f"{size / 1e6:.0f} MB" if size >= 99.5e6 else f"{size / 1e6:.1f} MB"
