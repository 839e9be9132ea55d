"""Connecting while a person types does nothing that anybody would notice."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from elkcli.commands.conversing import _Assembly
from elkcli.environment import Environment
from tests.conftest import Elkcli
from tests.server import Server


def test_no_program_that_gives_a_token_is_run_while_a_person_types(
    elkcli: Elkcli, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.says()
    variables = {name: text for name, text in elkcli.variables.items() if name != "ELKCLI_BASE_URL"}
    environment = Environment(
        variables=variables, stdin=None, stdout=None, stderr=io.StringIO(), arguments=[], directory=tmp_path
    )
    asked: list[Any] = []
    monkeypatch.setattr("elkcli.commands.conversing.token_for", lambda *_: asked.append(1))
    assembly = _Assembly(environment, quiet=False, verbose=False, fetch=False, shrink=False)
    assembly.warm(assembly.resolve(None, {"base_url": server.url}))
    assert len(asked) == 1
    other = assembly.resolve(None, {"base_url": f"http://127.0.0.1:{server.port}/v2", "token_command": "pass elk"})
    assembly.approach(other)
    assembly.close()
    assert len(asked) == 1
