"""Tab at the prompt: commands and their arguments."""

from __future__ import annotations

from collections.abc import Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from elkcli.repl.candidates import candidates
from elkcli.repl.session import Session
from elkcli.repl.slash import is_command
from elkcli.terminal.safe import safe_line


class SlashCompleter(Completer):
    """Completes what begins with a slash; words of a message are the person's own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the text before the cursor may become."""
        line = document.text_before_cursor
        if not is_command(line) or "\n" in line:
            return
        typed, found = candidates(self._session, line)
        for text, meaning in found:
            if text.isprintable():
                yield Completion(text, -len(typed), display_meta=safe_line(meaning, 70))
