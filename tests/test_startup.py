"""What a command must not load: that is what keeps it quick to start."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Elkcli
from tests.server import Server

HEAVY = {
    "rich",
    "pygments",
    "markdown_it",
    "prompt_toolkit",
    "pydantic",
    "asyncio",
    "click",
    "tomlkit",
    "PIL",
    "jsonschema",
}
NETWORK = {"httpx", "httpcore", "h11"}
PROBE = """
import json, sys
from elkcli.__main__ import run
from elkcli.environment import Environment
code = run(Environment.real())
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("--help", HEAVY | NETWORK | {"sqlite3"}),
        ("ask --help", HEAVY | NETWORK | {"sqlite3"}),
        ("config get model", HEAVY | NETWORK | {"sqlite3"}),
        ("config list", HEAVY | NETWORK | {"sqlite3"}),
        ("history list", HEAVY | NETWORK),
        ("ask hi", HEAVY | {"typer", "difflib"}),
        ("ask hi --no-history", HEAVY | {"sqlite3"}),
        ("ask hi -f json -q", HEAVY),
        ("ask --dry-run hi", HEAVY | NETWORK | {"sqlite3"}),
        ("models", HEAVY),
    ],
)
def test_a_command_loads_no_more_than_it_needs(command: str, absent: set[str], elkcli: Elkcli, server: Server) -> None:
    if command == "models":
        server.replies({"data": [{"id": "m"}]})
    else:
        server.says("Hello")
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *command.split()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=elkcli.work,
        env=elkcli.variables,
        timeout=60,
        check=False,
    )
    code, loaded = json.loads(done.stderr.decode().splitlines()[-1])
    assert code == 0, done.stderr
    assert not absent & set(loaded)


@pytest.mark.slow
def test_the_version_is_told_before_anything_is_loaded(elkcli: Elkcli) -> None:
    probe = "import sys, os; os._exit = lambda code: print(len(sys.modules), 'typer' in sys.modules, file=sys.stderr)"
    script = (
        f"{probe}\nsys.argv[1:] = ['--version']\nfrom elkcli.__main__ import main\ntry:\n    main()\nfinally:\n    pass"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("elkcli ")
    assert "False" in done.stderr.splitlines()[0]


@pytest.mark.parametrize("stdin", [None, b"", b"from a file"])
@pytest.mark.parametrize("words", [[], ["hi"], ["what", "is", "this?"], [""], ["a b\n", "ü", "\udcff"]])
def test_a_question_without_options_is_the_one_that_the_parser_makes(
    words: list[str], stdin: bytes | None, elkcli: Elkcli, server: Server
) -> None:
    server.says("Hello")
    bare = elkcli("ask", *words, stdin=stdin)
    parsed = elkcli("ask", "--", *words, stdin=stdin)
    assert bare == parsed
    sent = 2 if bare.code == 0 else 0
    assert len(server.requests) == sent
    assert len({request.body for request in server.requests}) == sent // 2
