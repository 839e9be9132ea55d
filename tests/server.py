"""A real HTTP server on loopback that says exactly the bytes it is told to, and remembers what it was sent."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

ID = "chatcmpl-20260724061032"
MODEL = "served-model"
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


# What a reply is made of: bytes are sent as they are, the rest is done


@dataclass(frozen=True)
class Pause:
    """Say nothing for a while."""

    seconds: float


@dataclass(frozen=True)
class Reset:
    """Close the connection the rude way, with RST."""


@dataclass(frozen=True)
class Close:
    """Close the connection."""


@dataclass(frozen=True)
class Release:
    """Set an event, so that the test knows how far the reply has come."""

    event: threading.Event


@dataclass(frozen=True)
class Until:
    """Go on when the test sets the event."""

    event: threading.Event


Step: TypeAlias = bytes | Pause | Reset | Close | Release | Until


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire. ``connection`` counts connections from 0."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The value of a header, several joined as RFC 9110 has it; ``None`` without one."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None


Reply: TypeAlias = Callable[[Request], Iterable[Step]]


# Shapes of answers


def chunk(
    content: Any = None,
    *,
    finish: str | None = None,
    usage: Any = None,
    choices: Any = None,
    index: int = 0,
    **delta: Any,
) -> dict[str, Any]:
    """One streamed chunk in the relay's shape."""
    if content is not None:
        delta["content"] = content
    if choices is None:
        choices = [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": 1784873432,
        "model": MODEL,
        "choices": choices,
        "usage": usage,
    }


def whole(content: Any, *, finish: str | None = "stop", usage: Any = USAGE, **message: Any) -> dict[str, Any]:
    """One unstreamed reply in the relay's shape."""
    return {
        "id": ID,
        "object": "chat.completion",
        "created": 1784873432,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": usage,
    }


def event(body: Any) -> bytes:
    """One server-sent event. Bytes are taken as its data."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return b"data: " + data + b"\n\n"


DONE = event(b"[DONE]")


def stream(*contents: str, finish: str | None = "stop", usage: Any = USAGE, done: bool = True) -> list[bytes]:
    """The events of an ordinary streamed answer, one a list entry."""
    events = [event(chunk("", role="assistant"))]
    events += [event(chunk(text)) for text in contents]
    if finish is not None:
        events.append(event(chunk(finish=finish)))
    if usage is not None:
        events.append(event(chunk(choices=[], usage=usage)))
    if done:
        events.append(DONE)
    return events


REASONS = {
    200: "OK", 301: "Moved Permanently", 302: "Found", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip


def head(status: int, headers: Mapping[str, str | None]) -> bytes:
    """A status line and headers. A header whose value is ``None`` is left out."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def response(status: int, body: Any, headers: Mapping[str, str | None] | None = None) -> bytes:
    """A whole response with its length. Anything but bytes and text is sent as JSON."""
    kind: str | None = "application/json"
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if not body:
        kind = None
    data = bytes(body)
    return head(status, {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}) + data


def chunked(data: bytes) -> bytes:
    """One HTTP chunk; of no data, the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


SSE = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", "X-Oneapi-Request-Id": "req-20260724"}


@dataclass
class Server:
    """The scripted server. Replies are given in the order they were scripted; the last one repeats.

    Every scripting method returns the server, so that scripts chain: ``server.fails(500).says("Hello")``.
    """

    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._script: list[tuple[Reply, bool]] = []
        self._routes: dict[str, Reply] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    # Scripting

    def answers(self, reply: Reply, *, early: bool = False) -> Server:
        """Add any reply. An ``early`` one does not wait for the request's body."""
        self._script.append((reply, early))
        return self

    def sends(self, *steps: Step | tuple[bytes, float]) -> Server:
        """Send these bytes, status line and all, and close. ``(bytes, seconds)`` pauses after the bytes."""
        return self.answers(lambda request: [*_steps(steps), Close()])

    def says(
        self,
        text: str = "Hello",
        *,
        chunks: Iterable[str] | None = None,
        usage: Any = USAGE,
        finish: str | None = "stop",
        reasoning: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        pause: float = 0.0,
    ) -> Server:
        """Answer with ``text``: streamed, in ``chunks`` where given, when the request asks for it, else whole."""
        pieces = list(chunks) if chunks is not None else [text]

        def reply(request: Request) -> Iterable[Step]:
            if not request.json.get("stream"):
                extra = {} if reasoning is None else {"reasoning_content": reasoning}
                body = whole("".join(pieces), finish=finish, usage=usage, **extra)
                return [response(200, body, {"X-Oneapi-Request-Id": "req-20260724", **(headers or {})})]
            events = stream(*pieces, finish=finish, usage=usage)
            if reasoning is not None:
                events.insert(1, event(chunk(reasoning_content=reasoning)))
            steps: list[Step] = [head(200, {**SSE, **(headers or {})})]
            for item in events:
                steps += [chunked(item), Pause(pause)] if pause else [chunked(item)]
            return [*steps, chunked(b"")]

        return self.answers(reply)

    def streams(
        self,
        *steps: Step | dict[str, Any] | tuple[bytes, float],
        status: int = 200,
        headers: Mapping[str, str | None] | None = None,
        ends: Step | None = None,
    ) -> Server:
        """Send an event stream: each piece of bytes is one HTTP chunk, each object one event.

        ``ends`` is what happens instead of the proper last chunk.
        """
        flat = _steps(event(step) if isinstance(step, dict) else step for step in steps)
        body: list[Step] = [chunked(step) if isinstance(step, bytes) else step for step in flat if step != b""]
        last: Step = chunked(b"") if ends is None else ends
        return self.answers(lambda request: [head(status, {**SSE, **(headers or {})}), *body, last])

    def replies(self, body: Any, *, status: int = 200, headers: Mapping[str, str | None] | None = None) -> Server:
        """Send one body with its length: bytes and text as they are, anything else as JSON."""
        return self.answers(lambda request: [response(status, body, headers)])

    def fails(self, status: int, body: Any = b"", headers: Mapping[str, str | None] | None = None) -> Server:
        """Answer with an error status."""
        return self.replies(body, status=status, headers=headers)

    def refuses(self, status: int, body: Any = b"", headers: Mapping[str, str | None] | None = None) -> Server:
        """Answer with an error while the request's body is still being sent, and reset the connection."""
        return self.answers(lambda request: [response(status, body, headers), Pause(0.05), Reset()], early=True)

    def drops(self, *, after: str | None = None, reset: bool = True) -> Server:
        """Cut the connection: before any header, or after some streamed text."""
        end: Step = Reset() if reset else Close()
        if after is None:
            return self.answers(lambda request: [end])
        # a reset discards what the reader has not yet taken: give it the time
        return self.streams(chunk("", role="assistant"), chunk(after), Pause(0.1), ends=end)

    def stalls(self, seconds: float = 60.0, *, after: str | None = None) -> Server:
        """Fall silent: before any header, or after some streamed text."""
        if after is None:
            return self.answers(lambda request: [Pause(seconds), Close()])
        return self.streams(chunk("", role="assistant"), chunk(after), Pause(seconds))

    def serves(self, path: str, body: Any, *, status: int = 200) -> Server:
        """Answer this path always alike, whatever the script says."""
        self._routes[path] = lambda request: [response(status, body)]
        return self

    @property
    def request(self) -> Request:
        """The only request there was."""
        assert len(self.requests) == 1, [f"{request.method} {request.path}" for request in self.requests]
        return self.requests[0]

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return self._accepted

    def close(self) -> None:
        """Stop at once, whatever is going on."""
        self._closing.set()
        # closing a listener does not wake a thread that waits in accept: knock
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._thread.join(2)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    # Serving

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._closing.is_set():
                connection.close()
                return
            number = self._accepted
            self._accepted += 1
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._connections.add(connection)
        try:
            connection = self._secure(connection)
            reader = connection.makefile("rb")
            while not self._closing.is_set() and self._one(connection, reader, number):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            with contextlib.suppress(OSError):
                connection.close()

    def _secure(self, connection: socket.socket) -> socket.socket:
        return connection

    def _one(self, connection: socket.socket, reader: Any, number: int) -> bool:
        line = reader.readline()
        if not line.strip():
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: list[tuple[str, str]] = []
        while (line := reader.readline()) not in {b"\r\n", b"\n", b""}:
            name, _, value = line.decode("latin-1").rstrip("\r\n").partition(":")
            headers.append((name, value.strip()))
        lowered = {name.lower(): value for name, value in headers}
        with self._lock:
            early, reply = False, self._routes.get(path.partition("?")[0])
            if reply is None:
                if not self._script:
                    self.requests.append(Request(method, path, headers, b"", number))
                    connection.sendall(response(500, {"error": {"message": "nothing was scripted"}}))
                    return False
                reply, early = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if not early:
            if lowered.get("expect", "").lower() == "100-continue":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = _body(reader, lowered)
        else:
            body = b""
        request = Request(method, path, headers, body, number)
        with self._lock:
            self.requests.append(request)
        for step in reply(request):
            if not self._do(connection, step):
                return False
        return lowered.get("connection", "").lower() != "close"

    def _do(self, connection: socket.socket, step: Step) -> bool:
        """Take one step; false where the connection is over."""
        match step:
            case bytes():
                connection.sendall(step)
            case Pause(seconds):
                return not self._closing.wait(seconds)
            case Release(event):
                event.set()
            case Until(event):
                while not event.wait(0.02):
                    if self._closing.is_set():
                        return False
            case Reset():
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                _let_go(connection)
                return False
            case Close():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(1)
                    while connection.recv(65536):  # unread bytes would turn the close into a reset
                        pass
                return False
        return True


class SecureServer(Server):
    """The scripted server behind TLS."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)
        super().__init__()
        self.url = self.url.replace("http:", "https:")

    def _secure(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True)


def _let_go(connection: socket.socket) -> None:
    """Close the descriptor itself: a reader made of the socket would keep it open."""
    descriptor = connection.detach()
    if descriptor >= 0:
        socket.close(descriptor)


def _steps(steps: Iterable[Step | tuple[bytes, float]]) -> list[Step]:
    flat: list[Step] = []
    for step in steps:
        if isinstance(step, tuple):
            flat += [step[0], Pause(step[1])]
        else:
            flat.append(step)
    return flat


def _body(reader: Any, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = b""
        while size := int(reader.readline().split(b";")[0], 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
        return body
    wanted = int(headers.get("content-length", "0"))
    body = reader.read(wanted)
    if len(body) < wanted:
        raise ValueError("the request was cut")
    return bytes(body)
