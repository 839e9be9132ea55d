"""A signal stops the run wherever it comes, also where Python lets no exception out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TREE

pytestmark = pytest.mark.slow
RUN = """
import time
from elkcli.errors import Terminated
from elkcli.signals import listen
listen()
try:
    import stopping
    time.sleep(10)
except Terminated as stop:
    print("stopped", getattr(__import__("sys").modules.get("stopping"), "whole", None))
"""
KILL = "import os, signal\nkill = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"


@pytest.mark.parametrize(
    "module",
    [
        "kill()",
        "class Name:\n    def __set_name__(self, owner, name): kill()\nclass Named: name = Name()",
        "import weakref\nclass Gone: pass\nit = Gone()\nheld = weakref.ref(it, lambda ref: kill())\ndel it",
    ],
    ids=["in an import", "where a descriptor is named", "in a callback"],
)
def test_a_signal_in_an_import_stops_the_run_once_that_is_over(module: str, tmp_path: Path) -> None:
    (tmp_path / "stopping.py").write_text(f"{KILL}{module}\nwhole = True\n")
    assert run(tmp_path) == "stopped True\n"


def test_a_signal_in_a_destructor_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "stopping.py").write_text(f"{KILL}class Gone:\n    def __del__(self): kill()\nwhole = True\n")
    assert (
        run(tmp_path, RUN.replace("time.sleep", "it = stopping.Gone()\n    del it\n    time.sleep")) == "stopped True\n"
    )


def run(folder: Path, code: str = RUN) -> str:
    """What ``code`` prints; it says nothing else."""
    command = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(folder)!r})\n{code}"]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
