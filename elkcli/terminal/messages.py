"""Lines on stderr: errors, warnings, notes, what goes over the wire, and the usage line."""

from __future__ import annotations

import json
from collections.abc import Callable

from elkcli.conversation import Usage
from elkcli.environment import Environment
from elkcli.errors import ElkError
from elkcli.terminal.safe import safe_json, safe_line

LONGEST = 2000


def wants_color(environment: Environment, setting: str, is_terminal: bool) -> bool:
    """Whether to colour: the setting, then ``NO_COLOR`` and ``FORCE_COLOR``, then the terminal."""
    if setting != "auto":
        return setting == "always"
    if environment.variables.get("NO_COLOR"):
        return False
    if environment.variables.get("FORCE_COLOR"):
        return True
    return is_terminal and environment.variables.get("TERM") != "dumb"


class Messages:
    """Says things on stderr, one line each, whatever the words hold.

    ``route`` is where lines go while a display has an unfinished line on the same terminal.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        quiet: bool = False,
        verbose: bool = False,
        as_json: bool = False,
        color: bool = False,
    ) -> None:
        self._environment = environment
        self.quiet = quiet
        self.verbose = verbose
        self.as_json = as_json
        self.color = color
        self.route: Callable[[str], None] | None = None

    def line(self, text: str, style: str = "") -> None:
        """One line as it is, made safe."""
        self._say(safe_line(text, LONGEST), style)

    def _say(self, text: str, style: str = "") -> None:
        if style and self.color:
            text = f"\x1b[{style}m{text}\x1b[0m"
        if self.route is not None:
            self.route(text)
            return
        try:
            self._environment.stderr.write(text + "\n")
            self._environment.stderr.flush()
        except (OSError, ValueError):
            pass  # nobody listens; the exit code still tells

    def note(self, text: str) -> None:
        """Something good to know."""
        if not self.quiet and not self.as_json:
            self.line(f"note: {text}", "2")

    def warn(self, text: str) -> None:
        """Something that may be wrong."""
        if self.quiet:
            return
        if self.as_json:
            self._say(safe_json(json.dumps({"warning": {"message": text}}, ensure_ascii=False)))
        else:
            self.line(f"warning: {text}", "33")

    def log(self, text: str) -> None:
        """What went over the wire, with ``--verbose``."""
        if self.verbose:
            self.line(text, "2")

    def error(self, error: ElkError) -> None:
        """What failed, and what to do."""
        if self.as_json:
            self._say(safe_json(json.dumps({"error": error.as_json()}, ensure_ascii=False)))
            return
        words = error.message
        if error.request_id and error.request_id not in words:
            words += f" (request id: {error.request_id})"
        self.line(f"elkcli: {words}", "31")
        if error.hint:
            self.line(f"hint: {error.hint}", "2")
        cause = error.__cause__
        while self.verbose and cause is not None:
            self.line(f"cause: {type(cause).__name__}: {cause}", "2")
            cause = cause.__cause__ or cause.__context__

    def usage(self, usage: Usage | None, model: str, seconds: float, cost: float | None = None) -> None:
        """The usage line."""
        self.line(usage_line(usage, model, seconds, cost), "2")


def usage_line(usage: Usage | None, model: str, seconds: float, cost: float | None = None) -> str:
    """Model, tokens and time of one answer, in one line; what the server did not tell is left out."""
    parts = [model]
    if usage is not None:
        counts = []
        if usage.prompt is not None:
            counts.append(f"{usage.prompt:,} prompt" + (f" ({usage.cached:,} cached)" if usage.cached else ""))
        if usage.completion is not None:
            inside = [f"{usage.reasoning:,} reasoning"] if usage.reasoning else []
            inside += [f"{usage.image:,} image"] if usage.image else []
            counts.append(f"{usage.completion:,} completion" + (f" ({', '.join(inside)})" if inside else ""))
        total = f"{usage.total:,} tokens" if usage.total is not None else ""
        parts.append(" + ".join(counts) + (f" = {total}" if counts and total else total) if counts or total else "")
    parts.append(f"{seconds:.1f} s")
    if usage is not None and usage.completion and seconds >= 0.05:
        parts.append(f"{usage.completion / seconds:,.0f} tokens/s")
    if cost is not None:
        from elkcli.prices import spelled

        parts.append(f"cost {spelled(cost)}")
    return " · ".join(part for part in parts if part)
