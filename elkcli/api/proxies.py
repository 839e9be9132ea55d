"""Which proxy stands before an address, if any: ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.

httpx reads them too, but gives up on an entry of ``NO_PROXY`` that it cannot read, such as ``[::1]`` or ``fd00::/8``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

from httpx import InvalidURL

from elkcli.errors import ConfigError
from elkcli.origin import PORTS, is_here


def proxy_for(url: str) -> str | None:
    """The proxy to reach ``url`` by. Raises :class:`ConfigError` for one without a host.

    What goes to this machine in plain text goes by no other: a proxy elsewhere would read the token.
    """
    parts = urlsplit(url)
    known = getproxies()
    proxy = known.get(parts.scheme) or known.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    host = parts.hostname or ""
    if is_exempt(host, parts.port or PORTS.get(parts.scheme), known.get("no", "")):
        return None
    try:
        before = urlsplit(proxy).hostname
    except ValueError:
        before = None
    if not before:
        raise ConfigError("the proxy in the environment cannot be used: it names no host")
    return None if parts.scheme == "http" and is_here(host) and not is_here(before) else proxy


@contextmanager
def usable() -> Iterator[None]:
    """What httpx says of a proxy that it cannot use, as ours."""
    try:
        yield
    except (ValueError, ImportError, InvalidURL) as problem:
        said = "socks needs httpx[socks]" if isinstance(problem, ImportError) else str(problem)
        raise ConfigError(f"the proxy in the environment cannot be used: {said}") from None


def is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names ``host``: itself, a domain above it, its network or ``*``, with a port or not."""
    host = host.rstrip(".").lower()
    for entry in no_proxy.lower().split(","):
        name = entry.strip().rpartition("://")[2].rstrip("/")
        if name == "*":
            return True
        name, wanted = _split(name)
        if not name or (wanted is not None and wanted != str(port)):
            continue
        try:
            if ip_address(host) in ip_network(name, strict=False):
                return True
        except ValueError:
            name = name.removeprefix("*").strip(".")
            if host == name or host.endswith(f".{name}"):
                return True
    return False


def _split(name: str) -> tuple[str, str | None]:
    """A name and its port. An address of IPv6 has a port only behind brackets."""
    if name.startswith("["):
        inside, _, rest = name[1:].partition("]")
        return inside + (rest if rest.startswith("/") else ""), rest[1:] if rest.startswith(":") else None
    if name.count(":") == 1:
        before, _, port = name.partition(":")
        return before, port
    return name, None
