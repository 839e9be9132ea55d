"""The clipboard of the person at the terminal: a local tool where there is one, else the terminal itself (OSC 52)."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator

from elkcli.environment import Environment
from elkcli.errors import ElkError

_LONGEST = 74_994  # base64 characters that xterm and tmux take


def copy(text: str, environment: Environment) -> str:
    """Put ``text`` there and return how. Raises :class:`ElkError`."""
    for command in _tools(environment):
        program = shutil.which(command[0], path=environment.variables.get("PATH"))
        if program is None:
            continue
        try:
            done = subprocess.run(  # noqa: S603 - one of the programs below
                [program, *command[1:]],
                input=text.encode("utf-16-le" if command[0] == "clip.exe" else "utf-8", "replace"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=5,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return command[0]
    return _through_terminal(text, environment)


def _tools(environment: Environment) -> Iterator[list[str]]:
    """Programs that reach the clipboard of this very screen."""
    variables = environment.variables
    if variables.get("TMUX"):
        yield ["tmux", "load-buffer", "-w", "-"]
    if variables.get("SSH_CONNECTION") or variables.get("SSH_TTY"):
        return  # the clipboard over there is another machine's
    yield ["pbcopy"]
    if variables.get("WAYLAND_DISPLAY"):
        yield ["wl-copy"]
    if variables.get("DISPLAY"):
        yield ["xclip", "-selection", "clipboard"]
        yield ["xsel", "--clipboard", "--input"]
    if variables.get("WSL_DISTRO_NAME") or variables.get("OS") == "Windows_NT":
        yield ["clip.exe"]


def _through_terminal(text: str, environment: Environment) -> str:
    data = base64.b64encode(text.encode("utf-8", "replace")).decode()
    if not environment.stderr_is_terminal or environment.variables.get("TERM") == "dumb":
        raise ElkError("no clipboard can be reached from here", hint="/save FILE writes the conversation")
    if len(data) > _LONGEST:
        raise ElkError("too long for the terminal's clipboard", hint="/save FILE writes the conversation")
    environment.stderr.write(f"\x1b]52;c;{data}\x07")
    environment.stderr.flush()
    return "through the terminal"
