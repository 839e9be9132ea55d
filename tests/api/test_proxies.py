"""Which proxy a request goes by, as the environment says it, in the ways that people write it."""

from __future__ import annotations

import pytest

from elkcli.api.proxies import is_exempt, proxy_for
from elkcli.errors import ConfigError

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("host", "entries"),
    [
        ("api.elkapi.com", "api.elkapi.com"),
        ("api.elkapi.com", "elkapi.com"),
        ("api.elkapi.com", ".elkapi.com"),
        ("api.elkapi.com", "*.elkapi.com"),
        ("API.elkapi.com.", "Elkapi.COM"),
        ("api.elkapi.com", "x, api.elkapi.com:443 ,y"),
        ("api.elkapi.com", "https://api.elkapi.com"),
        ("api.elkapi.com", "*"),
        ("127.0.0.1", "localhost,127.0.0.0/8,::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("::1", "[::1]"),
        ("::1", "::1"),
        ("fd00::7", "::1/128,fd00::/8"),
        ("::1", "[::1]:443"),
    ],
)
def test_what_no_proxy_names_is_reached_without(host: str, entries: str) -> None:
    assert is_exempt(host, 443, entries)


@pytest.mark.parametrize(
    ("host", "entries"),
    [
        ("api.elkapi.com", ""),
        ("api.elkapi.com", ",,"),
        ("api.elkapi.com", "pi.elkapi.com"),
        ("api.elkapi.com", "api.elkapi.com:8443"),
        ("api.elkapi.com", "com.example,é.example,[,x:y:z,%%%,127.0.0.0/99"),
        ("127.0.0.1", "localhost,10.0.0.0/8,::1/128"),
        ("::1", "[::1]:8443"),
    ],
)
def test_what_it_does_not_name_is_not(host: str, entries: str) -> None:
    assert not is_exempt(host, 443, entries)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", [PROXY, "proxy.example:3128"])
def test_a_proxy_may_be_named_in_several_ways(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert proxy_for("https://api.elkapi.com/v1") == PROXY
    monkeypatch.setenv("NO_PROXY", "[::1],fd00::/8,elkapi.com")
    assert proxy_for("https://api.elkapi.com/v1") is None


def test_plain_text_for_this_machine_goes_by_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_for("http://127.0.0.1:8080/v1") is None
    assert proxy_for("http://elk.example/v1") == PROXY
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:3128")
    assert proxy_for("http://127.0.0.1:8080/v1") == "http://127.0.0.1:3128"


@pytest.mark.parametrize("value", ["http://", "http://:3128", "http://[bad"])
def test_a_proxy_without_a_host_is_a_bad_configuration(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError):
        proxy_for("https://api.elkapi.com/v1")
