"""What is wrong on this side is told before anything is sent: one line, a hint, exit 2 or 3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Elkcli
from tests.server import Server

WRONG = [
    "--temperature=-0.1", "--temperature=2.1", "--temperature=hot", "--temperature=nan", "--temperature=inf",
    "--temperature=", "--temperature=0,5", "--top-p=1.5", "--top-p=-1", "--top-p=x", "--max-tokens=0",
    "--max-tokens=-5", "--max-tokens=1.5", "--max-tokens=99999999999", "--max-tokens=many", "--seed=x", "--seed=1.5",
    "--seed=99999999999999999999", "--choices=0", "--choices=-1", "--choices=x", "--choices=1.5", "-n0",
    "--reasoning-effort=most", "--timeout=0", "--timeout=-1", "--timeout=x", "--timeout=nan", "--timeout=inf",
    "--retries=-1", "--retries=x", "--retries=1.5", "--format=xml", "-fxml", "--color=sometimes", "--extract=0",
    "--set=x", "--set==1", "--set=.a=1", "--set=a..b=1", "--set=a.=1", "--set=messages.a=1", "--set=a={broken",
    "--header=novalue", "--header=: x", "--header=a b: c", "--header=X: a\nEvil: b", "--header=X: é",
    "--header=Host: x", "--header=Content-Length: 3", "--profile=nobody", "--session=", "--base-url=ftp://x",
    "--stop=", "--messages=missing.json", "--schema=missing.json", "--system=@missing.txt", "--attach=missing.png",
]  # fmt: skip


@pytest.mark.parametrize("option", WRONG)
def test_a_wrong_value_is_one_line_and_2(option: str, elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", option).fails(2)
    assert len(result.err.splitlines()) <= 2
    name = option.partition("=")[0]
    if name.startswith("--") and name not in {"--profile", "--attach", "--base-url", "--session"}:
        assert name.removeprefix("--").split("-")[0] in result.err.lower().replace("_", "-") or "missing" in result.err
    assert not server.requests


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["aks", "hi"], "ask"),
        (["cht"], "chat"),
        (["modles"], "models"),
        (["ask", "hi", "--modle", "x"], "--model"),
        (["ask", "hi", "--temprature", "1"], "--temperature"),
        (["ask", "hi", "--no-steam"], "--no-stream"),
        (["config", "gte", "model"], "get"),
        (["config", "set", "modle", "x"], "model"),
        (["config", "get", "modle"], "model"),
        (["config", "unset", "modle"], "model"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_slip_of_the_pen_is_answered_with_the_near_name(
    arguments: list[str], near: str, elkcli: Elkcli, server: Server
) -> None:
    result = elkcli(*arguments).fails(2)
    assert near in result.err
    assert not server.requests


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["--nonsense"], ["ask", "--nonsense"], ["ask", "hi", "-Z"], ["ask", "hi", "-m"],
                  ["ask", "hi", "--temperature"], ["config", "set"], ["config", "set", "model"], ["config", "get"],
                  ["config", "path", "extra"], ["config", "nonsense"]],
    ids=" ".join,
)  # fmt: skip
def test_what_is_no_command_is_2(arguments: list[str], elkcli: Elkcli, server: Server) -> None:
    elkcli(*arguments).fails(2)
    assert not server.requests


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[", b"{}", b"7", b'"x"', b"null", b"[1]", b'["hi"]', b'[{"content": "x"}]', b"[{}]",
                b'[{"role": "wizard", "content": "x"}]', b'[{"role": 7, "content": "x"}]', b"\xff\xfe",
                b"[" * 10_000 + b"]" * 10_000, b'[{"role": "user", "content": 7}]', b'[{"role": "user"}]',
                b'[{"role": "user", "content": NaN}]'],
    ids=lambda content: ascii(content[:24]),
)  # fmt: skip
def test_messages_that_are_none_are_2(content: bytes, elkcli: Elkcli, server: Server) -> None:
    elkcli.file("m.json", content)
    result = elkcli("ask", "hi", "--messages", "m.json").fails(2)
    assert "m.json" in result.err or "--messages" in result.err
    assert not server.requests


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"null", b"\xff", b'{"a": NaN}', b"[" * 10_000])
def test_a_schema_that_is_none_is_2(content: bytes, elkcli: Elkcli, server: Server) -> None:
    elkcli.file("s.json", content)
    elkcli("ask", "hi", "--schema", "s.json").fails(2)
    assert not server.requests


@pytest.mark.parametrize("option", ["--messages", "--schema", "--attach", "-s@", "--output"])
@pytest.mark.parametrize("kind", ["directory", "missing", "loop", "below a file"])
def test_a_file_that_cannot_be_used_is_2(option: str, kind: str, elkcli: Elkcli, server: Server) -> None:
    elkcli.file("file", "x")
    (elkcli.work / "directory").mkdir()
    (elkcli.work / "loop").symlink_to("loop")
    path = {"below a file": "file/x"}.get(kind, kind)
    if option == "--output":
        if kind in {"directory", "missing"}:
            return  # places an image may go to
        path = f"{path}/x.png" if kind == "loop" else path
        server.says()
    arguments = [f"-s@{path}"] if option == "-s@" else [option, path]
    result = elkcli("ask", "hi", *arguments)
    assert result.code in {1, 2} if option == "--output" else result.code == 2, result
    result.fails(result.code)
    assert not server.requests


def test_an_existing_output_is_refused_before_anything_is_sent(elkcli: Elkcli, server: Server) -> None:
    elkcli.file("fox.png", "mine")
    elkcli("ask", "a fox", "-o", "fox.png", "--aspect-ratio", "1:1").fails(2)
    assert not server.requests
    assert (elkcli.work / "fox.png").read_text() == "mine"


TOML = [
    ("model =", 1),
    ("model = 'x'\nmodel = 'y'", 2),
    ("model = 'x'\n\ntemperature = 9\n", 3),
    ("model = 'x'\ntemperature = 'hot'\n", 2),
    ("stream = 7", 1),
    ("format = 'xml'", 1),
    ("# a comment\nmodle = 'x'", 2),
    ("[profiles.a]\nmodel = 'x'\n[profiles.b]\nseed = 'y'\n", 4),
    ("profiles = 7", 1),
    ("profile = 7", 1),
    ("\n\n[[", 3),
    ("headers = {Host = 'x'}", 1),
    ("base_url = 'ftp://x'", 1),
    ("token = 'sk-x'", 1),
    ("stop = [1]", 1),
    ("model = 'x'\n[headers]\nX-A = '1'\nX-B = 2\n", 4),
    ("model = 'x'\nheaders = {X-B = 2}\n", 2),
    ("[profiles.a.headers]\nX-B = '2'\n[headers]\nX-B = 2\n", 4),
    ('system = """\nseed = 3\n"""\nseed = "x"\n', 4),
    ("[ profiles . 'a b' ]\nmodel = 'x'\nseed = 'y'\n", 3),
]


@pytest.mark.parametrize(("toml", "line"), TOML, ids=[ascii(toml) for toml, _ in TOML])
def test_a_bad_configuration_is_3_and_names_the_line(toml: str, line: int, elkcli: Elkcli, server: Server) -> None:
    elkcli.configure(toml)
    result = elkcli("ask", "hi").fails(3)
    assert f"line {line}" in result.error
    assert "config.toml" in result.error
    assert not server.requests


def test_a_configuration_that_is_no_utf8_is_3(elkcli: Elkcli, server: Server) -> None:
    elkcli.configure("")
    (elkcli.config / "config.toml").write_bytes(b"model = 'x'\nsystem = '\xff'\n")
    assert "line 2" in elkcli("ask", "hi").fails(3).error
    assert not server.requests


def test_an_unknown_profile_is_2_as_an_option_and_3_as_a_setting(elkcli: Elkcli, server: Server) -> None:
    elkcli.configure("[profiles.images]\n")
    assert "images" in elkcli("ask", "hi", "-p", "imags").fails(2).err
    assert "images" in elkcli("ask", "hi", env={"ELKCLI_PROFILE": "imags"}).fails(3).err
    elkcli.configure("profile = 'imags'\n[profiles.images]\n")
    elkcli("ask", "hi").fails(3)
    assert not server.requests


@pytest.mark.parametrize(
    "variable", ["ELKCLI_TEMPERATURE=hot", "ELKCLI_STREAM=maybe", "ELKCLI_TIMEOUT=-1", "ELKCLI_RETRIES=x",
                 "ELKCLI_FORMAT=xml", "ELKCLI_HEADERS={", "ELKCLI_MAX_TOKENS=0"]
)  # fmt: skip
def test_a_bad_variable_is_3_and_named(variable: str, elkcli: Elkcli, server: Server) -> None:
    name, _, value = variable.partition("=")
    assert name in elkcli("ask", "hi", env={name: value}).fails(3).error
    assert not server.requests


def test_an_option_that_is_right_does_not_excuse_a_file_that_is_wrong(elkcli: Elkcli, server: Server) -> None:
    elkcli.configure("temperature = 9\n")
    elkcli("ask", "hi", "--temperature", "1").fails(3)
    assert not server.requests


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["ask", "--help"], ["ask", "-h"], ["config", "-h"],
                                       ["config", "set", "--help"]], ids=" ".join)  # fmt: skip
def test_help_is_an_answer(arguments: list[str], elkcli: Elkcli) -> None:
    result = elkcli(*arguments).succeeds()
    assert b"Usage" in result.out or b"usage" in result.out
    assert result.err == ""


def test_help_does_not_read_the_configuration(elkcli: Elkcli) -> None:
    elkcli.configure("= broken")
    elkcli("--help").succeeds()
    elkcli("ask", "--help").succeeds()
    elkcli("--version").succeeds()


def test_the_version_is_one_line(elkcli: Elkcli) -> None:
    import elkcli as package

    elkcli("--version").succeeds(f"elkcli {package.__version__}\n".encode())


def test_an_error_in_json_is_an_object_even_before_options_are_read(elkcli: Elkcli, server: Server) -> None:
    elkcli.configure("temperature = 9\n")
    result = elkcli("ask", "hi", "--format", "json")
    assert result.code == 3
    assert json.loads(result.err)["error"]["kind"] == "config"
    assert result.out == b""


@pytest.mark.parametrize("options", ["-f json", "-fjson", "-qf json", "-qfjsonl", "--format JSON", "--format=jsonl"])
def test_an_unknown_option_is_told_in_json_too(options: str, elkcli: Elkcli, server: Server) -> None:
    result = elkcli("ask", "hi", "--bogus", *options.split())
    assert (result.code, result.out) == (2, b"")
    assert json.loads(result.err)["error"]["kind"] == "usage"


def test_an_unreadable_home_is_told(elkcli: Elkcli, server: Server, tmp_path: Path) -> None:
    """A file where a directory should be."""
    (tmp_path / "file").write_text("")
    server.says()
    result = elkcli("ask", "hi", env={"ELKCLI_DATA_DIR": str(tmp_path / "file" / "x")})
    assert result.out == b"Hello\n", "a history that cannot be kept costs no answer"
    assert result.code in {0, 1}
    assert result.err.strip()


@pytest.mark.parametrize(
    ("words", "page"),
    [("ask -m", "ask"), ("config set -p", "config set"), ("history list -n", "history list"), ("-p", "")],
)
def test_an_option_without_its_value_names_the_help_of_the_command(words: str, page: str, elkcli: Elkcli) -> None:
    result = elkcli(*words.split())
    assert (result.code, result.out) == (2, b"")
    assert result.err.splitlines()[-1] == f"hint: {' '.join(f'elkcli {page} --help'.split())}"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--modle", "--model"),
        ("--modle=m", "--model"),
        ("--strem", "--stream"),
        ("--no-strem", "--no-stream"),
        ("--max", "--max-tokens"),
        ("--image", "--image-size"),
        ("--temp", "--temperature"),
        ("--top_p", "--top-p"),
        ("--re", "--reasoning-effort, --reasoning, --retries"),
        ("--bad", None),
        ("--bogus", None),
        ("--x", None),
        ("-Z", None),
    ],
)
def test_an_option_that_is_near_is_suggested_and_a_far_one_is_not(
    typed: str, meant: str | None, elkcli: Elkcli
) -> None:
    result = elkcli("ask", "hi", typed)
    assert result.code == 2
    hint = result.err.splitlines()[-1]
    assert hint == (f"hint: did you mean {meant}?" if meant else "hint: elkcli ask --help")
