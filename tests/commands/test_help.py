"""``--help``: what a person reads who does not know how to go on."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from elkcli.commands.app import COMMANDS
from elkcli.storage.settings import default_of, variable
from tests.conftest import TREE, Elkcli

WITHIN = {
    "config": ["set", "get", "unset", "list", "path", "edit", "check"],
    "history": ["list", "show", "search", "rename", "export", "delete"],
}
PATHS = [[], *([name] for name in COMMANDS), *([name, below] for name, all_ in WITHIN.items() for below in all_)]


def named(path: list[str]) -> str:
    return " ".join(["elkcli", *path])


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_help_says_how_it_is_called_and_fits_into_80_columns(path: list[str], elkcli: Elkcli) -> None:
    text = elkcli(*path, "--help").succeeds().text
    assert text.startswith(f"Usage: {named(path)} [OPTIONS]")
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert elkcli(*path, "-h").text == text


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_examples_stand_before_options(path: list[str], elkcli: Elkcli) -> None:
    before, options, _ = elkcli(*path, "--help").text.partition("\nOptions:")
    assert options
    assert re.search(r"(?m)^    .*\belkcli ", before)


def test_a_command_within_a_command_shows_the_examples_that_are_its_own(elkcli: Elkcli) -> None:
    text = elkcli("config", "set", "--help").text
    assert "    elkcli config set token\n" in text
    assert "elkcli config list" not in text


def test_options_stand_in_named_groups(elkcli: Elkcli) -> None:
    text = elkcli("ask", "--help").text
    groups = re.findall(r"(?m)^(\w[\w ]*):$", text)
    assert groups[:2] == ["Arguments", "Options"]
    assert {"Request", "Connection", "Output"} <= set(groups)
    assert text.index("Request:") < text.index("--temperature") < text.index("Output:") < text.index("--format")


def test_an_option_for_a_setting_shows_the_variable_and_the_default(elkcli: Elkcli) -> None:
    text = " ".join(elkcli("ask", "--help").text.split())
    for key in ("model", "format", "timeout", "retries", "base_url", "color"):
        default = default_of(key)
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        assert f"[default: {shown}] [${variable(key)}]" in text


def test_a_default_in_the_help_is_the_settings_own(elkcli: Elkcli) -> None:
    for name in COMMANDS:
        text = " ".join(elkcli(name, "--help").text.split())
        for default, key in re.findall(r"\[default: (\S+)\] \[\$ELKCLI_(\w+)\]", text):
            assert (
                float(default) == default_of(key.lower()) if default.isdigit() else default == default_of(key.lower())
            )


def test_an_option_of_the_same_name_that_takes_something_else_is_not_the_settings(elkcli: Elkcli) -> None:
    text = " ".join(elkcli("history", "export", "--help").text.split())
    assert "--format" in text
    assert "$ELKCLI_FORMAT" not in text


@pytest.mark.parametrize("path", [[], ["config"], ["history"]], ids=named)
def test_without_a_command_the_help_is_shown_as_wrong_usage(path: list[str], elkcli: Elkcli) -> None:
    done = elkcli(*path)
    assert (done.code, done.out) == (2, b"")
    assert done.err == elkcli(*path, "--help").text


def test_near_commands_are_suggested_within_a_command_too(elkcli: Elkcli) -> None:
    assert elkcli("config", "sett").fails(2).hint == "did you mean set, unset?"


@pytest.mark.slow
def test_the_help_loads_no_command_and_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['elkcli', '--help']; import os; os._exit = lambda code: None\n"
        "from elkcli.__main__ import main; main()\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=TREE, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert loaded & {"rich", "httpx", "prompt_toolkit", "sqlite3", "asyncio", "tomllib"} == set()
    assert loaded & {f"elkcli.commands.{name}" for name in COMMANDS} == set()


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_is_no_name_of_a_shell(option: str, asked: str, elkcli: Elkcli) -> None:
    assert elkcli(option, asked).succeeds().text == elkcli("--help").text


@pytest.mark.parametrize("path", PATHS, ids=named)
def test_help_fits_into_40_columns_but_for_what_is_typed(
    path: list[str], elkcli: Elkcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = elkcli(*path, "--help").succeeds().text
    long = [line for line in text.splitlines() if len(line) > 40]
    assert [line for line in long if not re.match(r" {4,8}(\S+=\S+ )?(elkcli|jq|git|cat) |  (-\w, )? *--", line)] == []
