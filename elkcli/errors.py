"""Every way elkcli can fail, one class each, with its exit code.

::

    ElkError              1   a local failure: a file cannot be written, a bug
    ├── UsageError        2   unknown option, no prompt, value out of range
    ├── ConfigError       3   no token, or a bad configuration
    ├── TokenRefused      4   the API refused the token (401, 403)
    ├── QuotaError        5   rate limit, quota, or balance
    ├── ApiError          6   another error from the API, or nonsense
    ├── Unreachable       7   DNS, connection, TLS, time-out
    └── Incomplete        8   the answer is cut off, blocked, or empty

    Stopped                   a signal or a closed pipe, not an error
    ├── HungUp          129   SIGHUP
    ├── Interrupted     130   SIGINT, Ctrl-C
    ├── ReaderGone      141   the reader of stdout went away
    └── Terminated      143   SIGTERM

Exit 0 means that an answer was printed whole.
"""

from __future__ import annotations


class ElkError(Exception):
    """A failure with one line for the person, a hint, and an exit code.

    ``message`` is lower case, without a full stop: what failed, then where. ``hint`` is something to do.
    ``code``, ``status`` and ``request_id`` are the server's, where it gave them.
    """

    exit_code = 1
    kind = "local"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code
        self.status = status
        self.request_id = request_id

    def as_json(self) -> dict[str, object]:
        """The object that ``--format json`` and ``jsonl`` put on stderr, under ``error``."""
        return {
            "kind": self.kind,
            "message": self.message,
            "code": self.code,
            "status": self.status,
            "request_id": self.request_id,
            "hint": self.hint,
        }


class UsageError(ElkError):
    """Wrong usage: unknown option, no prompt, unreadable attachment, value out of range."""

    exit_code = 2
    kind = "usage"


class ConfigError(ElkError):
    """No token, or a bad configuration."""

    exit_code = 3
    kind = "config"


class TokenRefused(ElkError):
    """The API refused the token (401, 403)."""

    exit_code = 4
    kind = "token"


class QuotaError(ElkError):
    """Rate limit or quota: 429 after the retries, or an insufficient-balance code."""

    exit_code = 5
    kind = "quota"


class ApiError(ElkError):
    """The API answered with another error, in a status or inside the stream, or with nonsense."""

    exit_code = 6
    kind = "api"


class Unreachable(ElkError):
    """The API could not be reached: DNS, connection, TLS, time-out."""

    exit_code = 7
    kind = "unreachable"


class Incomplete(ElkError):
    """The answer is incomplete or empty: cut off, blocked, no text; what came was printed."""

    exit_code = 8
    kind = "incomplete"


class Stopped(BaseException):
    """The run was ended from outside. Not an ``Exception``, so that no handler of failures swallows it."""

    exit_code = 130


class HungUp(Stopped):
    """The terminal went away (SIGHUP)."""

    exit_code = 129


class Interrupted(Stopped):
    """Ctrl-C (SIGINT)."""

    exit_code = 130


class ReaderGone(Stopped):
    """The reader of stdout went away (EPIPE). Silent, as for any filter."""

    exit_code = 141


class Terminated(Stopped):
    """SIGTERM."""

    exit_code = 143
