"""TLS is verified, by the system's store or one that is named, and a failure names its cause."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import TOKEN, Elkcli, needs
from tests.server import SecureServer, Server

pytestmark = needs("openssl")


def test_an_unknown_certificate_is_refused_and_the_cause_named(elkcli: Elkcli, secure: SecureServer) -> None:
    result = elkcli("ask", "hi").fails(7)
    assert "certificate" in result.err.lower()
    assert not secure.requests


@pytest.mark.parametrize("way", ["setting", "variable", "SSL_CERT_FILE"])
def test_a_named_certificate_is_trusted(
    way: str,
    elkcli: Elkcli,
    secure: SecureServer,
    certificates: dict[str, tuple[Path, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = str(certificates["right"][0])
    env: dict[str, str | None] = {}
    if way == "setting":
        elkcli.configure(f'ca_file = "{path}"\n')
    elif way == "variable":
        env = {"ELKCLI_CA_FILE": path}
    else:
        env = {"SSL_CERT_FILE": path}
        monkeypatch.setenv("SSL_CERT_FILE", path)
    elkcli("ask", "hi", env=env).succeeds(b"Hello\n")
    assert secure.request.header("authorization") == f"Bearer {TOKEN}"


def test_a_certificate_of_another_host_is_refused(
    elkcli: Elkcli, secure: SecureServer, certificates: dict[str, tuple[Path, Path]]
) -> None:
    other = SecureServer(*certificates["other"])
    try:
        env = {"ELKCLI_BASE_URL": other.url, "ELKCLI_CA_FILE": str(certificates["other"][0])}
        result = elkcli("ask", "hi", env=env).fails(7)
        assert "127.0.0.1" in result.err
        assert not other.requests
    finally:
        other.close()


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_certificate_file_that_is_none_is_a_bad_configuration(
    content: str | None, elkcli: Elkcli, secure: SecureServer
) -> None:
    if content is not None:
        elkcli.file("ca.pem", content)
    elkcli("ask", "hi", env={"ELKCLI_CA_FILE": str(elkcli.work / "ca.pem")}).fails(3)
    assert not secure.requests


def test_tls_cut_off_before_an_answer_is_7(elkcli: Elkcli, server: Server) -> None:
    server.sends(b"\x15\x03\x03\x00\x02\x02\x28")
    elkcli("ask", "hi", "--retries", "0", "--base-url", server.url.replace("http:", "https:")).fails(7)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_server_that_speaks_no_tls_is_named_and_not_asked_again(said: bytes, elkcli: Elkcli, token: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        calls: list[bytes] = []

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        calls.append(connection.recv(65536))
                        connection.sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        env = {"ELKCLI_BASE_URL": f"https://127.0.0.1:{port}/v1", "ELKCLI_TOKEN": token}
        result = elkcli("ask", "hi", env=env).fails(7)
        assert "does not speak TLS" in result.error
        assert "http" in result.hint
        assert len(calls) == 1
        assert calls[0].startswith(b"\x16\x03")
        listener.shutdown(socket.SHUT_RDWR)


def test_there_is_no_switch_to_turn_it_off(elkcli: Elkcli) -> None:
    text = elkcli("ask", "--help").succeeds().text.lower()
    assert "insecure" not in text
    assert "verify" not in text
