"""The answer as it is put together: text and reasoning of each choice, media found in them, tool calls. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from elkcli.api.embedded import Bit, Splitter
from elkcli.api.hoard import Found, Hoard, decode_bare, decode_url
from elkcli.api.parts import url_in
from elkcli.conversation import Media, Note, Piece, Reasoning, Text, ToolCall
from elkcli.errors import ElkError, Incomplete
from elkcli.unicode import whole

TEXT_LIMIT = 32 * 1024 * 1024  # characters of answer and reasoning, media not counted
MEDIA_LIMIT = 192 * 1024 * 1024  # characters of base64 that come in pieces and are kept until the last
_SOUNDS = {"audio", "output_audio", "input_audio"}
_PICTURES = {"image_url", "image", "output_image", "input_image", "image_generation_call"}
_OTHERS = {"video_url", "video", "output_video", "audio_url", "file", "input_file", "output_file"}
_TORN = rb"(?i)data:(?:image|audio|video)/[a-z0-9.+-]{1,40};base64,(?=[A-Za-z0-9+/=\\]*\Z)"
_WORTHWHILE = 1 << 16
_HIGH = "[\ud800-\udbff]\\Z"
_SURROGATE = "[\ud800-\udfff]"


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
        if not text.isascii() and re.search(_SURROGATE, text):
            if re.search(_HIGH, text):  # its other half may come with the next delta
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


def _kind(part: object) -> str | None:
    """What a part of an answer says it is."""
    kind = part.get("type") if isinstance(part, dict) else None
    return kind if isinstance(kind, str) else None


class Assembly:
    """Takes what the server says in any order, and lays pieces on ``pieces`` when it is flushed.

    ``fail`` is called with the failure where an answer grows beyond all bounds.
    """

    def __init__(self, pieces: list[Piece], fail: Callable[[ElkError], None]) -> None:
        self.pieces = pieces
        self.answered = False  # whether anything of the answer itself has come
        self.heard = 0  # how many pieces of answer or thought have come
        self.hoard = Hoard()
        self.texts: dict[int, _Channel] = {}
        self._thoughts: dict[int, _Channel] = {}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._made: list[tuple[int, int, _Call]] = []
        self._sounds: dict[int, tuple[str, bytearray]] = {}
        self._pictures: dict[tuple[int, int], int] = {}  # how often each came in the text, by choice and hash
        self._size = 0
        self._unknown: set[str] = set()
        self._fail = fail

    def delta(self, delta: dict[str, Any], index: int) -> None:
        """Take the members of one delta of a choice, or of its whole message."""
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                self.say(content, index)
        elif isinstance(content, list):
            for part in content:
                self.part(part, index)
        elif isinstance(content, dict):
            self.part(content, index)
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            self.think(thought, index)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self.say(refusal, index)
        self._beside(delta, index)

    def _beside(self, delta: dict[str, Any], index: int) -> None:
        """What may stand beside the words: pictures, sound, calls."""
        images = delta.get("images")
        for image in images if isinstance(images, list) else [images] if images else ():
            self.media(image, index)
        audio = delta.get("audio")
        if isinstance(audio, dict):
            self.audio(audio, index, silent=not delta.get("content"))
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            for position, call in enumerate(calls):
                if isinstance(call, dict):
                    self.call(call, index, position)
        elif isinstance(delta.get("function_call"), dict):
            self.call({"index": 0, "function": delta["function_call"]}, index, 0)

    def say(self, text: str, index: int) -> None:
        """Words of the answer."""
        self.heard += 1
        if self._thoughts:
            self._flush_thoughts()
        channel = self.texts.get(index)
        if channel is None:
            channel = self.texts[index] = _Channel(self.hoard)
        channel.buffer.append(text)
        self.answered = True

    def think(self, text: str, index: int) -> None:
        """Words of the reasoning."""
        if self.texts:
            self._flush_texts()
        self.heard += 1
        channel = self._thoughts.get(index)
        if channel is None:
            channel = self._thoughts[index] = _Channel(self.hoard)
        channel.buffer.append(text)

    def part(self, part: object, index: int) -> None:
        """One part of a content that is a list: text, thoughts, sound or a picture."""
        if isinstance(part, str):
            self.say(part, index)
            return
        if not isinstance(part, dict):
            return
        kind = _kind(part)
        text = part.get("text")
        if isinstance(text, dict):
            text = text.get("value")
        if kind in ("text", "output_text", None) and isinstance(text, str):
            if text:
                self.say(text, index)
        elif kind in ("reasoning", "thinking") and isinstance(part.get("text") or part.get("thinking"), str):
            self.think(part.get("text") or part["thinking"], index)
        elif kind == "refusal" and isinstance(part.get("refusal"), str):
            self.say(part["refusal"], index)
        elif kind in _SOUNDS and isinstance(audio := part.get("audio") or part.get("input_audio") or part, dict):
            self.audio(audio, index, silent=True)
        elif kind is None or kind in _PICTURES or kind in _OTHERS or "image_url" in part:
            self.media(part, index)
        else:
            self._unread(part)

    def media(self, part: object, index: int) -> None:
        """A part that is a picture, a film or a file. What says nothing of the kind is remarked on."""
        url = url_in(part)
        if url is None:
            self._unread(part)
            return
        found = decode_url(url, self.hoard)
        if found is None and len(url) > 64 and ":" not in url[:64]:
            found = decode_bare(url, "image/png")
        kind = _kind(part)
        is_image = kind not in _OTHERS
        if found is not None:
            is_image = found.claimed.startswith("image/") or (is_image and "/octet" in found.claimed)
            self.flush()
            entry = (index, hash(found.data))
            known = self._pictures.get(entry, 0)
            self._pictures[entry] = known - 1  # the text will give it once more
            if known > 0:
                return  # some servers write a picture into the text, and list it as well
            url = self.hoard.keep(found)
        self._place(f"{'!' if is_image else ''}[{'image' if is_image else 'media'}]({url})", index)

    def salvage(self, torn: bytes | bytearray) -> bool:
        """Take what came of a picture from JSON that was cut off in the midst of it, unless that is hardly any."""
        found = re.search(_TORN, torn)
        if found is None or len(torn) - found.end() < _WORTHWHILE:
            return False
        self._place("![image](" + torn[found.start() :].decode("ascii", "replace").replace("\\/", "/"), 0)
        return True

    def _place(self, text: str, index: int) -> None:
        """Say what stands on a line of its own."""
        if self._thoughts:
            self._flush_thoughts()
        channel = self.texts.get(index)
        before = "\n" if channel and (channel.last or channel.buffer) and not self._at_line_start(channel) else ""
        self.say(before + text, index)

    def _unread(self, part: object) -> None:
        kind = _kind(part)
        if not kind:
            kind = ", ".join(str(name) for name in part) if isinstance(part, dict) else json.dumps(part)[:40]
        if kind and kind not in self._unknown and len(self._unknown) < 8:
            self._unknown.add(kind)
            self.flush()
            self.pieces.append(
                Note(f"a part of the answer is of a kind elkcli does not know: {whole(kind[:80])}", True)
            )

    @staticmethod
    def _at_line_start(channel: _Channel) -> bool:
        return channel.buffer[-1].endswith("\n") if channel.buffer else channel.last == "\n"

    def audio(self, audio: dict[str, Any], index: int, *, silent: bool) -> None:
        """Sound, whole or a piece of it: a stream gives it bit by bit, each in base64 of its own."""
        data, words = audio.get("data"), audio.get("transcript")
        if isinstance(words, str) and words and silent:
            self.say(words, index)
        if isinstance(data, str) and data:
            kind = audio.get("format")
            kind = kind if isinstance(kind, str) and re.fullmatch(r"[a-z0-9]{1,8}", kind) else "wav"
            url = data if data[:5].lower() == "data:" or data[:1] == "<" else f"data:audio/{kind};base64,{data}"
            found = decode_url(url, self.hoard)
            if found is None:
                self._place(f"[media]({url})", index)
                return
            self.answered = True
            self.heard += 1
            sound = self._sounds.setdefault(index, (found.claimed, bytearray()))[1]
            sound += found.data
            if len(sound) > MEDIA_LIMIT:
                self._fail(Incomplete("the sound is longer than elkcli takes"))

    def call(self, call: dict[str, Any], choice: int, position: int) -> None:
        """A tool call, or a piece of one."""
        index = call.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            index = position
        name = call.get("id")
        function = call.get("function")
        entry = self._calls.get((choice, index))
        if entry is None or (
            name and entry.id and name != entry.id and isinstance(function, dict) and function.get("name")
        ):
            # some servers give every call the same index
            entry = self._calls[choice, index] = _Call()
            self._made.append((choice, index, entry))
            self._grow(64)
        if isinstance(name, str) and name:
            entry.id = name
            self._grow(len(name))
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str) and name:
                entry.name = name
            if isinstance(arguments, (dict, list)):
                arguments = json.dumps(arguments, ensure_ascii=False)
            if isinstance(arguments, str):
                self._grow(len(arguments))
                entry.arguments.append(arguments)

    def _grow(self, length: int) -> None:
        self.heard += 1
        self._size += length
        if self._size > TEXT_LIMIT:
            self._fail(Incomplete("the answer is longer than elkcli takes", hint="set --max-tokens"))

    @property
    def called(self) -> bool:
        """Whether a function is to be called, or would have been."""
        return bool(self._made)

    def calls(self) -> list[ToolCall]:
        """The tool calls, whole, in the order of their choices."""
        return [
            ToolCall(call.id and whole(call.id), whole(call.name), whole("".join(call.arguments)), choice)
            for choice, _, call in sorted(self._made, key=lambda made: made[:2])
        ]

    def flush(self, final: bool = False) -> None:
        """Lay what is certain on ``pieces``; with ``final`` all that is held."""
        if self._thoughts:
            self._flush_thoughts(final)
        if final and self._sounds:
            for index, (claimed, sound) in self._sounds.items():
                self._place(f"[media]({self.hoard.keep(Found(bytes(sound), claimed))})", index)
            self._sounds.clear()
        self._flush_texts(final)

    def _flush_texts(self, final: bool = False) -> None:
        for index, channel in self.texts.items():
            if channel.buffer or final:
                self._emit(channel.close() if final else channel.take(), index, Text)
                self._bound(channel)

    def _flush_thoughts(self, final: bool = False) -> None:
        for index, channel in self._thoughts.items():
            if channel.buffer or final:
                self._emit(channel.close() if final else channel.take(), index, Reasoning)
                self._bound(channel)

    def _bound(self, channel: _Channel) -> None:
        if self._size > TEXT_LIMIT or channel.splitter.collected > MEDIA_LIMIT:
            self._fail(Incomplete("the answer is longer than elkcli takes", hint="set --max-tokens"))

    def _emit(self, found: list[Bit], index: int, kind: type[Text] | type[Reasoning]) -> None:
        for item in found:
            if isinstance(item, str):
                if item:
                    self._size += len(item)
                    self.pieces.append(kind(item, index))
            elif isinstance(item, Found):
                self.answered = True
                entry = (index, hash(item.data))
                self._pictures[entry] = self._pictures.get(entry, 0) + 1
                if kind is Reasoning:  # a picture among the thoughts is still the answer (wire.md §2.4)
                    channel = self.texts.get(index)
                    before = "\n" if channel and channel.last not in ("", "\n") else ""
                    if channel:
                        channel.last = "\n"
                    self.pieces += [
                        Text(f"{before}![image](", index),
                        Media(item.data, item.claimed, index),
                        Text(")\n", index),
                    ]
                else:
                    self.pieces.append(Media(item.data, item.claimed, index))
            else:
                self.pieces.append(item)
