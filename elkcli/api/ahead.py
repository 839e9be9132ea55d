"""Connecting before the connection is asked for: while the client is loaded, or while a person types.

Looking up a name, calling the address and agreeing on TLS take some round trips, which cost no time of this machine.
Nothing of the request is sent here, and no token is known. Where anything is out of the ordinary nothing is handed
over, and the client connects as if this had never been tried. Importing this module loads neither httpx nor ssl.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from elkcli.environment import waited
from elkcli.signals import leave_to_main

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 10.0
FRESH_SECONDS = 2.0  # a failure this young is that of a try now; an older one says nothing about a new try
KEPT_SECONDS = 30.0  # servers, and routers on the way, forget a connection on which nothing is said
_SYSTEM_PROXIES = ("darwin", "win32", "cygwin")  # where proxies are known outside the environment too


class Ahead:
    """Connections to the server of one address, one at a time. ``seconds`` is what each step of one may take."""

    def __init__(self, url: str, *, ca_file: str | None, seconds: float) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._ca_file = ca_file
        self._seconds = seconds
        self._call: Call | None = None
        self._trust: ssl.SSLContext | None = None
        self._loading = threading.Lock()

    def begin(self) -> None:
        """Connect in a thread, unless that is done already or a proxy may stand before the server."""
        if self._call is not None and self._call.promising:
            return
        self.close()
        if self._host and self._host.isascii() and not _behind_a_proxy():
            with suppress(RuntimeError):  # no more threads
                self._call = Call(self._host, self._port, self._seconds, self if self._secure else None)

    def take(self, host: str, port: int) -> Call | None:
        """The connection to ``host``, as far as it has come; waits until it is there at all, or has failed.

        Raises ``OSError`` where it failed just now, and ``TimeoutError`` where the time for it is over: who then
        connected by itself would wait twice. A connection is given once.
        """
        call = self._call
        if call is None or (host, port) != (self._host, self._port):
            return None
        self._call = None
        try:
            usable = call.wait()
        except BaseException:
            call.close()
            raise
        if usable:
            return call
        call.close()
        return None

    def trust(self) -> ssl.SSLContext:
        """The certificates to trust, loaded once. Raises :class:`~elkcli.errors.ConfigError`."""
        with self._loading:
            if self._trust is None:
                from elkcli.api.trust import trust

                self._trust = trust(self._ca_file)
            return self._trust

    def close(self) -> None:
        """Hang up, where nobody took the connection."""
        if self._call is not None:
            self._call.close()
            self._call = None


class Call:
    """One connection as it comes to be, in a thread of its own: first TCP, then TLS with the trust of ``secure``."""

    def __init__(self, host: str, port: int, seconds: float, secure: Ahead | None) -> None:
        self._host = host
        self._port = port
        self._seconds = seconds
        self._secure = secure
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._closed = False
        self._called = threading.Event()
        self._agreed = threading.Event()
        self._at = 0.0
        self.socket: socket.socket | None = None
        self.problem: Exception | None = None
        threading.Thread(target=self._run, name="connecting", daemon=True).start()

    @property
    def promising(self) -> bool:
        """Whether this is still under way, or came to a connection that lives."""
        return not self._closed and (not self._agreed.is_set() or self._lives())

    @property
    def idle(self) -> bool:
        """Whether the connection was there long before it was taken: the server may be hanging up just now."""
        return self._agreed.is_set() and time.monotonic() - self._at > FRESH_SECONDS

    def wait(self) -> bool:
        """Wait for TCP; whether there is a connection to go on with. Raises ``OSError`` as :meth:`Ahead.take` does."""
        if not waited(self._called.wait, self._ends - time.monotonic()):
            raise TimeoutError("timed out")
        if not self._agreed.is_set():
            return True
        if self.problem is None:
            return self._lives()
        fresh = time.monotonic() - self._at < FRESH_SECONDS
        if fresh and self.socket is None and isinstance(self.problem, OSError):
            raise self.problem
        return fresh and self.socket is not None

    def agree(self) -> socket.socket:
        """Wait for TLS. Raises ``OSError`` with what its agreement failed of."""
        if not waited(self._agreed.wait, self._ends - time.monotonic()):
            self.close()
            raise TimeoutError("timed out")
        if self.problem is not None:
            raise self.problem
        assert self.socket is not None
        return self.socket

    def close(self) -> None:
        """Hang up, now or as soon as the thread comes to it."""
        with self._lock:
            self._closed = True
            if self.socket is not None and self._agreed.is_set():
                self.socket.close()

    def _run(self) -> None:
        leave_to_main()
        try:
            self.socket = self._connected()
            self._ends = time.monotonic() + self._seconds
            if self._secure is not None:
                self._called.set()
                self.socket.settimeout(self._seconds)
                context = self._secure.trust()
                context.set_alpn_protocols(["http/1.1"])
                self.socket = context.wrap_socket(self.socket, server_hostname=self._host)
        except Exception as problem:  # noqa: BLE001 - who takes the connection tells of it, or tries again
            self.problem = problem
        with self._lock:
            self._at = time.monotonic()
            self._agreed.set()
            self._called.set()
            if self.socket is not None and (self._closed or self.problem is not None):
                self.socket.close()

    def _connected(self) -> socket.socket:
        if sys.platform in _SYSTEM_PROXIES:
            from urllib.request import getproxies

            if getproxies():
                raise RuntimeError("a proxy stands before the server")  # which is for the client to call
        entries = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        problem: OSError | None = None
        for place, (family, kind, protocol, _, address) in enumerate(entries):
            share = max(0.001, (self._ends - time.monotonic()) / (len(entries) - place))
            found = socket.socket(family, kind, protocol)
            try:
                found.settimeout(share)
                found.connect(address)
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as caught:
                found.close()
                problem = caught
            else:
                return found
        raise problem or OSError("no address")

    def _lives(self) -> bool:
        """Whether the server has neither hung up nor said anything, and all this was not long ago."""
        if self.socket is None or self.problem is not None or time.monotonic() - self._at > KEPT_SECONDS:
            return False
        from ssl import SSLWantReadError

        self.socket.settimeout(0)
        try:
            self.socket.recv(1)
        except (BlockingIOError, SSLWantReadError):
            return True
        except OSError:
            pass
        return False


def _behind_a_proxy() -> bool:
    """Whether the environment names one; which addresses are exempt is not for here."""
    return any(
        value and name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name, value in os.environ.items()
    )
