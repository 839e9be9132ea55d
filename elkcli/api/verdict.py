"""What an error of the server means: which failure it is, what to do, and whether trying again can help. No I/O.

Codes decide before statuses: the relay answers client mistakes with 500, an unknown model with 503, and an empty
purse with 403 (wire.md §3.2).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from elkcli.api.lenient import loads
from elkcli.errors import ApiError, ElkError, QuotaError, TokenRefused
from elkcli.unicode import whole

SHOWN = 600  # characters of the server's own words in a message

BALANCE_CODES = frozenset(
    {
        "insufficient_user_quota",
        "pre_consume_token_quota_failed",
        "insufficient_quota",
        "insufficient_balance",
        "billing_hard_limit_reached",
        "billing_not_active",
        "budget_exceeded",
        "quota_exceeded",
        "credit_limit_reached",
    }
)
TOKEN_CODES = frozenset(
    {
        "invalid_api_key",
        "authentication_error",
        "auth_error",
        "invalid_authentication",
        "unauthorized",
        "unauthenticated",
        "permission_denied",
        "permission_error",
        "access_denied",
        "forbidden",
        "account_deactivated",
        "token_expired",
    }
)
RATE_CODES = frozenset(
    {
        "rate_limit_exceeded",
        "rate_limit_error",
        "rate_limited",
        "too_many_requests",
        "throttling_error",
        "resource_exhausted",
        "requests_limit_exceeded",
        "tokens_limit_exceeded",
    }
)
# trying again cannot help, whatever the status (wire.md §9.4)
FINAL_CODES = (
    frozenset(
        {
            "invalid_request",
            "bad_request_body",
            "read_request_body_failed",
            "convert_request_failed",
            "json_marshal_failed",
            "model_price_error",
            "count_token_failed",
            "sensitive_words_detected",
            "prompt_blocked",
            "invalid_api_type",
            "channel:model_mapped_error",
            "content_filter",
            "content_policy_violation",
            "data_inspection_failed",
            "api_not_implemented",
            "context_length_exceeded",
            "invalid_request_error",
        }
    )
    | BALANCE_CODES
    | TOKEN_CODES
)
UNKNOWN_MODEL_CODES = frozenset({"model_not_found", "invalid_model", "model_not_exist", "model_not_supported"})
RETRY_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, *range(520, 531)})

# text, not compiled: most runs see no error
_REQUEST_ID = r"(?i)\s*[(（\[]\s*request[ _-]?id\s*[:：]\s*([\w.-]{1,128})\s*[)）\]]"
_KEY_LIKE = r"(?i)\b(sk-)[A-Za-z0-9*._-]{4,}|(Bearer\s+)[^\s\"']{8,}"
_TOO_LARGE = r"(?i)(body|entity|payload|request)[\w :]{0,20} (too large|exceeds)"
_SAYING = ("message", "msg", "detail", "error", "errors", "title", "description", "reason")
_CONTEXT = (
    r"(?i)context[ _]?(length|window|size)|maximum context|too many (input )?tokens|input token count"
    r"|prompt is too long|exceeds the available context"
)


def error_of(body: object) -> object | None:
    """The error inside a reply's object, or ``None`` where it is an answer.

    Takes the shapes of wire.md §3.1 and the ones seen elsewhere: ``error`` as object or string, ``detail`` as
    string or list, ``{"success": false, "message": …}``.
    """
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if error or ("error" in body and error is not None and not body.get("choices") and "data" not in body):
        return error if error else "an error without a description"
    if body.get("choices") is not None or "data" in body:
        return None
    if body.get("success") is False or ("choices" not in body and "usage" not in body):
        for key in ("detail", "message", "errors", "msg"):
            if body.get(key):
                return {"message": body[key], "code": body.get("code"), "type": body.get("type")}
    return None


def from_error(error: object, *, status: int | None = None, request_id: str | None = None) -> ElkError:
    """The failure that the server's ``error`` (an object, a string, anything) stands for."""
    fields = _unwrapped(error)
    said = whole(_words(fields.get("message") or fields.get("msg") or fields.get("detail"))[: 4 * SHOWN])
    code = _word(fields.get("code"))
    kind = _word(fields.get("type")) or _word(fields.get("status"))
    said, found_id = _without_request_id(said)
    said = redact(said)
    request_id = request_id or found_id
    seen = status if status is not None and status >= 300 else _as_status(code) or _as_status(kind)
    names = {name.lower() for name in (code, kind) if name}
    failure: type[ElkError] = ApiError
    if names & BALANCE_CODES or seen == 402:
        failure = QuotaError
    elif seen in (401, 403) or (seen is None and names & TOKEN_CODES):
        failure = TokenRefused
    elif seen == 429 or (seen is None and names & RATE_CODES):
        failure = QuotaError
    said = _instead_of_nothing(said)
    named = (code if code and code not in ("None", "null") else None) or kind
    message = _heading(failure, names, seen, said, named)
    hint = _hint(names, seen, said)
    return failure(message, hint=hint, code=named, status=seen, request_id=request_id)


def from_response(
    status: int,
    body: bytes,
    *,
    url: str,
    request_id: str | None = None,
    content_type: str = "",
) -> ElkError:
    """The failure that a response of status 400 or more stands for. ``body`` may be cut short or be no JSON."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        parsed = loads(text, first=True) if text else None
    except ValueError:
        parsed = None
    if isinstance(parsed, list) and parsed and isinstance(parsed[0], dict):
        parsed = parsed[0]  # Google's own form is an array of one
    error = error_of(parsed)
    if error is None and isinstance(parsed, dict) and parsed:
        error = {"message": parsed}
    if error is not None:
        failure = from_error(error, status=status, request_id=request_id)
    elif not text:
        failure = from_error({"message": ""}, status=status, request_id=request_id)
    elif text[:1] == "<" or "html" in content_type:
        title = re.search(r"<title[^>]*>\s*([^<]{1,120}?)\s*</title>", text[:20000], re.I)
        page = f"an HTML page ({title[1]})" if title else "an HTML page"
        failure = from_error({"message": f"the server sent {page}"}, status=status, request_id=request_id)
        failure.hint = failure.hint or "the page may come from a proxy in between; check the base URL"
    else:
        failure = from_error({"message": text}, status=status, request_id=request_id)
    if status in (404, 405):
        failure.message += f" at {url}"
        if failure.code not in UNKNOWN_MODEL_CODES:
            failure.hint = failure.hint or "check the base URL: elkcli config get base_url"
    return failure


def can_retry(failure: ElkError, tried: int) -> bool:
    """Whether the same request may succeed when sent again, after ``tried`` tries."""
    code = (failure.code or "").lower()
    if code in FINAL_CODES:
        # an upstream's "invalid_request_error" with a status that says overload is still an overload
        return code == "invalid_request_error" and failure.status in (429, 502, 503, 504)
    if code in UNKNOWN_MODEL_CODES:
        return tried < 2 and failure.status in RETRY_STATUSES
    if failure.status is not None:
        return failure.status in RETRY_STATUSES
    return code in RATE_CODES or code in {
        "do_request_failed",
        "bad_response",
        "bad_response_body",
        "read_response_body_failed",
        "empty_response",
        "get_channel_failed",
        "query_data_error",
        "overloaded_error",
        "overloaded",
        "server_error",
        "internal_server_error",
        "unavailable",
    }


def redact(text: str) -> str:
    """``text`` without anything that looks like a key: older relays echo parts of it (wire.md §3.2)."""
    return re.sub(_KEY_LIKE, lambda match: (match[1] or match[2]) + "***", text)


def _unwrapped(error: object) -> Mapping[str, Any]:
    """The members of an error, taken out of what it may be wrapped in."""
    for _ in range(4):
        if isinstance(error, list) and error and isinstance(error[0], dict):
            error = error[0]
        elif isinstance(error, dict) and isinstance(error.get("error"), (dict, list)) and not error.get("message"):
            error = error["error"]
    if not isinstance(error, dict):
        return {"message": error}
    inner = error.get("message")
    if isinstance(inner, dict):
        return {**{key: value for key, value in inner.items() if not error.get(key)}, **error}
    return error


def _words(message: object, depth: int = 0) -> str:
    """What ``message`` says: itself, or what lists and objects in its place hold."""
    if message is None:
        return ""
    if isinstance(message, str):
        return message[: 8 * SHOWN]
    if depth < 4:
        if isinstance(message, list) and message and all(isinstance(item, (dict, str)) for item in message[:8]):
            return "; ".join(_words(item, depth + 1) for item in message[:8])
        if isinstance(message, dict):
            inner = next((message[key] for key in _SAYING if message.get(key)), None)
            if inner is not None:
                where = message.get("loc")  # FastAPI: which field it is about
                place = ".".join(map(str, where[:8])) + ": " if isinstance(where, list) else ""
                return place + _words(inner, depth + 1)
    return json.dumps(message, ensure_ascii=False, default=str)[: 8 * SHOWN]


def _word(value: object) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return str(int(value)) if math.isfinite(value) and abs(value) < 1e9 else None
    return whole(value.strip()[:80]) or None if isinstance(value, str) else None


def _as_status(code: str | None) -> int | None:
    return int(code) if code and re.fullmatch(r"[45][0-9][0-9]", code) else None


def _without_request_id(message: str) -> tuple[str, str | None]:
    found = re.findall(_REQUEST_ID, message)
    return re.sub(_REQUEST_ID, "", message).strip(), (found[0] if found else None)


def _instead_of_nothing(said: str) -> str:
    if said == "openai_error":  # the relay's word for a reply it could not read: it carries nothing
        return "the upstream returned an unreadable error"
    said = " ".join(said.split())
    if len(said) > SHOWN:
        said = said[:SHOWN] + "…"
    return said


def _heading(failure: type[ElkError], names: set[str], status: int | None, said: str, named: str | None) -> str:
    if "prompt_blocked" in names or names & {"content_filter", "content_policy_violation", "sensitive_words_detected"}:
        what = "the prompt was blocked"
    elif status == 413 or "read_request_body_failed" in names or (status == 400 and re.search(_TOO_LARGE, said)):
        what = "the request is too large"
    elif re.search(_CONTEXT, said) or "context_length_exceeded" in names:
        what = "the conversation is too long for the model"
    elif failure is TokenRefused:
        what = "the API refused the token"
    elif names & BALANCE_CODES or status == 402:
        what = "the balance or quota is used up"
    elif failure is QuotaError:
        what = "rate limited"
    elif names & UNKNOWN_MODEL_CODES:
        what = "no such model"
    else:
        what = "the API answered with an error"
    details = " ".join(dict.fromkeys(str(part) for part in (status, named) if part))
    if not said and status == 429:
        said = "too many requests"
    return what + (f" ({details})" if details else "") + (f": {said}" if said else "")


def _hint(names: set[str], status: int | None, said: str) -> str | None:
    if names & BALANCE_CODES or status == 402:
        return "see `elkcli balance`; a smaller --max-tokens may fit what is left"
    if names & UNKNOWN_MODEL_CODES or ("model" in said.lower() and ("not found" in said or "Invalid model" in said)):
        return "`elkcli models` lists the models this token may use"
    if status == 413 or "read_request_body_failed" in names or (status == 400 and re.search(_TOO_LARGE, said)):
        return "send fewer or smaller attachments, or less history"
    if re.search(_CONTEXT, said) or "context_length_exceeded" in names:
        return "start afresh (/new in chat), or take turns back (/undo)"
    if status == 401:
        return "the token may be wrong, disabled, expired or out of quota: `elkcli config check`, `elkcli balance`"
    if status == 403:
        return "the token may not be allowed this model or this address: `elkcli models`"
    if status == 429:
        return "wait a little, or raise --retries"
    if "prompt_blocked" in names:
        return "rephrase the prompt"
    return None
