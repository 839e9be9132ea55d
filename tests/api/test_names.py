"""Connecting by name: every address has its share of the time, and no wait is long without a look at the signals."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import httpcore
import pytest

from elkcli.api.names import Backend, Stream


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


@pytest.mark.parametrize("timeout", [0.01, 0.1, None])
def test_what_comes_late_is_read_whatever_the_naps(timeout: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elkcli.api.names.NAP", 0.01)
    near, far = socket.socketpair()
    with near, far:
        stream = Stream(near)
        if timeout is not None:
            with pytest.raises(httpcore.ReadTimeout):
                stream.read(10, timeout)
        threading.Timer(0.05, far.sendall, [b"late"]).start()
        assert stream.read(10, None if timeout is None else 10.0) == b"late"


def test_no_read_waits_longer_than_a_nap(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float | None] = []

    def read(self: object, size: int, timeout: float | None = None) -> bytes:
        naps.append(timeout)
        raise httpcore.ReadTimeout

    monkeypatch.setattr("httpcore._backends.sync.SyncStream.read", read)
    with socket.socket() as unused, pytest.raises(httpcore.ReadTimeout):
        Stream(unused).read(10, 1.25)
    assert naps == [0.5, 0.5, 0.25]
