"""What is left on screen of an answer, however it came."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.terminal.samples import ATTACKS, EVERYTHING, SHELLS
from tests.terminal.seen import Desk, rendered
from tests.terminal.test_reader import SPECIFICATION

# Everything the page itself may write: looks, hyperlinks of known schemes, and the screen's own movements.
OWN = re.compile(
    r"\x1b\[[0-9;]*m|\x1b\]8;;((https?|mailto):[!-~]+)?\x1b\\|\x1b\[\d+A|\x1b\[[CJK]|\x1b\[\?(2026|7)[hl]|\r\n|\r|\n"
)
HIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

lines = st.sampled_from(
    ["- item", "  - nested", "1. one", "> quote", ">> deep",
     "# Head", "```", "~~~py", "    code", "text *and* more", "", "",
     "| a | b |", "|---|---|", "===", "---", "***", "[x]: /u", "[x]", "漢字の行", "👩‍👩‍👧 ❤️ x",
     "a" * 50, "$$", "**open", "`tick",
     "- [x] done", "10. ten", "  continued", "\ttab", "<div>", "hard  ", "x\r", "![p](q)"]
)  # fmt: skip


def cut(text: str, generator: random.Random) -> list[str]:
    chunks = []
    at = 0
    while at < len(text):
        size = generator.choice([1, 1, 2, 3, 7, 20, 100])
        chunks.append(text[at : at + size])
        at += size
    return chunks


@pytest.mark.parametrize("seed", range(8))
def test_any_cut_of_an_answer_leaves_the_same_screen(seed: int) -> None:
    generator = random.Random(seed)
    columns, rows = generator.choice([12, 20, 40, 80]), generator.choice([2, 4, 10, 60])
    whole = rendered([EVERYTHING], columns, rows)
    assert rendered(cut(EVERYTHING, generator), columns, rows) == whole
    assert rendered([EVERYTHING], columns, 500) == whole


@settings(max_examples=50, deadline=None)
@given(st.lists(lines, max_size=14), st.randoms(use_true_random=False), st.integers(6, 50), st.integers(2, 12))
def test_any_cut_of_any_markdown_leaves_the_same_screen(
    content: list[str], generator: random.Random, columns: int, rows: int
) -> None:
    text = "\n".join(content)
    assert rendered(cut(text, generator), columns, rows) == rendered([text], columns, rows)


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_every_word_is_seen(columns: int) -> None:
    text = rendered([EVERYTHING], columns, 50)
    squeezed = re.sub(r"[\s│┼─]", "", text)
    source = re.sub(r"&\w+;", "", EVERYTHING)
    if columns < 80:  # words of a narrow column are broken
        source = source[: source.index("| Language")] + source[source.index("Heading by") :]
    for word in re.findall(r"[^\W_]+", source):
        assert word in squeezed, word


@pytest.mark.parametrize("part", range(4))
def test_any_cut_of_the_specification_leaves_the_same_screen(part: int) -> None:
    generator = random.Random(part)
    for example in SPECIFICATION[part::4]:
        assert rendered(cut(example, generator), 40, 10) == rendered([example], 40, 10), example


def test_what_looks_like_html_or_markup_is_text() -> None:
    text = rendered(["Vec<String> <tag a='*b*'> <!-- gone? --> [red]red[/red] a < b > c"], 100)
    assert text == "Vec<String> <tag a='b'> <!-- gone? --> [red]red[/red] a < b > c"


def test_mathematics_stays_readable() -> None:
    text = r"$a_1 * b_2 * c$ and \(x_i * y_i * z\) and $$f_1*g*h_2$$ but 5$ *or* 6$"
    assert rendered([text], 100) == text.replace("*or*", "or")


def test_a_code_line_is_left_whole_for_copying() -> None:
    desk = Desk(20, 10)
    desk.feed("```\n" + "x" * 50 + "\n```\n")
    desk.close()
    assert "x" * 50 in desk.written


def test_a_link_shows_where_it_leads_unless_its_words_say_so() -> None:
    assert rendered(["[here](https://a.org/b)"]) == "here (https://a.org/b)"
    assert rendered(["<https://a.org/b>"]) == "https://a.org/b"
    assert rendered(["[run](javascript:alert)"]) == "[run](javascript:alert)"
    assert rendered(["[run](data:text/html,x)"]) == "[run](data:text/html,x)"
    assert rendered(["[ftp](ftp://a.org/b)"]) == "ftp (ftp://a.org/b)"


def test_a_definition_that_comes_before_is_used_and_one_that_comes_after_is_shown() -> None:
    assert rendered(["[a]: /u\n\n[a] [b]\n\n[b]: /v\n"]) == "[a]: /u\n\na (/u) [b]\n\n[b]: /v"


def test_paragraph_that_gets_an_underline_late_is_a_heading() -> None:
    desk = Desk()
    desk.feed("Title\n")
    assert desk.glass.text == "Title"
    desk.feed("=====\n\n")
    assert "\x1b[1;4m" in desk.written


@pytest.mark.parametrize(
    "text", ["hello", "- hello", "> hello", "hello *wor", "| hello", "```\nhello", "1. a\n2. hello"]
)
def test_words_are_seen_before_their_block_ends(text: str) -> None:
    assert "hello" in Desk().feed(text).glass.text


def test_items_rows_and_code_lines_are_not_drawn_again() -> None:
    for text in (
        "- an item here\n" * 400,
        "```\n" + "line of code\n" * 400,
        "| a | b |\n|-|-|\n" + "| c | d |\n" * 400,
    ):
        desk = Desk(40, 20)
        for at in range(0, len(text), 20):
            desk.feed(text[at : at + 20], paint=at % 100 == 0)
        desk.close()
        assert len(desk.written) < 14 * len(text)


def test_a_paragraph_without_end_costs_no_more_than_its_length() -> None:
    text = "word and *more* words. " * 800
    desk = Desk(80, 24)
    for at in range(0, len(text), 1000):
        desk.feed(text[at : at + 1000])
    assert desk.close().replace("\n", " ") == text.replace("*", "").strip()
    assert len(desk.written) < 8 * len(text)


@pytest.mark.parametrize(
    "text", ["[" * 9000, ">" * 20_000, "- " * 10_000, "*" * 9000, "\\(" * 4000, "| a |\n|-|\n" * 500]
)
def test_hostile_nesting_is_text(text: str) -> None:
    assert rendered([text], 80, 24)


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_from_the_server_acts_on_the_terminal(attack: str) -> None:
    for shell in SHELLS:
        desk = Desk(60, 12, look="color")
        desk.page._theme.links = True
        text = shell.replace("{}", attack) + "\n\nlast words\n"
        for at in range(0, len(text), 7):
            desk.feed(text[at : at + 7])
        left = desk.close()
        assert not HIDDEN.search(OWN.sub("", desk.written)), (shell, desk.written)
        assert "last words" in left


def test_hyperlinks_are_made_for_known_schemes_only() -> None:
    desk = Desk(80, 10, look="color")
    desk.page._theme.links = True
    desk.feed("[a](https://x.org) [b](ftp://x.org) [c](mailto:m@x.org) [d](HTTP://x.org/ü) [e](file:x)")
    desk.close()
    assert list(dict.fromkeys(re.findall(r"\x1b]8;;([^\x1b]+)\x1b", desk.written))) == [
        "https://x.org",
        "mailto:m@x.org",
        "HTTP://x.org/%C3%BC",
    ]


def test_without_colour_there_are_weights_but_no_colours() -> None:
    desk = Desk(60, 20, look="plain")
    desk.feed(EVERYTHING)
    desk.close()
    used = {number for codes in re.findall(r"\x1b\[([0-9;]*)m", desk.written) for number in codes.split(";")}
    assert used <= {"", "0", "1", "2", "3", "4", "9"}
    bare = Desk(60, 20, look="none")
    bare.feed(EVERYTHING)
    bare.close()
    assert not re.search(r"\x1b\[[0-9;]*m", bare.written)


@pytest.mark.parametrize("theme", ["auto", "dark", "light"])
def test_themes_change_looks_and_not_words(theme: str) -> None:
    assert rendered([EVERYTHING], 60, 20, look="color", theme=theme) == rendered(
        [EVERYTHING], 60, 20, look="none"
    ).replace("# Streaming", "Streaming").replace("## Lists", "Lists").replace("### Table", "Table").replace(
        "# Heading", "Heading"
    ).replace("## another", "another")


def test_what_is_begun_in_the_open_tail_is_shown_as_if_it_were_finished() -> None:
    assert Desk().feed("some **bold wor").glass.text == "some bold wor"
    assert Desk().feed("some `code").glass.text == "some code"
    assert Desk().feed("some **").glass.text == "some"
    assert rendered(["some **bold wor"]) == "some **bold wor"


WIDE_TABLE = (
    "| Feature | Description | Owner |\n|---|---|:-:|\n"
    "| streaming | words are shown as they arrive, and never again | Alice Anderson |\n| tables | | Bob |\n"
)


def test_a_table_tears_no_word_while_there_is_room() -> None:
    for columns in range(36, 90):
        assert set(re.findall(r"[A-Za-z]+", rendered([WIDE_TABLE], columns))) == set(
            re.findall(r"[A-Za-z]+", WIDE_TABLE)
        )


def test_rows_of_a_table_stand_apart_where_they_take_several_lines() -> None:
    assert rendered([WIDE_TABLE], 50).split("\n") == [
        "Feature   │ Description           │     Owner",
        "──────────┼───────────────────────┼───────────────",
        "streaming │ words are shown as    │ Alice Anderson",
        "          │ they arrive, and      │",
        "          │ never again           │",
        "          │                       │",
        "tables    │                       │      Bob",
    ]
    assert "\n\n" not in rendered([WIDE_TABLE], 100)


def test_without_room_for_its_words_a_table_shows_its_fields_one_under_another() -> None:
    assert rendered([WIDE_TABLE], 30).split("\n") == [
        "Feature: streaming",
        "Description: words are shown",
        "  as they arrive, and never",
        "  again",
        "Owner: Alice Anderson",
        "",
        "Feature: tables",
        "Owner: Bob",
    ]
    assert rendered(["| Feature | Description |\n|---|---|\n"], 12).split("\n")[-1] == "─────┼──────"


@pytest.mark.parametrize("columns", [1, 5, 9, 12, 20, 40, 80])
def test_what_stands_behind_the_fence_of_code_is_seen_whole_in_any_window(columns: int) -> None:
    info = 'python title="src/some/where/module.py" showLineNumbers and-more-that-is-longer-than-a-row-of-forty'
    whole = rendered([f"```{info}\npass\n```\n"], columns)
    assert info.replace(" ", "") in re.sub(r"[\s─]", "", whole)
    assert max(map(len, whole.split("\n"))) <= columns
