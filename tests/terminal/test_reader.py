"""The blocks of a stream against those of markdown-it-py, which reads the document whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from elkcli.terminal.blocks import (
    CodeEnd,
    CodeLine,
    CodeStart,
    Formula,
    Heading,
    Hollow,
    Paragraph,
    Quote,
    Rule,
    TableRow,
    TableStart,
)
from elkcli.terminal.inline import InlineReader
from elkcli.terminal.reader import BlockReader

Found = tuple[str, tuple[Any, ...], str]
WHOLE = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def by_markdown_it(text: str) -> list[Found]:
    """The blocks of a document: kind, the containers around it, and its words."""
    found: list[Found] = []
    path: list[tuple[str, int, int | None]] = []
    used: set[Any] = set()
    numbers: list[int | None] = []
    serial = 0
    tokens = WHOLE.parse(text)
    for at, token in enumerate(tokens):
        block: tuple[str, str] | None = None
        match token.type:
            case "ordered_list_open":
                numbers.append(int(token.attrs.get("start", 1)))
            case "bullet_list_open":
                numbers.append(None)
            case "ordered_list_close" | "bullet_list_close":
                numbers.pop()
            case "blockquote_open":
                serial += 1
                path.append(("quote", serial, None))
            case "list_item_open":
                serial += 1
                number = numbers[-1]
                path.append(("item", serial, number))
                numbers[-1] = None if number is None else number + 1
            case "list_item_close" | "blockquote_close":
                if path[-1][0] == "item" and path[-1] not in used:
                    found.append(("hollow", tuple(path), ""))
                    used.update(path)
                path.pop()
            case "paragraph_open":
                block = "paragraph", tokens[at + 1].content
            case "heading_open":
                block = token.tag, tokens[at + 1].content
            case "fence":
                block = "code", token.info.strip() + "\n" + token.content.rstrip()
            case "code_block":
                block = "code", "\n" + token.content.rstrip()
            case "hr":
                block = "rule", ""
            case "table_open":
                block = "table", ""
            case "th_open" | "td_open":
                block = "cell", tokens[at + 1].content
        if block:
            used.update(path)
            found.append((block[0], tuple(path), block[1]))
    return alike(found)


def as_streamed(text: str) -> list[Found]:
    """The same of our reader."""
    reader, inline = BlockReader(), InlineReader()
    placed = [block for line in text.split("\n") for block in reader.feed(line)] + reader.close()
    found: list[Found] = []
    code: list[str] = []
    for each in placed:
        path = tuple(
            ("quote", one.serial, None) if isinstance(one, Quote) else ("item", one.serial, one.number)
            for one in each.path
        )
        match each.block:
            case Paragraph(text=words):
                if words := inline.definitions(words)[1]:
                    found.append(("paragraph", path, words))
            case Heading(level=level, text=words):
                found.append((f"h{level}", path, inline.definitions(words)[1] if "\n" in words else words))
            case Rule():
                found.append(("rule", path, ""))
            case Hollow():
                found.append(("hollow", path, ""))
            case CodeStart(info=info):
                code = [info or ""]
            case CodeLine(text=line):
                code.append(line)
            case CodeEnd():
                found.append(("code", path, code[0] + "\n" + "\n".join(code[1:]).rstrip()))
            case TableStart(header=cells):
                found.append(("table", path, ""))
                found += [("cell", path, cell) for cell in cells]
            case TableRow(cells=cells):
                found += [("cell", path, cell) for cell in cells]
            case Formula(lines=lines):
                found.append(("paragraph", path, "\n".join(lines)))
            case _:
                pass
    return alike(found)


def alike(found: list[Found]) -> list[Found]:
    """Containers numbered as they come, and words without the indent that no one sees."""
    names: dict[int, int] = {}
    result: list[Found] = []
    for kind, path, words in found:
        plain = words if kind == "code" else "\n".join(line.strip() for line in words.split("\n")).strip()
        result.append((kind, tuple((one[0], names.setdefault(one[1], len(names)), one[2]) for one in path), plain))
    return result


CASES = {
    "paragraphs": "one\ntwo\n\nthree",
    "a heading needs a space": "#no\n# yes\n####### no\n## closed ##\n#",
    "an underline makes a heading": "title\n===\nother\n---\n\n===\n---",
    "an underline of several lines": "one\ntwo\n===",
    "no underline from inside a quote": "> quote\n===",
    "no underline under definitions": "[a]: /u\n===\ntext",
    "definitions then a heading": "[a]: /u\ntitle\n===",
    "a rule is no list": "* * *\n- foo\n***\n- bar\n- * * *",
    "a rule under text is a heading": "foo\n---\nbar",
    "lazy lines go on in a quote": "> one\ntwo\n\nthree",
    "lazy lines go on at depth": "> > - one\ntwo",
    "a fence is not lazy": "> ```\n> code\ntext",
    "indented code is not lazy": ">     code\n    more",
    "quotes side by side": "> one\n\n> two\n>\n> three",
    "a fence without end": "```\ncode\n\nmore",
    "a fence closes by its own kind": "```\n~~~\n```\n~~~~\n```\n~~~\n~~~~",
    "a longer fence": "````\n```\n````",
    "an indented fence": "  ```\n  a\n    b\n c\n  ```",
    "no backticks in the info": "``` a`b\ntext",
    "info words": "```python title=x\ncode\n```",
    "indented code keeps its blanks": "    one\n\n      two\n\n\ntext",
    "indented code does not interrupt": "text\n    more",
    "tight and loose lists": "- a\n- b\n\n- c\n\n\n- d",
    "nested lists": "- a\n  - b\n    - c\n- d",
    "too little indent": "- a\n - b\n  - c\n   - d\n    - e",
    "a new marker is a new list": "- a\n+ b\n1. c\n2) d",
    "a list that starts at five": "5. a\n1. b",
    "only one may interrupt": "text\n2. no\n1. yes",
    "an empty item does not interrupt": "text\n-\nmore\n*\n",
    "empty items": "-\n- a\n-\n\n  b\n1.\n\n2. c",
    "an item that begins with an empty line": "-\n  foo\n-\n  ```\n  bar\n  ```",
    "an item that begins with code": "1.      code\n\n    text\n-     code",
    "a fence in an item": "1. a\n   ```\n   code\n     more\n\n   last\n   ```\n2. b",
    "a fence left by its item": "- ```\n  a\nb",
    "quotes in items in quotes": "> 1. > a\n> b\n> 2. c",
    "tabs": "-\ta\n\n\tb\n>\t\tcode\n\tcode\n1.\tone",
    "code after tabs": "- foo\n\n\t\tbar",
    "a table": "| a | b |\n|---|:-:|\n| c | d |\ntext\n\nend",
    "a table after text": "text\n| a | b |\n|---|---|\n| c |",
    "no table without as many columns": "| a | b |\n|---|\n| c |",
    "a table in a quote": "> | a |\n> |---|\n> | b |\n| c |",
    "a table in an item": "- | a | b |\n  |---|---|\n  | c | d |\n- e",
    "bars in cells": "| a \\| b | c |\n|---|---|\n| `d \\| e` | f |",
    "a table ends at a list": "| a |\n|---|\n| b |\n- c",
    "html is text": "<div>\n*a*\n\n<!-- b -->\n</div>",
    "numbers that are no items": "1986\\. A year\n1.no\n1234567890. no",
    "stars that are no items": "*no*\n-no\n+no",
    "text after a list": "- a\n\ntext\n- b",
    "deep enough": "> - > - > - > x\ny",
}  # fmt: skip


@pytest.mark.parametrize("text", CASES.values(), ids=CASES.keys())
def test_blocks_are_those_of_the_whole(text: str) -> None:
    assert as_streamed(text) == by_markdown_it(text)


SPECIFICATION: list[str] = json.loads(Path(__file__).with_name("commonmark.json").read_text(encoding="utf-8"))[
    "examples"
]


def test_blocks_of_the_specification_are_those_of_the_whole() -> None:
    for example in SPECIFICATION:
        assert as_streamed(example) == by_markdown_it(example.expandtabs(4)), example


pieces = st.sampled_from(
    ["- ", "-", "* ", "1. ", "2) ", "> ", ">", "# ", "```", "~~~", "    ", "  ", " ", "a", "b c", "|", "---", "===",
     "***", "", "\n", "\n", "\n", "\n\n", "foo\n", "| a | b |\n|---|---|\n", "-   "]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(pieces, max_size=12))
def test_blocks_of_any_text_are_those_of_the_whole(parts: list[str]) -> None:
    text = "".join(parts)
    if "|" in text and any(mark in text for mark in "-*>#12`~"):
        return  # markdown-it-py makes a table of lines whose first begins a list or a heading; CommonMark does not
    if re.search(r"^ {4}.*>", text, re.M):
        return  # and it goes on with a quote where a line is indented code
    assert as_streamed(text) == by_markdown_it(text)


@pytest.mark.parametrize("sign", ["- b", "+ c", "= d", "# e", "> f", "1. g"])
def test_displayed_mathematics_is_no_list_and_no_heading(sign: str) -> None:
    for begin, end in (("$$", "$$"), ("\\[", "\\]")):
        assert [kind for kind, _, _ in as_streamed(f"{begin}\na\n{sign}\n{end}")] == ["paragraph"]


def test_mathematics_without_an_end_stops_at_the_paragraph() -> None:
    assert [kind for kind, _, _ in as_streamed("$$\na\n\n# title")] == ["paragraph", "h1"]


def test_a_row_with_too_many_cells_hides_none() -> None:
    assert as_streamed("| a | b |\n|---|---|\n| c | d | e |")[-1][2] == "d | e"


def test_a_fork_leaves_the_reader_as_it_was() -> None:
    reader = BlockReader()
    reader.feed("- a")
    fork = reader.fork()
    fork.feed("===")
    fork.close()
    assert [type(each.block).__name__ for each in reader.feed("  b") + reader.close()] == ["Paragraph"]
