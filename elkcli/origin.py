"""Addresses: what a base URL means, and which origin (scheme, host, port) a token belongs to."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
"""The port of a scheme where none is named."""
_KNOWN_TAILS = ("/chat/completions", "/models", "/chat")


def base_url(text: str) -> str:
    """The API's base, ``…/v1``: given with or without ``/v1``, a trailing slash, or a pasted endpoint.

    Raises :class:`ValueError` whose text completes "base_url takes …".
    """
    url = text.strip()
    if "://" not in url:
        url = "https://" + url
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii").decode()
    except (ValueError, UnicodeError):
        raise ValueError("an address such as https://api.elkapi.com/v1") from None
    if parts.scheme not in PORTS or not host or any(char in host for char in " %\\<>^|"):
        raise ValueError("an http or https address such as https://api.elkapi.com/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address without a user name or password")
    if parts.query or parts.fragment:
        raise ValueError("an address without a query or fragment")
    if port == 0:
        raise ValueError("an address whose port is not 0")
    path = parts.path.rstrip("/")
    for tail in _KNOWN_TAILS:
        path = path.removesuffix(tail).rstrip("/")
    if not path.endswith("/v1"):
        path += "/v1"
    if ":" in host:
        host = f"[{host}]"
    where = host if port is None or port == PORTS[parts.scheme] else f"{host}:{port}"
    return f"{parts.scheme}://{where}{path}"


def origin(url: str) -> str:
    """Scheme, host and port of ``url``, in one spelling (RFC 6454 §4)."""
    if url.startswith("demo:"):
        return "demo:"
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not host.isascii():
        host = host.encode("idna").decode()
    host = host.rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    port = parts.port or PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{host}" if port == PORTS.get(parts.scheme) else f"{parts.scheme}://{host}:{port}"


def is_loopback(url: str) -> bool:
    """Whether ``url`` stays on this machine."""
    return is_here(urlsplit(url).hostname or "")


def is_here(host: str) -> bool:
    """Whether ``host`` is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
