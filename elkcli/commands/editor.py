"""The person's editor: which it is, and a file opened in it, at the terminal also where streams lead elsewhere."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path

from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError


def edit(path: Path, environment: Environment, *, undone: str = "") -> str:
    """Open ``path`` in ``$VISUAL`` or ``$EDITOR``, wait for its end, and return its name.

    Raises :class:`ElkError` where it fails; ``undone`` says what did not happen then.
    """
    editor = environment.variables.get("VISUAL") or environment.variables.get("EDITOR") or "vi"
    with ExitStack() as streams:
        stdin = None if environment.stdin_is_terminal else _terminal(streams, os.O_RDONLY)
        stdout = None  # the command's own: what the editor shows goes elsewhere
        if not environment.stdout_is_terminal:
            stdout = _terminal(streams, os.O_WRONLY) or _standard_error(streams)
        try:
            done = subprocess.run(  # noqa: S603 - the user's editor
                [*shlex.split(editor), str(path)], stdin=stdin, stdout=stdout, check=False
            )
        except (OSError, ValueError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else problem
            raise UsageError(f"cannot start the editor {editor!r}: {why}", hint="set VISUAL or EDITOR") from problem
    if done.returncode != 0:
        raise ElkError(f"the editor {editor!r} failed ({done.returncode})" + (f"; {undone}" if undone else ""))
    return editor


def _terminal(streams: ExitStack, flags: int) -> int | None:
    """The terminal of this process as a descriptor, if it has one."""
    try:
        return _closed_by(streams, os.open("/dev/tty", flags)) if os.name == "posix" else None
    except OSError:
        return None


def _standard_error(streams: ExitStack) -> int:
    try:
        return _closed_by(streams, os.dup(2))
    except OSError:  # closed by the caller
        return _closed_by(streams, os.open(os.devnull, os.O_WRONLY))


def _closed_by(streams: ExitStack, descriptor: int) -> int:
    streams.callback(os.close, descriptor)
    return descriptor
