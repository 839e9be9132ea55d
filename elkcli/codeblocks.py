"""Fenced code blocks in Markdown (CommonMark §4.5): which there are, and which one asked for."""

from __future__ import annotations

import re
from typing import NamedTuple

from elkcli.errors import UsageError

_OPEN = re.compile(r"^(?P<lead>[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)$")
_DEEP = re.compile(r" {0,3}\t| {4}")  # four columns in, a fence is code
_QUOTE = re.compile(r"[ \t]{0,3}>[ ]?")
_ALIASES = {
    "py": "python", "python3": "python", "js": "javascript", "node": "javascript", "ts": "typescript",
    "sh": "shell", "bash": "shell", "zsh": "shell", "console": "shell", "yml": "yaml", "rs": "rust",
    "golang": "go", "rb": "ruby", "md": "markdown", "c++": "cpp", "cs": "csharp", "c#": "csharp",
    "dockerfile": "docker", "ps1": "powershell", "pwsh": "powershell", "htm": "html",
}  # fmt: skip


class CodeBlock(NamedTuple):
    """One block: the first word behind the fence, and the code, each line with its line end."""

    language: str
    code: str


class _Fence(NamedTuple):
    """An open fence: its marker, the quotes and columns it stands behind, and the first word after it."""

    marker: str
    depth: int
    lead: int
    language: str

    @classmethod
    def begun_by(cls, line: str) -> _Fence | None:
        """The fence that ``line`` opens, if it does."""
        match = _OPEN.match(line.rstrip("\r"))
        if match is None or (match["fence"][0] == "`" and "`" in match["info"]):
            return None
        depth = match["lead"].count(">")
        lead = len(_unquoted(match["lead"], depth).expandtabs(4))
        words = re.split(r"[\s,:]", match["info"].strip().lstrip("{. "), maxsplit=1)
        return cls(match["fence"], depth, lead, words[0].rstrip("}").lower())

    def is_left_by(self, line: str) -> bool:
        """Whether ``line`` is outside the quote, which ends the block too."""
        return self.depth > 0 and not _QUOTE.match(line)

    def content(self, line: str) -> str:
        """What ``line`` is of the code, without what stands before the fence as well."""
        return _without(_unquoted(line, self.depth), self.lead)

    def is_closed_by(self, content: str) -> bool:
        """Whether a line of the block is its closing fence."""
        closing = "" if _DEEP.match(content) else content.strip()
        return bool(closing) and set(closing) == {self.marker[0]} and len(closing) >= len(self.marker)


def code_blocks(markdown: str) -> list[CodeBlock]:
    """The fenced blocks of ``markdown``, in order, also in lists and quotes; one that never ends goes to the end."""
    blocks: list[CodeBlock] = []
    fence: _Fence | None = None
    lines: list[str] = []

    def end(of: _Fence) -> None:
        blocks.append(CodeBlock(of.language, "".join(lines)))
        lines.clear()

    for line in markdown.removesuffix("\n").split("\n"):
        if fence is not None and fence.is_left_by(line):
            end(fence)
            fence = None
        if fence is None:
            fence = _Fence.begun_by(line)
        elif fence.is_closed_by(content := fence.content(line)):
            end(fence)
            fence = None
        else:
            lines.append(content + "\n")
    if fence is not None:
        end(fence)
    return blocks


class Fences:
    """Whether a text that is still coming has a fenced block or a span of code open at its end."""

    def __init__(self) -> None:
        self.spans: list[int] = []
        """Runs of backticks in the last line that nothing has closed, by their lengths."""
        self._fence: _Fence | None = None
        self._line = ""  # no more of it than a fence takes

    @property
    def inside(self) -> bool:
        """Whether a fenced block is open."""
        return self._fence is not None and not self._fence.is_left_by(self._line)

    def feed(self, text: str) -> None:
        """More of the text. A run of backticks is not continued by the next."""
        *lines, last = text.split("\n")
        for line in lines:
            self._end(self._line + line)
            self._line = ""
            self.spans.clear()
        self._line = (self._line + last)[:256]
        for run in re.findall("`+", last):
            if len(run) in self.spans:
                del self.spans[self.spans.index(len(run)) :]
            else:
                self.spans.append(len(run))

    def _end(self, line: str) -> None:
        fence = self._fence
        if fence is not None and fence.is_left_by(line):
            fence = None
        if fence is None:
            self._fence = _Fence.begun_by(line)
        elif fence.is_closed_by(fence.content(line)):
            self._fence = None


def _unquoted(line: str, depth: int) -> str:
    """``line`` without the marks of the quotes it lies in; those of the code itself stay."""
    for _ in range(depth):
        line = _QUOTE.sub("", line, count=1)
    return line


def _without(line: str, lead: int) -> str:
    """``line`` without the indentation that its opening fence had."""
    taken = 0
    while taken < lead and line[:1] in (" ", "\t"):
        line = line[1:]
        taken += 1
    return line


def check_which(which: str) -> None:
    """Refuse a ``--extract`` that names nothing. Raises :class:`UsageError`."""
    if not which.strip() or which.strip() in ("0", "-0", "+0"):
        raise UsageError("--extract takes all, a number (from 1, or negative from the end) or a language")


def pick(blocks: list[CodeBlock], which: str) -> list[CodeBlock]:
    """The blocks that ``which`` names: ``all``, a number from 1 or negative from the end, or a language."""
    which = which.strip().lower()
    if which == "all":
        return blocks
    if re.fullmatch(r"[+-]?\d{1,9}", which):
        number = int(which)
        index = number - 1 if number > 0 else len(blocks) + number
        return [blocks[index]] if 0 <= index < len(blocks) and number else []
    wanted = _ALIASES.get(which, which)
    return [block for block in blocks if _ALIASES.get(block.language, block.language) == wanted]
