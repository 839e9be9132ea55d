"""The options that commands share: which settings they set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elkcli.commands import options
from elkcli.commands.app import load
from elkcli.commands.help import setting_of
from elkcli.storage.settings import KEYS


def parsed(command: str, *words: str) -> dict[str, Any]:
    context: Any = load(command).make_context(command, list(words))
    return options.given(context.params, Path())


@pytest.mark.parametrize("command", ["ask", "chat", "batch"])
def test_every_option_that_is_named_as_a_setting_sets_it(command: str) -> None:
    named = {setting_of(parameter) for parameter in load(command).params} & set(KEYS)
    assert named
    assert set(parsed(command)) >= named


@pytest.mark.parametrize("command", ["ask", "chat", "batch"])
def test_what_was_not_given_says_nothing(command: str) -> None:
    assert not [key for key, value in parsed(command).items() if value is not None]


def test_flags_that_say_no_set_what_they_speak_of() -> None:
    found = parsed("chat", "--no-preview", "--no-history", "--contents", "--stop", "a", "--stop", "b")
    assert (found["image_preview"], found["history"], found["contents"]) == ("none", False, True)
    assert list(found["stop"]) == ["a", "b"]
