"""What foreign text becomes before a terminal sees it."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elkcli.terminal.safe import SafeStream, safe, safe_json, safe_line

NASTY = "\x00\x07\x08\x0d\x1b\x7f\x9b\u00ad\u200b\u200c\u200d\u200e\u202e\u2028\u2066\u3164\ufe0f\ufeff\ud800\U000e0041"
SEEN_FORMATS = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
ALLOWED_IN_CONTEXT = set("\u200c\u200d\ufe0e\ufe0f")

texts = st.text(st.one_of(st.characters(), st.sampled_from(NASTY + "👩❤🏽1\u20e3 \n\tکम्")), max_size=40)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("\x9b31m", "<U+009B>31m"),
        ("secret\rpublic", "secret␍public"),
        ("dos\r\nline", "dos\nline"),
        ("ab\x08c", "ab␈c"),
        ("\x7f", "␡"),
        ("a\u202eb", "a<U+202E>b"),
        ("a\u200bb", "a<U+200B>b"),
        ("tag\U000e0041", "tag<U+E0041>"),
        ("one\u2028two", "one<U+2028>two"),
        ("half \ud83d", "half <U+D83D>"),
        ("a\u200db", "a<U+200D>b"),
    ],
)
def test_what_acts_or_hides_becomes_visible(raw: str, seen: str) -> None:
    assert safe(raw) == seen


@pytest.mark.parametrize(
    "text", ["👩‍👩‍👧", "❤️", "👁️‍🗨️", "1️⃣", "می‌خواهم", "क्‍ष", "tab\tand\nline", "Ünïcödé 漢字 한국어", "🏴"]
)
def test_ordinary_writing_is_left_alone(text: str) -> None:
    assert safe(text) == text


@settings(max_examples=200)
@given(texts)
def test_nothing_forbidden_is_left(text: str) -> None:
    result = safe(text)
    result.encode()
    for character in result:
        if character in "\n\t" or character in SEEN_FORMATS or character in ALLOWED_IN_CONTEXT:
            continue
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}, hex(ord(character))


@settings(max_examples=200)
@given(texts)
def test_json_keeps_its_value_and_nothing_in_it_acts(text: str) -> None:
    result = safe_json(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(result) == json.loads(json.dumps({text: [text]}))
    assert safe(result) == result


@settings(max_examples=200)
@given(texts)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    assert safe(safe(text)) == safe(text)


@settings(max_examples=200)
@given(texts, st.lists(st.integers(0, 40), max_size=6))
def test_a_stream_gives_the_same_as_the_whole(text: str, cuts: list[int]) -> None:
    stream = SafeStream()
    edges = [0, *sorted(cut for cut in cuts if cut <= len(text)), len(text)]
    pieces = [stream.feed(text[start:end]) for start, end in zip(edges, edges[1:], strict=False)]
    assert "".join(pieces) + stream.close() == safe(text)


@settings(max_examples=100)
@given(texts, st.integers(1, 30))
def test_a_safe_line_is_one_short_line(text: str, limit: int) -> None:
    line = safe_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\t" not in line


def test_a_long_line_is_cut_with_an_ellipsis() -> None:
    assert safe_line("abcdef", 4) == "abc…"
    assert safe_line("abcd", 4) == "abcd"
    assert safe_line("two\nlines\there") == "two⏎lines here"


def test_clean_text_is_the_same_object() -> None:
    text = "plain words " * 100
    assert safe(text) is text
