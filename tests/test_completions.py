"""Tab, as it is pressed in bash, zsh and fish; and the files that make it work, shown and installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from elkcli.commands.app import COMMANDS
from tests.conftest import TREE, Elkcli, needs
from tests.terminals import Terminal

FOLDER = TREE / "completions"
MODELS = (
    '{"https://a default": {"at": 1, "ids": ["gemini-3-pro", "gpt:5"]}, "https://b x": {"at": 2, "ids": ["claude"]}}'
)
PROFILES = """\
model = "claude"
[profiles.images]
model = "x"
[profiles.images.headers]
[ profiles . "two words" ]
"""
HISTORY = "5ww8abcd\t2026-11-01\t3\tclaude\t\tbread: and flour\n6xx8abcd\t2026-10-01\t1\tclaude\tmy baking\tcakes\n"
LOADER = "/usr/share/bash-completion/bash_completion"
FORMATS = ["auto", "json", "jsonl", "markdown", "text"]

# The same in every shell: what stands before the cursor, and what Tab offers, sorted
CASES = [
    ("elkcli as", ["ask"]),
    ("elkcli ", sorted(COMMANDS)),
    ("elkcli --vers", ["--version"]),
    ("elkcli --install-completion p", ["powershell"]),
    ("elkcli config ", ["check", "edit", "get", "list", "path", "set", "unset"]),
    ("elkcli -p images config uns", ["unset"]),
    ("elkcli ask --temp", ["--temperature"]),
    ("elkcli ask what is it --fo", ["--force", "--format"]),
    ("elkcli ask -- --fo", []),
    ("elkcli ask why does con", []),
    ("elkcli ask config se", []),
    ("elkcli ask --no-st", ["--no-stdin", "--no-stream"]),
    ("elkcli ask -f ", FORMATS),
    ("elkcli ask --reasoning-effort ", ["high", "low", "medium"]),
    ("elkcli ask --aspect-ratio 16", ["16:9"]),
    ("elkcli ask --image-size ", ["1K", "2K", "4K", "512"]),
    ("elkcli ask -m ", ["claude", "gemini-3-pro", "gpt:5"]),
    ("elkcli ask -qm gem", ["gemini-3-pro"]),
    ("elkcli chat --model c", ["claude"]),
    ("elkcli ask -p ", ["demo", "images", "two words"]),
    ("elkcli config set editing", ["editing_mode"]),
    ("elkcli config get tok", ["token", "token_command"]),
    ("elkcli config set theme ", ["auto", "dark", "light"]),
    ("elkcli config set stream ", ["false", "true"]),
    ("elkcli config set model gem", ["gemini-3-pro"]),
    ("elkcli config set image_dir ", ["drawings"]),
    ("elkcli ask -o ", ["drawings"]),
    ("elkcli ask -a drawings/", ["drawings/elk.png"]),
    ("elkcli ask -a ./my", ["./my photo.png"]),
    ("elkcli ask -s @drawings/", ["@drawings/elk.png"]),
    ("elkcli history show ", ["5ww8abcd", "my baking"]),
    ("elkcli ask -S ", ["my baking"]),
]


class Place:
    """A home with models, profiles and files, and an ``elkcli`` that knows two conversations and counts its calls."""

    def __init__(self, home: Path) -> None:
        self.work = home / "work"
        self.calls = home / "calls"
        self.bin = home / "bin"
        for folder, name, text in [("config", "config.toml", PROFILES), ("data", "models.json", MODELS)]:
            (home / folder).mkdir()
            (home / folder / name).write_text(text)
        for name in ["my photo.png", "notes.txt", "city.json", "a:b.json", "program.bin"]:
            (self.work / name).touch()
        (self.work / "drawings").mkdir()
        (self.work / "drawings/elk.png").touch()
        self.bin.mkdir()
        (self.bin / "elkcli").write_text(
            f"#!/bin/sh\necho \"$@\" >>{self.calls}\n[ \"$1 $2\" != 'history list' ] || printf '{HISTORY}'\n"
        )
        (self.bin / "elkcli").chmod(0o755)
        self.env: Mapping[str, str] = {
            "HOME": str(home),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "ELKCLI_CONFIG_DIR": str(home / "config"),
            "ELKCLI_DATA_DIR": str(home / "data"),
        }

    @property
    def called(self) -> list[str]:
        """What the program was started for."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def run(self, *command: str) -> list[str]:
        done = subprocess.run(
            command, cwd=self.work, env=self.env, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    def bash(self, line: str) -> list[str]:
        """What bash would offer, as it is meant."""
        return [word.replace("\\ ", " ") for word in self.put_by_bash(line)]

    def put_by_bash(self, line: str) -> list[str]:
        """What bash would put on the line; the line is parted as readline parts it."""
        words = re.findall(r'"[^"]*"?|[:=@]|(?:\\.|[^\s:=@])+', line)
        if line[-1].isspace():
            words.append("")
        script = f"""
            . {shlex.quote(str(FOLDER / "elkcli.bash"))}
            COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_CWORD={len(words) - 1}
            COMP_WORDS=({" ".join(map(shlex.quote, words))}) COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'
            _elkcli
            [ ${{#COMPREPLY[@]}} = 0 ] || printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        return self.run("bash", "--norc", "--noprofile", "-c", script)

    def fish(self, line: str) -> list[str]:
        """What fish would offer, without what it says beside."""
        source = f"source {shlex.quote(str(FOLDER / 'elkcli.fish'))}"
        found = self.run("fish", "--no-config", "-c", f"{source}; complete -C {shlex.quote(line)}")
        return [word.partition("\t")[0].rstrip("/") for word in found]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "home")


@needs("bash")
@pytest.mark.parametrize(("line", "offered"), CASES)
def test_bash_offers(line: str, offered: list[str], place: Place) -> None:
    assert sorted(place.bash(line)) == offered


@needs("fish")
@pytest.mark.parametrize(("line", "offered"), CASES)
def test_fish_offers(line: str, offered: list[str], place: Place) -> None:
    assert sorted(place.fish(line)) == offered


@needs("bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("elkcli ask --aspect-ratio=16:", ["9"]),
        ("elkcli ask --aspect-ratio 16:", ["9"]),
        ("elkcli ask --model=gpt", ["gpt:5"]),
        ("elkcli ask -mgpt", ["-mgpt:5"]),
        ("elkcli ask --schema a:", ["b.json"]),
        ("elkcli ask -s @no", ["@notes.txt"]),
        ("elkcli ask -a my", ["my photo.png"]),
        ('elkcli ask -p "two', ["two words"]),
        ("elkcli ask note: this -f jso", ["json", "jsonl"]),
    ],
)
def test_bash_replaces_only_what_follows_the_last_break(line: str, offered: list[str], place: Place) -> None:
    assert place.bash(line) == offered


@needs("bash")
def test_bash_offers_files_of_the_right_kind_and_all_where_there_is_none(place: Place) -> None:
    assert sorted(place.bash("elkcli ask --schema ")) == ["a:b.json", "city.json", "drawings"]
    assert "program.bin" not in place.bash("elkcli ask -a ")
    assert place.bash("elkcli ask -a pro") == ["program.bin"]


@needs("fish")
def test_fish_puts_files_of_the_right_kind_first(place: Place) -> None:
    assert place.fish("elkcli ask --schema ")[:2] == ["a:b.json", "city.json"]
    assert place.fish("elkcli ask -a ")[-2:] == ["drawings", "program.bin"]
    assert place.fish("elkcli ask --attach=./my") == ["--attach=./my photo.png"]
    assert place.fish("elkcli batch no") == ["notes.txt"]
    (place.work / "many.ndjson").touch()
    assert place.fish("elkcli batch ")[0] == "many.ndjson"
    assert place.fish("elkcli ask -s @no") == ["@notes.txt"]
    assert place.fish("elkcli ask --aspect-ratio=16:") == ["--aspect-ratio=16:9"]


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs(name)) for name in ("bash", "fish")])
def test_nothing_is_started_but_for_conversations(shell: str, place: Place) -> None:
    offer = getattr(place, shell)
    for line, _ in CASES[:-2]:
        offer(line)
    assert place.called == []
    offer("elkcli history show ")
    assert place.called == ["history list -n 100"]


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs(name)) for name in ("bash", "fish")])
def test_models_are_asked_for_once_no_list_is_kept(shell: str, place: Place) -> None:
    Path(place.env["ELKCLI_DATA_DIR"], "models.json").unlink()
    assert getattr(place, shell)("elkcli ask -m ") == ["gemini-3.1-pro-preview"]
    assert place.called == ["models -q --timeout 3 --retries 0"]


@pytest.mark.parametrize("shell", [pytest.param(name, marks=needs(name)) for name in ("bash", "fish")])
def test_the_usual_directories_are_looked_in_where_no_variable_names_others(shell: str, place: Place) -> None:
    home = Path(place.env["HOME"])
    place.env = {name: value for name, value in place.env.items() if not name.startswith("ELKCLI")}
    (home / ".config").mkdir()
    (home / ".local/share").mkdir(parents=True)
    (home / "config").rename(home / ".config/elkcli")
    (home / "data").rename(home / ".local/share/elkcli")
    assert sorted(getattr(place, shell)("elkcli ask -p ")) == ["demo", "images", "two words"]
    assert sorted(getattr(place, shell)("elkcli ask -m ")) == ["claude", "gemini-3-pro", "gpt:5"]


@needs("bash")
@pytest.mark.parametrize(
    ("quote", "unsafe"),
    [("", set()), ("'", {"d'; touch gone; '"}), ('"', {"e!!"})],  # what cannot stand between these is not offered
)
def test_a_model_named_by_a_hostile_server_runs_nothing(quote: str, unsafe: set[str], place: Place) -> None:
    hostile = ["a;touch gone", "b$(touch gone)", "`touch gone`", "d'; touch gone; '", "e!!", "$g", 'f"; touch gone; "']
    ids = ", ".join(f'"{name}"' for name in hostile if '"' not in name)
    models = Path(place.env["ELKCLI_DATA_DIR"], "models.json")
    models.write_text(f'{{"https://a d": {{"at": 1, "ids": [{ids}, "c\\u001b[2J"]}}}}')
    profiles = Path(place.env["ELKCLI_CONFIG_DIR"], "config.toml")
    profiles.write_text("[profiles.'f\"; touch gone; \"']\n")
    offered = [*place.put_by_bash(f"elkcli ask -m {quote}"), *place.put_by_bash(f"elkcli ask -p {quote}f")]
    meant = [place.run("bash", "-c", f"printf %s {quote}{word}{quote}") for word in offered]
    assert meant == [[name] for name in hostile if name not in unsafe]
    assert not (place.work / "gone").exists()


# At a terminal


class Typist:
    """Types a line, presses Tab, and looks at the line that is left."""

    def __init__(self, place: Place, command: list[str], setup: str) -> None:
        command[0] = shutil.which(command[0]) or command[0]
        self.terminal = Terminal(command, cwd=place.work, env={**place.env, "PS1": "> ", "TERM": "xterm"}, columns=100)
        self.terminal.enter(f"{setup}; echo rea''dy").see("ready")
        self.terminal.settle(0.1)

    def tab(self, line: str, wanted: str, *, times: int = 1) -> None:
        """``wanted`` is to be on the screen; the line is wiped then."""
        self.terminal.type(line + "\t" * times)
        self.terminal.see(lambda terminal: wanted in terminal.screen, within=15)
        self.terminal.press("ctrl-u").settle(0.05)
        self.terminal.enter("clear").settle(0.1)


def typist(place: Place, shell: str) -> Typist:
    file = shlex.quote(str(FOLDER / "elkcli.bash"))
    if shell == "bash":
        return Typist(place, ["bash", "--norc", "--noprofile", "-i"], f"PS1='> '; . {file}")
    if shell == "bash-completion":
        if not Path(LOADER).exists():
            pytest.skip("the package bash-completion is not there")
        target = Path(place.env["HOME"], ".local/share/bash-completion/completions/elkcli")
        target.parent.mkdir(parents=True)
        shutil.copy(FOLDER / "elkcli.bash", target)
        return Typist(place, ["bash", "--norc", "--noprofile", "-i"], f"PS1='> '; . {LOADER}")
    if shell == "zsh":
        setup = f"PS1='> '; fpath=({shlex.quote(str(FOLDER))} $fpath); autoload -Uz compinit; compinit -u -D"
        return Typist(place, ["zsh", "-f", "-i"], setup)
    return Typist(place, ["fish", "--no-config", "-i"], f"source {shlex.quote(str(FOLDER / 'elkcli.fish'))}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "shell",
    [
        pytest.param("bash", marks=needs("bash")),
        pytest.param("bash-completion", marks=needs("bash")),
        pytest.param("zsh", marks=needs("zsh")),
        pytest.param("fish", marks=needs("fish")),
    ],
)
def test_a_person_presses_tab_in(shell: str, place: Place) -> None:
    person = typist(place, shell)
    try:
        person.tab("elkcli as", "elkcli ask")
        person.tab("elkcli ask --temp", "elkcli ask --temperature")
        person.tab("elkcli config set editing_mode v", "editing_mode vi")
        person.tab("elkcli ask --aspect-ratio 16", "--aspect-ratio 16:9")
        person.tab("elkcli ask --aspect-ratio=16:", "--aspect-ratio=16:9")
        person.tab("elkcli ask -m gp", "-m gpt:5")
        person.tab("elkcli ask -a my", "-a my\\ photo.png")
        person.tab("elkcli ask -p tw", "-p two\\ words")
        person.tab('elkcli ask -p "tw', '-p "two words"')
        person.tab("elkcli history show 5", "show 5ww8abcd")
        person.tab("elkcli ask -S m", "-S my\\ baking")
        person.tab("echo hi | elkcli ask 'x: y' --reasoning-eff", "--reasoning-effort")
        assert set(place.called) == {"history list -n 100"}
    finally:
        person.terminal.end()


# Installing


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_completion_of_a_shell_can_be_printed(shell: str, elkcli: Elkcli) -> None:
    name = {"bash": "elkcli.bash", "zsh": "_elkcli", "fish": "elkcli.fish", "powershell": "elkcli.ps1"}[shell]
    elkcli("--show-completion", shell).succeeds((FOLDER / name).read_bytes())
    elkcli(f"--show-completion={shell}").succeeds((FOLDER / name).read_bytes())


def test_the_shell_is_the_users_own_unless_named(elkcli: Elkcli) -> None:
    done = elkcli("--show-completion", env={"SHELL": "/usr/bin/fish"})
    done.succeeds((FOLDER / "elkcli.fish").read_bytes())
    assert "is not set" in elkcli("--show-completion").fails(2).error
    assert "'ksh'" in elkcli("--install-completion", "ksh").fails(2).error


def test_fish_is_given_its_file_and_nothing_else(elkcli: Elkcli) -> None:
    file = elkcli.home / ".config/fish/completions/elkcli.fish"
    assert f"wrote {file}\n" in elkcli("--install-completion", "fish").succeeds().text
    assert file.read_bytes() == (FOLDER / "elkcli.fish").read_bytes()
    assert f"{file} is there already\n" in elkcli("--install-completion", "fish").succeeds().text
    assert [path.name for path in elkcli.home.rglob("*") if path.is_file()] == ["elkcli.fish"]


def test_zsh_is_told_once_and_what_its_start_up_file_held_stays(elkcli: Elkcli) -> None:
    rc = elkcli.home / ".zshrc"
    rc.write_text("alias l=ls")
    assert f"{rc} now loads it" in elkcli("--install-completion", "zsh").succeeds().text
    once = rc.read_text()
    assert once.startswith("alias l=ls\n")
    assert f"{rc} loads it already" in elkcli("--install-completion", "zsh").succeeds().text
    assert rc.read_text() == once


def test_a_place_that_cannot_be_written_is_named(elkcli: Elkcli) -> None:
    (elkcli.home / ".config").write_text("no directory")
    assert str(elkcli.home / ".config") in elkcli("--install-completion", "fish").fails(1).error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "file", "text"),
    [
        pytest.param("bash", ".bashrc", "PS1='> '\n", marks=needs("bash"), id="bash"),
        pytest.param("bash", ".bashrc", f"PS1='> '\n. {LOADER}\n", marks=needs("bash"), id="bash-completion"),
        pytest.param("zsh", ".zshrc", "PS1='> '\nZDOTDIR=~\nskip_global_compinit=1\n", marks=needs("zsh"), id="zsh"),
        pytest.param("fish", ".config/fish/config.fish", "", marks=needs("fish"), id="fish"),
    ],
)
def test_a_new_shell_completes_after_the_installation(
    shell: str, file: str, text: str, elkcli: Elkcli, place: Place
) -> None:
    start_up = elkcli.home / file
    start_up.parent.mkdir(parents=True, exist_ok=True)
    start_up.write_text(text)
    elkcli("--install-completion", shell).succeeds()
    assert (start_up.read_text() == text) == (shell == "fish" or (LOADER in text and Path(LOADER).exists()))
    person = Typist(place, [shell, "-i"], ":")
    try:
        person.tab("elkcli as", "elkcli ask")
    finally:
        person.terminal.end()
