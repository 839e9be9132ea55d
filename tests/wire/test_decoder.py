"""Laws of the decoder: how the network cuts the bytes changes nothing, and no bytes at all are too much for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elkcli.api.wire import Decoder
from elkcli.conversation import Event, Failure, Finished, Media, Piece, Reasoning, Text, Usage
from elkcli.errors import ElkError, Unreachable
from tests.server import DONE, USAGE, chunk, event, stream, whole
from tests.wire.test_recorded import RECORDED

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = f"Look: ![image](data:image/png;base64,{PIXEL}) so."
ERROR = b'{"error":{"message":"overloaded","code":503}}\n'

REPLIES: dict[str, bytes] = {
    "text": b"".join(stream("Hel", "lo 😀", "\r\n\0 é")),
    "crlf": b"".join(stream("Hel", "lo 😀")).replace(b"\n", b"\r\n"),
    "cr": b"".join(stream("Hel", "lo")).replace(b"\n", b"\r"),
    "comments": b": PING\n\n" + event(chunk("Hi")) + b":\n\n: PING\n\n" + event(chunk(finish="stop")) + DONE,
    "bom": b"\xef\xbb\xbf" + b"".join(stream("x")),
    "reasoning": event(chunk(reasoning_content="thinking")) + b"".join(stream("42")),
    "image": b"".join(stream("a", IMAGE, "b")),
    "image in pieces": b"".join(stream(*[IMAGE[i : i + 5] for i in range(0, len(IMAGE), 5)])),
    "image in reasoning": event(chunk(reasoning_content=IMAGE)) + event(chunk(finish="stop")) + DONE,
    "bare error": event(chunk("Hel")) + ERROR,
    "error over lines": event(chunk("Hel")) + json.dumps(json.loads(ERROR), indent=2).encode() + b"\n",
    "error event": event(chunk("Hel")) + b"data: " + ERROR + b"\n",
    "cut": b"".join(stream("Hel", "lo"))[:-200],
    "surrogates": event(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}')
    + event(b'{"choices":[{"delta":{"content":"\\ude00\\ud83d"}}]}') + event(chunk(finish="stop")),
    "json": json.dumps(whole("Hello 😀"), ensure_ascii=False).encode(),
    "json image": json.dumps(whole(IMAGE)).encode(),
    "json cut": json.dumps(whole("Hello")).encode()[:-30],
    "html": b"<!doctype html><html><title>x</title></html>",
    "words": b"upstream connect error",
    "several lines": b"data: {\ndata: " + json.dumps(chunk("Hi")).encode()[1:-1] + b"\ndata: }\n\n" + DONE,
    **{path.stem: path.read_bytes().partition(b"\r\n\r\n")[2] for path in sorted(RECORDED.glob("*stream*.txt"))},
}  # fmt: skip


def decoded(parts: list[bytes], *, raw: bool = False, failed: ElkError | None = None) -> list[Piece]:
    decoder = Decoder(raw=raw)
    pieces: list[Piece] = []
    for part in parts:
        pieces += decoder.feed(part)
    return pieces + decoder.close(failed)


def essence(pieces: list[Piece]) -> list[Any]:
    """Pieces with neighbouring words joined, which is all that a cut may change."""
    joined: list[Any] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if isinstance(piece, (Text, Reasoning)) and type(last) is type(piece) and last.choice == piece.choice:
            joined[-1] = type(piece)(last.text + piece.text, piece.choice)
        elif isinstance(piece, Failure):
            joined.append((type(piece.error), piece.error.as_json(), piece.reason))
        else:
            joined.append(piece)
    return joined


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def ends_well_formed(pieces: list[Piece]) -> None:
    assert isinstance(pieces[-1], (Finished, Failure))
    assert not any(isinstance(piece, (Finished, Failure)) for piece in pieces[:-1])
    for piece in pieces:
        if isinstance(piece, (Text, Reasoning)):
            piece.text.encode()  # no surrogate is left


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("raw", [False, True])
def test_a_byte_at_a_time_gives_the_same_pieces(name: str, raw: bool) -> None:
    data = REPLIES[name]
    at_once = decoded([data], raw=raw)
    ends_well_formed(at_once)
    assert essence(decoded([bytes([byte]) for byte in data], raw=raw)) == essence(at_once)


@pytest.mark.parametrize("name", REPLIES)
@settings(max_examples=40, deadline=None)
@given(places=st.lists(st.integers(0, 100_000), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_pieces(name: str, places: list[int]) -> None:
    data = REPLIES[name]
    assert essence(decoded(cut(data, places))) == essence(decoded([data]))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), places=st.lists(st.integers(0, 400), max_size=4), raw=st.booleans())
def test_any_bytes_at_all_end_in_a_verdict(data: bytes, places: list[int], raw: bool) -> None:
    pieces = decoded(cut(data, places), raw=raw)
    ends_well_formed(pieces)
    assert essence(decoded([data], raw=raw)) == essence(pieces)


LINES = st.sampled_from(
    [
        b"data: ", b"data:", b"\n", b"\r", b"\r\n", b"\n\n", b": PING", b"[DONE]", b"event: x\n", b"{", b"}", b"id:1\n",
        b"\xef\xbb\xbf", ERROR, event(chunk("Hi")), event(chunk(finish="stop")), event(chunk(choices=[], usage=USAGE)),
        DONE, b"data: null\n\n", b"data: [[]]\n\n", b"data: {broken\n\n", b"<html>", b"\xff\xfe", b'"', b"\\ud800",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(LINES, max_size=20), places=st.lists(st.integers(0, 3000), max_size=4))
def test_any_mixture_of_stream_parts_ends_in_a_verdict(lines: list[bytes], places: list[int]) -> None:
    data = b"".join(lines)
    pieces = decoded(cut(data, places))
    ends_well_formed(pieces)
    assert essence(decoded([data])) == essence(pieces)


MEMBERS = st.sampled_from(
    ["choices", "delta", "message", "content", "usage", "error", "finish_reason", "index", "tool_calls", "function",
     "name", "arguments", "images", "image_url", "url", "type", "text", "reasoning_content", "reasoning", "audio",
     "data", "id", "model", "created", "total_tokens", "prompt_tokens", "completion_tokens_details", "role",
     "refusal", "code", "status", "detail", "success", "message"]
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["stop", "length", "text", "image_url", IMAGE, "![image](data:", "<think>", "https://x/y.png"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(body=st.dictionaries(MEMBERS, VALUES, max_size=5), delta=st.dictionaries(MEMBERS, VALUES, max_size=4))
def test_no_shape_of_object_is_too_odd(body: dict[str, Any], delta: dict[str, Any]) -> None:
    choice = {"choices": [{"index": 0, "delta": delta}]}
    message = {"choices": [{"index": 0, "message": delta, "finish_reason": "stop"}]}
    for first in (body, {**body, **choice}):
        ends_well_formed(decoded([event(first), event(chunk(finish="stop")), DONE]))
        ends_well_formed(decoded([event(first)], raw=True))
    for reply in (body, {**body, **message}):
        ends_well_formed(decoded([json.dumps(reply).encode()]))


@pytest.mark.parametrize("name", REPLIES)
def test_a_connection_lost_anywhere_keeps_what_came_and_is_never_called_whole_too_early(name: str) -> None:
    data = REPLIES[name]
    everything = "".join(piece.text for piece in decoded([data]) if isinstance(piece, Text))
    for end in range(0, len(data), max(1, len(data) // 60)):
        pieces = decoded([data[:end]], failed=Unreachable("the connection was lost"))
        ends_well_formed(pieces)
        words = "".join(piece.text for piece in pieces if isinstance(piece, Text))
        if isinstance(pieces[-1], Finished):
            assert b"finish_reason" in data[:end]
        if not any(isinstance(piece, Media) for piece in pieces) and "![" not in everything:
            assert everything.startswith(words.rstrip("\ufffd"))


def test_raw_gives_every_object_of_the_server_unchanged() -> None:
    sent = [chunk("Hel"), chunk("lo"), chunk(finish="stop"), chunk(choices=[], usage=USAGE)]
    pieces = decoded([b"".join(map(event, sent)) + DONE], raw=True)
    assert [piece.body for piece in pieces if isinstance(piece, Event)] == sent


def test_usage_is_given_once_and_is_the_last_real_one() -> None:
    counted = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17,
               "prompt_tokens_details": {"cached_tokens": 3},
               "completion_tokens_details": {"reasoning_tokens": 4, "image_tokens": 1}}  # fmt: skip
    pieces = decoded([event(chunk("x", usage=USAGE)), event(chunk(finish="stop", usage=counted)), DONE])
    assert [p for p in pieces if isinstance(p, Usage)] == [Usage(9, 8, 17, reasoning=4, cached=3, image=1)]


def test_twenty_megabytes_in_one_line_take_no_quadratic_time() -> None:
    import base64
    import time

    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(15_000_000)).decode()
    data = b"".join(stream(f"![image](data:image/png;base64,{picture})"))
    began = time.monotonic()
    pieces = decoded([data[start : start + 16384] for start in range(0, len(data), 16384)])
    assert time.monotonic() - began < 5
    (media,) = [piece for piece in pieces if isinstance(piece, Media)]
    assert len(media.data) == 15_000_008
    assert isinstance(pieces[-1], Finished)


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "te\ud83dxt", "text": "a"}, {"type": "text", "text": "b"}]},
        {"content": None, "tool_calls": [{"id": "\ud83d", "function": {"name": "\ude00", "arguments": "{\ud83d"}}]},
    ],
)
def test_half_a_character_in_any_word_can_be_printed(message: dict[str, object]) -> None:
    decoder = Decoder()
    pieces = decoder.feed(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    for piece in [*pieces, *decoder.close()]:
        repr(piece).encode()
        for name in ("text", "id", "name", "arguments"):
            (getattr(piece, name, None) or "").encode()


@pytest.mark.parametrize("kind", [{}, [], 7, None, True])
def test_a_part_of_no_kind_that_there_could_be_is_no_crash(kind: object) -> None:
    part = {"type": kind, "image_url": 7}
    for message in ({"content": [part]}, {"images": [part]}):
        ends_well_formed(decoded([json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()]))
