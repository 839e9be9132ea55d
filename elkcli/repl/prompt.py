"""The prompt: the line that is edited, the toolbar below it, and how signals reach it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app, run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.key_binding.vi_state import InputMode
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.styles import Style

from elkcli.conversation import tokens
from elkcli.errors import ElkError, Interrupted, Stopped
from elkcli.repl import ahead
from elkcli.repl.completion import SlashCompleter
from elkcli.repl.inputs import InputHistory
from elkcli.repl.keys import bindings
from elkcli.repl.quiet import quiet
from elkcli.repl.session import Session
from elkcli.signals import STOPS
from elkcli.terminal.messages import wants_color
from elkcli.terminal.safe import safe_line

_STYLE = {
    "prompt": "bold ansicyan",
    "bottom-toolbar": "noreverse ansibrightblack",
    "bottom-toolbar.text": "noreverse ansibrightblack",
    "auto-suggestion": "ansibrightblack",
}
_MENU = 8
"""Rows below the line for what Tab offers."""


class Prompt:
    """Asks for one message after the other. ``ready`` is called once, when the first prompt is on the screen.

    ``typing`` is called for each message when its first letter is there.
    """

    def __init__(self, session: Session, ready: Callable[[], None], typing: Callable[[], None]) -> None:
        self._session = session
        self._ready = ready
        self._typing = typing
        self._is_typing = False
        self._stop: Stopped | None = None
        self._hint = ""
        environment = session.environment
        self._history: History = InMemoryHistory()
        if session.keeps:
            self._history = InputHistory(environment.data_dir, lambda: session.keeps)
        color = wants_color(environment, session.settings.color, True)
        starts_with_slash = Condition(lambda: get_app().current_buffer.text.startswith("/"))
        stream = sys.stdout if environment.stdout_is_terminal else sys.stderr
        self._prompt: PromptSession[str] = PromptSession(
            self._message,
            multiline=True,
            prompt_continuation=lambda width, line, wrapped: " " * width,
            history=self._history,
            auto_suggest=AutoSuggestFromHistory(),
            completer=SlashCompleter(session),
            complete_in_thread=True,
            complete_while_typing=starts_with_slash,
            enable_history_search=~starts_with_slash,
            key_bindings=bindings(
                lambda: session.multiline,
                lambda text: bool(text.strip() or session.waiting),
                self._cleared,
                lambda event: self._edit(event.app, event.current_buffer),
            ),
            bottom_toolbar=self._toolbar,
            style=Style.from_dict(_STYLE),
            include_default_pygments_style=False,
            color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            enable_suspend=True,
            input_processors=[TabsProcessor(char1=" ", char2=" ")],  # pasted code is seen as it was, without ^I
            output=create_output(stdout=stream),
        )
        self._prompt.app.before_render += self._fit
        self._prompt.app.after_render += self._rendered
        self._prompt.default_buffer.on_text_changed += self._typed

    def ask(self) -> str:
        """One message as it was typed. Raises ``EOFError`` for Ctrl-D on an empty line, and :class:`Stopped`."""
        session = self._session
        default, session.draft = session.draft, ""
        self._is_typing = False
        if isinstance(self._history, InputHistory):
            self._history.refresh()

        def begun() -> None:
            self.typed_before()
            if default or session.halted:
                ahead.hold_back(self._prompt.app.input, below=bool(default))
            session.halted = False

        vi = session.settings.editing_mode == "vi"
        app = self._prompt.app
        self._prompt.editing_mode = EditingMode.VI if vi else EditingMode.EMACS
        # Escape alone means something in vi: it should not wait to see whether it was Alt
        app.ttimeoutlen, app.timeoutlen = (0.05, 0.2) if vi else (0.5, 1.0)
        self.typed_before()
        # from here on Enter is what it is at the prompt, and no key falls between two modes of the terminal
        with _handlers_kept(), quiet(session.environment, begun, lambda: None, again=False):
            try:
                text = self._prompt.prompt(default=default, pre_run=self._listen)
            except BaseException:
                if self._stop is not None:
                    self._keep_draft()
                    raise self._stop from None
                raise
        self._hint = ""
        return text

    def typed_before(self) -> None:
        """Keep for the next prompt what was typed while the terminal was as a shell has it."""
        if os.name == "posix":
            ahead.take_lines(self._prompt.app.input)

    def typed_ahead(self) -> None:
        """Keep for the next prompt what was typed before it, while the terminal is :func:`~elkcli.repl.quiet.quiet`."""
        ahead.take(self._prompt.app.input)

    def _keep_draft(self) -> None:
        """What was being typed when a signal came is found again in the input history."""
        text = self._prompt.default_buffer.text
        if text.strip():
            self._history.append_string(text)

    def _listen(self) -> None:
        """Signals end the prompt between two steps of its loop, and not in the middle of one."""
        if os.name != "posix":
            return
        loop = asyncio.get_running_loop()
        for name, stop in STOPS.items():
            number = getattr(signal, name)
            if stop is not Interrupted and signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._end, stop)

    def _end(self, stop: type[Stopped]) -> None:
        self._stop = self._stop or stop()
        with contextlib.suppress(Exception):  # it is ending already
            self._prompt.app.exit(exception=self._stop)

    def _fit(self, app: Any) -> None:
        """Room for the menu, as far as the terminal has it: the line and the toolbar come first."""
        self._prompt.reserve_space_for_menu = max(0, min(_MENU, app.output.get_size().rows - 2))

    def _rendered(self, app: Any) -> None:
        app.after_render -= self._rendered
        self._ready()

    def _typed(self, buffer: Any) -> None:
        if not self._is_typing and buffer.text.strip() and not buffer.text.startswith("/"):
            self._is_typing = True
            self._typing()

    def _cleared(self) -> None:
        self._session.replacing = False
        self._hint = "Ctrl-D leaves"

    def _edit(self, app: Application[Any], buffer: Buffer) -> None:
        """Open the editor on the line; it is the same for `-e` and `/edit`, and what it cannot do is told."""
        session = self._session

        async def edit() -> None:
            try:
                text = await run_in_terminal(lambda: session.assembly.edited(buffer.text), in_executor=True)
            except ElkError as problem:
                error = problem
                await run_in_terminal(lambda: session.messages.error(error))
            else:
                buffer.document = Document(text)

        app.create_background_task(edit())

    # What is seen

    def _message(self) -> StyleAndTextTuples:
        return [("class:prompt", "> ")]

    def _toolbar(self) -> StyleAndTextTuples:
        """Model, conversation and tokens; what does not fit is left out from the end."""
        session, app = self._session, get_app()
        used = sum(map(tokens, session.spent))
        parts = [session.settings.model, session.label]
        if session.replacing:
            parts.insert(0, "changing the last question")
        if session.waiting:
            parts.insert(0, f"{len(session.waiting)} attached")
        if used:
            parts += [f"{tokens(session.spent[-1]):,} tokens", f"{used:,} in all"]
        if session.multiline:
            parts.append("Alt-Enter sends")
        if app.editing_mode is EditingMode.VI and app.vi_state.input_mode is InputMode.NAVIGATION:
            parts.insert(0, "NORMAL")
        if self._hint and not app.current_buffer.text:
            parts.insert(0, self._hint)
        width = app.output.get_size().columns
        text = ""
        for part in parts:
            longer = f"{text} · {safe_line(part, 60)}" if text else safe_line(part, max(width - 1, 10))
            if len(longer) >= width and text:
                break
            text = longer
        return [("", text)]


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """asyncio takes signal handlers away when its loop ends: put back those that were there."""
    names = [name for name in STOPS if hasattr(signal, name)]
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
