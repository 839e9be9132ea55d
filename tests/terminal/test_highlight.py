"""Code that is coloured line by line has the colours of the whole."""

from __future__ import annotations

import pytest

from elkcli.terminal.highlight import Highlighter


def looks(language: str, code: str) -> list[list[tuple[str, str]]]:
    """Each line's words with their look."""
    highlighter = Highlighter(language)
    return [
        [(span.text, span.styles[0] if span.styles else "") for span in highlighter.line(line) if span.text.strip()]
        for line in code.split("\n")
    ]


@pytest.mark.parametrize(
    ("language", "code", "look"),
    [
        ("python", 'x = """one\ntwo def\nthree"""', "string"),
        ("js", "/* one\n return two\n three */", "comment"),
        ("c", "/* one\n int two;\n three */", "comment"),
        ("html", "<!-- one\n <b>two</b>\n three -->", "comment"),
        ("css", "/* one\n two: 3;\n */", "comment"),
        ("rust", "/* one\n let two\n */", "comment"),
        ("go", "/* one\n func two\n */", "comment"),
        ("kotlin", 'val x = """one\n val two\n three"""', "string"),
    ],
)
def test_what_spans_lines_keeps_its_look(language: str, code: str, look: str) -> None:
    middle = looks(language, code)[1]
    assert {found for _, found in middle} == {look}


def test_what_has_ended_does_not_go_on() -> None:
    assert ("return", "keyword") in looks("js", "/* one\n*/ return 1;\nreturn 2;")[1]
    assert ("return", "keyword") in looks("js", "/* one\n*/ return 1;\nreturn 2;")[2]
    assert ("return", "keyword") in looks("js", 'x = "/*";\nreturn 2;')[1]
    assert ("return", "keyword") in looks("js", "// a /* b\nreturn 2;")[1]


@pytest.mark.parametrize(
    "language",
    [
        "python",
        "js",
        "yaml",
        "json",
        "console",
        "bash",
        "diff",
        "html",
        "sql",
        "tex",
        "php",
        "make",
        "markdown",
        "toml",
    ],
)
def test_no_character_is_lost_or_added(language: str) -> None:
    code = (
        'a: [1, \'two\n{"k": "v"}  # x\n$ ls -l | wc\n+new\n-old\n<b>x</b>\nif x:\n\treturn `y`\n'
        "\\begin{a}\n\n''' \"\"\" /* <!--\nend"
    )
    highlighter = Highlighter(language)
    assert ["".join(span.text for span in highlighter.line(line)) for line in code.split("\n")] == code.split("\n")


@pytest.mark.parametrize("language", ["", "no-such-language", "../../etc/passwd", "__import__"])
def test_an_unknown_language_is_plain(language: str) -> None:
    assert looks(language, "return 1") == [[("return 1", "")]]


def test_a_fork_does_not_disturb_the_original() -> None:
    highlighter = Highlighter("python")
    highlighter.fork().line('x = """open')
    assert [(span.text, span.styles) for span in highlighter.line("return")] == [("return", ("keyword",))]


def test_a_very_long_line_is_plain() -> None:
    assert len(Highlighter("python").line("f(" * 5000)) == 1
