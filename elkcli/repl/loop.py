"""The chat at a terminal: read a message, do it, and go on whatever went wrong."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from elkcli import signals
from elkcli.errors import ElkError, Interrupted
from elkcli.repl.prompt import Prompt
from elkcli.repl.quiet import quiet
from elkcli.repl.session import Session
from elkcli.repl.slash import do, is_command
from elkcli.storage.settings import Resolved

PATIENT = 4
"""Presses of Ctrl-C after which the keeping itself is interrupted."""


def run(session: Session) -> int:
    """Talk until the person leaves. Signals other than Ctrl-C go on to the caller."""
    session.interactive = True
    preparing = Preparing(session)
    prompt = Prompt(session, preparing.load, preparing.connect)

    @contextlib.contextmanager
    def while_answering() -> Iterator[None]:
        preparing.wait()  # it opens the client that is used now
        with quiet(session.environment, prompt.typed_before, prompt.typed_ahead):
            yield

    session.while_answering = while_answering
    session.undisturbed = interrupt = Interrupt()
    done = False
    with interrupt.listening():
        while not session.over:
            with _going_on(session):
                if done:
                    session.messages.line("")  # some air before the next prompt
                try:
                    line = prompt.ask()
                except EOFError:
                    break
                done = True
                preparing.load()  # a terminal on which nothing is drawn tells nobody that it was
                _do(session, line, interrupt)
    return 0


def _do(session: Session, line: str, interrupt: Interrupt) -> None:
    """Do what ``line`` says. A message that fails is given back for another try, also one a command sends.

    A command that does nothing is not: the next thing typed would go on behind it, and Up brings it back.
    """
    turns = session.turns
    try:
        with interrupt.armed():
            do(session, line)
    except ElkError as error:
        session.messages.error(error)
        if session.turns is turns and not is_command(line):  # nothing came of it
            session.draft = session.draft or line


class Preparing:
    """What is loaded once the first prompt stands, and connected when a person begins to type, each in a thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loading: threading.Thread | None = None
        self._connecting: threading.Thread | None = None

    def load(self) -> None:
        """Load the client and what draws, unless that was begun before."""
        if self._loading is not None:
            return
        gc.freeze()
        gc.enable()  # a chat is no short run
        self._loading = self._begin(self._session.assembly.warm)

    def connect(self) -> None:
        """Connect to the server, once the client is there."""
        loading = self._loading

        def connect(resolved: Resolved) -> None:
            if loading is not None:
                loading.join()
            self._session.assembly.approach(resolved)

        self._connecting = self._begin(connect)

    def wait(self) -> None:
        """Wait until neither uses the client any more."""
        for thread in (self._loading, self._connecting):
            if thread is not None:
                thread.join()

    def _begin(self, work: Callable[[Resolved], None]) -> threading.Thread:
        def run() -> None:
            signals.leave_to_main()
            work(self._session.resolved)

        thread = threading.Thread(target=run, name="preparing", daemon=True)
        thread.start()
        return thread


class Interrupt:
    """Ctrl-C for as long as the chat lasts: it stops what is going on, once, and nothing else.

    Impatience must not end the chat: not while what came is being kept, nor between an answer and the next prompt.
    """

    def __init__(self) -> None:
        self._armed = False
        self._pressed = 0
        self._held = self._late = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signal over, unless whoever started the chat has it ignored."""
        before = signal.getsignal(signal.SIGINT)
        if before is signal.SIG_IGN or before is None:
            yield
            return
        signal.signal(signal.SIGINT, self._press)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """While something goes on that may be stopped."""
        self._armed, self._pressed, self._late = True, 0, False
        try:
            yield
        finally:
            self._armed = False

    def __enter__(self) -> None:
        """Put off the signal: what is done here is done whole."""
        self._held = True

    def __exit__(self, *problem: object) -> None:
        self._held = False
        if self._late:
            self._late = False
            raise Interrupted

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self._armed:
            self._pressed += 1
            if self._pressed == 1 or self._pressed > PATIENT:
                signals.beyond_imports(frame, self._interrupt)

    def _interrupt(self) -> None:
        if self._held:
            self._late = True
        elif self._armed:
            raise Interrupted


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
    except Exception:  # noqa: BLE001 - a bug ends no chat
        import traceback

        session.say(traceback.format_exc())
        session.messages.error(ElkError("this is a bug in elkcli; please report it, with the lines above"))
