"""The chat at a terminal: read a message, do it, and go on whatever went wrong."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from elkcli import signals
from elkcli.errors import ElkError, Interrupted
from elkcli.repl.prompt import Prompt
from elkcli.repl.quiet import quiet
from elkcli.repl.session import Session
from elkcli.repl.slash import do, is_command

PATIENT = 4
"""Presses of Ctrl-C after which the keeping itself is interrupted."""


def run(session: Session) -> int:
    """Talk until the person leaves. Signals other than Ctrl-C go on to the caller."""
    session.interactive = True
    warming = threading.Thread(target=session.assembly.warm, args=(session.resolved,), name="warming", daemon=True)

    def ready() -> None:
        gc.freeze()
        gc.enable()  # a chat is no short run
        warming.start()

    @contextlib.contextmanager
    def while_answering() -> Iterator[None]:
        if warming.ident is not None:
            warming.join()  # it opens the client that is used now
        with quiet(session.environment):
            yield

    session.while_answering = while_answering
    prompt = Prompt(session, ready)
    done = False
    while not session.over:
        with _going_on(session):
            if done:
                session.messages.line("")  # some air before the next prompt
            try:
                line = prompt.ask()
            except EOFError:
                break
            done = True
            if warming.ident is None:  # a terminal on which nothing is drawn tells nobody that it was
                ready()
            _do(session, line)
    return 0


def _do(session: Session, line: str) -> None:
    """Do what ``line`` says. A message that fails is given back for another try, also one a command sends.

    A command that does nothing is not: the next thing typed would go on behind it, and Up brings it back.
    """
    turns = session.turns
    try:
        with _interruptible():
            do(session, line)
    except ElkError as error:
        session.messages.error(error)
        if session.turns is turns and not is_command(line):  # nothing came of it
            session.draft = session.draft or line


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stops what is going on, once: impatience must not end the chat while what came is being kept."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN or before is None:
        yield
        return
    pressed = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1 or pressed > PATIENT:
            raise Interrupted

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _going_on(session: Session) -> Iterator[None]:
    """Ctrl-C and failures end a turn, never the chat."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        signals.forgive()
        session.stopped()
    except BrokenPipeError:
        raise
    except OSError as problem:
        where = f": {problem.filename}" if problem.filename else ""
        session.messages.error(ElkError(f"{problem.strerror or problem}{where}"))
    except Exception:
        import traceback

        session.say(traceback.format_exc())
        session.messages.error(ElkError("this is a bug in elkcli; please report it, with the lines above"))
