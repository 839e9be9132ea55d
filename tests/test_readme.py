"""The README is true: its commands run, what they print is what it shows, and its links and tables hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from elkcli import errors
from elkcli.commands.app import COMMANDS
from elkcli.storage.settings import KEYS, variable
from tests.conftest import TREE, Elkcli

README = (TREE / "README.md").read_text(encoding="utf-8")
MARK = "@@ end of a command @@"


class Block(NamedTuple):
    """A fenced block: its language, its lines, and what a comment before it says."""

    section: str
    language: str
    text: str
    remark: str


def _blocks() -> Iterator[Block]:
    section = ""
    for found in re.finditer(
        r"^#+ (?P<head>.+)$|(?:^<!-- (?P<remark>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>[\s\S]*?)^```$",
        README,
        re.M,
    ):
        if found["head"]:
            section = found["head"]
        else:
            yield Block(section, found["language"], found["text"], found["remark"] or "")


BLOCKS = list(_blocks())
SECTIONS = list(dict.fromkeys(block.section for block in BLOCKS if block.language in ("sh", "console", "vim")))
OWN_PROFILE = {"Install", "Five commands", "Configuration"}  # sections that name the demo, or need none, themselves
LANGUAGES = {"sh", "console", "vim", "toml"}


@pytest.fixture
def desk(elkcli: Elkcli) -> Elkcli:
    """A directory with what the README's commands expect to find: files, changes to commit, an ``elkcli``."""
    tools = elkcli.home / "bin"
    tools.mkdir()
    tool = tools / "elkcli"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m elkcli "$@"\n')
    tool.chmod(0o755)
    elkcli.variables |= {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(elkcli.home / "gitconfig"),
        "GIT_EDITOR": "true",
        "FZF_DEFAULT_OPTS": "--filter=hello",  # nobody is there to choose
    }
    (elkcli.home / "gitconfig").write_text("[user]\nname = A\nemail = a@example.org\n[init]\ndefaultBranch = main\n")
    elkcli.file("questions.txt", "why is the sky blue\nand the grass green\n")
    elkcli.file("style.txt", "Answer in rhyme.\n")
    elkcli.file("app.log", "10:00 connected\n10:01 disk full\n")
    elkcli.file("people.csv", "name,city\nAda,Paris\nAlan,Rome\n")
    elkcli.file("animals.txt", "hare\nowl\n")
    elkcli.file("notes.txt", "teh elk\n")
    elkcli.file("many.jsonl", "".join(f'"question {number}"\n' for number in range(8)))
    for words in ("init -q", "add .", "commit -q -m first") if shutil.which("git") else ():
        subprocess.run(["git", *words.split()], cwd=elkcli.work, env=elkcli.variables, check=True)
    return elkcli


def _run(desk: Elkcli, script: str) -> tuple[int, str]:
    """What a person would see of a script, both streams together."""
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail\n" + script],
        cwd=desk.work,
        env=desk.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    desk.written.append(done.stdout)
    return done.returncode, done.stdout.decode()


def _matches(shown: str, real: str) -> bool:
    """Whether ``shown`` tells the truth: ``…`` stands for anything in a line, alone in one for any lines."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + r"\n" for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), real) is not None


def _try_console(desk: Elkcli, text: str, missing: set[str]) -> None:
    steps = [step.partition("\n") for step in re.split(r"^\$ ", text, flags=re.M)[1:]]
    steps = [step for step in steps if not _lacks(desk, step[0], missing)]
    script = "".join(f"{command}\n{{ code=$?; echo '{MARK}'; (exit $code); }}\n" for command, _, _ in steps)
    _, said = _run(desk, script)
    real = said.split(f"{MARK}\n")
    for (command, _, shown), printed in zip(steps, real, strict=False):
        assert _matches(shown, printed), f"$ {command}\n--- the README says\n{shown}\n--- it printed\n{printed}"


def _try_script(desk: Elkcli, script: str) -> None:
    code, said = _run(desk, f"set -e\n{script}")
    assert code == 0, f"{script}\n--- exit code {code}, and it printed\n{said}"
    assert "Traceback" not in said, said


TOOLS = ("fzf", "git", "jq", "parallel", "vim")
STAND_INS = {"fzf": "#!/bin/sh\nhead -n 1\n"}  # as one who takes the first line


def _lacks(desk: Elkcli, script: str, missing: set[str]) -> bool:
    """Whether a tool is used that is not installed and that nothing can stand in for."""
    lacking = set()
    for tool in TOOLS:
        if re.search(rf"\b{tool}\b", script) and shutil.which(tool) is None:
            if tool in STAND_INS:
                path = desk.home / "bin" / tool
                path.write_text(STAND_INS[tool])
                path.chmod(0o755)
            else:
                lacking.add(tool)
    missing |= lacking
    return bool(lacking)


@pytest.mark.slow
@pytest.mark.parametrize("section", SECTIONS)
def test_what_the_readme_shows_happens(desk: Elkcli, section: str) -> None:
    if section not in OWN_PROFILE:
        desk.variables["ELKCLI_PROFILE"] = "demo"
    missing: set[str] = set()
    for block in BLOCKS:
        if block.section != section or block.language == "toml" or block.remark:
            continue
        script = _vim(block.text) if block.language == "vim" else block.text
        if block.language == "console":
            _try_console(desk, block.text, missing)
        elif not _lacks(desk, script, missing):
            _before(desk, block)
            _try_script(desk, script)
    if missing:
        pytest.skip(f"all was tried but what needs {', '.join(sorted(missing))}")
    if all(block.remark for block in BLOCKS if block.section == section and block.language != "toml"):
        pytest.skip("installs from the package index")


def _before(desk: Elkcli, block: Block) -> None:
    """Bring about what the block takes for granted."""
    if "git diff" in block.text or "git commit" in block.text:
        path = desk.work / "app.log"
        path.write_text(path.read_text() + "a change\n")
        if "git diff |" not in block.text:
            subprocess.run(["git", "add", "app.log"], cwd=desk.work, env=desk.variables, check=True)
    if "history list -n 0" in block.text:
        desk("ask", "-p", "demo", "hello", stdin=b"").succeeds()


def _vim(line: str) -> str:
    command = line.strip().removeprefix(":").replace('"', '\\"')
    return f'vim -es -u NONE -c "{command}" -c wq notes.txt && grep -q "teh elk" notes.txt && grep -q "^#" notes.txt'


def test_every_block_is_of_a_kind_that_is_tried() -> None:
    assert {block.language for block in BLOCKS} == LANGUAGES
    assert README.count("```") == 2 * len(BLOCKS)
    for block in BLOCKS:
        assert re.match(r"skip: \S|$", block.remark), block.remark


def test_configuration_shown_is_accepted(elkcli: Elkcli) -> None:
    for block in BLOCKS:
        if block.language == "toml":
            elkcli.configure(block.text)
            elkcli("config", "list").succeeds()


# Links


def _links() -> list[tuple[str, str]]:
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    return [(found[1], found[2]) for found in re.finditer(r"\[([^\]]*)\]\(([^)\s]+)\)", prose)]


@pytest.mark.parametrize("target", sorted({target for _, target in _links()}))
def test_links_lead_somewhere(target: str) -> None:
    if target.startswith(".ci/") and not (TREE / ".ci").exists():
        pytest.skip("a source distribution without .ci")
    assert not target.startswith("http"), "a link that nobody can check here"
    assert (TREE / target).exists()


def test_names_that_link_to_a_file_are_defined_in_it() -> None:
    for text, target in _links():
        name = text.strip("`@")
        if target.endswith(".py") and re.fullmatch(r"\w+", name):
            source = (TREE / target).read_text(encoding="utf-8")
            defined = rf"^ *(?:class|def) {name}\b|^{name}\b.*="
            assert re.search(defined, source, re.M), f"{target} has no {name}"


def test_modules_that_are_told_to_be_run_are_there() -> None:
    for name in re.findall(r"python -m ([\w.]+)", README):
        if name not in {"venv", "pytest"}:
            assert import_module(name).__doc__, name


# Tables


def test_exit_codes_are_those_of_the_tree_of_errors() -> None:
    table = README.partition("## Exit codes")[2].partition("## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)}
    tree = {
        one.exit_code
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, (errors.ElkError, errors.Stopped))
    }
    assert told == tree | {0}


def test_every_command_is_told() -> None:
    table = README.partition("| command | what it does |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == set(COMMANDS)


def test_every_setting_is_told() -> None:
    table = README.partition("<!-- generated: settings -->")[2].partition("<!-- end -->")[0]
    assert re.findall(r"^\| `(\w+)` .* \| `(\w+)` \|$", table, re.M) == [(key, variable(key)) for key in KEYS]


def test_events_are_those_that_are_told(elkcli: Elkcli) -> None:
    table = README.partition("## Events")[2].partition("## ")[0]
    told = {
        name: set(re.findall(r"`(\w+)`", members.partition(":")[0].partition(";")[0])) - {"kind", "message"}
        for name, members in re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.M)
        if name != "type"
    }
    told["error"] = {"error", "finish_reason"}
    runs = [
        elkcli("ask", "-p", "demo", "-m", "demo-reason", "-f", "jsonl", "hi", stdin=b""),
        elkcli("ask", "-p", "demo", "--aspect-ratio", "1:1", "-f", "jsonl", "an elk", stdin=b""),
        elkcli("ask", "-p", "demo", "-m", "demo-tool", "-f", "jsonl", "hi", stdin=b""),
        elkcli("ask", "-p", "demo", "-m", "demo-stream-error", "-f", "jsonl", "hi", stdin=b""),
    ]
    seen: dict[str, set[str]] = {}
    for event in [event for run in runs for event in run.events]:
        seen.setdefault(event.pop("type"), set()).update(event)
    assert seen == told
    failed = runs[-1].events[-1]["error"]
    assert all(f"`{name}`" in table for name in failed)


@pytest.mark.parametrize("script", ["readme.py", pytest.param("pictures.py", marks=pytest.mark.slow)])
def test_what_is_generated_is_fresh(script: str) -> None:
    path = TREE / ".ci" / script
    if not path.exists():
        pytest.skip("a source distribution without .ci")
    done = subprocess.run(
        [sys.executable, str(path), "--check"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_pictures_are_svg_of_their_own() -> None:
    for target in {target for _, target in _links() if target.endswith(".svg")}:
        text = Path(TREE, target).read_text(encoding="utf-8")
        assert text.startswith("<svg ")
        assert not re.search(r"<script|<image|href|@import|url\(", text)
