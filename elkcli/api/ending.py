"""How an answer ended: whole, cut, blocked or empty, and what was counted. No I/O.

A finish reason proves that an answer is whole; ``[DONE]`` and the end of the bytes prove nothing (wire.md §4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elkcli.conversation import Failure, Finished, Note, Usage
from elkcli.errors import ApiError, ElkError, Incomplete
from elkcli.value import Value

_KNOWN_REASONS = frozenset({"stop", "length", "tool_calls", "function_call", "content_filter"})


class Ending(Value):
    """What is known when no more bytes come.

    ``error`` is the server's, ``broken`` what cut the connection; ``damaged`` says that events could not be read,
    ``streamed`` that the reply was a stream or nothing, ``chunks`` how many objects came, ``lost`` that they look like
    those of a relay whose upstream's body was lost.
    """

    answered: bool
    reason: str | None
    error: ElkError | None
    broken: ElkError | None
    damaged: bool
    streamed: bool
    chunks: int
    lost: bool
    request_id: str | None

    def verdict(self) -> Finished | Failure:
        """The last piece of the answer."""
        error = self.error or (self.broken if self.reason is None or not self.answered else None)
        if error is not None:
            return Failure(_cut_short(error) if self.answered else error, self.reason)
        if self.damaged and not self.answered:
            return Failure(ApiError("the server's stream could not be read", request_id=self.request_id), self.reason)
        if self.damaged:
            return self._incomplete("a part of the answer could not be read")
        if self.reason == "content_filter":
            return self._incomplete(
                "the model stopped: content_filter"
                if self.answered
                else "no answer: the model stopped (content_filter)",
                "a filter, or another reason upstream; rephrase, or try another model",
            )
        if not self.answered:
            return self._empty()
        if self.reason is None and self.streamed:
            return self._incomplete("the answer was cut off: the stream ended without a finish reason")
        return Finished(self.reason)

    def remark(self) -> Note | None:
        """What is worth saying about an answer that is whole."""
        if self.reason == "length":
            return Note("the answer was cut at the token limit (finish_reason length); see --max-tokens", warning=True)
        if self.reason is not None and self.reason not in _KNOWN_REASONS:
            return Note(f"the model ended with finish_reason {self.reason[:80]!r}")
        return None

    def _empty(self) -> Failure:
        if self.reason == "length":
            return self._incomplete(
                "the answer is empty: the token limit was reached before any text", "raise --max-tokens"
            )
        if self.reason is None and self.streamed:
            nothing = self.lost or not self.chunks
            return self._incomplete(
                "the answer is empty: the upstream's reply was lost" if nothing else "the answer is empty",
                "the prompt may be blocked or too long, or the upstream failed",
                code="lost" if self.lost else None,
            )
        return self._incomplete("the answer is empty", "the prompt may be blocked")

    def _incomplete(self, message: str, hint: str | None = None, *, code: str | None = None) -> Failure:
        return Failure(Incomplete(message, hint=hint, code=code, request_id=self.request_id), self.reason)


def gravest(reasons: Mapping[int, str]) -> str | None:
    """Of the finish reasons of several choices, what kept one from being whole; else what is said of the first."""
    said = reasons.values()
    for grave in ("content_filter", "length"):
        if grave in said:
            return grave
    return reasons.get(0) or next(iter(said), None)


def _cut_short(error: ElkError) -> ElkError:
    """What had been printed makes an incomplete answer of any failure (cli.md §3)."""
    if isinstance(error, Incomplete):
        return error
    short = Incomplete(
        f"the answer was cut short: {error.message}",
        hint=error.hint,
        code=error.code,
        status=error.status,
        request_id=error.request_id,
    )
    short.__cause__ = error.__cause__
    return short


def counted(usage: dict[str, Any]) -> Usage:
    """The server's counts, whatever their types; what is no count is left out."""
    told_in, told_out = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        prompt=_number(usage, "prompt_tokens"),
        completion=_number(usage, "completion_tokens"),
        total=_number(usage, "total_tokens"),
        reasoning=_number(told_out, "reasoning_tokens"),
        cached=_number(told_in, "cached_tokens"),
        image=_number(told_out, "image_tokens"),
    )


def _number(source: object, name: str) -> int | None:
    value = source.get(name) if isinstance(source, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
        return int(value)
    return None
