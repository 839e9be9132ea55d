"""What httpx's failures mean, in our words: told by their kind, with what failed, and whether trying again can help."""

from __future__ import annotations

import os
import socket
import ssl
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from elkcli.errors import ApiError, ConfigError, ElkError, Unreachable

# OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_…)
_WRONG_TIME = {9, 10}
_WRONG_HOST = {62, 64}
# what a server says that speaks something else than TLS
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE", "PACKET_LENGTH")

_PROXY = "the proxy "
_PROXIES = "the proxy is that of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY; NO_PROXY names what needs none"


class Lost(Exception):
    """A request that failed before it was answered: what it means, and whether it had left.

    ``stale`` says that it went into a connection kept from earlier, which the server had closed meanwhile.
    """

    def __init__(self, error: ElkError, *, retry: bool, sent: bool, stale: bool = False) -> None:
        super().__init__()
        self.error = error
        self.retry = retry
        self.sent = sent
        self.stale = stale


class Progress:
    """How far a request has come, and to whom.

    ``toward`` is the host and port that was called, which may be a proxy's; ``hung_up`` says that elkcli did;
    ``idle`` says that the connection was made for this request, but a while before.
    """

    def __init__(self, *, sent: bool = False) -> None:
        self.toward: str | None = None
        self.connected = False
        self.idle = False
        self.sent = sent
        self.answered = False
        self.hung_up = False


@contextmanager
def translated(host: str, timeout: float, progress: Progress) -> Iterator[None]:
    """httpx's exceptions, and the sockets', as ours, each with its cause. ``host`` is the server's, with its port."""
    try:
        with _translated(host, timeout, progress):
            yield
    except Lost as lost:
        if lost.__cause__ is not None:
            lost.error.__cause__ = lost.__cause__
        raise


@contextmanager
def _translated(host: str, timeout: float, progress: Progress) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectTimeout as problem:
        what = "no TLS with" if progress.connected else "no connection to"
        error = Unreachable(f"{what} {_called(host, progress)}: timed out", hint="check the network, or the base URL")
        raise Lost(error, retry=True, sent=False) from problem
    except httpx.WriteTimeout as problem:
        error = Unreachable(
            f"the server took nothing of the request for {timeout:g} s", hint="raise --timeout, or try again"
        )
        raise Lost(error, retry=False, sent=True) from problem
    except httpx.TimeoutException as problem:
        raise Lost(silent(timeout), retry=False, sent=progress.sent) from problem
    except httpx.ConnectError as problem:
        error, retry = _unreachable(_called(host, progress), problem)
        raise Lost(error, retry=retry, sent=False) from problem
    except httpx.ProxyError as problem:
        raise Lost(_proxy(str(problem)), retry=str(problem)[:1] == "5", sent=False) from problem
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as problem:
        raise ConfigError(f"the address {host} cannot be used: {problem}") from problem
    except (httpx.TransportError, OSError) as problem:
        if progress.hung_up:
            raise Lost(silent(timeout), retry=False, sent=progress.sent) from problem
        if isinstance(problem, httpx.RemoteProtocolError) and not _closed(problem):
            raise ApiError(
                f"{host} does not speak HTTP, or breaks its rules", hint="check the base URL, and any proxy in between"
            ) from problem
        error = Unreachable(f"the connection to {host} was lost: {_reason(problem)}", hint="try again")
        stale = progress.sent and (progress.idle or not progress.connected) and not progress.answered
        raise Lost(error, retry=True, sent=progress.sent, stale=stale) from problem
    except zlib.error as problem:
        raise ApiError(f"the server's reply cannot be decompressed: {problem}") from problem


def silent(seconds: float) -> Unreachable:
    """The failure that silence is."""
    return Unreachable(f"the server was silent for {seconds:g} s", hint="raise --timeout, or try again")


def _called(host: str, progress: Progress) -> str:
    """Who was called: the server, or a proxy that stands before it."""
    toward = progress.toward
    if toward is None or toward == host or toward.rpartition(":")[0] == host:
        return host
    return _PROXY + toward


def _closed(problem: httpx.RemoteProtocolError) -> bool:
    """Whether the server closed the connection where it should have spoken, rather than spoken nonsense."""
    said = str(problem)
    return "disconnected" in said or "closed connection" in said


def _reason(problem: BaseException) -> str:
    """Why a connection was lost, in a few plain words."""
    if isinstance(problem, httpx.RemoteProtocolError):
        whole = "complete message" not in str(problem)
        return "the server closed it without an answer" if whole else "the server closed it before the end"
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "TLS broke off" if isinstance(cause, ssl.SSLEOFError) else f"TLS failed: {cause.reason or cause}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return str(problem) or type(problem).__name__


def _where_to_look(host: str) -> str:
    return _PROXIES if host.startswith(_PROXY) else "check the base URL and the network"


def _proxy(said: str) -> Unreachable:
    hint = "give the proxy a user and a password: http://USER:PASSWORD@HOST:PORT" if said[:3] == "407" else None
    return Unreachable(f"the proxy refused: {said}", hint=hint or _PROXIES)


def _unreachable(host: str, problem: Exception) -> tuple[Unreachable, bool]:
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(host, cause), False
        if isinstance(cause, ssl.SSLEOFError):
            return Unreachable(f"no TLS with {host}: the server closed the connection", hint="try again"), True
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or str(cause)
            if any(word in reason for word in _NO_TLS):
                return Unreachable(f"{host} does not speak TLS ({reason})", hint="is it http, not https?"), False
            return Unreachable(f"no TLS with {host}: {reason}", hint="is it an https address?"), True
        if isinstance(cause, socket.gaierror):
            return Unreachable(f"no address is known for {host}", hint=_where_to_look(host)), True
        cause = cause.__cause__ or cause.__context__
    reason = _reason(problem)
    return Unreachable(f"no connection to {host}: {reason}", hint=_where_to_look(host)), True


def _untrusted(host: str, problem: ssl.SSLCertVerificationError) -> Unreachable:
    said = problem.verify_message or problem.reason
    if problem.verify_code in _WRONG_TIME:
        hint = "its owner must renew it, or this machine's clock is wrong"
    elif problem.verify_code in _WRONG_HOST:
        hint = "the base URL names another host than the certificate: elkcli config get base_url"
    else:
        hint = "behind a company proxy, name its certificate: elkcli config set ca_file FILE, or SSL_CERT_FILE"
    return Unreachable(f"the certificate of {host} is not trusted: {said}", hint=hint)
