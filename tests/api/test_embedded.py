"""Media inside text: elkcli/api/embedded.py."""

from __future__ import annotations

import json
import time
from base64 import b64encode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elkcli.api.embedded import Bit, Splitter
from elkcli.api.embedded import _joined as joined
from elkcli.api.hoard import Found, Hoard, decode_url
from elkcli.conversation import Note
from tests import samples


def split(*texts: str, hoard: Hoard | None = None) -> list[Bit]:
    splitter = Splitter(hoard)
    bits = [bit for text in texts for bit in splitter.feed(text)]
    return joined([*bits, *splitter.close()])


def url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{b64encode(data).decode()}"


def notes(bits: list[Bit]) -> list[str]:
    return [bit.text for bit in bits if isinstance(bit, Note)]


PNG = samples.png()


def test_an_image_in_markdown_comes_between_its_brackets() -> None:
    assert split("Here:\n![image](data:image/png;base64,AAAA)") == [
        "Here:\n![image](",
        Found(b"\0\0\0", "image/png"),
        ")",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("![image](", ")"),
        ("[media](", ") and so on"),
        ("<", ">"),
        ('<img src="', '" alt="x">'),
        ("<img src='", "'>"),
        ("<img src=", ">"),
        ("", ""),
        ("words\n", "\nwords"),
        ("see ", " and "),
        ("see ", ". Then"),
        ("see ", "."),
        ("**", "**"),
        ("看", "。"),
        ("![a](", "）"),
        ("![a](", ' "title")'),
        ("`a` ", " `b`"),
        ("`a` ", " `b"),
        ("a stray ` ", " and no other\n`"),
        ("```\ncode\n```\n", "\n```\nmore\n```"),
        ("~~~\n```\n~~~\n![](", ")"),
    ],
)
@pytest.mark.parametrize("data", [b"A", b"AB", b"ABC", PNG])
@pytest.mark.parametrize("padded", [True, False])
def test_it_is_found_wherever_people_put_it(before: str, after: str, data: bytes, padded: bool) -> None:
    written = url(data) if padded else url(data).rstrip("=")
    if before == "![a](" and after[0] == "）":
        assert split(before + written + after) == [before, Found(data, "image/png"), after]
        return
    assert split(before + written + after) == joined([before, Found(data, "image/png"), after])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("`", "`"),
        ("so: `![image](", ")` shows"),
        ("`a` and ``<img src='", "'> ` ``"),
        ('```html\n<img src="', '">\n```\ndone'),
        ("```\n", "\n```"),
        ("```\n", ""),
        ("~~~ md\n```\n![image](", ")\n~~~"),
        ("1. one:\n\n   ```css\n   url(", ")\n   ```\n"),
        ("> ```\n> ", "\n> ```\n"),
        ("a\n````\n```\n", "\n```\n````\n"),
    ],
)
def test_code_is_text(before: str, after: str) -> None:
    for body in ("AAAA", b64encode(PNG).decode(), "AA==", "AA-_", "AA%3D", "AAA!"):
        text = f"{before}data:image/png;base64,{body}{after}"
        assert split(text) == [text]
        assert split(*text) == [text]
    assert split(before + after + "\n```\n~~~\n![image](" + url(PNG) + ")")[0]


def test_a_long_url_behind_an_open_fence_is_a_picture_all_the_same() -> None:
    data = PNG + bytes(100_000)
    for before in ("```\n![image](", "`![image]("):
        text = f"{before}{url(data)})`"
        for bits in (split(text), split(*(text[at : at + 999] for at in range(0, len(text), 999)))):
            assert bits == [before, Found(data, "image/png"), ")`"]


def test_many_urls_in_one_line_of_code_cost_no_more_than_its_length() -> None:
    begun = time.process_time()
    for unit in ("`data:image/png;base64,AAAA ", "data:image/png;base64,AAAA`` ", "```\ndata:image/png;base64,AAAA\n"):
        split(unit * 20_000)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    "text", ["![image](data:image/png;base64,{})", "data:image/png;base64,{} x", "<data:a/b;base64,{}>"]
)
def test_base64_as_addresses_have_it_is_taken_where_it_is_media(text: str) -> None:
    data = PNG + b"\xfb\xef\xbe\xff" * 30_000
    plain = b64encode(data).decode()
    for written in (
        plain.replace("+", "-").replace("/", "_"),
        plain.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D"),
    ):
        whole = text.format(written)
        for bits in (split(whole), split(*(whole[at : at + 997] for at in range(0, len(whole), 997)))):
            assert [bit.data for bit in bits if isinstance(bit, Found)] == [data]
            assert not notes(bits)
        found = decode_url("data:image/png;base64," + written)
        assert found is not None
        assert found.data == data


@pytest.mark.parametrize(
    ("header", "claimed"),
    [
        ("data:image/png;base64,", "image/png"),
        ("DATA:Image/PNG;Base64,", "image/png"),
        ("data:audio/wav;rate=8000;base64,", "audio/wav"),
        ("data:video/mp4;codecs=avc1.42;name=a%20b.mp4;base64,", "video/mp4"),
        ("data:application/pdf;base64,", "application/pdf"),
        ("data:application/octet-stream;base64,", "application/octet-stream"),
        ("data:../../x;base64,", "../../x"),
        ("data:image/p\0ng;base64,", "image/p?ng"),
        ("data:image/é;base64,", "image/?"),
    ],
)
def test_the_claimed_type_is_reported_and_made_harmless(header: str, claimed: str) -> None:
    assert split(f"({header}AAAA)") == ["(", Found(b"\0\0\0", claimed), ")"]


def test_a_type_of_a_megabyte_is_shortened_and_costs_no_more_than_its_length() -> None:
    text = "(data:image/" + "x" * 1_000_000 + ";base64,AAAA)"
    bits = split(*(text[at : at + 7] for at in range(0, len(text), 7)))
    assert bits == ["(", Found(b"\0\0\0", ("image/" + "x" * 94)), ")"]


def test_hostile_headers_cost_no_more_than_their_length() -> None:
    begun = time.process_time()
    for unit in (
        ";",
        "/",
        "data:",
        "data:x;",
        "(data:image/png;base64,",
        "data:image/png;base64,!",
        "data:image/;base64",
    ):
        split("data:image/" + unit * 100_000)
        Hoard().hoist(b'{"x": "' + unit.encode() * 100_000 + b'"}')
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    "text",
    [
        "data:text/plain;base64,SGVsbG8=",
        "data:text/html;charset=utf-8;base64,SGVsbG8=",
        "data:application/json;base64,e30=",
        "data:font/woff2;base64,AAAA",
        "data:image/svg+xml;utf8,<svg></svg>",
        "data:image/png,AAAA",
        "data:image/png;base64 AAAA",
        "data:;base64,AAAA",
        "data:,hello",
        "metadata:image/png;base64,AAAA",
        "data: image/png;base64,AAAA",
        "A data URL begins with `data:image/png;base64,` and goes on.",
        "Write (data:image/png;base64,...) or data:image/png;base64,… there",
        '<img src="data:image/png;base64,">',
        "data:data:data:",
        "d",
        "dat",
        "data",
        "(data:image/png;base64",
    ],
)
def test_what_is_no_embedded_media_stays_text(text: str) -> None:
    assert split(text) == [text]
    assert split(*text) == [text]


@pytest.mark.parametrize(
    "body",
    [
        "A",
        "AAAAA",
        "AAAA=",
        "AA=",
        "AAAA====",
        "AA=AA",
        "AAA-",
        "AA_A",
        "AA%3D",
        "AA\0A",
        "!!!A",
        "AAAA!BBBB",
        "=AAA",
    ],
)
def test_base64_that_is_broken_is_replaced_and_reported(body: str) -> None:
    bits = split(f"see ![image](data:image/png;base64,{body}) there")
    size = f"{len(body)} bytes" if len(body) > 1 else "1 byte"
    assert bits[0] == f"see ![image]([broken image: {size} of invalid base64]"
    assert bits[-1] == ") there"
    assert notes(bits) == [f"the answer holds a broken image: {size} of invalid base64 left out"]


def test_no_word_of_broken_base64_is_let_through() -> None:
    long = "QUJD" * 5000
    for bad in ("!", "-", "\\", "%2B", "=", "\0"):
        text = f"![image](data:image/png;base64,{long}{bad}{long}) end"
        for bits in (split(text), split(*(text[at : at + 11] for at in range(0, len(text), 11)))):
            said = "".join(bit for bit in bits if isinstance(bit, str))
            assert said.endswith(" end")
            if bad != "\\":  # a backslash ends a URL, so that escaped quotes do
                assert "QUJD" not in said


def test_lines_of_base64_are_put_together_and_words_on_the_next_line_are_not() -> None:
    data = bytes(range(256)) * 2
    lines = "\r\n".join(b64encode(data).decode()[at : at + 76] for at in range(0, 700, 76)).rstrip()
    assert split(f"![i](data:image/png;base64,{lines}) x") == ["![i](", Found(data, "image/png"), ") x"]
    for size in range(58, 150):
        two = "\n".join(
            b64encode(data[:size]).decode()[at : at + 76] for at in range(0, size * 4 // 3 + 3, 76)
        ).rstrip()
        for bits in (split(f"![i](data:image/png;base64,{two}) x"), split(*f"![i](data:image/png;base64,{two}) x")):
            assert bits == ["![i](", Found(data[:size], "image/png"), ") x"]
    assert split("![i](data:image/png;base64,AAAA\nThen more) x") == [
        "![i](",
        Found(b"\0\0\0", "image/png"),
        "\nThen more) x",
    ]


def test_an_answer_that_ends_inside_an_image_gives_what_came_and_says_so() -> None:
    bits = split("![image](data:image/png;base64," + b64encode(PNG).decode()[:42])
    assert bits[:2] == ["![image](", Found(PNG[:31], "image/png")]
    assert notes(bits) == ["the image is cut off after 31 bytes"]
    assert split("![image](data:image/png;base64,AAAAB")[1] == Found(b"\0\0\0", "image/png")


@pytest.mark.parametrize("text", ["Hello world", "and", "(d)", "data", "the end.", "x = 3; d2", "update", "Hello\n"])
def test_ordinary_text_is_passed_on_at_once(text: str) -> None:
    if text == "data":
        assert Splitter().feed("my" + text) == ["mydata"]
    else:
        assert Splitter().feed(text) == [text]


def test_only_the_possible_beginning_of_a_url_is_held_back() -> None:
    splitter = Splitter()
    assert splitter.feed("look (da") == ["look ("]
    assert splitter.feed("ta") == []
    assert splitter.feed("bases)") == ["databases)"]
    assert splitter.feed(" (data:image") == [" ("]
    assert splitter.feed(" is") == ["data:image is"]
    assert splitter.feed(" <data:image/png;base64,AAAA") == [" <"]
    assert splitter.feed(">") == [Found(b"\0\0\0", "image/png"), ">"]
    assert splitter.close() == []


WORDS = st.sampled_from(
    ["data:", "da", "ta:", "d", "DATA:", "image/png", "audio/wav", "text/plain", "x;y=z", ";base64", ",", "AAAA", "QUI"]
    + [
        "=",
        "==",
        "(",
        ")",
        "<",
        ">",
        '"',
        "'",
        " ",
        "\n",
        "\r\n",
        ".",
        "-",
        "!",
        "é",
        "Hello",
        "\0",
        "Q" * 61,
        "`",
        "```\n",
        "A" * 76,
    ]
    + ["![image](data:image/png;base64,", "data:image/png;base64,", ":", ";", "\\"]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=14).map("".join), st.data())
@example("data:x;data:image/png;base64,AAAA", None)
def test_any_split_of_the_text_gives_the_same(text: str, data: st.DataObject | None) -> None:
    whole = split(text)
    assert split(*text) == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        assert split(*(text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True))) == whole


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.binary(min_size=1, max_size=80), st.text("abc d\n.", max_size=9)), max_size=9),
    st.integers(1, 40),
)
def test_what_was_put_in_comes_out(pieces: list[bytes | str], step: int) -> None:
    text = "".join(piece if isinstance(piece, str) else f"![image]({url(piece)})" for piece in pieces)
    expected: list[Bit] = []
    for piece in pieces:
        expected += [piece] if isinstance(piece, str) else ["![image](", Found(piece, "image/png"), ")"]
    assert split(*(text[at : at + step] for at in range(0, len(text), step))) == joined(expected)


@pytest.mark.parametrize("extension", samples.everything())
@pytest.mark.parametrize("size", [1, 1_000_000])
def test_every_format_comes_out_as_it_went_in(extension: str, size: int) -> None:
    good = samples.everything()[extension]
    data = (good + b"\xa5\0\x17" * (size // 3))[:size]
    text = f"Here.\n![image]({url(data, 'image/' + extension)})\nThere."
    expected = ["Here.\n![image](", Found(data, "image/" + extension), ")\nThere."]
    assert split(text) == expected
    if size > 1:
        assert split(*(text[at : at + 4099] for at in range(0, len(text), 4099))) == expected
    line = json.dumps({"content": text, "url": url(data)}).encode()
    hoard = Hoard()
    short = hoard.hoist(line)
    assert size == 1 or len(short) < 1000
    body = json.loads(short)
    assert split(body["content"], hoard=hoard) == expected
    assert decode_url(body["url"], hoard) == Found(data, "image/png")
    assert hoard.left() == []


def test_ten_images_in_one_answer_all_come() -> None:
    images = [bytes([n]) * (200_000 + n) for n in range(10)]
    text = "\n".join(f"![image]({url(image)})" for image in images)
    hoard = Hoard()
    content = json.loads(hoard.hoist(json.dumps({"content": text}).encode()))["content"]
    assert len(content) < 1500
    for found in (split(text), split(content, hoard=hoard)):
        assert [bit.data for bit in found if isinstance(bit, Found)] == images


def test_what_cannot_be_hoisted_is_left_alone() -> None:
    body = b64encode(bytes(300_000)).decode()
    for bad in (
        '{"x": "(data:image/png;base64,' + body + '"}',
        '{"x": "(data:image/png;base64,' + body[:99] + "\\/" + body[100:] + ')"}',
        '{"x": "(data:image/png;base64,' + body[:99] + "!!" + body[100:] + ')"}',
        '{"x": "(data:text/plain;base64,' + body + ')"}',
        '{"x": "' + "data:" * 100_000 + '"}',
        '{"x": "' + "(data:image/png;base64,AAAA)" * 20_000 + '"}',
        "data: " + "x" * 400_000,
    ):
        line = bad.encode()
        assert Hoard().hoist(line) == line


def test_a_url_in_an_attribute_inside_a_json_string_is_hoisted() -> None:
    data = bytes(range(256)) * 1200
    text = f'<img src="{url(data)}">'
    hoard = Hoard()
    content = json.loads(hoard.hoist(json.dumps({"c": text}).encode()))["c"]
    assert len(content) < 200
    assert split(content, hoard=hoard) == ['<img src="', Found(data, "image/png"), '">']


def test_a_token_of_another_run_is_text_and_what_nobody_takes_is_told() -> None:
    line = json.dumps({"elsewhere": url(bytes(300_000))}).encode()
    hoard, other = Hoard(), Hoard()
    token = json.loads(hoard.hoist(line))["elsewhere"]
    assert split(token, hoard=other) == [token]
    assert split(token) == [token]
    assert [len(found.data) for found in hoard.left()] == [300_000]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("data:image/png;base64,AAAA", Found(b"\0\0\0", "image/png")),
        (" data:image/png;base64,AAA \n", Found(b"\0\0", "image/png")),
        ("data:image/png;base64,AA AA\nAAAA", Found(bytes(6), "image/png")),
        ("data:image/png;base64,", None),
        ("data:image/png;base64,A", None),
        ("data:image/png;base64,AA-_", None),
        ("data:image/png;base64,é", None),
        ("data:text/plain;base64,AAAA", None),
        ("data:image/png,AAAA", None),
        ("https://example.org/a.png", None),
        ("", None),
    ],
)
def test_a_value_that_is_one_url_is_decoded_strictly(text: str, found: Found | None) -> None:
    assert decode_url(text) == found


def test_a_long_value_is_decoded_with_or_without_line_ends() -> None:
    data = bytes(range(256)) * 50
    assert decode_url(url(data)) == Found(data, "image/png")
    long = url(data)
    assert decode_url(long[:90] + "\n" + long[90:]) == Found(data, "image/png")
    assert decode_url(long + "!") is None
