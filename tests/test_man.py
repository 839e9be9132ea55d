"""The man pages: fresh, clean to both formatters, and telling what the program tells."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from elkcli.commands.app import COMMANDS
from elkcli.storage.settings import KEYS, variable
from tests.conftest import TREE, needs

MAN = TREE / "man"
PAGES = sorted(MAN.glob("*.[15]"))


def shown(page: Path) -> str:
    """The page as a person reads it at 80 columns."""
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=78", page], capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


def test_what_is_generated_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, TREE / ".ci/generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_there_is_a_page_for_each_command_and_one_for_the_configuration() -> None:
    wanted = {"elkcli.1", "elkcli-config.5"} | {f"elkcli-{name}.1" for name in COMMANDS}
    assert {page.name for page in PAGES} == wanted


@needs("mandoc")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_nothing_to_say_about(page: Path) -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs("groff")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_has_nothing_to_say_about(page: Path) -> None:
    done = subprocess.run(["groff", "-man", "-ww", "-z", page], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs("mandoc")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_is_longer_than_the_terminal(page: Path) -> None:
    assert [line for line in shown(page).expandtabs().splitlines() if len(line) > 80] == []


@needs("mandoc")
def test_the_configuration_page_knows_every_setting_and_its_variable() -> None:
    text = shown(MAN / "elkcli-config.5")
    assert [key for key in KEYS if f"       {key} = " not in text] == []
    assert [key for key in KEYS if variable(key) not in text] == []


@needs("mandoc")
@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_the_help_is_on_the_page_of(name: str, elkcli) -> None:  # type: ignore[no-untyped-def]
    text = shown(MAN / f"elkcli-{name}.1")
    options = re.findall(r"(?m)^ +(?:-\w, )?(--[a-z-]+)", elkcli(name, "--help").text)
    assert [option for option in options if option not in text] == []


@needs("mandoc")
@pytest.mark.parametrize("name", ["ask", "chat", "batch", "models", "balance"])
def test_the_page_tells_the_defaults_that_the_help_tells_of(name: str, elkcli) -> None:  # type: ignore[no-untyped-def]
    told = re.findall(r"\[default: (.*?)\]", " ".join(elkcli(name, "--help").text.split()))
    assert re.findall(r"Default: (.*?)\.(?= |$)", " ".join(shown(MAN / f"elkcli-{name}.1").split())) == told


@needs("mandoc")
def test_what_a_slash_command_takes_is_a_list_and_no_paragraph() -> None:
    text = shown(MAN / "elkcli-chat.1")
    assert re.search(r"(?m)^ +/set temperature 0\.2$", text)
    assert re.search(r"(?m)^ +/system none$", text)


@needs("mandoc")
def test_the_main_page_tells_every_exit_code() -> None:
    told = re.findall(r"(?m)^       (\d+) +\S", shown(MAN / "elkcli.1"))
    assert told == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "129", "130", "141", "143"]


@needs("mandoc")
def test_what_is_to_be_typed_can_be_copied_from_a_page() -> None:
    assert "elkcli config set token         # asks for the token" in shown(MAN / "elkcli.1").expandtabs()
    assert "jq -r '.choices[0].message.content'" in shown(MAN / "elkcli-ask.1")
