"""Colours for code that arrives line by line: Pygments' lexers, with their state carried over the line ends."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from pygments.lexer import ExtendedRegexLexer, Lexer, RegexLexer
from pygments.lexers import find_lexer_class, get_all_lexers
from pygments.token import Token, _TokenType

from elkcli.terminal.inline import Span

# Longer lines are not read by a person, and some lexers take quadratic time for them.
_LONGEST_LINE = 2000

_LOOKS = {
    Token.Comment: "comment",
    Token.Comment.Preproc: "builtin",
    Token.Keyword: "keyword",
    Token.Keyword.Constant: "number",
    Token.Keyword.Type: "builtin",
    Token.Operator.Word: "keyword",
    Token.Literal.String: "string",
    Token.Literal.String.Doc: "comment",
    Token.Literal.String.Interpol: "builtin",
    Token.Literal.String.Escape: "builtin",
    Token.Literal.Number: "number",
    Token.Literal.Date: "number",
    Token.Name.Function: "name",
    Token.Name.Class: "name",
    Token.Name.Decorator: "builtin",
    Token.Name.Builtin: "builtin",
    Token.Name.Exception: "builtin",
    Token.Name.Tag: "keyword",
    Token.Name.Attribute: "name",
    Token.Generic.Inserted: "inserted",
    Token.Generic.Deleted: "deleted",
    Token.Generic.Heading: "title",
    Token.Generic.Subheading: "title",
    Token.Generic.Emph: "emphasis",
    Token.Generic.Strong: "strong",
    Token.Generic.Prompt: "label",
}
# What many lexers take in one match that spans lines. A stream sees the begin before the end.
_SPANNING = (("/*", "*/"), ("<!--", "-->"), ('"""', '"""'), ("'''", "'''"), ("{-", "-}"), ("(*", "*)"))

_names: dict[str, str] = {}


class Highlighter:
    """Colours one block of code. ``fork`` makes a copy to colour a line that is not whole yet."""

    def __init__(self, language: str) -> None:
        self._lexer = _lexer(language)
        self._stack = ["root"]
        self._until = ""  # the end of the comment or string that spans lines
        self._look = ""
        self._spanning: dict[str, str] = {}

    def fork(self) -> Highlighter:
        """A copy that can be fed without this one noticing."""
        other = copy.copy(self)
        other._stack = self._stack[:]
        return other

    def line(self, text: str) -> list[Span]:
        """One line of code as spans."""
        if self._lexer is None or not text:
            return [Span(text)]
        if len(text) > _LONGEST_LINE:
            return [Span(text)]
        spans: list[Span] = []
        if self._until:
            end = text.find(self._until)
            if end < 0:
                return [Span(text, (self._look,))]
            end += len(self._until)
            spans.append(Span(text[:end], (self._look,)))
            text, self._until = text[end:], ""
        begin, look = self._unfinished(text)
        for kind, value in self._tokens((text if begin < 0 else text[:begin]) + "\n"):
            if value := value.rstrip("\n"):
                style = _look(kind)
                spans.append(Span(value, (style,) if style else ()))
        if begin >= 0:
            spans.append(Span(text[begin:], (look,)))
        return spans

    def _unfinished(self, text: str) -> tuple[int, str]:
        """Where in this line something begins that ends in a later one, and its look; -1 if nowhere."""
        for opening, closing in _SPANNING:
            at = text.rfind(opening)
            if at < 0 or closing in text[at + len(opening) :]:
                continue
            if opening == closing and text.count(opening) % 2 == 0:
                continue
            look = self._spans_lines(opening, closing)
            if not look or not self._at_token(text[:at]):
                continue
            self._until, self._look = closing, look
            return at, look
        return -1, ""

    def _at_token(self, before: str) -> bool:
        """Whether what follows ``before`` stands in plain code, not in a string or a comment."""
        last: Any = Token
        for kind, value in self.fork()._tokens(before + "\n"):
            if value.strip("\n"):
                last = kind
        return last not in Token.Comment and before.count('"') % 2 == 0

    def _spans_lines(self, opening: str, closing: str) -> str:
        """The look of what stands between these, if the lexer knows it but forgets it at a line's end; else nothing."""
        if opening not in self._spanning:
            whole = self._fresh().looks(f"{opening} a\n b {closing}\n")
            fresh = self._fresh()
            fresh.looks(f"{opening} a\n")
            kept = fresh.looks(" b\n") <= {"comment", "string"}
            self._spanning[opening] = whole.pop() if not kept and whole in ({"comment"}, {"string"}) else ""
        return self._spanning[opening]

    def _fresh(self) -> Highlighter:
        fresh = copy.copy(self)
        fresh._stack = ["root"]
        return fresh

    def looks(self, code: str) -> set[str]:
        """The looks of all words in ``code``."""
        return {_look(kind) for kind, value in self._tokens(code) if value.strip()}

    def _tokens(self, line: str) -> Iterator[tuple[_TokenType, str]]:
        lexer = self._lexer
        if isinstance(lexer, RegexLexer) and not isinstance(lexer, ExtendedRegexLexer):
            return self._run(lexer, line)
        assert lexer is not None
        return ((kind, value) for _, kind, value in lexer.get_tokens_unprocessed(line))

    def _run(self, lexer: Any, line: str) -> Iterator[tuple[_TokenType, str]]:
        """RegexLexer's own loop, but that its stack stays for the next line."""
        states, stack = lexer._tokens, self._stack
        at, steps = 0, 0
        while at < len(line):
            steps += 1
            if steps > 20 * len(line) + 200:  # a lexer that turns in circles at the end of a line
                yield Token.Text, line[at:]
                return
            for match, action, change in states[stack[-1]]:
                found = match(line, at)
                if not found:
                    continue
                if isinstance(action, _TokenType):
                    yield action, found.group()
                elif action is not None:
                    for _, kind, value in action(lexer, found):
                        yield kind, value
                at = found.end()
                if change is not None:
                    _change(stack, change)
                break
            else:
                if line[at] == "\n":
                    stack[:] = ["root"]
                yield Token.Text, line[at]
                at += 1


def _change(stack: list[str], change: Any) -> None:
    if isinstance(change, tuple):
        for state in change:
            _change(stack, -1 if state == "#pop" else state)
    elif isinstance(change, int):
        del stack[max(len(stack) + change, 1) if change < 0 else change :]
    elif change == "#push":
        stack.append(stack[-1])
    else:
        stack.append(change)


def _look(kind: _TokenType) -> str:
    while kind not in _LOOKS:
        if kind.parent is None:
            return ""
        kind = kind.parent
    return _LOOKS[kind]


def _lexer(language: str) -> Lexer | None:
    """Pygments' lexer by one of its short names; without a look at plug-ins, which costs more than the rest."""
    if not language:
        return None
    if not _names:
        for name, aliases, _, _ in get_all_lexers(plugins=False):
            for alias in aliases:
                _names.setdefault(alias.lower(), name)
    known = _names.get(language.lower())
    found = find_lexer_class(known) if known else None
    return found(stripnl=False, ensurenl=False) if found else None
