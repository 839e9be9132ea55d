"""Connecting by name: every address has its share of the time."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import httpcore
import pytest

from elkcli.api.names import Backend


def test_an_address_that_never_answers_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, float]] = []

    def connect(self: object, host: str, port: int, timeout: float, *rest: Any) -> Any:
        given.append((host, timeout))
        raise httpcore.ConnectTimeout

    clock = SimpleNamespace(monotonic=lambda: sum(timeout for _, timeout in given))
    monkeypatch.setattr("elkcli.api.names.time", clock)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: entries)
    with pytest.raises(httpcore.ConnectTimeout):
        Backend().connect_tcp("elk.invalid", 443, 6.0)
    assert given == [(address, 2.0) for address in addresses]
