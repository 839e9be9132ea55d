"""The rendered answer at a terminal: pieces are taken in by the main thread and drawn by a thread of their own.

The painter's thread is also the lazy door: what draws (rich, Pygments, markdown-it-py) is loaded by it while the server
is thinking, and a terminal that does not take what is written holds up nobody but the painter.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

from elkcli.conversation import Piece, Reasoning, SavedMedia, Start, Text, ToolCall
from elkcli.environment import Environment
from elkcli.signals import leave_to_main
from elkcli.terminal.safe import safe_line
from elkcli.terminal.screen import writer
from elkcli.terminal.spinner import Spinner

# How long an end that did not come by itself waits for the screen; longer, and the terminal must be stuck.
_LAST_WORDS = 1.0

Preview = Callable[[SavedMedia, int], str]


class MarkdownDisplay:
    """Shows an answer as rendered Markdown, and what the model thought before it on stderr.

    ``preview`` makes a picture into terminal output of a width, which is trusted and printed on rows of its own.
    ``note`` may be called at any time and from any thread; what it is given must be safe already.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        color: bool,
        theme: str,
        reasoning: bool,
        preview: Preview | None = None,
        spinner: bool = True,
    ) -> None:
        self._environment = environment
        self._color = color
        self._theme = theme
        self._reasoning = reasoning
        self._preview = preview
        self._spinner = Spinner(environment)
        self._spins = spinner
        self._lock = threading.Lock()
        self._came: list[tuple[str, Any]] = []
        self._wake = threading.Event()
        self._end = threading.Event()
        self._painting = False
        self._problem: BaseException | None = None
        self._resumed = False
        self._old_handler: Any = None
        self._later: dict[int, list[tuple[str, Any]]] = {}
        self._thread = threading.Thread(target=self._draw, name="painter", daemon=True)

    def __enter__(self) -> MarkdownDisplay:
        self._watch_for_resume()
        try:
            if self._spins:
                self._spinner.start()
            self._painting = True
            self._thread.start()
        except BaseException:  # Ctrl-C while the threads begin: nobody else would end them
            self._end.set()
            self._wake.set()
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._lock:
                for _, pieces in sorted(self._later.items()):
                    self._came += [("choice", None), *pieces]
            self._end.set()
            self._wake.set()
            if problem is None:
                self._thread.join()
            else:
                self._thread.join(_LAST_WORDS)
        except BaseException:
            # Ctrl-C while the last rows are drawn: they get the same moment
            self._thread.join(_LAST_WORDS)
            raise
        finally:
            self._leave()
        if self._problem is not None and problem is None:
            raise self._problem

    def _leave(self) -> None:
        self._painting = False
        self._spinner.stop()
        if self._old_handler is not None:
            signal.signal(signal.SIGCONT, self._old_handler)

    def show(self, piece: Piece) -> None:
        """Show ``piece`` as soon as the painter comes to it; further choices wait for the end of the first."""
        if self._problem is not None:
            raise self._problem
        choice = getattr(piece, "choice", 0)
        if isinstance(piece, Text):
            self._take("text", piece.text, choice)
        elif isinstance(piece, Reasoning):
            if self._reasoning and choice == 0:
                self._take("thought", piece.text)
        elif isinstance(piece, SavedMedia):
            self._take("text", piece.reference, choice)
            if self._preview is not None:
                self._take("picture", piece, choice)
        elif isinstance(piece, ToolCall):
            self._take("block", _tool_call(piece), choice)
        elif isinstance(piece, Start):
            self._wake.set()

    def note(self, line: str) -> None:
        """Write one line to stderr, above the part of the answer that is still open."""
        with self._lock:
            if self._painting:
                self._came.append(("note", line))
                self._wake.set()
                return
        self._write_note(line)

    def _write_note(self, line: str) -> None:
        with suppress(OSError, ValueError):
            writer(self._environment.stderr)(line + "\n")

    def _take(self, kind: str, value: Any, choice: int = 0) -> None:
        with self._lock:
            if choice:
                self._later.setdefault(choice, []).append((kind, value))
            else:
                self._came.append((kind, value))
        self._wake.set()

    # The painter's thread

    def _draw(self) -> None:
        leave_to_main()
        try:
            # Not before the request is on the wire: loading would take the interpreter from the thread that sends it
            self._wake.wait(0.06)
            from elkcli.terminal.painter import Painter

            painter = Painter(
                self._environment, self._spinner, color=self._color, theme=self._theme, preview=self._preview
            )
            while True:
                self._wake.wait()
                ending = self._end.is_set()
                self._wake.clear()
                with self._lock:
                    came, self._came = self._came, []
                if not came and not ending:  # woken to load, and no more: the first word must not wait for a turn
                    continue
                if self._resumed:
                    self._resumed = False
                    painter.lose()
                pause = painter.draw(came, last=ending)
                if ending:
                    return
                self._end.wait(pause)
        except BaseException as problem:  # noqa: BLE001 - told to the main thread, which alone can end the run
            self._problem = problem
        finally:
            with self._lock:
                self._painting = False
                notes = [value for kind, value in self._came if kind == "note"]
            for note in notes:  # that came while the last rows were drawn
                self._write_note(note)

    # Ctrl-Z and fg: the shell wrote to the screen in between

    def _watch_for_resume(self) -> None:
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGCONT"):
            old = signal.getsignal(signal.SIGCONT)

            def resumed(number: int, frame: FrameType | None) -> None:
                self._resumed = True
                if callable(old):
                    old(number, frame)

            signal.signal(signal.SIGCONT, resumed)
            self._old_handler = old if old is not None else signal.SIG_DFL


def _tool_call(call: ToolCall) -> str:
    """A call as a block of JSON. Its fence is longer than any the server may have put inside."""
    try:
        arguments = json.dumps(json.loads(call.arguments), indent=2, ensure_ascii=False)
    except ValueError:
        arguments = call.arguments
    fence = "~" * (3 + max(map(len, arguments.replace("\n", " ").split() or [""]), default=0))
    fence = fence if "~~~" in arguments else "~~~"
    return f"{fence}json {safe_line(call.name)}\n{arguments}\n{fence}\n"
