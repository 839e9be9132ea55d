"""Pictures and sounds in the answer, in every shape they arrive in, become files that elkcli names."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import sys
import time
import wave
import zlib
from pathlib import Path
from typing import Any

import pytest

from elkcli.api.wire import Decoder
from elkcli.conversation import Text
from tests.conftest import Elkcli
from tests.server import DONE, Close, Pause, Server, chunk, event, response, stream, whole


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return out.getvalue()


FOX, OWL, SOUND = png(3, 2), png(5, 4), wav()
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(64) + b"\xff\xd9"


def url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def image(data: bytes, mime: str = "image/png") -> str:
    return f"![image]({url(data, mime)})"


def part(data: bytes) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url(data)}}


SHAPES: dict[str, bytes | dict[str, Any]] = {
    "Markdown in a stream": b"".join(stream("Here: ", image(FOX))),
    "Markdown in many deltas": b"".join(stream(*re.findall(".{1,7}", "Here: " + image(FOX)))),
    "Markdown in one reply": whole("Here: " + image(FOX)),
    "images beside null content": whole(None, images=[part(FOX)]),
    "images beside text": whole("Here: ", images=[part(FOX)]),
    "images in a delta": event(chunk("Here: ")) + event(chunk(images=[part(FOX)])) + event(chunk(finish="stop")) + DONE,
    "a bare URL as an image": whole("Here: ", images=[{"type": "image_url", "image_url": url(FOX)}]),
    "content of parts": whole([{"type": "text", "text": "Here: "}, part(FOX)]),
    "content of parts in a delta": event(chunk([{"type": "text", "text": "Here: "}, part(FOX)]))
    + event(chunk(finish="stop")) + DONE,
    "Markdown in the reasoning": event(chunk(reasoning_content="hm " + image(FOX)))
    + event(chunk(finish="stop")) + DONE,
    "Markdown in the reasoning of one reply": whole("", reasoning_content=image(FOX)),
    "a type that lies": whole("Here: " + image(FOX, "image/jpeg")),
    "a type in capitals": whole("Here: " + image(FOX, "IMAGE/PNG")),
    "a part as Anthropic has it": whole([{"type": "text", "text": "Here: "}, {"type": "image", "source": {
        "type": "base64", "media_type": "image/png", "data": base64.b64encode(FOX).decode()}}]),
    "a part as Google has it": whole([{"text": "Here: "}, {"inlineData": {
        "mimeType": "image/png", "data": base64.b64encode(FOX).decode()}}]),
    "a part that is a result": whole([{"type": "text", "text": "Here: "}, {
        "type": "image_generation_call", "result": base64.b64encode(FOX).decode()}]),
    "an image without a list": whole("Here: ", images=part(FOX)),
    "base64 without a header": whole("Here: ", images=[{"url": base64.b64encode(FOX).decode()}]),
    "a member of its own": whole("Here: ", images=[{"b64_json": base64.b64encode(FOX).decode()}]),
    "lines of base64": whole("Here: ", images=[{"url": "data:image/png;base64," + re.sub(
        "(.{20})", r"\1\n", base64.b64encode(FOX).decode())}]),
    "the same in the text and beside it": whole("Here: " + image(FOX), images=[part(FOX)]),
    "the same in the text and beside it, in a stream": b"".join(stream("Here: ", image(FOX), finish=None, done=False))
    + event(chunk(images=[part(FOX)])) + event(chunk(finish="stop")) + DONE,
    "another alternative text": whole(f"Here: ![a fox]({url(FOX)})"),
}  # fmt: skip


def files(elkcli: Elkcli) -> list[Path]:
    return sorted(elkcli.work.iterdir())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_becomes_a_file_in_whatever_shape_it_came(shape: str, elkcli: Elkcli, server: Server) -> None:
    server.replies(SHAPES[shape])
    result = elkcli("ask", "a fox").succeeds()
    (file,) = files(elkcli)
    assert file.read_bytes() == FOX
    assert file.suffix == ".png"
    assert b"base64" not in result.out
    assert file.name in result.err
    assert "3" in result.err
    assert "2" in result.err
    assert str(len(FOX)) in result.err
    if "reasoning" not in shape:
        assert re.search(rf"!\[[^\]]*\]\({re.escape(file.name)}\)\n\Z", result.text), result


def test_the_same_picture_twice_on_purpose_is_two_files(elkcli: Elkcli, server: Server) -> None:
    server.replies(whole(image(FOX) + image(FOX), images=[part(FOX), part(FOX), part(FOX)]))
    elkcli("ask", "foxes").succeeds()
    assert [file.read_bytes() for file in files(elkcli)] == [FOX] * 3


def test_a_picture_in_a_code_block_is_code(elkcli: Elkcli, server: Server) -> None:
    page = f'<img src="{url(FOX)}">\n'
    server.says(f"Write:\n```html\n{page}```\nor `{image(FOX)}`.\n")
    elkcli("ask", "how").succeeds(f"Write:\n```html\n{page}```\nor `{image(FOX)}`.\n".encode())
    elkcli("ask", "how", "-x", "html").succeeds(page.encode())
    assert not files(elkcli)


def test_a_picture_beside_a_fence_that_is_open_is_a_picture(elkcli: Elkcli, server: Server) -> None:
    server.replies(whole("```\ncode", images=[part(FOX)]))
    elkcli("ask", "a fox").succeeds()
    assert [file.read_bytes() for file in files(elkcli)] == [FOX]


def test_films_and_documents_among_the_parts_are_saved_and_what_is_unknown_is_told(
    elkcli: Elkcli, server: Server
) -> None:
    film, paper = b"\0\0\0\x18ftypisom" + bytes(40), b"%PDF-1.4\n%%EOF\n"
    server.replies(
        whole(
            [
                {"type": "text", "text": "Both:"},
                {"type": "video_url", "video_url": {"url": url(film, "video/mp4")}},
                {"type": "file", "file": {"filename": "../a.pdf", "file_data": url(paper, "application/pdf")}},
                {"type": "image", "source": {"type": "file", "file_id": "x"}},
                {"secret": 1},
            ]
        )
    )
    result = elkcli("ask", "hi").succeeds()
    assert {file.suffix: file.read_bytes() for file in files(elkcli)} == {".mp4": film, ".pdf": paper}
    assert result.text.count("[media](") == 2
    assert "kind elkcli does not know: image\n" in result.err
    assert "kind elkcli does not know: secret\n" in result.err


def test_a_sound_that_comes_in_pieces_is_one_file(elkcli: Elkcli, server: Server) -> None:
    pieces = [SOUND[at : at + 50] for at in range(0, len(SOUND), 50)]
    server.streams(
        *(chunk(audio={"data": base64.b64encode(piece).decode(), "transcript": "la "}) for piece in pieces),
        chunk(finish="stop"),
        DONE,
    )
    result = elkcli("ask", "sing").succeeds()
    (file,) = files(elkcli)
    assert (file.suffix, file.read_bytes()) == (".wav", SOUND)
    assert result.text == f"{'la ' * len(pieces)}\n[media]({file.name})\n"


def test_several_pictures_become_several_files_and_nothing_is_overwritten(elkcli: Elkcli, server: Server) -> None:
    server.says(f"One {image(FOX)} two {image(OWL)} three {image(FOX)}.")
    for _ in range(2):
        names = re.findall(r"!\[image\]\(([^)]*)\)", elkcli("ask", "hi").succeeds().text)
        assert [(elkcli.work / name).read_bytes() for name in names] == [FOX, OWL, FOX]
    assert len(files(elkcli)) == 6


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "-rf", "a\0b", "x" * 5000, "\x1b]0;x\x07", "con.png"])
def test_the_server_names_no_file(name: str, elkcli: Elkcli, server: Server) -> None:
    server.replies({**whole(f"![{name}]({url(FOX)})"), "id": name, "model": name})
    elkcli("ask", "hi").succeeds()
    (file,) = files(elkcli)
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]{0,100}\.png", file.name)


@pytest.mark.parametrize("mime", ["image/png", "image/svg+xml", "text/html", "application/x-sh", "image/../x", ""])
def test_the_bytes_decide_the_ending_of_the_name(mime: str, elkcli: Elkcli, server: Server) -> None:
    server.says(image(JPEG, mime))
    elkcli("ask", "hi")
    assert all(file.suffix == ".jpg" for file in files(elkcli))


def test_a_sound_is_a_file_too(elkcli: Elkcli, server: Server) -> None:
    server.replies(whole(f"Listen: [media]({url(SOUND, 'audio/wav')})"))
    result = elkcli("ask", "hi", "--no-stream").succeeds()
    (file,) = files(elkcli)
    assert file.suffix == ".wav"
    assert file.read_bytes() == SOUND
    assert file.name in result.text


@pytest.mark.parametrize("text", ["See https://example.invalid/fox.png now", "![fox](https://example.invalid/fox.png)"])
def test_a_picture_elsewhere_stays_a_link(text: str, elkcli: Elkcli, server: Server) -> None:
    server.says(text)
    elkcli("ask", "hi").succeeds(f"{text}\n".encode())
    assert not files(elkcli)
    assert len(server.requests) == 1


def test_a_link_among_the_images_is_printed(elkcli: Elkcli, server: Server) -> None:
    link = "https://example.invalid/fox.png"
    server.replies(whole(None, images=[{"type": "image_url", "image_url": {"url": link}}]))
    assert link in elkcli("ask", "hi").succeeds().text
    assert not files(elkcli)


@pytest.mark.parametrize("broken", ["![image](data:image/png;base64,@@@@)", "![image](data:image/png;base64,)",
                                    "![image](data:image/png,abc)", "![image](data:image/png;base64,abc",
                                    "![image](data:;base64,AAAA)"])  # fmt: skip
def test_a_broken_picture_is_no_crash_and_loses_no_words(broken: str, elkcli: Elkcli, server: Server) -> None:
    server.says(f"before {broken} after")
    result = elkcli("ask", "hi")
    assert result.code in {0, 8}, result
    assert result.out.startswith(b"before ")
    assert b"after" in result.out
    assert "Traceback" not in result.err


def test_an_unknown_part_is_noted(elkcli: Elkcli, server: Server) -> None:
    server.replies(whole([{"type": "text", "text": "Hello"}, {"type": "hologram", "hologram": {}}]))
    assert "hologram" in elkcli("ask", "hi").succeeds(b"Hello\n").err


def test_output_names_the_file_and_numbers_the_others(elkcli: Elkcli, server: Server) -> None:
    server.says(f"{image(FOX)} {image(OWL)}")
    elkcli("ask", "hi", "-o", "out.png").succeeds()
    assert (elkcli.work / "out.png").read_bytes() == FOX
    assert (elkcli.work / "out-2.png").read_bytes() == OWL
    elkcli("ask", "hi", "-o", "out.png").fails(2)
    assert len(server.requests) == 1
    elkcli("ask", "hi", "-o", "out.png", "--force").succeeds()


def test_output_may_be_a_directory(elkcli: Elkcli, server: Server) -> None:
    (elkcli.work / "pictures").mkdir()
    server.says(image(FOX))
    elkcli("ask", "hi", "-o", "pictures").succeeds()
    (file,) = (elkcli.work / "pictures").iterdir()
    assert file.read_bytes() == FOX


def test_output_may_be_a_setting(elkcli: Elkcli, server: Server, tmp_path: Path) -> None:
    place = tmp_path / "deep" / "er"
    server.says(image(FOX))
    elkcli("ask", "hi", env={"ELKCLI_IMAGE_DIR": str(place)}).succeeds()
    (file,) = place.iterdir()
    assert file.read_bytes() == FOX


def test_output_may_be_a_pipe(elkcli: Elkcli, server: Server) -> None:
    server.says(f"A fox: {image(FOX)} and words")
    result = elkcli("ask", "hi", "-o", "-").succeeds(FOX)
    assert "A fox" in result.err
    assert not files(elkcli)


def test_json_keeps_the_data_url_and_jsonl_has_an_event(elkcli: Elkcli, server: Server) -> None:
    server.says(f"A fox: {image(FOX)}")
    reply = elkcli("ask", "hi", "-f", "json").succeeds().json
    assert url(FOX) in reply["choices"][0]["message"]["content"]
    assert not files(elkcli)
    elkcli("ask", "hi", "-f", "json", "-o", "fox.png").succeeds()
    assert (elkcli.work / "fox.png").read_bytes() == FOX
    types = [line["type"] for line in elkcli("ask", "hi", "-f", "jsonl").succeeds().events]
    assert "image" in types
    assert "text" in types


def test_json_refers_to_the_file_whatever_number_the_choice_bears(elkcli: Elkcli, server: Server) -> None:
    """The sample reply of the API page counts its only choice as 1."""
    reply = whole(f"A fox: {image(FOX)}")
    reply["choices"][0]["index"] = 1
    server.replies(reply)
    shown = elkcli("ask", "hi", "-f", "json", "-o", "fox.png").succeeds().json
    assert shown["choices"][0]["message"]["content"] == "A fox: ![image](fox.png)"


def test_a_picture_is_kept_when_the_stream_is_cut_behind_it(elkcli: Elkcli, server: Server) -> None:
    server.drops(after=f"Here: {image(FOX)} and")
    result = elkcli("ask", "hi")
    assert result.code == 8
    (file,) = files(elkcli)
    assert file.read_bytes() == FOX


def test_no_picture_where_one_was_asked_for_is_8(elkcli: Elkcli, server: Server) -> None:
    server.says("I would draw, but")
    elkcli("ask", "a fox", "--aspect-ratio", "1:1").fails(8, b"I would draw, but\n")


def test_a_picture_of_twenty_megabytes_takes_seconds(elkcli: Elkcli, server: Server) -> None:
    large = png(4000, 4000)
    server.says(f"Here: {image(large)}")
    began = time.monotonic()
    elkcli("ask", "hi").succeeds()
    assert time.monotonic() - began < 10
    (file,) = files(elkcli)
    assert file.read_bytes() == large


BIG = FOX + bytes(range(256)) * 156_250


@pytest.mark.parametrize("shape", ["pieces", "escaped", "lines", "b64_json", "audio", "json"])
def test_forty_megabytes_arrive_in_every_shape(shape: str, elkcli: Elkcli, server: Server) -> None:
    text, base = image(BIG), base64.b64encode(BIG).decode()
    more: list[str] = []
    if shape == "pieces":
        server.says(chunks=[text[at : at + 100_000] for at in range(0, len(text), 100_000)])
    elif shape == "escaped":
        server.replies(json.dumps(whole(text)).replace("/", "\\/"))
    elif shape == "lines":
        server.says("![image](data:image/png;base64," + re.sub("(.{76})", r"\1\n", base) + ")")
    elif shape == "b64_json":
        server.replies(whole(None, images=[{"b64_json": base}]))
    elif shape == "audio":
        server.replies(whole(None, audio={"data": base, "format": "wav"}))
    else:
        server.says(text)
        more = ["-f", "json", "-o", "big.png"]
    elkcli("ask", "a fox", "--no-history", *more).succeeds()
    (file,) = files(elkcli)
    assert file.read_bytes() == BIG


def test_at_a_terminal_the_base64_is_never_seen(elkcli: Elkcli, server: Server) -> None:
    server.says(f"Here: {image(FOX)}")
    result = elkcli("ask", "hi", terminal=True, env={"ELKCLI_IMAGE_PREVIEW": "none", "NO_COLOR": "1"}).succeeds()
    assert base64.b64encode(FOX).decode()[8:40] not in result.text
    (file,) = files(elkcli)
    assert file.name in result.text + result.err


def test_a_picture_that_cannot_be_saved_is_told_and_not_lost(elkcli: Elkcli, server: Server) -> None:
    elkcli.file("file", "")
    server.says(f"Here: {image(FOX)}")
    result = elkcli("ask", "hi", env={"ELKCLI_IMAGE_DIR": str(elkcli.work / "file")})
    (kept,) = (path for path in elkcli.data.rglob("rescued/*.png"))
    assert kept.read_bytes() == FOX
    assert (result.code, result.text) == (1, f"Here: ![image]({kept})\n")
    assert str(kept) in result.error


def test_the_words_behind_a_picture_that_can_be_saved_nowhere_are_printed(elkcli: Elkcli, server: Server) -> None:
    elkcli.file("file", "")
    elkcli.data.mkdir(exist_ok=True)
    (elkcli.data / "rescued").write_text("a file where the directory should be")
    server.streams(chunk("Here: "), chunk(image(FOX)), chunk(" and more."), chunk(finish="stop"), DONE)
    result = elkcli("ask", "hi", env={"ELKCLI_IMAGE_DIR": str(elkcli.work / "file")})
    result.fails(1, b"Here: ![image]([not saved]) and more.\n")
    assert "cannot save the image" in result.error
    assert FOX in [path.read_bytes() for path in elkcli.data.rglob("media/*")]  # as part of the history


@pytest.mark.parametrize("place", ["/proc/x.png", "/proc/self/x.png", "/proc", "/sys/kernel/x.png"])
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a /proc")
def test_a_place_that_takes_no_files_is_refused_before_anything_is_sent(
    place: str, elkcli: Elkcli, server: Server
) -> None:
    elkcli("ask", "hi", "-o", place).fails(2)
    assert not server.requests


def test_the_bytes_of_a_picture_are_kept_from_a_terminal(elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", "-o", "-", terminal=True)
    assert result.code == 2
    assert "would write an image's bytes to the terminal" in result.err
    assert not server.requests


def test_json_refers_to_the_files_wherever_the_picture_came(elkcli: Elkcli, server: Server) -> None:
    reply = whole("Here: " + image(FOX), reasoning_content="hm " + image(OWL))
    reply["choices"][0]["index"] = 1  # as in the sample of the API page
    server.replies(reply)
    message = elkcli("ask", "hi", "-f", "json", "-o", "x.png").succeeds().json["choices"][0]["message"]
    assert "base64" not in json.dumps(message)
    assert "Here: ![image](x" in message["content"]
    assert {file.name for file in files(elkcli)} == {"x.png", "x-2.png"}


def test_dry_run_of_a_picture_request_saves_nothing(elkcli: Elkcli, server: Server) -> None:
    shown = elkcli("ask", "hi", "--image-size", "2K", "-o", "x.png", "--dry-run").succeeds().json
    assert json.dumps(shown["body"]["extra_body"])
    assert not files(elkcli)


def test_each_turn_of_a_chat_gets_a_name_of_its_own_after_output(elkcli: Elkcli, server: Server) -> None:
    server.says(image(FOX)).says(image(OWL))
    result = elkcli("chat", "-o", "x.png", stdin=b"a fox\nan owl\n").succeeds(b"![image](x.png)\n![image](x-2.png)\n")
    assert {file.name: file.read_bytes() for file in files(elkcli)} == {"x.png": FOX, "x-2.png": OWL}, result
    elkcli("chat", "-o", "x.png", stdin=b"a fox\n").fails(2)


@pytest.mark.parametrize("streamed", [True, False])
def test_what_came_of_a_picture_is_kept_when_its_line_is_cut(streamed: bool, elkcli: Elkcli, server: Server) -> None:
    big = FOX + bytes(range(256)) * 1000
    if streamed:
        server.streams(chunk("Here: "), event(chunk(image(big)))[:200_000], Pause(0.1), ends=Close())
    else:
        server.answers(lambda request: [response(200, whole("Here: " + image(big)))[:200_000], Pause(0.1), Close()])
    result = elkcli("ask", "a fox", "--retries", "0")
    assert result.code == 8
    assert "cut off after 1" in result.err
    (file,) = files(elkcli)
    assert len(file.read_bytes()) > 140_000
    assert big.startswith(file.read_bytes())


def test_a_file_is_named_as_people_write_it(elkcli: Elkcli, server: Server) -> None:
    (elkcli.work / "a b").mkdir()
    server.says(image(FOX))
    assert "note: saved a b/(x).png (3×2, " in elkcli("ask", "hi", "-o", "a b/(x).png").err
    assert "note: saved ../y.png (3×2, " in elkcli("ask", "hi", "-o", "../y.png").err


@pytest.mark.parametrize(
    ("model", "option", "value"),
    [
        ("gemini-2.5-flash-image", "--image-size", "4K"),
        ("gemini-2.5-flash-image", "--aspect-ratio", "1:8"),
        ("gemini-3-pro-image-preview", "--image-size", "512"),
        ("gemini-3-pro-image-preview", "--aspect-ratio", "4:1"),
    ],
)
def test_what_the_model_is_not_known_to_take_is_warned_of_and_sent(
    model: str, option: str, value: str, elkcli: Elkcli, server: Server
) -> None:
    server.says(image(FOX))
    result = elkcli("ask", "hi", "-m", model, option, value).succeeds()
    assert f"{model} takes no" in result.err
    assert value in server.request.json["extra_body"]["google"]["image_config"].values()
    for good in ("gemini-3.1-flash-image-preview", "gemini-3.1-pro-preview", "some-other"):
        assert "warning" not in elkcli("ask", "hi", "-m", good, option, value).succeeds().err


@pytest.mark.slow
def test_a_picture_is_shown_again_with_the_conversation(elkcli: Elkcli, server: Server) -> None:
    server.says(f"Here: {image(FOX)}\n\nand another {image(OWL)}.\n")
    elkcli("ask", "a fox").succeeds()
    shown = elkcli.terminal("history", "show", env={"TERM": "xterm-kitty"})
    assert shown.exit() == 0
    assert shown.received.count(b"\x1b_Ga=T,") == 2
    assert base64.b64encode(FOX) in shown.received
    plain = elkcli.terminal("history", "show", env={"TERM": "xterm-kitty", "ELKCLI_IMAGE_PREVIEW": "none"})
    assert plain.exit() == 0
    assert b"\x1b_G" not in plain.received


@pytest.mark.parametrize("text", ["See {} now", "![fox]({})", "Here.\n{}"])
def test_a_linked_picture_is_downloaded_on_request_without_the_token(
    text: str, elkcli: Elkcli, server: Server, token: str
) -> None:
    link = server.url.removesuffix("/v1") + "/fox.png"
    server.serves("/fox.png", FOX).says(text.format(link))
    result = elkcli("ask", "a fox", "--fetch", "-o", "x.png").succeeds(f"{text.format(link)}\n".encode())
    assert "saved x.png (3×2, " in result.err
    assert {file.name: file.read_bytes() for file in files(elkcli)} == {"x.png": FOX}
    assert [request.header("Authorization") for request in server.requests] == [f"Bearer {token}", None]


def test_a_link_in_the_place_of_the_file_that_was_named_is_8(elkcli: Elkcli, server: Server) -> None:
    server.says("![fox](https://example.invalid/fox.png)")
    elkcli("ask", "a fox", "--aspect-ratio", "1:1").succeeds()
    assert elkcli("ask", "a fox", "-o", "x.png").code == 8
    assert "--fetch" in elkcli("ask", "a fox", "-o", "-").hint
    assert len(server.requests) == 3


@pytest.mark.parametrize(("status", "body"), [(404, b"gone"), (200, b"<!doctype html>"), (200, b"")])
def test_a_link_to_something_else_is_8_and_saves_nothing(
    status: int, body: bytes, elkcli: Elkcli, server: Server
) -> None:
    link = server.url.removesuffix("/v1") + "/fox.png"
    server.serves("/fox.png", body, status=status).says(f"![fox]({link})")
    result = elkcli("ask", "a fox", "--fetch")
    assert (result.code, result.text) == (8, f"![fox]({link})\n")
    assert not files(elkcli)


def test_a_picture_in_code_is_no_picture_when_it_is_sent_again_either(elkcli: Elkcli, server: Server) -> None:
    server.says(f"Write:\n```\n{image(FOX)}\n```\n")
    elkcli("ask", "how").succeeds()
    elkcli("ask", "-c", "and then").succeeds()
    assert "![image] (data:image/png" in server.requests[-1].json["messages"][1]["content"]
    said = f"what is {image(FOX)}"
    elkcli("ask", said).succeeds()
    assert server.requests[-1].json["messages"][0]["content"] == said


@pytest.mark.parametrize(
    "options",
    [["-o", "x.png"], ["-o", "-"], ["--image-size", "1K"], ["--set", "extra_body.google.image_config.image_size=1K"]],
)
def test_a_picture_that_may_be_billed_is_asked_for_once_and_missed_where_it_does_not_come(
    options: list[str], elkcli: Elkcli, server: Server
) -> None:
    server.drops().says("I cannot draw.")
    elkcli("ask", "a fox", *options).fails(7)
    assert len(server.requests) == 1
    assert elkcli("ask", "a fox", *options).code == 8


def test_a_directory_asks_for_no_picture(elkcli: Elkcli, server: Server) -> None:
    server.says("I cannot draw.")
    for place in (".", "./", "~", "~/"):
        elkcli("ask", "a fox", "-o", place).succeeds(b"I cannot draw.\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="names are text there")
def test_a_name_may_be_any_bytes(elkcli: Elkcli, server: Server) -> None:
    server.says(f"Here: {image(FOX)}.")
    (elkcli.work / "in\udcff.png").write_bytes(FOX)
    result = elkcli.shell("elkcli ask -a in$'\\xff'.png -o out$'\\xff'.png hi </dev/null")
    assert (result.code, result.out) == (0, b"Here: ![image](out%FF.png).\n"), result
    assert (elkcli.work / "out\udcff.png").read_bytes() == FOX
    assert elkcli("history", "show").succeeds().text.endswith("![image](out%FF.png).\n")


def test_a_picture_among_the_thoughts_stands_on_a_line_of_its_own(elkcli: Elkcli, server: Server) -> None:
    server.streams(chunk("One"), chunk(reasoning_content="hm " + image(FOX)), chunk("Two"), chunk(finish="stop"), DONE)
    result = elkcli("ask", "hi").succeeds()
    assert re.fullmatch(r"One\n!\[image\]\(\S+\.png\)\nTwo\n", result.text), result


def test_pictures_of_thoughts_and_of_the_list_come_alike_however_the_bytes_are_cut() -> None:
    body = (
        event(chunk("One"))
        + event(chunk(reasoning_content="hm " + image(FOX)))
        + event(chunk(images=[{"image_url": {"url": "https://example.invalid/owl.png"}}]))
        + event(chunk(finish="stop"))
        + DONE
    )
    said = set()
    for step in (1, 7, len(body)):
        decoder = Decoder()
        pieces = [piece for at in range(0, len(body), step) for piece in decoder.feed(body[at : at + step])]
        said.add("".join(piece.text for piece in [*pieces, *decoder.close()] if isinstance(piece, Text)))
    assert said == {"One\n![image]()\n![image](https://example.invalid/owl.png)"}
