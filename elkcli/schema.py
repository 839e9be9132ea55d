"""JSON Schemas: whether one is valid, and whether an answer follows it. Needs jsonschema, which is an extra. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from elkcli.conversation import Failure, Finished, Note, Piece, Text, Usage, added
from elkcli.errors import UsageError
from elkcli.value import changed

if TYPE_CHECKING:
    from elkcli.api.client import Client
    from elkcli.api.request import Request

NOT_CHECKED = "the answer is not checked against the schema: pip install 'elkcli[schema]'"
_FENCED = re.compile(r"\s*```[\w-]*[ \t]*\n(.*?)\n?\s*```\s*\Z", re.S)

Check = Callable[[str], str | None]
"""Why a text does not follow the schema; ``None`` if it does."""


def checker_for(schema: Mapping[str, Any]) -> Check | None:
    """What checks texts against ``schema``; ``None`` without jsonschema. Raises :class:`UsageError` for a bad schema.

    References to other documents are not fetched.
    """
    try:
        from jsonschema import validators
        from jsonschema.exceptions import SchemaError, best_match
        from referencing import Registry
    except ImportError:
        return None
    kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        kind.check_schema(dict(schema))
    except SchemaError as problem:
        where = "/".join(str(step) for step in problem.absolute_path)
        raise UsageError(
            f"--schema: not a valid JSON Schema{f', at {where}' if where else ''}: {problem.message[:300]}"
        ) from None
    except RecursionError:
        raise UsageError("--schema: nested too deeply") from None
    validator = kind(schema, registry=Registry())

    def reason(text: str) -> str | None:
        if fenced := _FENCED.match(text):  # many models wrap what they were told to print bare
            text = fenced[1]
        try:
            value = json.loads(text)
        except RecursionError:
            return "the answer is nested too deeply"
        except ValueError as problem:
            return f"the answer is not JSON: {problem}"
        try:
            found = best_match(validator.iter_errors(value))
        except RecursionError:
            return "the answer is nested too deeply"
        except Exception as problem:  # noqa: BLE001 - a reference that leads nowhere, a pattern that is none
            return f"the schema cannot be applied: {problem}"[:300]
        if found is None:
            return None
        where = found.json_path.removeprefix("$").lstrip(".")
        return f"{where + ': ' if where else ''}{found.message[:300]}"

    return reason


def asked_again(messages: list[dict[str, Any]], answer: str, reason: str) -> list[dict[str, Any]]:
    """The messages that ask for the answer once more, and say what was wrong with it."""
    return [
        *messages,
        {"role": "assistant", "content": answer},
        {
            "role": "user",
            "content": f"That does not follow the JSON Schema: {reason}. Answer again, with the corrected JSON only.",
        },
    ]


class Insisting:
    """A client that asks again while an answer does not follow the schema, and gives the last answer alone.

    An answer is held back until it is whole: only then it is known whether it is the last. What all tries used is
    counted together.
    """

    def __init__(self, client: Client, check: Check, times: int) -> None:
        self._client = client
        self._check = check
        self._times = times
        self._held: list[Piece] = []

    def answer(self, request: Request, *, raw: bool = False) -> Iterator[Piece]:
        """As the client's own, but for what is said above."""
        messages = request.body["messages"]
        used: Usage | None = None
        for left in range(self._times, -1, -1):
            self._held = []
            for piece in self._client.answer(request, raw=raw):
                if isinstance(piece, Usage):
                    used = added(used, piece)
                self._held.append(used if isinstance(piece, Usage) and used is not None else piece)
            text = "".join(piece.text for piece in self._held if isinstance(piece, Text) and piece.choice == 0)
            whole = bool(self._held) and isinstance(self._held[-1], Finished)
            reason = self._check(text) if whole and left else None
            if reason is None:
                break
            yield Note(f"the answer does not follow the schema: {reason}; asking again")
            request = changed(request, body={**request.body, "messages": asked_again(messages, text, reason)})
        held, self._held = self._held, []
        yield from held

    def rest(self) -> list[Piece]:
        """What had come when the caller stopped."""
        held, self._held = self._held, []
        return [piece for piece in held if not isinstance(piece, (Finished, Failure))] + self._client.rest()

    def close(self) -> None:
        """Close the client."""
        self._client.close()
