"""The client of one question at a time: sends requests, gives pieces as they come, retries where that can help."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from typing import Any

import httpx

from elkcli.api.chunks import join
from elkcli.api.connection import (
    AFTER_DONE_SECONDS,
    AFTER_REASON_SECONDS,
    ERROR_BODY,
    ERROR_SECONDS,
    MOST_REDIRECTS,
    Connection,
    Patience,
    Refused,
    is_refusal,
    may_retry,
    pause,
    redirect,
    refusal,
    unpacked,
)
from elkcli.api.failures import Lost, Progress, silent, translated
from elkcli.api.lenient import loads
from elkcli.api.names import Backend
from elkcli.api.proxies import proxy_for, usable
from elkcli.api.request import Request, headers_of
from elkcli.api.tolerance import without_refused
from elkcli.api.verdict import error_of, from_error
from elkcli.api.watch import Watch
from elkcli.api.wire import Decoder
from elkcli.conversation import Event, Failure, Finished, Media, Piece, Reasoning, Start, Text, ToolCall
from elkcli.errors import ApiError, ConfigError, ElkError
from elkcli.origin import origin
from elkcli.value import changed

MOST_LEFTOVERS = 8  # reads after the end of an answer; a server that goes on talking is hung up on
REPLY_BODY = 32 * 1024 * 1024
_LIMITS = httpx.Limits(max_connections=None, keepalive_expiry=15.0)  # a person reads an answer before the next question


class Client:
    """One server, its connections kept between requests. Close it, or use it as a context manager.

    ``notify`` gets a line about each retry, ``log`` a line about everything that goes over the wire,
    ``refused`` the name of a field that the server refused and that was left out of a second try.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        notify: Callable[[str], None] | None = None,
        log: Callable[[str], None] | None = None,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        self._to = connection
        self._on_refused = refused or (lambda name: None)
        self._notify = notify or (lambda line: None)
        self._log = log
        self._http: dict[str, httpx.Client] = {}  # by origin, since each may have its proxy
        self._pool: Any = None  # the connections to the base URL
        self._socket: Any = None
        self._progress = Progress()
        self._watch = Watch(self._hang_up)
        self._decoder: Decoder | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._to.ahead is not None:
            self._to.ahead.close()
        while self._http:
            self._http.popitem()[1].close()

    def warm(self) -> None:
        """Load what a request needs and set up TLS, ahead of the first one."""
        self._client(self._to.base_url)

    def approach(self) -> None:
        """Connect to the server in a thread, unless a connection is open, since a request will be sent soon."""
        if self._to.ahead is None:
            return
        self.warm()
        if not any(one.is_available() and not one.has_expired() for one in self._pool.connections):
            self._to.ahead.begin()

    # Asking

    def answer(self, request: Request, *, raw: bool = False) -> Iterator[Piece]:
        """Send ``request`` and give the pieces of its answer; the last one is ``Finished`` or ``Failure``.

        Tries again only while nothing of an answer has been given. ``raw`` as for :class:`Decoder`.
        """
        content = request.content()
        tried = stale = 0
        left_out: set[str] = set()
        while True:
            tried += 1
            held: list[Piece] = []
            given = False
            verdict: Piece | None = None
            problem: Lost | Refused | ElkError | None = None
            try:
                for piece in self._once(request, content, raw):
                    if isinstance(piece, (Finished, Failure)):
                        verdict = piece
                        break
                    if given:
                        yield piece
                        continue
                    held.append(piece)
                    if isinstance(piece, Start) and piece.model:
                        self._tell(f"* served by {piece.model}")
                    if isinstance(piece, (Text, Media, Reasoning, ToolCall)):
                        given = True
                        yield from held
                        held = []
            except (Lost, Refused, ElkError) as caught:
                problem = caught
                verdict = Failure(_error_of(caught))
            assert verdict is not None
            if isinstance(verdict, Failure):
                error = self._to.harmless(verdict.error)
                lighter = without_refused(request.body, error) if isinstance(problem, Refused) else None
                if lighter is not None and lighter[1] not in left_out:
                    body, name = lighter
                    left_out.add(name)
                    request = changed(request, body=body)
                    content = request.content()
                    self._on_refused(name)
                    tried -= 1
                    continue
                if not given and stale < 2 and _is_stale(request, problem):
                    stale += 1
                    tried -= 1
                    continue
                if not given and self._again(request, problem or error, error, tried):
                    continue
            yield from held
            yield verdict
            return

    def _again(self, request: Request, problem: Lost | Refused | ElkError, error: ElkError, tried: int) -> bool:
        """Whether to try again after ``tried`` tries, once the pause is over."""
        if tried > self._to.retries or not may_retry(request, problem, tried):
            return False
        seconds = pause(tried, problem.wait if isinstance(problem, Refused) else None, error)
        if seconds is None:
            return False
        self._notify(f"{error.message}; trying again in {seconds:.1f} s (try {tried + 1} of {self._to.retries + 1})")
        self._to.sleep(seconds)
        return True

    def rest(self) -> list[Piece]:
        """What had come of an answer that the caller stopped reading, and was still held back."""
        return self._decoder.rest() if self._decoder is not None else []

    def _once(self, request: Request, content: bytes, raw: bool) -> Iterator[Piece]:
        with self._response(request, content) as response:
            request_id = self._to.request_id(response.headers)
            if is_refusal(response.status_code):
                raise self._refused(response, request, request_id)
            decoder = self._decoder = Decoder(raw=raw, request_id=request_id, choices=request.choices)
            failed: ElkError | None = None
            try:
                for chunk in self._bytes(response, decoder):
                    yield from decoder.feed(chunk)
            except (Lost, ElkError) as problem:
                failed = problem.error if isinstance(problem, Lost) else problem
                nothing = not decoder.answered and not decoder.near_end and not decoder.done
                pieces = decoder.close(failed)
                if nothing and not decoder.answered:  # the end may bring to light what was cut in its midst
                    yield from (piece for piece in pieces if not isinstance(piece, (Failure, Event)))
                    raise
                yield from pieces
                return
            yield from decoder.close(failed)

    def _bytes(self, response: httpx.Response, decoder: Decoder) -> Iterator[bytes]:
        """The body as it comes, decompressed, until the decoder has all it wants."""
        silence = self._to.timeout
        patience = Patience(silence)
        inflate = unpacked(response.headers)
        with self._translated():
            stream = response.iter_raw()
            for chunk in stream:
                yield from inflate(chunk)
                if decoder.done:
                    # an end that is already on its way lets the connection be used again
                    self._watch.within(AFTER_DONE_SECONDS)
                    with suppress(httpx.HTTPError):
                        for _ in islice(stream, MOST_LEFTOVERS):
                            pass
                    return
                if decoder.near_end:
                    self._watch.within(min(silence, AFTER_REASON_SECONDS))
                patience.hear(decoder.heard)
            self._check_hung_up()

    # Other endpoints

    def get(self, path: str, *, url: str | None = None) -> Any:
        """The JSON that ``GET path`` answers with; ``path`` is below the base URL, ``url`` stands for itself.

        Raises the :class:`ElkError` that an error status, an error object or an unreadable reply stands for.
        """
        address = url or self._to.base_url + path
        ours = origin(address) == origin(self._to.base_url)
        headers = headers_of({"Accept": "application/json", **(self._to.further if ours else {})})
        headers.pop("Content-Type", None)
        request = Request(address, {}, headers, "GET")
        tried = 0
        while True:
            tried += 1
            problem: Lost | Refused | ElkError
            try:
                return self._get_once(request)
            except (Lost, Refused, ElkError) as caught:
                problem = caught
            error = self._to.harmless(_error_of(problem))
            if not self._again(request, problem, error, tried):
                raise error

    def _get_once(self, request: Request) -> Any:
        with self._response(request, None) as response:
            request_id = self._to.request_id(response.headers)
            if is_refusal(response.status_code):
                raise self._refused(response, request, request_id)
            inflate = unpacked(response.headers)
            body = bytearray()
            self._watch.within(self._to.timeout)
            with self._translated():
                for chunk in response.iter_raw():
                    for part in inflate(chunk):
                        body += part
                    if len(body) > REPLY_BODY:
                        raise ApiError(f"{request.url}: the reply is too large", request_id=request_id)
                self._check_hung_up()
        head = bytes(body[:64]).lstrip()
        if head[:1] == b"<":
            raise ApiError(
                f"{request.url}: a web page, not the API",
                hint="check the base URL: elkcli config get base_url",
                request_id=request_id,
            )
        try:
            reply = loads(bytes(body).removeprefix(b"\xef\xbb\xbf"))
        except ValueError:
            raise ApiError(f"{request.url}: the reply is not JSON", request_id=request_id) from None
        error = error_of(reply) if isinstance(reply, dict) else None
        if error is not None:
            raise from_error(error, request_id=request_id)
        return reply

    # The connection

    def _client(self, url: str) -> httpx.Client:
        where = "/".join(url.split("/", 3)[:3])
        http = self._http.get(where)
        if http is None:
            limits = self._to.limits()
            if self._to.transport is not None:
                http = httpx.Client(transport=self._to.transport(), timeout=limits)
            else:
                with usable():
                    transport: Any = httpx.HTTPTransport(
                        verify=self._to.trust(url), proxy=proxy_for(url), trust_env=False, limits=_LIMITS
                    )
                # httpx has no words of its own for these
                pool = transport._pool
                pool._network_backend = Backend()
                if origin(url) == origin(self._to.base_url):
                    pool._network_backend, self._pool = Backend(self._to.ahead), pool
                http = httpx.Client(transport=transport, timeout=limits)
            self._http[where] = http
        return http

    @contextmanager
    def _response(self, request: Request, content: bytes | None) -> Iterator[httpx.Response]:
        url = request.url
        client = self._client(url)
        for _ in range(MOST_REDIRECTS):
            headers = self._to.headers(request, url)
            self._progress = Progress()
            self._tell(f"> {request.method} {url}")
            for name, value in request.headers.items():
                self._tell(f"> {name}: {value}")
            if "Authorization" in headers:
                self._tell("> Authorization: Bearer ***")
            with self._translated():
                try:
                    built = client.build_request(
                        request.method, url, headers=headers, content=content, extensions={"trace": self._trace}
                    )
                except (httpx.InvalidURL, ValueError) as problem:
                    raise ConfigError(f"the address {url} cannot be used: {problem}") from None
                try:
                    response = client.send(built, stream=True)
                except httpx.InvalidURL:  # ours was parsed above: this is the one in a Location header
                    raise ApiError("the server redirects to something that is no address") from None
                finally:
                    self._watch.off()
            self._progress.answered = True
            self._tell(f"< {response.http_version} {response.status_code} {response.reason_phrase}")
            for name, value in response.headers.items():
                self._tell(f"< {name}: {value}")
            try:
                target = redirect(response, url, request.method)
            except ApiError:
                response.close()
                raise
            if target is None:
                try:
                    yield response
                finally:
                    self._watch.off()
                    response.close()
                return
            response.close()
            url = target
        raise ApiError("the server redirects in circles")

    def _refused(self, response: httpx.Response, request: Request, request_id: str | None) -> Refused:
        body = bytearray()
        self._watch.within(min(ERROR_SECONDS, self._to.timeout))
        with suppress(ElkError, Lost), self._translated():
            inflate = unpacked(response.headers)
            for chunk in response.iter_raw():
                for part in inflate(chunk):
                    body += part
                if len(body) >= ERROR_BODY:
                    break
        return refusal(response, body, request, request_id)

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self._to.host, self._to.timeout, self._progress)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = info.get("return_value")
            if stream is not None:
                self._socket = stream.get_extra_info("socket")
                join(stream)
                self._progress.idle = self._progress.idle or getattr(stream, "idle", False)
            self._progress.connected = True
            self._tell(f"* {event}")
        elif event.endswith("connect_tcp.started"):
            self._progress.toward = f"{info.get('host')}:{info.get('port')}"
        elif event.endswith("send_request_headers.started"):
            self._progress.sent = info["request"].method != b"CONNECT"
            self._progress.toward = None  # what follows is with the server itself, through the proxy's tunnel
        elif event.endswith("receive_response_headers.started"):
            # a server may send its headers a byte at a time for ever: their whole time is bounded too
            self._watch.within(self._to.timeout)
        elif event.endswith("receive_response_headers.complete"):
            self._watch.off()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._progress.hung_up = True
            with suppress(OSError):
                # the plain way: TLS would take itself apart first, under the feet of whoever reads
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _check_hung_up(self) -> None:
        if self._progress.hung_up:  # the end of a reply without a length is just what elkcli made it
            raise Lost(silent(self._to.timeout), retry=False, sent=True)

    def _tell(self, line: str) -> None:
        if self._log is not None:
            self._log(self._to.hidden(line))


def _error_of(problem: Lost | Refused | ElkError) -> ElkError:
    return problem if isinstance(problem, ElkError) else problem.error


def _is_stale(request: Request, problem: Lost | Refused | ElkError | None) -> bool:
    """Whether the server had closed the connection while it was idle, which is no failure."""
    return isinstance(problem, Lost) and problem.stale and not request.wants_image
