"""The server that is asked: a process of its own, its answers made beforehand, never the bottleneck.

``python -m tests.bench.servers`` prints its address. What it answers is chosen by the prompt, which is one of
``bench short``, ``bench chunks``, ``bench long``, ``bench image MB`` and ``bench paced``. With ``instant`` it is one
that answers many connections at once, always alike; with ``far CERTIFICATE KEY`` one behind TLS, which takes as long to
agree on as if the server were on another continent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import sys
import threading
import time
from functools import cache

from tests.server import chunk, chunked, event, stream, whole

CHUNKS = 20_000
LONG = 10_000_000
MEGABYTE = 1_000_000
FAR = 0.1  # seconds: the round trips of TCP and TLS
PAUSE = 0.4  # long enough for a client to be idle again
FIRST = "Elk"  # the first word of the paced answer
OK = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%b\r\n\r\n"
STREAMED = OK % (b"text/event-stream", b"Transfer-Encoding: chunked")


def _events(*contents: str) -> bytes:
    """A streamed answer, each event an HTTP chunk of its own as servers send them, but in one piece."""
    return STREAMED + b"".join(map(chunked, stream(*contents))) + chunked(b"")


@cache
def answer(name: str, streamed: bool) -> list[bytes]:
    """The pieces of an answer, between which the server pauses."""
    if name == "paced":
        opening, first, *end = stream(FIRST)
        return [STREAMED + chunked(opening), chunked(first), b"".join(map(chunked, end)) + chunked(b"")]
    if name.startswith("image "):
        data = b"\x89PNG\r\n\x1a\n" + os.urandom(MEGABYTE) * int(name.removeprefix("image "))
        text = "![image](data:image/png;base64," + base64.b64encode(data).decode() + ")"
        return [STREAMED + chunked(event(chunk(text))) + chunked(event(chunk(finish="stop"))) + chunked(b"")]
    if name == "chunks":
        return [_events(*(f"word{number} " for number in range(CHUNKS)))]
    if name == "long":
        return [_events(*["a line of an answer that takes its time to end, as some do\n" * 17] * (LONG // 1003))]
    words = ["An answer", " of some words,", " as short", " answers are."]
    if streamed:
        return [_events(*words)]
    body = json.dumps(whole("".join(words))).encode()
    return [OK % (b"application/json", b"Content-Length: %d" % len(body)) + body]


class Server:
    """Answers each connection in a thread, request after request."""

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self._listener = listener
        self._tls = tls
        self._told = (0.0, 0.0, 0.0)

    def serve(self) -> None:
        """Answer for ever."""
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            time.sleep(FAR)
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                size = 0
                while (header := reader.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        size = int(value)
                body = reader.read(size)
                try:
                    self._answer(connection, line, body)
                except OSError:  # killed at its prompt, or had enough
                    return

    def _answer(self, connection: socket.socket, line: bytes, body: bytes) -> None:
        if line.startswith(b"GET"):
            told = json.dumps(self._told).encode()
            connection.sendall(OK % (b"application/json", b"Content-Length: %d" % len(told)) + told)
            return
        asked = time.monotonic()
        name = body[body.rfind(b"bench ") + 6 :].partition(b'"')[0].decode("ascii", "replace")
        streamed = b'"stream":true' in body.replace(b" ", b"")
        first = last = 0.0
        for number, piece in enumerate(answer(name, streamed)):
            if number:
                time.sleep(PAUSE)
            last = time.monotonic()
            first = last if number == 1 else first
            connection.sendall(piece)
        self._told = (asked, first, last)


class Instant(asyncio.Protocol):
    """Answers every request at once, with bytes prepared beforehand."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._waiting = b""
        (self._reply,) = answer("short", False)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._waiting) < end + 4 + size:
                return
            self._waiting = self._waiting[end + 4 + size :]
            self._transport.write(self._reply)


async def _serve_at_once(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Instant, sock=listener, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Print the address and serve."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    mode, *files = sys.argv[1:] or [""]
    print(f"http{'s' * (mode == 'far')}://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    if mode == "instant":
        asyncio.run(_serve_at_once(listener))
        return
    tls = None
    if mode == "far":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
    Server(listener, tls).serve()


if __name__ == "__main__":
    main()
