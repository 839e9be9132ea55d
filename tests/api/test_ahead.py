"""The connection is opened before it is asked for, where that saves time, and is handed over only in good order."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpcore
import pytest

from elkcli.api.ahead import Ahead
from elkcli.api.client import Client
from elkcli.api.connection import Connection
from elkcli.api.request import Request
from elkcli.conversation import Failure, Finished
from tests.conftest import TOKEN, TREE, Elkcli, needs, wait_until
from tests.server import SecureServer, Server

Certificates = dict[str, tuple[Path, Path]]


@pytest.fixture
def trusted(elkcli: Elkcli, secure: SecureServer, certificates: Certificates) -> SecureServer:
    elkcli.variables["ELKCLI_CA_FILE"] = str(certificates["right"][0])
    return secure


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """Somebody who lets everybody in and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def to(server: Server, certificates: Certificates | None = None) -> Ahead:
    return Ahead(server.url, ca_file=str(certificates["right"][0]) if certificates else None, seconds=5.0)


@needs("openssl")
def test_one_connection_serves_what_was_begun_ahead(
    elkcli: Elkcli, trusted: SecureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("the client connected by itself")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    result = elkcli("ask", "-v", "hi").succeeds(b"Hello\n")
    assert (trusted.connections, len(trusted.requests)) == (1, 1)
    assert trusted.request.header("authorization") == f"Bearer {TOKEN}"
    assert "start_tls.complete" in result.err


@needs("openssl")
def test_it_is_open_before_the_client_is_loaded(secure: SecureServer, certificates: Certificates) -> None:
    code = (
        "import sys, time\n"
        "from elkcli.api.ahead import Ahead\n"
        "ahead = Ahead(sys.argv[1], ca_file=sys.argv[2], seconds=5.0)\n"
        "ahead.begin()\n"
        "call = ahead.take('127.0.0.1', int(sys.argv[3]))\n"
        "print(type(call.agree()).__name__, sorted({'httpx', 'httpcore', 'h11'} & set(sys.modules)))\n"
        "call.close()"
    )
    command = [sys.executable, "-c", code, secure.url, str(certificates["right"][0]), str(secure.port)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TREE, check=True)
    assert done.stdout == "SSLSocket []\n"


@needs("openssl")
def test_another_try_connects_anew(elkcli: Elkcli, trusted: SecureServer) -> None:
    trusted._script.clear()
    trusted.drops().says()
    elkcli("ask", "hi", "--retries", "1").succeeds(b"Hello\n")
    assert trusted.connections == 2


def test_what_the_server_closed_meanwhile_is_not_handed_over(server: Server) -> None:
    ahead = to(server)
    ahead.begin()
    wait_until(lambda: server.connections == 1)
    server.close()
    wait_until(lambda: ahead._call is not None and not ahead._call.promising)
    assert ahead.take("127.0.0.1", server.port) is None


def test_what_the_server_spoke_on_unasked_is_not_handed_over(mute: socket.socket) -> None:
    port = mute.getsockname()[1]
    ahead = Ahead(f"http://127.0.0.1:{port}", ca_file=None, seconds=5.0)
    ahead.begin()
    with mute.accept()[0] as connection:
        connection.sendall(b"220 mail.example\r\n")
        wait_until(lambda: ahead._call is not None and not ahead._call.promising)
        assert ahead.take("127.0.0.1", port) is None


def test_what_is_old_is_not_handed_over(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = to(server)
    ahead.begin()
    wait_until(lambda: server.connections == 1)
    with monkeypatch.context() as later:
        later.setattr("elkcli.api.ahead.KEPT_SECONDS", 0.0)
        assert ahead.take("127.0.0.1", server.port) is None
    ahead.begin()
    call = ahead.take("127.0.0.1", server.port)
    assert call is not None
    call.close()
    wait_until(lambda: server.connections == 2)


def test_it_goes_to_its_own_server_only_and_once(server: Server) -> None:
    ahead = to(server)
    ahead.begin()
    ahead.begin()
    assert ahead.take("127.0.0.1", server.port + 1) is None
    assert ahead.take("localhost", server.port) is None
    call = ahead.take("127.0.0.1", server.port)
    assert call is not None
    assert ahead.take("127.0.0.1", server.port) is None
    call.close()
    wait_until(lambda: server.connections == 1)


def test_what_nobody_takes_is_closed(mute: socket.socket) -> None:
    ahead = Ahead(f"http://127.0.0.1:{mute.getsockname()[1]}", ca_file=None, seconds=5.0)
    ahead.begin()
    with mute.accept()[0] as connection:
        ahead.close()
        connection.settimeout(5)
        assert connection.recv(1) == b""


@needs("openssl")
@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_nobody_is_called_where_a_proxy_may_stand_before(
    name: str, elkcli: Elkcli, trusted: SecureServer, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    elkcli("ask", "hi").fails(7)
    assert trusted.connections == 0


def test_a_call_that_fails_is_told_as_the_client_tells_it(elkcli: Elkcli, closed_port: int) -> None:
    env = {"ELKCLI_BASE_URL": f"https://127.0.0.1:{closed_port}/v1", "ELKCLI_TOKEN": TOKEN, "ELKCLI_RETRIES": "0"}
    result = elkcli("ask", "hi", env=env).fails(7)
    assert result.error == f"no connection to 127.0.0.1:{closed_port}: connection refused"


def test_silence_instead_of_tls_is_waited_for_once(elkcli: Elkcli, mute: socket.socket) -> None:
    port = mute.getsockname()[1]
    env = {"ELKCLI_BASE_URL": f"https://127.0.0.1:{port}/v1", "ELKCLI_TOKEN": TOKEN, "ELKCLI_RETRIES": "0"}
    result = elkcli("ask", "hi", "--timeout", "0.5", env=env).fails(7)
    assert result.error == f"no TLS with 127.0.0.1:{port}: timed out"
    mute.settimeout(0)
    mute.accept()[0].close()
    with pytest.raises(BlockingIOError):
        mute.accept()


def test_a_name_that_nobody_knows_is_waited_for_once(elkcli: Elkcli, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    asked = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        over.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    env = {"ELKCLI_BASE_URL": "https://elk.test/v1", "ELKCLI_TOKEN": TOKEN, "ELKCLI_RETRIES": "0"}
    result = elkcli("ask", "hi", "--timeout", "0.5", env=env).fails(7)
    over.set()
    assert asked == ["elk.test"]
    assert result.error == "no connection to elk.test: timed out"


def failing(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> list[str]:
    """Have no name looked up, but each fail after a while. Returns who was asked for."""
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        time.sleep(0.1)
        raise problem

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (TimeoutError("timed out"), "no connection to elk.test: timed out"),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "no address is known for elk.test"),
    ],
)
def test_what_failed_just_now_is_not_tried_twice_for_one_try(
    problem: Exception, said: str, elkcli: Elkcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = failing(monkeypatch, problem)
    env = {"ELKCLI_BASE_URL": "https://elk.test/v1", "ELKCLI_TOKEN": TOKEN, "ELKCLI_RETRIES": "0"}
    assert elkcli("ask", "hi", env=env).fails(7).error == said
    assert asked == ["elk.test"]


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_an_idle_connection_that_the_server_drops_at_the_first_word_costs_no_try(
    seconds: float, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``seconds`` is how long a connection is new: one that is new has failed like any other."""
    server.drops().says()
    ahead = to(server)
    connection = Connection(base_url=server.url, token=None, retries=0, ahead=ahead)
    request = Request(server.url + "/chat/completions", {"model": "m", "messages": [], "stream": True}, {})
    monkeypatch.setattr("elkcli.api.ahead.FRESH_SECONDS", seconds)
    with Client(connection) as client:
        client.approach()
        wait_until(lambda: ahead._call is not None and ahead._call._agreed.is_set())
        pieces = list(client.answer(request))
    assert isinstance(pieces[-1], Failure if seconds else Finished)
    assert server.connections == (1 if seconds else 2)


@needs("openssl")
def test_what_failed_long_ago_says_nothing_of_now(
    mute: socket.socket, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    port = mute.getsockname()[1]
    ahead = Ahead(f"https://127.0.0.1:{port}", ca_file=str(certificates["right"][0]), seconds=5.0)
    ahead.begin()
    mute.accept()[0].close()
    wait_until(lambda: ahead._call is not None and ahead._call.problem is not None)
    monkeypatch.setattr("elkcli.api.ahead.FRESH_SECONDS", 0.0)
    assert ahead.take("127.0.0.1", port) is None


def test_the_try_after_a_timeout_does_not_find_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(10) and [])
    ahead = Ahead("https://elk.test", ca_file=None, seconds=0.1)
    ahead.begin()
    with pytest.raises(TimeoutError):
        ahead.take("elk.test", 443)
    assert ahead.take("elk.test", 443) is None
    over.set()
