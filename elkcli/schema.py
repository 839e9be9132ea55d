"""JSON Schemas: whether one is valid, and whether an answer follows it. Needs jsonschema, which is an extra. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from elkcli.errors import UsageError

NOT_CHECKED = "the answer is not checked against the schema: pip install 'elkcli[schema]'"
_FENCED = re.compile(r"\s*```[\w-]*[ \t]*\n(.*?)\n?\s*```\s*\Z", re.S)

Check = Callable[[str], str | None]
"""Why a text does not follow the schema; ``None`` if it does."""


def check(text: str, schema: Mapping[str, Any]) -> str | None:
    """Why ``text`` does not follow ``schema``; ``None`` if it does, or if jsonschema is not there."""
    checker = checker_for(schema)
    return checker(text) if checker is not None else None


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
        kind.check_schema(schema)
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
        except Exception as problem:  # a reference that leads nowhere, a pattern that is none
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
