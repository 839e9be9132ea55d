"""Downloading an attachment: elkcli/api/fetch.py."""

from __future__ import annotations

import httpx
import pytest

from elkcli.api.fetch import fetch
from elkcli.errors import Unreachable, UsageError
from tests import samples


def web(answer: httpx.Response | Exception) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        if request.url.path == "/old":
            return httpx.Response(302, headers={"Location": "/new"})
        if request.url.path == "/loop":
            return httpx.Response(302, headers={"Location": "/loop"})
        if request.url.path == "/away":
            return httpx.Response(302, headers={"Location": "file:///etc/passwd"})
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle)


def test_it_gives_the_bytes_and_follows_redirects() -> None:
    for path in ("new", "old"):
        got = fetch(f"https://example.org/{path}", transport=web(httpx.Response(200, content=samples.PDF)))
        assert got == samples.PDF


@pytest.mark.parametrize("path", ["loop", "away"])
def test_redirects_have_an_end_and_stay_on_the_web(path: str) -> None:
    with pytest.raises(UsageError):
        fetch(f"https://example.org/{path}", transport=web(httpx.Response(200)))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=bytes(2000)),
        httpx.Response(200, headers={"Content-Length": "9" * 30}, stream=httpx.ByteStream(b"x")),
    ],
)
def test_what_is_missing_empty_or_too_much_is_refused(answer: httpx.Response) -> None:
    with pytest.raises(UsageError, match="cannot fetch https://example.org/a"):
        fetch("https://example.org/a", transport=web(answer), limit=1000)


@pytest.mark.parametrize("problem", [httpx.ReadTimeout("slow"), httpx.ConnectError("no route")])
def test_a_network_that_fails_is_told_apart(problem: Exception) -> None:
    with pytest.raises(Unreachable):
        fetch("https://example.org/a", transport=web(problem))


def test_a_slow_drip_has_an_end() -> None:
    with pytest.raises(Unreachable, match="not done after"):
        fetch("https://example.org/a", transport=web(httpx.Response(200, content=bytes(10))), seconds=0.0000001)


def test_no_address_at_all_is_refused() -> None:
    for url in ("ftp://example.org/a", "https://", "x" * 70000):
        with pytest.raises(UsageError):
            fetch(url)
