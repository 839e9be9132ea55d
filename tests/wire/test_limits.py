"""Servers without end or measure: what they send is bounded, and said to be."""

from __future__ import annotations

import gzip
import time

from tests.conftest import Elkcli
from tests.server import Server, chunk, event


def test_a_server_that_goes_on_after_the_end_is_hung_up_on(elkcli: Elkcli, server: Server) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    end = event(chunk("Hello", finish="stop")) + b"data: [DONE]\n\n"
    server.sends(head + end, *[(b": more\n\n", 0.01)] * 2000)
    began = time.monotonic()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert time.monotonic() - began < 10  # of the twenty seconds that it would take to hear it out


def test_a_decompression_bomb_is_called_one(elkcli: Elkcli, server: Server) -> None:
    packed = gzip.compress(b" " * (64 << 20))
    server.sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
    assert "bomb" in elkcli("ask", "hi", "--retries", "0").fails(6).error
