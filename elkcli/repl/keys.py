"""The keys of the prompt, where they are not prompt_toolkit's own: what sends, what makes a new line, what clears."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding.key_processor import KeyPressEvent
from prompt_toolkit.keys import Keys

from elkcli.repl.ahead import TypedAhead

SHIFT_ENTER = ("\x1b[13;2u", "\x1b[27;2;13~")
ALT_ENTER = ("\x1b[13;3u", "\x1b[27;3;13~")
CTRL_ENTER = "\x1b[13;5u"


def bindings(  # noqa: C901 - one small function for each key
    is_multiline: Callable[[], bool],
    is_enough: Callable[[str], bool],
    cleared: Callable[[], None],
    edit: Callable[[KeyPressEvent], None],
) -> KeyBindings:
    """The keys.

    ``is_multiline`` tells whether Enter makes a new line, ``is_enough`` whether there is something to send;
    ``cleared`` is called at Ctrl-C, and ``edit`` opens the editor.
    """
    for sequence in SHIFT_ENTER:  # terminals that tell Shift-Enter from Enter; to prompt_toolkit both are Enter
        ANSI_SEQUENCES[sequence] = Keys.ControlJ
    for sequence in ALT_ENTER:  # as the same terminals spell it
        ANSI_SEQUENCES[sequence] = (Keys.Escape, Keys.ControlM)
    ANSI_SEQUENCES[CTRL_ENTER] = Keys.ControlM  # as the other spelling of it is to prompt_toolkit
    keys = KeyBindings()
    typing = has_focus(DEFAULT_BUFFER)

    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    def send(event: KeyPressEvent) -> None:
        if is_enough(event.current_buffer.text):
            event.current_buffer.validate_and_handle()

    @keys.add("enter", filter=typing)
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None  # the choice from the menu is taken, and nothing is sent yet
        elif (is_multiline() and not buffer.text.startswith("/")) or _more_follows(event):
            new_line(event)
        else:
            send(event)

    @keys.add("escape", "enter", filter=typing)
    def _(event: KeyPressEvent) -> None:
        (send if is_multiline() else new_line)(event)

    @keys.add("c-j", filter=typing)
    def _(event: KeyPressEvent) -> None:
        new_line(event)

    @keys.add("c-c", filter=typing)
    @keys.add("<sigint>")
    def _(event: KeyPressEvent) -> None:
        buffer = event.app.layout.get_buffer_by_name(DEFAULT_BUFFER)
        if buffer is not None:
            if buffer.text.strip() and buffer.text not in buffer.history.get_strings():
                buffer.append_to_history()  # Up brings back what was a long prompt
            buffer.reset()
        cleared()

    keys.add("c-x", "c-e", filter=typing)(edit)

    @keys.add("tab", filter=typing & Condition(_at_line_start))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("    ")

    @keys.add("tab", filter=typing & Condition(_is_certain))
    def _(event: KeyPressEvent) -> None:
        state = event.current_buffer.complete_state
        if state is not None:
            event.current_buffer.apply_completion(state.completions[0])

    return keys


def _is_certain() -> bool:
    """Whether the menu has one choice only: Tab takes it as in a shell, and Enter sends again."""
    from prompt_toolkit.application import get_app

    state = get_app().current_buffer.complete_state
    return state is not None and len(state.completions) == 1


def _at_line_start() -> bool:
    """Whether Tab can only mean indentation: nothing but blanks before the cursor."""
    from prompt_toolkit.application import get_app

    return not get_app().current_buffer.document.current_line_before_cursor.strip()


def _more_follows(event: KeyPressEvent) -> bool:
    """Whether Enter came with more input right behind it: a paste, at a terminal that does not mark pastes."""
    if isinstance(event.key_sequence[-1], TypedAhead):
        return False
    return any(key.key not in (Keys.CPRResponse, Keys.SIGINT) for key in event.key_processor.input_queue)
