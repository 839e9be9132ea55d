"""Downloads an attachment for ``--fetch``: without the token, within a size and a time, from the web only."""

from __future__ import annotations

import ssl
import time

import httpx

from elkcli import __version__
from elkcli.errors import Unreachable, UsageError
from elkcli.media import readable

LIMIT = 64 * 1024 * 1024
SECONDS = 120.0


def fetch(
    url: str,
    *,
    transport: httpx.BaseTransport | None = None,
    verify: ssl.SSLContext | bool = True,
    limit: int = LIMIT,
    seconds: float = SECONDS,
) -> bytes:
    """The bytes at ``url``, redirects followed. ``verify`` is the trust that the client of the API has.

    Raises :class:`UsageError` for what the person can mend, :class:`Unreachable` for what the network did.
    """
    begun = time.monotonic()
    headers = {"User-Agent": f"elkcli/{__version__}", "Accept": "image/*, application/pdf, audio/*, */*;q=0.5"}
    timeout = httpx.Timeout(min(30.0, seconds), connect=min(10.0, seconds))
    try:
        with (
            httpx.Client(
                transport=transport, verify=verify, timeout=timeout, follow_redirects=True, max_redirects=5
            ) as http,
            http.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise UsageError(f"cannot fetch {url}: the server answered {response.status_code}")
            told = response.headers.get("Content-Length", "")
            if told.isascii() and told.isdigit() and int(told) > limit:
                raise UsageError(f"cannot fetch {url}: it has {readable(int(told))}, more than {readable(limit)}")
            data = bytearray()
            for piece in response.iter_bytes(65536):
                data += piece
                if len(data) > limit:
                    raise UsageError(f"cannot fetch {url}: it has more than {readable(limit)}")
                if time.monotonic() - begun > seconds:
                    raise Unreachable(f"cannot fetch {url}: not done after {seconds:.0f} seconds")
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as problem:
        raise UsageError(f"cannot fetch {url}: {problem}") from problem
    except httpx.TooManyRedirects as problem:
        raise UsageError(f"cannot fetch {url}: too many redirects") from problem
    except httpx.TimeoutException as problem:
        raise Unreachable(f"cannot fetch {url}: no answer in time") from problem
    except httpx.HTTPError as problem:
        raise Unreachable(f"cannot fetch {url}: {problem}") from problem
    if not data:
        raise UsageError(f"cannot fetch {url}: there is nothing")
    return bytes(data)
