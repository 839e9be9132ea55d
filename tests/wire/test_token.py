"""Where the token goes: to the base URL's own origin, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import TOKEN, Elkcli
from tests.server import Server


@pytest.fixture
def elsewhere() -> Iterator[Server]:
    """Another origin: the same host, another port."""
    running = Server().says("stolen")
    yield running
    running.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_that_leaves_the_origin_is_an_error_and_nothing_is_sent_there(
    status: int, elkcli: Elkcli, server: Server, elsewhere: Server
) -> None:
    server.fails(status, b"", {"Location": f"{elsewhere.url}/chat/completions"})
    result = elkcli("ask", "hi").fails(6)
    assert "redirect" in result.err
    assert not elsewhere.requests
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_within_the_origin_keeps_method_and_body(status: int, elkcli: Elkcli, server: Server) -> None:
    server.fails(status, b"", {"Location": "/other/chat/completions"}).says()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    first, second = server.requests
    assert (second.method, second.path, second.body) == ("POST", "/other/chat/completions", first.body)
    assert second.header("Authorization") == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_turn_post_into_get_is_an_error(status: int, elkcli: Elkcli, server: Server) -> None:
    server.fails(status, b"", {"Location": "/other"})
    elkcli("ask", "hi").fails(6)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://user:pw@127.0.0.1:{port}/v1", "http://127.0.0.1.invalid:{port}/v1", "//elsewhere.invalid/v1",
        "https://127.0.0.1:{port}/v1", "http://localhost:{port}/v1", "http://127.0.0.1/v1", "http://[::1]:{port}/v1",
        "http://127.0.0.1:{port}@elsewhere.invalid/", "\\\\elsewhere.invalid/x", "ftp://127.0.0.1/", "file:///etc/passwd",
        "data:text/plain,x", "http://[bad/", "http://127.0.0.1:99999/", "", None,
    ],
)  # fmt: skip
def test_a_tricky_location_never_takes_the_token_away(location: str | None, elkcli: Elkcli, server: Server) -> None:
    where = None if location is None else location.format(port=server.port)
    server.fails(307, b"", {"Location": where}).fails(400, {"error": {"message": "arrived"}})
    elkcli("ask", "hi", "--retries", "0").fails(6)
    for request in server.requests:
        assert request.header("Host") == f"127.0.0.1:{server.port}" or request.header("Authorization") is None


def test_a_redirect_without_end_is_an_error(elkcli: Elkcli, server: Server) -> None:
    server.fails(307, b"", {"Location": "/v1/chat/completions"})
    elkcli("ask", "hi").fails(6)
    assert len(server.requests) <= 12


@pytest.mark.parametrize(
    "url", ["http://api.elk.invalid/v1", "http://10.0.0.1/v1", "http://127.0.0.1.elk.invalid", "http://0x7f.1.invalid",
            "http://localhost.elk.invalid", "http://[2001:db8::1]/v1"]
)  # fmt: skip
def test_a_token_is_not_sent_over_plain_http_to_another_machine(url: str, elkcli: Elkcli, token: str) -> None:
    env = {"ELKCLI_TOKEN": token, "ELKCLI_BASE_URL": url}
    result = elkcli("ask", "hi", env=env)
    assert result.code in {2, 3}
    result.fails(result.code)
    assert "http" in result.err
    assert "allow_insecure" in result.err


def test_plain_http_can_be_allowed(elkcli: Elkcli, token: str) -> None:
    env = {"ELKCLI_TOKEN": token, "ELKCLI_BASE_URL": "http://api.elk.invalid/v1", "ELKCLI_ALLOW_INSECURE": "true"}
    elkcli("ask", "hi", "--retries", "0", env=env).fails(7)


@pytest.mark.parametrize(
    "url",
    ["ftp://x/v1", "http://", "http://u:p@127.0.0.1/v1", "http://127.0.0.1:0/v1", "https://", "http://a b/", "",
     "http://127.0.0.1:99999/v1", "http://x/v1?key=1", "http://x/#f"],
)  # fmt: skip
def test_a_base_url_that_is_none_is_a_usage_error(url: str, elkcli: Elkcli, token: str) -> None:
    elkcli("ask", "hi", "--base-url", url, env={"ELKCLI_TOKEN": token}).fails(2)


def test_a_stored_token_goes_to_no_other_base_url(elkcli: Elkcli, server: Server, elsewhere: Server) -> None:
    env = {"ELKCLI_TOKEN": None, "ELKCLI_BASE_URL": None}
    elkcli.configure(f'base_url = "{server.url}"\n')
    elkcli("config", "set", "token", stdin=TOKEN, env=env).succeeds()
    server.says()
    elkcli("ask", "hi", env=env).succeeds(b"Hello\n")
    assert server.request.header("authorization") == f"Bearer {TOKEN}"
    result = elkcli("ask", "hi", "--base-url", elsewhere.url, env=env)
    assert result.code == 3, result
    assert not [request for request in elsewhere.requests if request.header("authorization")]
    elkcli("ask", "hi", env={**env, "ELKCLI_BASE_URL": elsewhere.url})
    assert not [request for request in elsewhere.requests if request.header("authorization")]


def test_a_token_in_the_environment_goes_where_the_option_says(
    elkcli: Elkcli, server: Server, elsewhere: Server
) -> None:
    elkcli("ask", "hi", "--base-url", elsewhere.url).succeeds(b"stolen\n")
    assert elsewhere.request.header("authorization") == f"Bearer {TOKEN}"
    assert not server.requests


def test_no_token_is_3_and_nothing_is_sent(elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", env={"ELKCLI_TOKEN": None}).fails(3)
    assert "config set token" in result.hint
    assert not server.requests


@pytest.mark.parametrize("key", ["OPENAI_API_KEY", "GEMINI_API_KEY", "ELK_TOKEN", "ELKAPI_KEY"])
def test_no_key_of_another_service_is_taken(key: str, elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "hi", env={"ELKCLI_TOKEN": None, key: "sk-other"}).fails(3)
    assert not server.requests


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (f"  {TOKEN}\n", TOKEN),
        (f"Bearer {TOKEN}", TOKEN),
        (f"bearer  {TOKEN}", TOKEN),
        ("a.b_c-1", "a.b_c-1"),
        ("sk-1-2-3", "sk-1-2-3"),
    ],
)
def test_a_token_is_trimmed_and_otherwise_left_alone(given: str, sent: str, elkcli: Elkcli, server: Server) -> None:
    server.says()
    elkcli("ask", "hi", env={"ELKCLI_TOKEN": given}).succeeds()
    assert server.request.header("authorization") == f"Bearer {sent}"


@pytest.mark.parametrize("given", ["sk-a\nb: c", "sk-a\rb", "sk-a\0b", "sk-é", "sk a", "\x1b[31m"])
def test_a_token_with_control_characters_is_refused_and_not_shown(given: str, elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", env={"ELKCLI_TOKEN": given}).fails(3)
    assert given not in result.err
    assert not server.requests


def test_a_proxy_is_used_but_for_what_needs_none(
    elkcli: Elkcli, server: Server, elsewhere: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", elsewhere.url.removesuffix("/v1"))
    monkeypatch.setenv("NO_PROXY", "[::1],fd00::/8,127.0.0.0/8")
    server.says()
    elkcli("ask", "hi").succeeds(b"Hello\n")
    assert not elsewhere.requests
    monkeypatch.setenv("NO_PROXY", "[::1],fd00::/8")
    elkcli("ask", "hi").succeeds(b"stolen\n")
    assert elsewhere.request.path == f"{server.url}/chat/completions"
    assert len(server.requests) == 1


def test_a_proxy_sees_nothing_of_the_token_on_its_way_to_https(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = server
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.removesuffix("/v1"))
    proxy.fails(502).fails(407)
    for tries in (2, 3):
        assert "proxy refused" in elkcli("ask", "hi", "--base-url", "https://api.elk.invalid").fails(7).error
        assert [request.path for request in proxy.requests] == ["api.elk.invalid:443"] * tries
    assert not [request for request in proxy.requests if request.header("authorization")]


def test_a_proxy_that_is_not_there_is_named(
    elkcli: Elkcli, server: Server, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    result = elkcli("ask", "hi", "--retries", "0").fails(7)
    assert f"the proxy 127.0.0.1:{closed_port}" in result.error
    assert "HTTP_PROXY" in result.hint


@pytest.mark.parametrize("option", ["-HAuthorization: Bearer {}", "-HX-Api-Key: {}", "-H{}"])
def test_a_token_in_a_header_option_is_refused_and_not_echoed(option: str, elkcli: Elkcli, server: Server) -> None:
    elkcli("ask", "hi", option.format(TOKEN)).fails(2)
    assert not server.requests
