"""What the values of options say, read before settings are known. Without Typer, as `conversing`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elkcli.api.request import parse_set
from elkcli.errors import UsageError
from elkcli.storage.checks import BadValue, header


def headers(given: Sequence[str] | None) -> dict[str, str] | None:
    """``-H`` as a table. Raises :class:`UsageError`."""
    if not given:
        return None
    try:
        return dict(header(text) for text in given)
    except BadValue as problem:
        raise UsageError(f"--header takes {problem}") from problem


def body_fields(given: Sequence[str] | None) -> tuple[tuple[str, Any], ...]:
    """``--set`` as paths and values. Raises :class:`UsageError`."""
    return tuple(parse_set(text) for text in given or ())


def choices(given: str | None) -> int | None:
    """``-n`` as a number. Raises :class:`UsageError`."""
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= 128):
        raise UsageError("--choices takes a whole number from 1 to 128")
    return int(given)


def whole(option: str, given: str | None, low: int, high: int) -> int | None:
    """A whole number. Raises :class:`UsageError`."""
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and low <= int(given[:18]) <= high):
        raise UsageError(f"{option} takes a whole number from {low} to {high}")
    return int(given)


def read_file(path: str, directory: Path, option: str) -> bytes:
    """The bytes of a file that an option names. Raises :class:`UsageError`."""
    try:
        return (directory / Path(path).expanduser()).read_bytes()
    except (OSError, ValueError, RuntimeError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise UsageError(f"{option}: cannot read {path}: {why}") from problem


def read_text(path: str, directory: Path, option: str) -> str:
    """The text of a file that an option names. Raises :class:`UsageError`."""
    try:
        return read_file(path, directory, option).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{option}: {path} is not UTF-8 text") from None


def system_message(given: str | None, directory: Path) -> str | None:
    """A system message, or what the file behind ``@`` holds."""
    if given is not None and given.startswith("@"):
        return read_text(given[1:], directory, "--system").rstrip("\n")
    return given


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def schema(path: str | None, directory: Path) -> Mapping[str, Any] | None:
    """The JSON Schema in ``path``. Raises :class:`UsageError`."""
    if path is None:
        return None
    try:
        found = json.loads(read_text(path, directory, "--schema"), parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"--schema: {path} is not valid JSON: {problem}") from problem
    if not isinstance(found, dict):
        raise UsageError(f"--schema: {path} holds no JSON object")
    return found
