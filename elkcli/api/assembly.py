"""The answer as it is put together: text and reasoning of each choice, media found in them, tool calls. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from elkcli.api.embedded import Bit, Found, Hoard, Splitter
from elkcli.conversation import Media, Note, Piece, Reasoning, Text, ToolCall
from elkcli.errors import ElkError, Incomplete

TEXT_LIMIT = 32 * 1024 * 1024  # characters of answer and reasoning
_HIGH = re.compile("[\ud800-\udbff]\\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")


class _Call:
    """A tool call whose pieces are still coming."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: list[str] = []


class _Channel:
    """The text of one choice, answer or reasoning: joined, made whole, searched for media."""

    __slots__ = ("buffer", "held", "last", "splitter")

    def __init__(self, hoard: Hoard) -> None:
        self.splitter = Splitter(hoard)
        self.buffer: list[str] = []
        self.held = ""
        self.last = ""

    def take(self) -> list[Bit]:
        if not self.buffer:
            return []
        text = self.held + "".join(self.buffer) if self.held else "".join(self.buffer)
        self.buffer.clear()
        self.held = ""
        if not text.isascii() and _SURROGATE.search(text):
            if _HIGH.search(text):  # its other half may come with the next delta
                self.held = text[-1]
                text = text[:-1]
            text = whole(text)
        if not text:
            return []
        self.last = text[-1]
        return self.splitter.feed(text)

    def close(self) -> list[Bit]:
        found = self.take()
        if self.held:
            found += self.splitter.feed("\ufffd")
            self.held = ""
        return found + self.splitter.close()


def whole(text: str) -> str:
    """``text`` with surrogate pairs joined and lone ones replaced, so that it can be encoded."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Assembly:
    """Takes what the server says in any order, and lays pieces on ``pieces`` when it is flushed.

    ``fail`` is called with the failure where an answer grows beyond all bounds.
    """

    def __init__(self, pieces: list[Piece], fail: Callable[[ElkError], None]) -> None:
        self.pieces = pieces
        self.answered = False  # whether anything of the answer itself has come
        self.hoard = Hoard()
        self.texts: dict[int, _Channel] = {}
        self._thoughts: dict[int, _Channel] = {}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._size = 0
        self._unknown: set[str] = set()
        self._fail = fail

    def say(self, text: str, index: int) -> None:
        self._size += len(text)
        if self._size > TEXT_LIMIT:
            self._fail(Incomplete("the answer is longer than elkcli takes", hint="set --max-tokens"))
            return
        if self._thoughts:
            self._flush_thoughts()
        channel = self.texts.get(index)
        if channel is None:
            channel = self.texts[index] = _Channel(self.hoard)
        channel.buffer.append(text)
        self.answered = True

    def think(self, text: str, index: int) -> None:
        self._size += len(text)
        if self._size > TEXT_LIMIT:
            self._fail(Incomplete("the reasoning is longer than elkcli takes", hint="set --max-tokens"))
            return
        channel = self._thoughts.get(index)
        if channel is None:
            channel = self._thoughts[index] = _Channel(self.hoard)
        channel.buffer.append(text)

    def part(self, part: object, index: int) -> None:
        if isinstance(part, str):
            self.say(part, index)
            return
        if not isinstance(part, dict):
            return
        kind = part.get("type")
        text = part.get("text")
        if isinstance(text, dict):
            text = text.get("value")
        if kind in ("text", "output_text", None) and isinstance(text, str):
            if text:
                self.say(text, index)
        elif kind in ("reasoning", "thinking") and isinstance(part.get("text") or part.get("thinking"), str):
            self.think(part.get("text") or part["thinking"], index)
        elif kind in ("image_url", "image", "output_image", "input_image") or "image_url" in part:
            self.image(part, index)
        elif kind in ("audio", "output_audio", "input_audio"):
            audio = part.get("audio") or part.get("input_audio")
            self.audio(audio if isinstance(audio, dict) else part, index, silent=True)
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            self.say(part["refusal"], index)
        elif isinstance(kind, str) and kind not in self._unknown and len(self._unknown) < 8:
            self._unknown.add(kind)
            self.flush()
            self.pieces.append(
                Note(f"a part of the answer is of a kind elkcli does not know: {whole(kind[:80])}", True)
            )

    def image(self, image: object, index: int) -> None:
        url: object = image
        if isinstance(image, dict):
            url = image.get("image_url") or image.get("url") or image.get("b64_json") or image.get("image")
            if isinstance(url, dict):
                url = url.get("url")
            if isinstance(image.get("b64_json"), str):
                url = "data:image/png;base64," + image["b64_json"]
        if not isinstance(url, str) or not url:
            return
        channel = self.texts.get(index)
        before = "\n" if channel and (channel.last or channel.buffer) and not self._at_line_start(channel) else ""
        self.say(f"{before}![image]({url})", index)

    @staticmethod
    def _at_line_start(channel: _Channel) -> bool:
        return channel.buffer[-1].endswith("\n") if channel.buffer else channel.last == "\n"

    def audio(self, audio: dict[str, Any], index: int, *, silent: bool) -> None:
        data, words = audio.get("data"), audio.get("transcript")
        if isinstance(words, str) and words and silent:
            self.say(words, index)
        if isinstance(data, str) and data:
            kind = audio.get("format")
            kind = kind if isinstance(kind, str) and re.fullmatch(r"[a-z0-9]{1,8}", kind) else "wav"
            channel = self.texts.get(index)
            before = "\n" if channel and (channel.last or channel.buffer) and not self._at_line_start(channel) else ""
            self.say(f"{before}[media](data:audio/{kind};base64,{data})", index)

    def call(self, call: dict[str, Any], choice: int, position: int) -> None:
        index = call.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            index = position
        entry = self._calls.setdefault((choice, index), _Call())
        if isinstance(call.get("id"), str) and call["id"]:
            entry.id = call["id"]
        function = call.get("function")
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str) and name:
                entry.name = name
            if isinstance(arguments, (dict, list)):
                arguments = json.dumps(arguments, ensure_ascii=False)
            if isinstance(arguments, str):
                self._size += len(arguments)
                if self._size > TEXT_LIMIT:
                    self._fail(Incomplete("the answer is longer than elkcli takes", hint="set --max-tokens"))
                    return
                entry.arguments.append(arguments)

    def calls(self) -> list[ToolCall]:
        return [
            ToolCall(call.id and whole(call.id), whole(call.name), whole("".join(call.arguments)), choice)
            for (choice, _), call in sorted(self._calls.items())
        ]

    def flush(self, final: bool = False) -> None:
        if self._thoughts:
            self._flush_thoughts(final)
        for index, channel in self.texts.items():
            if channel.buffer or final:
                self._emit(channel.close() if final else channel.take(), index, Text)

    def _flush_thoughts(self, final: bool = False) -> None:
        for index, channel in self._thoughts.items():
            if channel.buffer or final:
                self._emit(channel.close() if final else channel.take(), index, Reasoning)

    def _emit(self, found: list[Bit], index: int, kind: type[Text] | type[Reasoning]) -> None:
        for item in found:
            if isinstance(item, str):
                if item:
                    self.pieces.append(kind(item, index))
            elif isinstance(item, Found):
                self.answered = True
                if kind is Reasoning:  # a picture among the thoughts is still the answer (wire.md §2.4)
                    self.pieces += [Text("![image](", index), Media(item.data, item.claimed, index), Text(")", index)]
                else:
                    self.pieces.append(Media(item.data, item.claimed, index))
            else:
                self.pieces.append(item)
