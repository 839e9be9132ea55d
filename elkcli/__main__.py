"""The process: one world in, one exit code out."""

from __future__ import annotations

import os
import sys

from elkcli import __version__

TYPE_CHECKING = False  # typing itself would cost --version a quarter of its time
if TYPE_CHECKING:
    from typing import NoReturn

    from elkcli.environment import Environment


def main() -> NoReturn:
    """Run elkcli on this process's arguments and end it with the right code."""
    if sys.argv[1:] == ["--version"]:
        _leave(0, f"elkcli {__version__}\n")  # told before anything is loaded
    code = 130
    try:
        from elkcli.signals import listen

        listen()
        import gc

        gc.disable()  # a run is short, and its memory is bounded by what it was sent
        from elkcli.environment import Environment

        code = run(Environment.real())
    except KeyboardInterrupt:
        pass
    except BaseException as stop:
        found = getattr(stop, "exit_code", None)  # a signal in the first moments, before anybody else listens
        if found is None:
            raise
        code = found
    _leave(code)


def run(environment: Environment) -> int:
    """Run elkcli in ``environment`` and return its exit code. Every failure ends as lines on stderr."""
    command, *words = environment.arguments or ("",)
    plain = not any(word.startswith("-") for word in words)
    # without options there is nothing to parse, and loading the parser would take a fifth of the whole run
    if command == "ask" and plain:
        from elkcli.commands.asking import Question, answered
        from elkcli.commands.ending import ended

        return ended(environment, lambda: answered(environment, Question(words=tuple(words))))
    if command == "chat" and not words:
        from elkcli.commands.conversing import converse
        from elkcli.commands.ending import ended

        return ended(environment, lambda: converse(environment))
    from elkcli.commands.app import execute

    return execute(environment)


def _leave(code: int, words: str = "") -> NoReturn:
    """Write the last ``words`` and end at once: taking the interpreter apart would cost a fifth of a short run."""
    said = ""
    try:
        if sys.stdout is not None:
            sys.stdout.write(words)
            sys.stdout.flush()
        elif words:
            code, said = 1, "elkcli: standard output is closed\n"
    except BrokenPipeError:
        code = code or 141
    except (OSError, ValueError) as problem:
        if code == 0:
            code, said = 1, f"elkcli: cannot write to standard output: {getattr(problem, 'strerror', problem)}\n"
    try:
        if sys.stderr is not None:
            sys.stderr.write(said)
            sys.stderr.flush()
    except (OSError, ValueError):
        pass  # a remark that nobody can read costs no answer
    os._exit(code)


if __name__ == "__main__":
    main()
