"""The process: one world in, one exit code out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from elkcli import __version__

if TYPE_CHECKING:
    from elkcli.environment import Environment


def main() -> NoReturn:
    """Run elkcli on this process's arguments and end it with the right code."""
    if sys.argv[1:] == ["--version"] and sys.stdout is not None:
        print(f"elkcli {__version__}")  # noqa: T201 - told before anything is loaded
        sys.exit(0)
    code = 130
    try:
        import gc

        gc.disable()  # a run is short, and its memory is bounded by what it was sent
        from elkcli.environment import Environment
        from elkcli.signals import listen

        listen()
        code = run(Environment.real())
    except KeyboardInterrupt:
        pass
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    _leave(code)


def run(environment: Environment) -> int:
    """Run elkcli in ``environment`` and return its exit code. Every failure ends as lines on stderr."""
    from elkcli.commands.app import execute

    return execute(environment)


def _leave(code: int) -> NoReturn:
    """Flush and end at once: taking the interpreter apart would cost a fifth of a short run."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    main()
