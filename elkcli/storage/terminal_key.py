"""Which terminal this is: a key that all commands in one window share, and that no later window gets again."""

from __future__ import annotations

import os
from pathlib import Path

from elkcli.environment import Environment

_MARKS = ("TMUX_PANE", "TERM_SESSION_ID", "WT_SESSION", "KITTY_WINDOW_ID", "WEZTERM_PANE", "WINDOWID", "SSH_CONNECTION")


def terminal_key(environment: Environment) -> str | None:
    """The key of the terminal of this run, ``None`` without one.

    A device name is not enough: ``/dev/pts/3`` is given to the next window once this one is closed. The shell that
    leads the session, with the moment it started, is what a person means by "this terminal"; where the system does
    not tell that moment, the variables by which terminals number their windows help.
    """
    if not (environment.stdin_is_terminal or environment.stdout_is_terminal or environment.stderr_is_terminal):
        return None
    marks = " ".join(environment.variables.get(name, "") for name in _MARKS).strip()
    if not hasattr(os, "getsid"):
        return marks or None
    leader = os.getsid(0)
    born = _born(leader)
    if born:
        return f"{leader} {born}"
    return f"{leader} {marks}".strip() if leader or marks else None  # 0: a leader outside this container


def _born(process: int) -> str:
    """When ``process`` started, as Linux tells it: ticks since this boot; empty elsewhere."""
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{fields[19].decode()} {boot}"
    except (OSError, IndexError, UnicodeDecodeError):
        return ""
