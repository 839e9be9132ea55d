"""The built-in demo: a server inside elkcli, reached through the same client as a real one. No network, no token.

It speaks the relay's format, failures included. Model names rehearse these; :data:`MODELS` tells which there are.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx

from elkcli.api import demo_text
from elkcli.api.demo_reply import Choice, Refused, checked, events, whole

MODELS = {
    "demo": "answers any prompt in Markdown",
    "demo-image": "draws a picture; with a picture attached, changes it",
    "demo-reason": "thinks before it answers",
    "demo-think": "the same",
    "demo-slow": "answers, but slowly, in a pipe too",
    "demo-stall": "begins and falls silent",
    "demo-cut": "ends in mid-answer without a finish_reason",
    "demo-length": "ends at the token limit",
    "demo-filter": "is stopped by a content filter",
    "demo-empty": "says nothing",
    "demo-tool": "calls a function",
    "demo-stream-error": "fails in mid-answer",
    "demo-html": "answers with a web page",
    "demo-flaky": "fails once with 503, then answers",
    "demo-error-STATUS": "fails with that status; demo-error-STATUS-CODE with that error code",
}
"""The model names that mean something here. Any name that does not begin with ``demo-`` answers as ``demo`` does."""

Wait: TypeAlias = Callable[[float | None], bool]

_ERROR = re.compile(r"demo-error-([45]\d\d)(?:-([A-Za-z0-9_:.]{1,64}))?")
_ERRORS: dict[int, tuple[str, str | int | None, str]] = {
    400: ("Invalid value for temperature", 400, "upstream_error"),
    401: ("Invalid token", "", "new_api_error"),
    403: ("This token may not use this model", "", "new_api_error"),
    404: ("Invalid URL (POST /v1/chat/completions)", "", "invalid_request_error"),
    408: ("The request took too long to arrive", None, "upstream_error"),
    413: ("request body too large", "read_request_body_failed", "new_api_error"),
    429: ("Too many requests, try again later", "rate_limit_exceeded", "upstream_error"),
    500: ("do request failed", "do_request_failed", "new_api_error"),
    502: ("openai_error", "bad_response_status_code", "bad_response_status_code"),
    503: ("system cpu overloaded", "system_cpu_overloaded", "new_api_error"),
    504: ("openai_error", "bad_response_status_code", "bad_response_status_code"),
}
_UNLIMITED = 100000000
_BALANCES: dict[str, dict[str, object]] = {
    "/dashboard/billing/subscription": {
        "object": "billing_subscription",
        "has_payment_method": True,
        "soft_limit_usd": _UNLIMITED,
        "hard_limit_usd": _UNLIMITED,
        "system_hard_limit_usd": _UNLIMITED,
        "access_until": 0,
    },
    "/dashboard/billing/usage": {"object": "list", "total_usage": 0},
    "/api/usage/token": {
        "code": True,
        "message": "ok",
        "data": {
            "object": "token_usage",
            "name": "demo",
            "total_granted": 0,
            "total_used": 0,
            "total_available": 0,
            "unlimited_quota": True,
            "model_limits": {},
            "model_limits_enabled": False,
            "expires_at": 0,
        },
    },
}
_PAGE = b"<!doctype html>\n<html><head><title>Demo</title></head><body><h1>A web page, not an API</h1></body></html>\n"


class DemoTransport(httpx.BaseTransport):
    """``pace`` is the rest after each chunk of a stream, in seconds; 0 is at once.

    ``wait`` rests so long and tells whether to stop; by default closing the stream or transport ends a rest.
    """

    def __init__(self, pace: float = 0.0, *, clock: Callable[[], float] = time.time, wait: Wait | None = None) -> None:
        self._pace = pace
        self._clock = clock
        self._closed = threading.Event()
        self._wait = wait
        self._requests = 0
        self._flaked = False

    def close(self) -> None:
        """End a rest at once."""
        self._closed.set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Reply as the relay would."""
        self._requests += 1
        body = request.read()
        mark = hashlib.sha256(b"%d %s" % (self._requests, body)).hexdigest()[:24]
        headers = {"X-Oneapi-Request-Id": f"demo{mark}", "Server": "elkcli-demo"}
        try:
            response = self._answer(request, body, mark)
        except Refused as refused:
            response = _refusal(refused, f"demo{mark}")
        response.headers.update(headers)
        response.request = request
        return response

    def _answer(self, request: httpx.Request, body: bytes, mark: str) -> httpx.Response:
        path = request.url.path.rstrip("/")
        if path.endswith("/chat/completions") and request.method == "POST":
            return self._complete(request, checked(body), mark)
        if path.endswith("/models") and request.method == "GET":
            listed = [_model(name) for name in MODELS if "STATUS" not in name]
            return _json({"data": listed, "object": "list", "success": True})
        if "/models/" in path and request.method == "GET":
            name = path.rpartition("/")[2]
            missing = {"error": {"message": f"The model '{name}' does not exist", "code": "model_not_found"}}
            return _json(missing if name.startswith("demo-") and name not in MODELS else _model(name))
        for end, balance in _BALANCES.items():
            if path.endswith(end) and request.method == "GET":
                return _json(balance)
        raise Refused(404, f"Invalid URL ({request.method} {request.url.path})", "", "invalid_request_error")

    # Chat completions

    def _complete(self, request: httpx.Request, body: dict[str, Any], mark: str) -> httpx.Response:
        model = body["model"]
        self._rehearse(model)
        if model == "demo-html":
            return _response(200, "text/html; charset=utf-8", _PAGE)
        seen = demo_text.look(body["messages"])
        choices = [Choice(body, seen, index) for index in range(body.get("n") or 1)]
        head = {"id": f"chatcmpl-{mark}", "created": int(self._clock()), "model": model}
        slow = model == "demo-slow"
        read = request.extensions.get("timeout", {}).get("read")
        if body.get("stream"):
            stream = _Stream(
                events(head, body, seen, choices),
                pace=max(self._pace, 0.3) if slow else self._pace,
                before=2.0 if slow else 0.0,
                longest=read,
                wait=self._wait,
            )
            kind = "text/event-stream"
            return httpx.Response(200, headers={"Content-Type": kind}, stream=stream)
        if model in {"demo-slow", "demo-stall"}:
            _rest(self._wait or self._closed.wait, 3.0 if slow else math.inf, read)
        reply = json.dumps(whole(head, seen, choices), ensure_ascii=False).encode()
        if model == "demo-cut":
            return httpx.Response(200, headers={"Content-Type": "application/json"}, stream=_Cut(reply))
        return _json(reply)

    def _rehearse(self, model: str) -> None:
        """Fail, if the model's name says so."""
        if match := _ERROR.fullmatch(model):
            status = int(match[1])
            message, code, kind = _ERRORS.get(status, (f"rehearsed status {status}", "", "new_api_error"))
            raise Refused(status, message, match[2] or code, "new_api_error" if match[2] else kind)
        if model == "demo-flaky" and not self._flaked:
            self._flaked = True
            raise Refused(503, *_ERRORS[503])
        if model.startswith("demo-") and model not in MODELS:
            known = f"No available channel for model {model} under group default (distributor)"
            raise Refused(503, known, "model_not_found")


def _json(body: object) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return _response(200, "application/json; charset=utf-8", content)


def _response(status: int, kind: str, content: bytes) -> httpx.Response:
    """A reply of known length that is still to be read, as one that comes over a wire."""
    headers = {"Content-Type": kind, "Content-Length": str(len(content))}
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def _refusal(refused: Refused, mark: str) -> httpx.Response:
    own = refused.kind == "new_api_error"
    message = f"{refused.message} (request id: {mark})" if own else refused.message
    error: dict[str, object] = {"message": message, "type": refused.kind, "code": refused.code}
    if refused.code != "":
        error["param"] = ""
    return _response(refused.status, "application/json; charset=utf-8", json.dumps({"error": error}).encode())


def _model(name: str) -> dict[str, object]:
    served = {"owned_by": "elkcli", "supported_endpoint_types": ["openai"]}
    return {"id": name, "object": "model", "created": 1626777600, **served}


# The wire that is none


def _rest(wait: Wait, seconds: float, longest: float | None) -> bool:
    """Be silent so long, or as the client's patience with a real server would have it. True to stop."""
    if longest is not None and seconds > longest:
        wait(longest)
        raise httpx.ReadTimeout("the demo fell silent")
    return wait(None if seconds == math.inf else seconds)


class _Stream(httpx.SyncByteStream):
    """Events at a pace. Closing it ends a rest at once, from another thread too."""

    def __init__(
        self,
        events: Iterator[bytes | float],
        *,
        pace: float,
        before: float,
        longest: float | None,
        wait: Wait | None,
    ) -> None:
        self._events, self._pace, self._before, self._longest = events, pace, before, longest
        self._closed = threading.Event()
        self._wait = wait or self._closed.wait

    def close(self) -> None:
        self._closed.set()

    def __iter__(self) -> Iterator[bytes]:
        if self._before and _rest(self._wait, self._before, self._longest):
            return
        for event in self._events:
            if isinstance(event, bytes):
                yield event
                if self._pace and _rest(self._wait, self._pace, None):
                    return
            elif _rest(self._wait, event, self._longest):
                return


class _Cut(httpx.SyncByteStream):
    """A reply whose connection ends in its middle."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._body[: len(self._body) // 2]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
