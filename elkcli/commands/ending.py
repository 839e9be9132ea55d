"""What the end of a run means: failures become lines on stderr, and an exit code. Without Typer."""

from __future__ import annotations

import re
from collections.abc import Callable

from elkcli.environment import Environment
from elkcli.errors import ElkError, ReaderGone, Stopped
from elkcli.terminal.messages import Messages, wants_color


def ended(environment: Environment, work: Callable[[], int]) -> int:
    """Do ``work`` and return the exit code."""
    messages = Messages(
        environment,
        color=wants_color(environment, "auto", environment.stderr_is_terminal),
        as_json=_wants_json(environment),
        verbose=bool({"-v", "--verbose"} & {*environment.arguments}),
    )
    try:
        return work()
    except Stopped as stopped:
        return stopped.exit_code
    except KeyboardInterrupt:
        return 130
    except (BrokenPipeError, SystemExit):  # the second is Typer's way of saying that the reader of its help went away
        return ReaderGone.exit_code
    except ElkError as error:
        messages.error(error)
        return error.exit_code
    except OSError as problem:
        what = str(problem.filename) if problem.filename else "cannot write to standard output"
        messages.error(ElkError(f"{what}: {problem.strerror or problem}"))
        return 1
    except MemoryError:
        messages.error(ElkError("out of memory"))
        return 1
    except Exception:  # noqa: BLE001 - a bug is told, too
        import traceback

        environment.stderr.write(traceback.format_exc())
        messages.error(ElkError("this is a bug in elkcli; please report it, with the lines above"))
        return 1


def _wants_json(environment: Environment) -> bool:
    """Whether errors are to be JSON, as far as it can be told before the arguments are understood."""
    wanted = environment.variables.get("ELKCLI_FORMAT", "")
    arguments = environment.arguments
    for at, word in enumerate(arguments):
        if word == "--":
            break
        if word == "--format" and at + 1 < len(arguments):
            wanted = arguments[at + 1]
        elif word.startswith("--format="):
            wanted = word.removeprefix("--format=")
        elif short := re.fullmatch(r"-[cehqv]*f(.*)", word):  # -fjson, -qfjson, -qf json
            wanted = short[1] or next(iter(arguments[at + 1 :]), "")
    return wanted.strip().lower() in ("json", "jsonl")
