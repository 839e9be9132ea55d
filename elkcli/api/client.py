"""The client: sends requests, turns httpx's ways to fail into ours, retries where that can help.

All that decides whether the token leaves this process is in this file.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from elkcli.api.request import Request
from elkcli.api.verdict import can_retry, error_of, from_error, from_response
from elkcli.api.wire import Decoder, loads
from elkcli.conversation import Event, Failure, Finished, Media, Piece, Reasoning, Text, ToolCall
from elkcli.errors import ApiError, ConfigError, ElkError, Incomplete, Unreachable
from elkcli.secret import Token

CONNECT_SECONDS = 10.0
AFTER_REASON_SECONDS = 5.0  # a finish reason has come: what may follow is usage, and it follows at once
AFTER_DONE_SECONDS = 0.02
LONGEST_WAIT = 60.0
ERROR_BODY = 1024 * 1024
REPLY_BODY = 32 * 1024 * 1024
SLOWEST = 64  # bytes a second below which a reply that never ends a line counts as silence
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Connection:
    """Where to send, and how patiently. ``transport`` replaces the network (the demo's does).

    ``origin`` tells the origin of an address; ``plain_ok`` allows a token over plain http.
    """

    base_url: str
    token: Token | None
    timeout: float = 300.0
    retries: int = 2
    ca_file: str | None = None
    transport: Callable[[], httpx.BaseTransport] | None = None
    sleep: Callable[[float], None] = time.sleep


class _Lost(Exception):
    """A request that failed before it was answered: what it means, and whether it had left."""

    def __init__(self, error: ElkError, *, retry: bool, sent: bool) -> None:
        super().__init__()
        self.error = error
        self.retry = retry
        self.sent = sent


class Client:
    """One server, its connections kept between requests. Close it, or use it as a context manager.

    ``notify`` gets a line about each retry, ``log`` a line about everything that goes over the wire.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        notify: Callable[[str], None] | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._to = connection
        self._notify = notify or (lambda line: None)
        self._log = log
        self._http: httpx.Client | None = None
        self._socket: Any = None
        self._sent = False
        self._hung_up = False
        self._decoder: Decoder | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def warm(self) -> None:
        """Load what a request needs and set up TLS, ahead of the first one."""
        self._client()

    # Asking

    def answer(self, request: Request, *, raw: bool = False) -> Iterator[Piece]:
        """Send ``request`` and give the pieces of its answer; the last one is ``Finished`` or ``Failure``.

        Tries again only while nothing of an answer has been given. ``raw`` as for :class:`Decoder`.
        """
        content = request.content()
        tried = 0
        while True:
            tried += 1
            held: list[Piece] = []
            given = False
            verdict: Piece | None = None
            wait: float | None = None
            retry = False
            try:
                for piece in self._once(request, content, raw):
                    if isinstance(piece, (Finished, Failure)):
                        verdict = piece
                        break
                    if given:
                        yield piece
                        continue
                    held.append(piece)
                    if isinstance(piece, (Text, Media, Reasoning, ToolCall)):
                        given = True
                        yield from held
                        held = []
            except _Lost as lost:
                verdict = Failure(lost.error)
                retry = lost.retry and not (lost.sent and request.wants_image)
            except _Refused as refused:
                verdict = Failure(refused.error)
                retry = can_retry(refused.error, tried) and _safe_to_repeat(request, refused.error)
                wait = refused.wait
            assert verdict is not None
            if isinstance(verdict, Failure):
                self._harmless(verdict.error)
            if isinstance(verdict, Failure) and not given:
                error = verdict.error
                if not retry and not isinstance(error, Unreachable):
                    lost_reply = isinstance(error, Incomplete) and error.code == "lost"
                    retry = lost_reply or (not isinstance(error, Incomplete) and can_retry(error, tried))
                    retry = retry and _safe_to_repeat(request, error)
                if retry and tried <= self._to.retries:
                    pause = self._pause(tried, wait, error)
                    if pause is not None:
                        self._notify(
                            f"{error.message}; trying again in {pause:.1f} s (try {tried + 1} of"
                            f" {self._to.retries + 1})"
                        )
                        self._to.sleep(pause)
                        continue
            yield from held
            yield verdict
            return

    def rest(self) -> list[Piece]:
        """What had come of an answer that the caller stopped reading, and was still held back."""
        return self._decoder.rest() if self._decoder is not None else []

    def _pause(self, tried: int, asked: float | None, error: ElkError) -> float | None:
        """Seconds to wait: exponential with full jitter, at least what the server asked; ``None`` to give up."""
        from random import random

        pause: float = random() * min(20.0, 0.5 * 2**tried)  # noqa: S311 - spreads retries, guards no secret
        if asked is None:
            return pause
        if asked > LONGEST_WAIT:
            error.hint = f"the server asks to wait {_duration(asked)} before the next try"
            return None
        return max(asked, pause)

    def _once(self, request: Request, content: bytes, raw: bool) -> Iterator[Piece]:
        with self._response(request, content) as response:
            request_id = self._request_id(response)
            if response.status_code >= 400 or response.status_code in _REDIRECTS or response.status_code < 200:
                raise self._refused(response, request, request_id)
            decoder = self._decoder = Decoder(raw=raw, request_id=request_id, model=request.model)
            failed: ElkError | None = None
            try:
                for chunk in self._bytes(response, decoder):
                    yield from decoder.feed(chunk)
            except _Lost as lost:
                failed = lost.error
                if not decoder.answered and not decoder.reasons_seen and not decoder.done:
                    yield from (piece for piece in decoder.close(failed) if not isinstance(piece, (Failure, Event)))
                    raise
            yield from decoder.close(failed)

    def _bytes(self, response: httpx.Response, decoder: Decoder) -> Iterator[bytes]:
        """The body as it comes, decompressed, until the decoder has all it wants."""
        timeouts = response.request.extensions.get("timeout", {})
        silence = self._to.timeout
        began, received = time.monotonic(), 0
        inflate = _inflater(response.headers.get("content-encoding", ""))
        with _translated(self):
            stream = response.iter_raw()
            for chunk in stream:
                received += len(chunk)
                yield from inflate(chunk)
                if decoder.done:
                    # an end that is already on its way lets the connection be used again
                    timeouts["read"] = AFTER_DONE_SECONDS
                    with suppress(httpx.HTTPError):
                        for _ in stream:
                            pass
                    return
                if decoder.reasons_seen:
                    timeouts["read"] = min(silence, AFTER_REASON_SECONDS)
                now = time.monotonic()
                if b"\n" in chunk:
                    began, received = now, 0
                elif now - began > silence and received < SLOWEST * (now - began):
                    raise _Lost(_silent(silence), retry=False, sent=True)

    # Other endpoints

    def get(self, path: str, *, url: str | None = None) -> Any:
        """The JSON that ``GET path`` answers with; ``path`` is below the base URL, ``url`` stands for itself.

        Raises the :class:`ElkError` that an error status, an error object or an unreadable reply stands for.
        """
        request = Request(url or self._to.base_url + path, {}, {"Accept": "application/json"}, "GET")
        tried = 0
        while True:
            tried += 1
            wait: float | None = None
            try:
                return self._get_once(request)
            except _Lost as lost:
                error, retry = lost.error, lost.retry
            except _Refused as refused:
                error, retry, wait = refused.error, can_retry(refused.error, tried), refused.wait
            pause = self._pause(tried, wait, error) if retry and tried <= self._to.retries else None
            if pause is None:
                raise self._harmless(error)
            self._notify(f"{error.message}; trying again in {pause:.1f} s")
            self._to.sleep(pause)

    def _get_once(self, request: Request) -> Any:
        with self._response(request, None) as response:
            request_id = self._request_id(response)
            if response.status_code >= 400 or response.status_code in _REDIRECTS:
                raise self._refused(response, request, request_id)
            inflate = _inflater(response.headers.get("content-encoding", ""))
            body = bytearray()
            with _translated(self):
                for chunk in response.iter_raw():
                    for part in inflate(chunk):
                        body += part
                    if len(body) > REPLY_BODY:
                        raise ApiError(f"{request.url}: the reply is too large", request_id=request_id)
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

    def _client(self) -> httpx.Client:
        if self._http is None:
            limits = httpx.Timeout(self._to.timeout, connect=min(CONNECT_SECONDS, self._to.timeout), pool=None)
            try:
                if self._to.transport is not None:
                    self._http = httpx.Client(transport=self._to.transport(), timeout=limits)
                else:
                    self._http = httpx.Client(verify=self._trust(), timeout=limits)
            except (ValueError, ImportError, httpx.InvalidURL) as problem:
                raise ConfigError(f"the proxy in the environment cannot be used: {problem}") from None
        return self._http

    def _trust(self) -> ssl.SSLContext:
        """The certificates to trust. One context, and none loaded for plain http."""
        if self._to.ca_file is None and urlsplit(self._to.base_url).scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return trust(self._to.ca_file)

    @contextmanager
    def _response(self, request: Request, content: bytes | None) -> Iterator[httpx.Response]:
        client = self._client()
        headers = dict(request.headers)
        if self._to.token is not None:
            headers["Authorization"] = f"Bearer {self._to.token.reveal()}"
        url = request.url
        for _ in range(6):
            if _origin(url) != _origin(self._to.base_url):
                headers.pop("Authorization", None)
            self._sent = self._hung_up = False
            self._socket = None
            self._tell(f"> {request.method} {url}")
            for name, value in request.headers.items():
                self._tell(f"> {name}: {value}")
            if self._to.token is not None:
                self._tell("> Authorization: Bearer ***")
            with _translated(self):
                try:
                    built = client.build_request(
                        request.method, url, headers=headers, content=content, extensions={"trace": self._trace}
                    )
                except (httpx.InvalidURL, ValueError) as problem:
                    raise ConfigError(f"the address {url} cannot be used: {problem}") from None
                # a server may send its headers a byte at a time for ever: their whole time is bounded too
                clock = threading.Timer(self._to.timeout + CONNECT_SECONDS, self._hang_up)
                clock.daemon = True
                clock.start()
                try:
                    response = client.send(built, stream=True)
                except httpx.InvalidURL:  # ours was parsed above: this is the one in a Location header
                    raise ApiError("the server redirects to something that is no address") from None
                finally:
                    clock.cancel()
            self._tell(f"< {response.http_version} {response.status_code} {response.reason_phrase}")
            for name, value in response.headers.items():
                self._tell(f"< {name}: {value}")
            target = self._redirect(response, url, request.method)
            if target is None:
                try:
                    yield response
                finally:
                    response.close()
                return
            response.close()
            url = target
        raise ApiError("the server redirects in circles")

    def _redirect(self, response: httpx.Response, url: str, method: str) -> str | None:
        """Where a redirect leads that keeps the method and the origin; raises for any other."""
        if response.status_code not in _REDIRECTS:
            return None
        location = response.headers.get("location", "")
        try:
            target = urljoin(url, location)
            # a backslash is read as a slash by some and as a letter by others: such an address names no one place
            same = _origin(target) == _origin(url) and not urlsplit(target).username and "\\" not in location
        except ValueError:
            same = False
            target = location
        keeps = response.status_code in (307, 308) or method == "GET"
        if same and keeps and location:
            return target
        response.close()
        why = "to another server" if not same else "in a way that would lose the request"
        raise ApiError(
            f"the server redirects {why} ({response.status_code}), to {target[:200]}",
            hint="if that is right, set it as base URL: elkcli config set base_url",
            status=response.status_code,
        )

    def _refused(self, response: httpx.Response, request: Request, request_id: str | None) -> _Refused:
        body = bytearray()
        inflate = _inflater(response.headers.get("content-encoding", ""))
        ends = time.monotonic() + min(30.0, self._to.timeout)
        with suppress(ElkError, _Lost), _translated(self):
            for chunk in response.iter_raw():
                for part in inflate(chunk):
                    body += part
                if len(body) >= ERROR_BODY or time.monotonic() > ends:
                    break
        error = from_response(
            response.status_code,
            bytes(body[:ERROR_BODY]),
            url=request.url,
            request_id=request_id,
            model=request.model,
            content_type=response.headers.get("content-type", ""),
        )
        return _Refused(error, _retry_after(response.headers))

    def _request_id(self, response: httpx.Response) -> str | None:
        """The server's name for this request, without the token should it be in there."""
        for name in ("x-oneapi-request-id", "x-request-id", "request-id", "x-litellm-call-id"):
            found: str | None = response.headers.get(name)
            if found:
                return self._hidden(found[:128])
        return None

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = info.get("return_value")
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            self._tell(f"* {event}")
        elif event.endswith("send_request_headers.started"):
            self._sent = True

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._hung_up = True
            with suppress(OSError):
                self._socket.shutdown(2)

    def _tell(self, line: str) -> None:
        if self._log is not None:
            self._log(self._hidden(line))

    def _hidden(self, text: str) -> str:
        """``text`` without the token, which a server may send back in its errors."""
        return self._to.token.hide(text) if self._to.token is not None else text

    def _harmless(self, error: ElkError) -> ElkError:
        error.message = self._hidden(error.message)
        error.code = self._hidden(error.code) if error.code else None
        error.request_id = self._hidden(error.request_id) if error.request_id else None
        return error


class _Refused(Exception):
    """A response that is an error by its status; ``wait`` is what Retry-After asks, in seconds."""

    def __init__(self, error: ElkError, wait: float | None) -> None:
        super().__init__()
        self.error = error
        self.wait = wait


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Certificates of ``ca_file``, of ``SSL_CERT_FILE``, or of the system. Raises :class:`ConfigError`."""
    import os

    chosen = ca_file or os.environ.get("SSL_CERT_FILE")
    try:
        if chosen:
            return ssl.create_default_context(cafile=Path(chosen).expanduser())
        context = ssl.create_default_context()
    except (OSError, ssl.SSLError) as problem:
        raise ConfigError(f"the certificates in {chosen} cannot be read: {problem}") from None
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not paths.capath and not context.cert_store_stats()["x509_ca"]:
        import certifi  # comes with httpx; for systems whose Python knows no store

        context.load_verify_locations(certifi.where())
    return context


@contextmanager
def _translated(client: Client) -> Iterator[None]:
    """httpx's exceptions, and the sockets', as ours."""
    try:
        yield
    except httpx.ConnectTimeout as problem:
        raise _Lost(
            Unreachable(f"no connection to {_host(client)}: timed out", hint="check the network, or the base URL"),
            retry=True,
            sent=False,
        ) from problem
    except httpx.TimeoutException as problem:
        raise _Lost(_silent(client._to.timeout), retry=False, sent=client._sent) from problem
    except httpx.ConnectError as problem:
        error, retry = _unreachable(client, problem)
        raise _Lost(error, retry=retry, sent=False) from problem
    except httpx.ProxyError as problem:
        raise _Lost(Unreachable(f"the proxy refused: {problem}"), retry=False, sent=False) from problem
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as problem:
        raise ConfigError(f"the address {client._to.base_url} cannot be used: {problem}") from problem
    except httpx.DecodingError as problem:
        raise ApiError(f"the server's reply cannot be decoded: {problem}") from problem
    except (httpx.TransportError, OSError) as problem:
        said = str(problem) or type(problem).__name__
        if client._hung_up:
            raise _Lost(_silent(client._to.timeout), retry=False, sent=client._sent) from problem
        raise _Lost(
            Unreachable(f"the connection to {_host(client)} was lost: {said}", hint="try again"),
            retry=True,
            sent=client._sent,
        ) from problem
    except zlib.error as problem:
        raise ApiError(f"the server's reply cannot be decompressed: {problem}") from problem


def _host(client: Client) -> str:
    return urlsplit(client._to.base_url).netloc


def _unreachable(client: Client, problem: Exception) -> tuple[Unreachable, bool]:
    said = str(problem)
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(
                f"the certificate of {_host(client)} is not trusted: {cause.verify_message or cause.reason}",
                hint="behind a company proxy, name its certificate: elkcli config set ca_file FILE, or SSL_CERT_FILE",
            ), False
        if isinstance(cause, ssl.SSLError):
            return Unreachable(
                f"no TLS with {_host(client)}: {cause.reason or cause}", hint="is it an https address?"
            ), True
        cause = cause.__cause__ or cause.__context__
    if any(words in said for words in ("Name or service", "nodename nor", "getaddrinfo", "name resolution")):
        return Unreachable(f"no address is known for {_host(client)}", hint="check the base URL and the network"), True
    return Unreachable(f"no connection to {_host(client)}: {said}", hint="check the base URL and the network"), True


def _silent(seconds: float) -> Unreachable:
    return Unreachable(f"the server was silent for {seconds:g} s", hint="raise --timeout, or try again")


def _safe_to_repeat(request: Request, error: ElkError) -> bool:
    """Whether sending ``request`` again cannot pay for a picture twice."""
    return not request.wants_image or error.status in (429, 503)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").rstrip("."), port


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``Retry-After`` as seconds or date (RFC 9110 §10.2.3)."""
    with suppress(ValueError):
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
    raw = headers.get("retry-after", "").strip()
    if not raw:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(raw).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def _inflater(encoding: str) -> Callable[[bytes], Iterator[bytes]]:
    """Undo a Content-Encoding that was not asked for, a bounded piece at a time: a small bomb stays small."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return lambda chunk: iter((chunk,))
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ApiError(f"the server's reply is compressed in a way elkcli does not read: {encoding[:40]}")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def inflate(chunk: bytes) -> Iterator[bytes]:
        rest = chunk
        while rest:
            part = unpack.decompress(rest, 1024 * 1024)
            if part:
                yield part
            rest = unpack.unconsumed_tail
            if not part and not rest:
                return

    return inflate
