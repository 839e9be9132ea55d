"""The connection's rules, the same for one question and for a batch: where the token may go, what may be tried again.

All that decides whether the token leaves this process is in this file.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from urllib.parse import quote, urljoin, urlsplit

import httpx

from elkcli.api.ahead import CONNECT_SECONDS, Ahead
from elkcli.api.failures import Lost, silent
from elkcli.api.request import Request
from elkcli.api.sse import BOM, Events
from elkcli.api.trust import trust
from elkcli.api.verdict import can_retry, from_response
from elkcli.environment import sleep
from elkcli.errors import ApiError, ElkError, Incomplete, Unreachable
from elkcli.origin import origin
from elkcli.secret import Token
from elkcli.value import Value

AFTER_REASON_SECONDS = 5.0  # a finish reason has come: what may follow is usage, and it follows at once
AFTER_DONE_SECONDS = 0.02
LONGEST_WAIT = 60.0
ERROR_BODY = 1024 * 1024
ERROR_SECONDS = 30.0
MOST_KEEP_ALIVE = 12  # silences that comments or a drip may fill before a server that says nothing counts as silent
MOST_REDIRECTS = 6
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Connection(Value):
    """Where to send, and how patiently. ``transport`` replaces the network (the demo's does).

    ``further`` are headers of the user's own, for requests that are no question (those bring theirs). ``ahead`` opens a
    connection before it is asked for.
    """

    base_url: str
    token: Token | None
    timeout: float = 300.0
    retries: int = 2
    ca_file: str | None = None
    transport: Callable[[], httpx.BaseTransport] | None = None
    sleep: Callable[[float], None] = staticmethod(sleep)
    further: Mapping[str, str] = {}
    ahead: Ahead | None = None

    @property
    def host(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.base_url).netloc

    def limits(self) -> httpx.Timeout:
        """httpx's time-outs."""
        return httpx.Timeout(self.timeout, connect=min(CONNECT_SECONDS, self.timeout), pool=None)

    def trust(self, url: str | None = None) -> ssl.SSLContext:
        """The certificates to trust of who serves ``url``, else the base URL; none are loaded for plain http."""
        if self.ca_file is None and urlsplit(url or self.base_url).scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return trust(self.ca_file) if self.ahead is None else self.ahead.trust()

    def headers(self, request: Request, url: str) -> dict[str, str]:
        """The headers to send to ``url``: with the token only where that is at the base URL's own origin."""
        headers = dict(request.headers)
        if self.token is not None and origin(url) == origin(self.base_url):
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        return headers

    def hidden(self, text: str) -> str:
        """``text`` without the token, which a server may send back in its errors."""
        if self.token is None:
            return text
        quoted = quote(self.token.reveal(), safe="")
        return self.token.hide(text.replace(quoted, self.token.masked) if len(quoted) >= 4 else text)

    def harmless(self, error: ElkError) -> ElkError:
        """``error`` without the token."""
        error.message = self.hidden(error.message)
        error.hint = self.hidden(error.hint) if error.hint else None
        error.code = self.hidden(error.code) if error.code else None
        error.request_id = self.hidden(error.request_id) if error.request_id else None
        cause = error.__cause__
        while cause is not None:  # --verbose shows what a library said of the server's bytes
            if self.hidden(str(cause)) != str(cause):
                cause.args = (self.hidden(str(cause)),)
            cause = cause.__cause__ or cause.__context__
        return error

    def request_id(self, headers: httpx.Headers) -> str | None:
        """The server's name for this request, without the token should it be in there."""
        for name in ("x-oneapi-request-id", "x-request-id", "request-id", "x-litellm-call-id"):
            found: str | None = headers.get(name)
            if found:
                return self.hidden(found[:128])
        return None


class Refused(Exception):
    """A response that is an error by its status; ``wait`` is what Retry-After asks, in seconds."""

    def __init__(self, error: ElkError, wait: float | None) -> None:
        super().__init__()
        self.error = error
        self.wait = wait


# Trying again


def may_retry(request: Request, problem: Lost | Refused | ElkError, tried: int) -> bool:
    """Whether ``request``, of whose answer nothing was given away yet, may be sent again after ``tried`` tries."""
    if isinstance(problem, Lost):
        # lost after it left: a picture may have been made, and billed
        return problem.retry and not (problem.sent and request.wants_image)
    error = problem.error if isinstance(problem, Refused) else problem
    if isinstance(error, Unreachable):
        return False
    if isinstance(error, Incomplete):
        return error.code == "lost" and _safe_to_repeat(request, error)
    return can_retry(error, tried) and _safe_to_repeat(request, error)


def _safe_to_repeat(request: Request, error: ElkError) -> bool:
    """Whether sending ``request`` again cannot pay for a picture twice."""
    return not request.wants_image or error.status in (429, 503)


def pause(tried: int, asked: float | None, error: ElkError) -> float | None:
    """Seconds to wait: exponential with full jitter, at least what the server asked; ``None`` to give up."""
    from random import random

    seconds: float = random() * min(20.0, 0.5 * 2**tried)  # noqa: S311 - spreads retries, guards no secret
    if asked is None:
        return seconds
    if asked > LONGEST_WAIT:
        error.hint = f"the server asks to wait {_duration(asked)} before the next try"
        return None
    return max(asked, seconds)


def retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait, from ``retry-after-ms`` or ``Retry-After`` as seconds or date (RFC 9110 §10.2.3)."""
    with suppress(ValueError):
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
    asked = [seconds for raw in headers.get_list("retry-after") if (seconds := _seconds(raw.strip())) is not None]
    return max(asked, default=None)


_AGES = 1e9  # seconds: what a number too long for a float asks for


def _seconds(raw: str) -> float | None:
    try:
        seconds = float(raw)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(raw).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    if raw.isdigit():
        seconds = min(seconds, _AGES)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


class Patience:
    """Whether a reply still says anything, judged with each chunk of it. Raises :class:`Lost` where it does not.

    httpx's own time-out knows chunks only: a byte now and then, or comments without end, would satisfy it for ever.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._heard_at = time.monotonic()
        self._heard = 0

    def hear(self, heard: int) -> None:
        """Bytes came; ``heard`` changes with what they tell of an answer."""
        now = time.monotonic()
        if heard != self._heard:
            self._heard, self._heard_at = heard, now
        elif now - self._heard_at > self._seconds * MOST_KEEP_ALIVE:
            raise Lost(silent(round(now - self._heard_at, 1)), retry=False, sent=True)


# Where a request goes


def redirect(response: httpx.Response, url: str, method: str) -> str | None:
    """Where a redirect leads that keeps the method and the origin; ``None`` for no redirect, raises for any other."""
    if response.status_code not in REDIRECTS:
        return None
    location: str = response.headers.get("location", "")
    try:
        target = urljoin(url, location)
        # a backslash is read as a slash by some and as a letter by others: such an address names no one place
        same = origin(target) == origin(url) and not urlsplit(target).username and "\\" not in location
    except ValueError:
        same = False
        target = location
    keeps = response.status_code in (307, 308) or method == "GET"
    if same and keeps and location:
        return target
    why = "to another server" if not same else "in a way that would lose the request"
    raise ApiError(
        f"the server redirects {why} ({response.status_code}), to {target[:200]}",
        hint="if that is right, set it as base URL: elkcli config set base_url",
        status=response.status_code,
    )


# What a response says


def unpacked(headers: httpx.Headers) -> Callable[[bytes], Iterable[bytes]]:
    """What undoes the encoding of a reply. Raises :class:`ApiError` for one that elkcli does not read."""
    encoding = headers.get("content-encoding")
    if not encoding:
        return lambda chunk: (chunk,)
    from elkcli.api.inflate import inflater  # seldom needed: none was asked for

    return inflater(encoding)


def is_refusal(status: int) -> bool:
    """Whether a status is no answer."""
    return not 200 <= status < 300


def refusal(response: httpx.Response, body: bytes | bytearray, request: Request, request_id: str | None) -> Refused:
    """What an error status with ``body`` means."""
    said = bytes(body[:ERROR_BODY])
    if said.removeprefix(BOM).lstrip()[:1] not in (b"{", b"[", b"<"):
        events = Events()  # an error may come as an event, behind others that say nothing (wire.md §3.3)
        found = [bytes(event) for event in [*events.feed(said), *events.close()] if event[:1] == b"{"]
        said = next(iter(found), said)
    error = from_response(
        response.status_code,
        said,
        url=request.url,
        request_id=request_id,
        content_type=response.headers.get("content-type", ""),
    )
    return Refused(error, retry_after(response.headers))
