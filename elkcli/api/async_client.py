"""The client of a batch: one connection and one request at a time, many of them side by side in one event loop.

What may be sent where and tried again is in :mod:`elkcli.api.connection`, what failures mean in
:mod:`elkcli.api.failures`, as for the client of one question; reading a reply is the same decoder. Only waiting is done
differently here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import httpx

from elkcli.api.ahead import CONNECT_SECONDS
from elkcli.api.connection import (
    AFTER_DONE_SECONDS,
    AFTER_REASON_SECONDS,
    ERROR_BODY,
    ERROR_SECONDS,
    MOST_REDIRECTS,
    Connection,
    Patience,
    is_refusal,
    redirect,
    refusal,
    unpacked,
)
from elkcli.api.failures import Lost, Progress, translated
from elkcli.api.proxies import proxy_for, usable
from elkcli.api.request import Request
from elkcli.api.wire import Decoder
from elkcli.conversation import Piece
from elkcli.errors import ApiError, ConfigError, ElkError

_NO_LIMIT = httpx.Limits(max_connections=None, max_keepalive_connections=1)


class Clients:
    """Makes the clients of one batch, which share certificates and, in the demo, the server."""

    def __init__(self, connection: Connection, *, threads: int = 8, log: Callable[[str], None] | None = None) -> None:
        self._to = connection
        self._log = log
        self._trust: ssl.SSLContext | None = None
        self._proxy: str | None = None
        self._transport: httpx.AsyncBaseTransport | None = None
        if connection.transport is not None:
            self._transport = _Threaded(connection.transport(), threads)
        else:
            self._trust = connection.trust()
            self._proxy = proxy_for(connection.base_url)

    def client(self) -> AsyncClient:
        """One more connection."""
        limits = self._to.limits()
        if self._transport is not None:
            http = httpx.AsyncClient(transport=_Shared(self._transport), timeout=limits)
        else:
            # a pool of its own for each: searching one of hundreds costs more than the request
            with usable():
                http = httpx.AsyncClient(
                    verify=self._trust or True, timeout=limits, limits=_NO_LIMIT, proxy=self._proxy, trust_env=False
                )
        return AsyncClient(self._to, http, self._log)

    async def close(self) -> None:
        """Close what the clients shared, once none of them is used any more."""
        if self._transport is not None:
            await self._transport.aclose()

    def harmless(self, error: ElkError) -> ElkError:
        """``error`` without the token, should the server have put it there."""
        return self._to.harmless(error)


class AsyncClient:
    """One connection, kept between requests."""

    def __init__(self, connection: Connection, http: httpx.AsyncClient, log: Callable[[str], None] | None) -> None:
        self._to = connection
        self._http = http
        self._log = log
        self._urls: dict[str, httpx.URL] = {}
        self._timeout = connection.limits().as_dict()

    async def close(self) -> None:
        """Close the connection."""
        with suppress(Exception):  # what is left of a connection that goes away concerns nobody
            await self._http.aclose()

    async def once(self, request: Request, content: bytes, *, raw: bool = False) -> list[Piece]:
        """All pieces of the answer, the last of them the verdict. One try; raises ``Lost`` and ``Refused``."""
        progress = Progress(sent=True)
        async with self._response(request, content, progress) as response:
            request_id = self._to.request_id(response.headers)
            if is_refusal(response.status_code):
                raise refusal(response, await self._error_body(response, progress), request, request_id)
            decoder = Decoder(raw=raw, request_id=request_id, choices=request.choices)
            pieces: list[Piece] = []
            failed: ElkError | None = None
            try:
                with translated(self._to.host, self._to.timeout, progress):
                    await self._read(response, decoder, pieces, progress)
            except Lost as lost:
                failed = lost.error
                nothing = not decoder.answered and not decoder.near_end and not decoder.done
                rest = decoder.close(failed)
                if nothing and not decoder.answered:
                    raise
                return pieces + rest
            return pieces + decoder.close(failed)

    async def _read(self, response: httpx.Response, decoder: Decoder, pieces: list[Piece], progress: Progress) -> None:
        inflate = unpacked(response.headers)
        silence = self._to.timeout
        patience = Patience(silence)
        stream = response.aiter_raw()
        while True:
            if decoder.done:
                # an end that is already on its way lets the connection be used again
                with suppress(httpx.HTTPError, TimeoutError):
                    async with asyncio.timeout(AFTER_DONE_SECONDS):
                        async for _ in stream:
                            pass
                return
            if decoder.near_end:
                progress.hung_up = True
                async with asyncio.timeout(min(silence, AFTER_REASON_SECONDS)):
                    chunk = await anext(stream, None)
                progress.hung_up = False
            else:
                chunk = await anext(stream, None)
            if chunk is None:
                return
            for part in inflate(chunk):
                pieces += decoder.feed(part)
            patience.hear(decoder.heard)

    async def _error_body(self, response: httpx.Response, progress: Progress) -> bytes:
        body = bytearray()
        with suppress(ElkError, Lost), translated(self._to.host, self._to.timeout, progress):
            inflate = unpacked(response.headers)
            async with asyncio.timeout(min(ERROR_SECONDS, self._to.timeout)):
                async for chunk in response.aiter_raw():
                    for part in inflate(chunk):
                        body += part
                    if len(body) >= ERROR_BODY:
                        break
        return bytes(body)

    @asynccontextmanager
    async def _response(self, request: Request, content: bytes, progress: Progress) -> AsyncIterator[httpx.Response]:
        url = request.url
        for _ in range(MOST_REDIRECTS):
            response = await self._send(request, url, content, progress)
            try:
                target = redirect(response, url, request.method)
                if target is None:
                    yield response
                    return
            finally:
                await response.aclose()
            url = target
        raise ApiError("the server redirects in circles")

    async def _send(self, request: Request, url: str, content: bytes, progress: Progress) -> httpx.Response:
        extensions: dict[str, object] = {"timeout": self._timeout}
        if request.wants_image:  # only then it matters whether a request that was lost had left
            progress.sent = False

            async def trace(event: str, info: object) -> None:
                if event.endswith("send_request_headers.started"):
                    progress.sent = True

            extensions["trace"] = trace
        with translated(self._to.host, self._to.timeout, progress):
            try:
                address = self._urls.get(url) or self._urls.setdefault(url, httpx.URL(url))
                built = httpx.Request(
                    request.method,
                    address,
                    headers=self._to.headers(request, url),
                    content=content,
                    extensions=extensions,
                )
            except (httpx.InvalidURL, ValueError) as problem:
                raise ConfigError(f"the address {url} cannot be used: {problem}") from None
            self._tell(f"> {request.method} {url}")
            try:
                # a server may send its headers a byte at a time for ever: their whole time is bounded too
                async with asyncio.timeout(self._to.timeout + CONNECT_SECONDS):
                    response = await self._http.send(built, stream=True)
            except httpx.InvalidURL:  # ours was parsed above: this is the one in a Location header
                raise ApiError("the server redirects to something that is no address") from None
            except TimeoutError:
                progress.hung_up = True
                raise
        self._tell(f"< {response.http_version} {response.status_code}")
        return response

    def _tell(self, line: str) -> None:
        if self._log is not None:
            self._log(self._to.hidden(line))


class _Shared(httpx.AsyncBaseTransport):
    """A transport that stays open when a client that uses it is closed."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)


class _Threaded(httpx.AsyncBaseTransport):
    """A transport that blocks, run in threads: the demo's server, for many requests at once."""

    def __init__(self, inner: httpx.BaseTransport, threads: int) -> None:
        self._inner = inner
        self._pool = ThreadPoolExecutor(min(threads, 64))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._handle, request)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        body = b"".join(response.iter_raw())
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(body))

    async def aclose(self) -> None:
        self._inner.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
