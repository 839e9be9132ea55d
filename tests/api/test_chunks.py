"""Chunks that are joined mean to h11 what they meant apart, however they were cut and whatever is wrong with them."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as some

from elkcli.api.chunks import Joiner

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADS = [
    HEAD,
    HEAD.replace(b"Transfer-Encoding: chunked", b"TRANSFER-ENCODING:Chunked "),
    b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD,
    b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + HEAD,
    HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 7\r\n\r\n"),
    HEAD.replace(b"\r\n", b"\n"),
    HEAD.replace(b"Transfer-Encoding: chunked", b"X: transfer-encoding: chunked\r\nContent-Length: 24"),
    HEAD.replace(b"Transfer-Encoding: chunked", b"Content-Length: 24"),
    HEAD.replace(b"chunked", b"gzip, chunked"),
    HEAD.replace(b"chunked", b"\r\n chunked"),
    HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    HEAD.replace(b"200 OK", b"204 No Content"),
    HEAD.replace(b"200 OK", b"500"),
    b"nonsense\r\n\r\n",
]
PIECES = some.one_of(
    some.binary(min_size=1, max_size=40).map(lambda data: b"%x\r\n%b\r\n" % (len(data), data)),
    some.binary(min_size=1, max_size=40).map(lambda data: b"%06X\r\n%b\r\n" % (len(data), data)),
    some.sampled_from([
        b"3;name=value\r\nabc\r\n", b"3 \r\nabc\r\n", b"3\nabc\n", b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"\r\n",
        b"-1\r\n", b"0x3\r\nabc\r\n", b"+3\r\nabc\r\n", b"1_0\r\nabc\r\n", b"3\r\nabcd\r\n", b"3\r\nabc\n",
        b"fffffffff\r\n", b"g", b"HTTP/1.1 200 OK\r\n\r\n", b"5\r\nabc",
    ]),
)  # fmt: skip


def heard(reads: list[bytes]) -> tuple[bytes, str]:
    """What h11 makes of ``reads`` and the end after them: the body, and how it ended."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("Host", "elk"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    body, end = b"", ""
    try:
        for data in [*reads, b""]:
            connection.receive_data(data)
            while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.Response):
                    end += f"{event.status_code} "
                elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                    return body, f"{end}whole"
    except h11.RemoteProtocolError:
        return body, f"{end}broken"
    return body, f"{end}cut"


def joined(reads: list[bytes]) -> list[bytes]:
    joiner = Joiner()
    found = [joiner.feed(data) for data in reads]
    return [data for data in [*found, joiner.rest()] if data]


@given(some.sampled_from(HEADS), some.lists(PIECES, max_size=12), some.booleans(), some.data())
def test_h11_hears_the_same_of_any_response_cut_anywhere(
    head: bytes, pieces: list[bytes], ends: bool, data: some.DataObject
) -> None:
    said = head + b"".join(pieces) + b"0\r\n\r\n" * ends
    cuts = sorted(data.draw(some.sets(some.integers(1, len(said)), max_size=8)))
    reads = [said[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(said)], strict=True) if begin < end]
    assert heard(joined(reads)) == heard(reads)


def test_chunks_of_one_read_become_one() -> None:
    words = b"".join(b"4\r\nword\r\n" for _ in range(1000))
    assert joined([HEAD + words + b"0\r\n\r\n"]) == [HEAD + b"fa0\r\n" + b"word" * 1000 + b"\r\n0\r\n\r\n"]


def test_what_has_come_is_never_held_back() -> None:
    joiner = Joiner()
    assert joiner.feed(HEAD + b"4\r\nwo") == HEAD + b"4\r\nwo"
    assert joiner.feed(b"rd\r\n4\r\nmore\r\n6\r\nan") == b"rd\r\n4\r\nmore\r\n6\r\nan"
    assert joiner.feed(b"d\r\n") == b"d\r\n"


@pytest.mark.parametrize("after", [b"\r\n4\r\nword\r\n", b"\n", b"00\r\nwords"])
def test_a_size_that_is_cut_off_waits_for_its_rest(after: bytes) -> None:
    joiner = Joiner()
    assert joiner.feed(HEAD + b"4\r\nword\r\n4") == HEAD + b"4\r\nword\r\n"
    assert (joiner.feed(after) + joiner.rest()).startswith(b"4")


def test_a_head_that_is_cut_off_is_handed_on_once() -> None:
    assert joined([HEAD[:20], HEAD[20:40]]) == [HEAD[:20], HEAD[20:40]]


def test_each_request_begins_anew_and_a_tunnel_is_left_alone() -> None:
    joiner = Joiner()
    twice = HEAD + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    once = HEAD + b"2\r\nab\r\n0\r\n\r\n"
    assert joiner.feed(twice) == once
    assert joiner.feed(twice) == twice, "nothing was asked: this is no response"
    joiner.begin(b"POST / HTTP/1.1\r\n")
    assert joiner.feed(twice) == once
    joiner.begin(b"CONNECT elk:443 HTTP/1.1\r\n")
    assert joiner.feed(twice) == twice
