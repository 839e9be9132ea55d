"""One chat as it stands: the turns so far, the settings that hold, what waits to be sent, and what was used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from elkcli.conversation import Message, Part, TextPart, Usage, tokens
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.repl.turn import Turn
from elkcli.storage.settings import Resolved, Settings
from elkcli.terminal.messages import Messages
from elkcli.value import changed

if TYPE_CHECKING:
    from elkcli.api.request import Request
    from elkcli.chat import Answer, Record
    from elkcli.storage.history import Conversation, History


class Assembly(Protocol):
    """What the command line puts together for a chat: requests, the client, displays, attachments, the editor."""

    def resolve(self, profile: str | None, options: Mapping[str, Any]) -> Resolved:
        """The settings that hold with ``options``. Raises :class:`ElkError`."""

    def speaker(self, settings: Settings) -> Messages:
        """The voice on stderr."""

    def option(self, name: str, text: str) -> Any:
        """The value of an option of ``ask`` that is no setting. Raises :class:`UsageError`."""

    def remark(self, settings: Settings) -> None:
        """Say what in the settings the server may not know."""

    def request(self, messages: Sequence[Message], resolved: Resolved, extra: Extra) -> Request:
        """The request that asks ``messages``."""

    def run(self, request: Request, resolved: Resolved, extra: Extra, record: Record) -> Answer:
        """Send, show and save. Raises the answer's error once all that came was shown."""

    def warm(self, resolved: Resolved) -> None:
        """Load what the first question needs, and nothing that anybody would notice. Never raises."""

    def approach(self, resolved: Resolved) -> None:
        """Connect to the server, if that needs nothing but time. Never raises."""

    def attach(self, name: str) -> Part:
        """The file or address as a part of a message. Raises :class:`ElkError`."""

    def edited(self, text: str) -> str:
        """``text`` as the person left it in the editor. Raises :class:`ElkError`."""

    def models(self, resolved: Resolved) -> list[str]:
        """The models that are known without asking the server."""


class Extra:
    """Options of a request that are no settings: ``fields`` are body fields by dotted name."""

    def __init__(self, fields: dict[str, Any], *, schema: Any = None, output: str | None = None) -> None:
        self.fields = fields
        self.schema = schema
        self.output = output
        self.choices: int | None = None


class Session:
    """A chat. Slash commands change it, and ``ask`` sends."""

    def __init__(
        self,
        environment: Environment,
        assembly: Assembly,
        resolved: Resolved,
        messages: Messages,
        given: dict[str, Any],
        *,
        profile: str | None,
        extra: Extra,
    ) -> None:
        self.environment = environment
        self.assembly = assembly
        self.resolved = resolved
        self.messages = messages
        self.given = given
        self.at_start = dict(given)
        self.profile = profile
        self.extra = extra
        self.inherited: dict[str, Any] = {}  # what the conversation that goes on was held with
        self.adopted: str | None = None  # its profile, where none was asked for
        self.turns: list[Turn] = []
        self.conversation: str | None = None
        self.name: str | None = None
        self.kept_system = ""
        self.waiting: list[Part] = []
        self.interactive = False
        self.multiline = False
        self.line = ""  # what was entered last, as it was entered
        self.draft = ""  # what the next prompt begins with
        self.replacing = False  # the next message takes the place of the last turn
        self.over = False
        self.halted = False  # Ctrl-C ended what went on, and what was typed behind it waits
        self.while_answering: Callable[[], AbstractContextManager[None]] = nullcontext
        self.undisturbed: AbstractContextManager[object] = nullcontext()  # Ctrl-C waits for its end
        self.spent: list[Usage] = []
        self.held: dict[str, bytes] = {}  # the latest picture by its path: the file is the person's to move
        self.warned = ""

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self.resolved.settings

    @property
    def keeps(self) -> bool:
        """Whether the conversation is kept."""
        return self.settings.history

    def say(self, text: str, style: str = "") -> None:
        """Lines for the person, on stderr: stdout is for answers."""
        for line in text.splitlines():
            self.messages.line(line, style)

    def path(self, name: str) -> str:
        """A file name as it was typed: quotes around it, or a backslash before a space, are the shell's habit."""
        from pathlib import Path

        quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "'\""
        name = name[1:-1] if quoted else name.replace("\\ ", " ")
        try:
            return str(Path(name).expanduser()) if name.startswith("~") else name
        except RuntimeError:  # ~nobody
            return name

    # Settings

    def choose(self, **options: Any) -> None:
        """Lay options over the settings; ``None`` takes one away. Raises :class:`UsageError` and changes nothing."""
        given = {**self.given, **options}
        self._resolve(given, self.profile or self.adopted, self.inherited)
        self.given = given

    def use_profile(self, name: str) -> None:
        """Change the profile, and with it the model, the system message and the server it names."""
        given = {**self.given, "model": None, "system": None, "base_url": None}
        self._resolve(given, name, {})
        self.given, self.profile, self.adopted, self.inherited = given, name, None, {}

    def inherit(self, profile: str | None = None, **options: Any) -> None:
        """Take over what an earlier conversation was held with, where nothing else was asked for."""
        adopted = profile if self.profile is None else None
        try:
            self._resolve(self.given, self.profile or adopted, options)
        except ElkError:  # the profile is gone: what holds now serves
            adopted = None
            options.pop("model", None)
            self._resolve(self.given, self.profile, options)
        self.adopted, self.inherited = adopted, options

    def _resolve(self, given: Mapping[str, Any], profile: str | None, inherited: Mapping[str, Any]) -> None:
        asked = {key: value for key, value in given.items() if value is not None}
        self.resolved = self.assembly.resolve(profile, {**inherited, **asked})
        self.messages = self.assembly.speaker(self.settings)

    # Asking

    def message(self, text: str) -> Message:
        """What the person says, with all that was attached."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError("the prompt is not valid UTF-8") from None
        return self._with_parts(text, self.waiting)

    def _with_parts(self, text: str, parts: Sequence[Part]) -> Message:
        if not parts:
            return Message("user", text)
        from elkcli.storage.attachments import check

        check(parts, self.settings.model)
        return Message("user", (*((TextPart(text),) if text.strip() else ()), *parts))

    def ask_instead(self, text: str, draft: str) -> None:
        """Ask ``text`` in the place of the last question, with what was attached to that."""
        turn = self.turns[-1]
        kept = [part for part in turn.sent[-1].content or () if not isinstance(part, (str, TextPart))]
        message = self._with_parts(text, [*kept, *self.waiting])
        self.ask(message, before=turn.sent[:-1], replacing=True, draft=draft)

    def ask(
        self,
        message: Message,
        *,
        before: tuple[Message, ...] = (),
        replacing: bool = False,
        draft: str | None = None,
        **changes: Any,
    ) -> None:
        """Send ``message`` and keep the turn; ``before`` are messages that belong to the same turn.

        With ``replacing`` it takes the place of the last one once it is answered. What fails before anything came
        gives the line back, or ``draft``. ``changes`` are settings for this once.
        """
        from elkcli.repl.again import messages_of, pictures
        from elkcli.repl.record import Kept

        earlier = self.turns[:-1] if replacing else self.turns
        resolved = changed(self.resolved, settings=changed(self.settings, **changes))
        record = Kept(self, (*before, message), resolved, replacing=replacing)
        whole = False
        try:
            said = messages_of(earlier, resolved.settings, (*before, message), self.held)
            request = self.assembly.request(said, resolved, self.extra)
            request.content()
            record.begin()
            with self.while_answering():
                self.assembly.run(request, resolved, self.extra, record)
            whole = True
        finally:
            record.end()
            answer = record.answer
            if answer.usage is not None:
                self.spent.append(answer.usage)
            if answer.text or answer.media or answer.calls:
                turn = Turn(
                    (*before, message),
                    answer.text,
                    tuple(answer.media),
                    not whole,
                    record.stored,
                    answer.served or resolved.settings.model,
                    answer.usage,
                )
                self.held = pictures(turn) or self.held
                self.turns = [*earlier, turn]
                sent = message.content or ()
                self.waiting = [part for part in self.waiting if not any(part is one for one in sent)]
                self.replacing = False
            else:
                self.draft = self.line if draft is None else draft
                self.replacing = replacing and draft is not None

    def stopped(self) -> None:
        """Say what became of an answer that Ctrl-C ended."""
        self.halted = True
        if self.turns and self.turns[-1].partial and not self.draft:
            self.messages.note("stopped; what came is kept (/retry asks again, /undo drops it)")
        else:
            self.messages.note("stopped")

    # The conversation

    @property
    def label(self) -> str:
        """What the conversation is called."""
        return self.name or self.conversation or "new"

    def start_afresh(self) -> None:
        """Leave the conversation as it is, and begin another."""
        self.turns, self.spent, self.held = [], [], {}
        self.conversation = self.name = None
        self.kept_system = ""
        self.replacing = False
        self.inherit()

    def history(self) -> History:
        """The store, open; close it after use. Raises :class:`ElkError`."""
        from elkcli.storage.history import History

        return History.open(self.environment.data_dir, create=False)

    def take_up(self, conversation: Conversation, history: History) -> None:
        """Go on with an earlier conversation."""
        from elkcli.repl.again import turns_of

        found = history.turns(conversation.id)
        # a model belongs to its profile: another one is another server
        same = self.profile is None or self.profile == conversation.profile
        self.inherit(conversation.profile, model=conversation.model if same else None, system=conversation.system)
        self.turns = turns_of(found)
        self.spent = [turn.usage for turn in found if tokens(turn.usage)]
        self.conversation, self.name = conversation.id, conversation.name
        self.kept_system = conversation.system or ""
        self.replacing = False

    def take_back(self) -> Turn:
        """Drop the last turn, here and in the store. Raises :class:`UsageError`."""
        if not self.turns:
            raise UsageError("there is no turn to take back")
        turn = self.turns[-1]
        self.forget(turn)
        self.turns = self.turns[:-1]
        self.replacing = False
        return turn

    def forget(self, turn: Turn) -> None:
        """Mark ``turn``, the last one, as taken back in the store."""
        if turn.stored is not None and self.conversation is not None:
            with self.history() as history:
                history.undo(self.conversation, turn.stored)

    @property
    def way_back(self) -> str | None:
        """The command that resumes this conversation; ``None`` where nothing was kept."""
        import shlex

        if self.conversation is None or not any(turn.stored is not None for turn in self.turns):
            return None
        usual = self.resolved.file.profile or self.environment.variables.get("ELKCLI_PROFILE")
        profile = self.resolved.profile
        words = ["elkcli", "chat", *(["-p", profile] if profile and profile != usual else [])]
        return shlex.join([*words, "-S", self.name or self.conversation])
