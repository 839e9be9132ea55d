"""Looking up the addresses of a host where it can be interrupted, and within the time that a connection may take.

The C library's ``getaddrinfo`` heeds neither a signal nor a time-out: with a name server that does not answer, Ctrl-C
would do nothing for half a minute.
"""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from ipaddress import ip_address
from typing import Any

import httpcore
from httpcore._backends.sync import SyncStream  # what its own way to connect gives; it has no public name

from elkcli.api.ahead import Ahead, Call
from elkcli.environment import NAP, waited
from elkcli.signals import leave_to_main


class Backend(httpcore.SyncBackend):
    """httpcore's own way to connect, but for the names, and for what was connected ahead."""

    def __init__(self, ahead: Ahead | None = None) -> None:
        self._ahead = ahead

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of ``host`` that answers. Each has its share of the time that is left."""
        try:
            call = self._ahead.take(host, port) if self._ahead is not None else None
        except TimeoutError as late:
            raise httpcore.ConnectTimeout(str(late)) from late
        except OSError as problem:
            raise httpcore.ConnectError(str(problem)) from problem
        if call is not None:
            return Coming(call)
        ends = None if timeout is None else time.monotonic() + timeout
        failed: Exception | None = None
        addresses = _addresses(host, port, timeout)
        for place, address in enumerate(addresses):
            share = None if ends is None else max(0.001, (ends - time.monotonic()) / (len(addresses) - place))
            try:
                return Stream.of(super().connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as caught:
                failed = caught
        raise failed or httpcore.ConnectError(f"{host} has no address")


class Stream(SyncStream):
    """A connection on which no wait for the server is so long that a signal could go unseen."""

    @classmethod
    def of(cls, stream: httpcore.NetworkStream) -> Stream:
        """The same connection."""
        return cls(stream.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What comes next, within ``timeout`` seconds."""
        while timeout is None or timeout > NAP:
            try:
                return super().read(max_bytes, NAP)
            except httpcore.ReadTimeout:
                timeout = None if timeout is None else timeout - NAP
        return super().read(max_bytes, timeout)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same connection, behind TLS."""
        secure = super().start_tls(ssl_context, server_hostname, timeout)
        return Stream.of(secure) if type(secure) is SyncStream else secure  # or TLS within the TLS of a proxy


class Coming(Stream):
    """A connection made ahead, of which TLS may still be under way."""

    def __init__(self, call: Call) -> None:
        assert call.socket is not None
        super().__init__(call.socket)
        self._call = call
        self.idle = call.idle

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Wait for TLS, which was begun with the same certificates and the same name."""
        try:
            return Stream(self._call.agree())
        except TimeoutError as problem:
            raise httpcore.ConnectTimeout(str(problem)) from problem
        except OSError as problem:
            raise httpcore.ConnectError(str(problem)) from problem
        except BaseException:
            self._call.close()
            raise


def _addresses(host: str, port: int, timeout: float | None) -> list[str]:
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return [host]
    found: list[str] = []
    problems: list[OSError] = []

    def look_up() -> None:
        leave_to_main()
        try:
            found.extend(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as problem:
            problems.append(problem if isinstance(problem, OSError) else socket.gaierror(str(problem)))

        finally:
            over.set()

    over = threading.Event()
    threading.Thread(target=look_up, daemon=True).start()
    if not waited(over.wait, math.inf if timeout is None else timeout):
        raise httpcore.ConnectTimeout(f"no answer about {host}")
    if problems:
        try:
            raise problems[0]
        except OSError as problem:  # as a context: httpcore takes the cause away
            raise httpcore.ConnectError(str(problem)) from problem
    return found
