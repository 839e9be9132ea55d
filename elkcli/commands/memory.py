"""Assembly with history: which earlier conversation goes on, and where a new exchange is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elkcli.conversation import Message
from elkcli.environment import Environment
from elkcli.errors import ElkError
from elkcli.storage.history import Conversation, History
from elkcli.storage.recorder import Recorder
from elkcli.storage.settings import Resolved, resolve
from elkcli.storage.terminal_key import terminal_key
from elkcli.terminal.messages import Messages
from elkcli.value import Value


class Earlier(Value):
    """A conversation that goes on, why that one, and what to send of it again (media loaded)."""

    conversation: Conversation
    why: str
    messages: list[Message]

    def resolve(self, environment: Environment, profile: str | None, given: Mapping[str, Any]) -> Resolved:
        """The settings of this run, in which the conversation keeps its model and profile unless others are named."""
        kept = dict(given)
        own = self.conversation.profile
        if profile is None and own is not None:
            try:
                resolve(environment, profile=own)
                profile = own
            except ElkError:
                pass  # the profile is gone: what holds now serves
        if kept.get("model") is None and profile == own:
            kept["model"] = self.conversation.model
        return resolve(environment, profile=profile, options=kept)


def earlier(environment: Environment, *, latest: bool = False, session: str | None = None) -> Earlier | None:
    """The conversation that ``-c`` or ``-S`` means; ``None`` if there is none yet. Raises :class:`ElkError`."""
    with History.open(environment.data_dir, create=False) as history:
        if latest:
            found = history.latest(terminal=terminal_key(environment), directory=str(environment.directory))
            if found is None:
                return None
            conversation, why = found
        else:
            named = history.session(session or "")
            if named is None:
                return None
            conversation, why = named, "by its ID"
        return Earlier(conversation, why, history.messages(conversation.id))


def begin(
    environment: Environment,
    resolved: Resolved,
    messages: Messages,
    said: Sequence[Message],
    *,
    conversation: str | None = None,
    name: str | None = None,
    system: str | None = None,
) -> Record:
    """Write down what is about to be said, and take what comes."""
    record = Record(environment, messages)
    settings = resolved.settings
    record.recorder.begin(
        said,
        conversation=conversation,
        name=name,
        system=system,
        model=settings.model,
        profile=resolved.profile,
        directory=str(environment.directory),
        terminal=terminal_key(environment),
    )
    return record


class Record:
    """One exchange on its way to the disk, of a process that ends with it."""

    def __init__(self, environment: Environment, messages: Messages) -> None:
        self.recorder = Recorder(environment.data_dir, warn=messages.warn, clock=environment.clock)
        self.add = self.recorder.add

    @property
    def conversation(self) -> str | None:
        """The conversation's ID, once it is on disk."""
        return self.recorder.conversation

    def close(self, seconds: float) -> None:
        """Write down the end."""
        self.recorder.close(seconds=seconds, hurry=True)
