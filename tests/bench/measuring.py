"""What is measured and how: whole processes in turn (A B A B …), and medians of what they used.

CPU is user and system time from ``wait4``, and so is the peak of memory. A child that was never seen to be small cannot
be told from its parent (Linux hands the parent's peak on through ``vfork``), so this process loads little and keeps no
answers.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

TREE = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds after which a measured process counts as stuck


class Broken(Exception):
    """A command that was to be measured failed, or never came to the point."""


class Cost(NamedTuple):
    """Seconds of CPU and wall, and the peak in MiB, of one process."""

    cpu: float
    wall: float
    peak: float


class Row(NamedTuple):
    """One line of the table. ``ours`` and ``beside`` are medians of CPU milliseconds, ``wall`` a ratio of wall times.

    ``must`` and ``aim`` are bounds that ``value`` is to stay under. A name in brackets is a peer or a floor by itself.
    """

    name: str
    value: float
    unit: str = "×"
    must: float | None = None
    aim: float | None = None
    ours: float | None = None
    beside: float | None = None
    wall: float | None = None

    @staticmethod
    def heading(compared: bool) -> str:
        """What the columns are."""
        before = f"{'before':>9}" if compared else ""
        return f"{'':<50}{'value':>9}{before}    {'must':>6}{'aim':>6}{'':>5}{'wall ×':>8}{'CPU ms':>8}{'beside':>8}"

    def line(self, before: float | None) -> str:
        """The line as a person reads it."""

        def number(value: float | None, width: int) -> str:
            return f"{'' if value is None else f'{value:.2f}' if value < 10 else f'{value:.0f}':>{width}}"

        verdict = ""
        if self.must is not None:
            met = "aim" if self.aim is not None and self.value <= self.aim else "must"
            verdict = met if self.value <= self.must else "MISS"
        compared = "" if before is None else number(before, 9)
        bounds = f"{number(self.must, 6)}{number(self.aim, 6)}{verdict:>5}"
        costs = f"{number(self.wall, 8)}{number(self.ours, 8)}{number(self.beside, 8)}"
        return f"{self.name:<50}{number(self.value, 9)}{compared} {self.unit:<3}{bounds}{costs}".rstrip()


class Place(NamedTuple):
    """The environment that is measured, the home it runs in, and the server it asks."""

    python: Path
    home: Path
    url: str
    runs: int
    peers: Mapping[str, Sequence[str]]

    @property
    def elkcli(self) -> str:
        """The command as it was installed."""
        return str(self.python.with_name("elkcli"))

    def script(self, text: str) -> list[str]:
        """A floor: a script run by the same Python."""
        return [str(self.python), "-c", text]

    def variables(self, **more: str) -> dict[str, str]:
        """What a process is told. Nothing of the caller's that would slow Python down or send it elsewhere."""
        return {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "BENCH_URL": self.url,
            "ELKCLI_BASE_URL": self.url,
            "ELKCLI_TOKEN": "sk-bench-0123456789",
            "ELKCLI_CONFIG_DIR": str(self.home / "config"),
            "ELKCLI_DATA_DIR": str(self.home / "data"),
            **more,
        }

    def told(self) -> tuple[float, float, float]:
        """When the server had its last question, and began to send the first words and the last bytes of its answer."""
        with urllib.request.urlopen(f"{self.url}/told", timeout=10) as reply:
            asked, first, last = json.load(reply)
        return asked, first, last


@contextmanager
def server(*command: str) -> Iterator[str]:
    """A server in a process of its own, whose work is not counted as ours; its first line is its address."""
    with subprocess.Popen([sys.executable, "-m", *command], cwd=TREE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def run(command: Sequence[str], place: Place, variables: Mapping[str, str] | None = None) -> Cost:
    """Run ``command`` to its end, its output into a pipe that is emptied at once."""
    return run_and_see(command, place, variables).cost


class Seen(NamedTuple):
    """A run from outside: what it cost, and when it began, first wrote and had ended (``CLOCK_MONOTONIC``)."""

    cost: Cost
    began: float
    first: float
    ended: float


def run_and_see(command: Sequence[str], place: Place, variables: Mapping[str, str] | None = None) -> Seen:
    """Run ``command`` to its end, and see when things happened."""
    began = time.monotonic()
    with (place.home / "stderr").open("wb") as remarks:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=remarks,
            cwd=place.home,
            env=place.variables() if variables is None else variables,
        )
    assert process.stdout is not None
    first = 0.0
    while os.read(process.stdout.fileno(), 1 << 16):
        first = first or time.monotonic()
    cost, ended = _ended(process, began)
    process.stdout.close()
    if process.returncode:
        said = (place.home / "stderr").read_text("utf-8", "replace").strip()[-500:]
        raise Broken(f"{' '.join(command)[:200]}: exit {process.returncode}: {said}")
    return Seen(cost, began, first, ended)


class Shown(NamedTuple):
    """A run at a terminal: what it cost, when what was waited for was there (``CLOCK_MONOTONIC``), bytes written."""

    cost: Cost
    found: float
    written: int


def run_at_terminal(
    command: Sequence[str],
    place: Place,
    *,
    until: Callable[[bytes], bool] | None = None,
    leave: bool = False,
    variables: Mapping[str, str] | None = None,
) -> Shown:
    """Run ``command`` on a terminal of 80 by 24 that takes what is written at once.

    ``until`` is what is waited for, of its output so far. With ``leave`` it is killed there: what it does afterwards is
    not counted.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**(place.variables() if variables is None else variables), "TERM": "xterm-256color"}
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, cwd=place.home, env=environment, start_new_session=True
    )
    os.close(slave)
    seen, written, found = b"", 0, 0.0
    while select.select([master], [], [], PATIENCE)[0]:
        try:
            data = os.read(master, 1 << 16)
        except OSError:  # Linux's way of saying that the other end is closed
            break
        if not data:
            break
        written += len(data)
        if b"\x1b[6n" in data:
            os.write(master, b"\x1b[1;1R")  # where the cursor is, which terminals tell when asked
        if until is not None and not found:
            seen += data
            if until(seen):
                found = time.monotonic()
                if leave:
                    process.send_signal(signal.SIGKILL)
    else:
        process.kill()
    cost, _ = _ended(process, began)
    os.close(master)
    if until is not None and not found:
        raise Broken(f"{' '.join(command)[:200]}: never wrote what was waited for, but {seen[-500:]!r}")
    return Shown(cost, found, written)


def _ended(process: subprocess.Popen[Any], began: float) -> tuple[Cost, float]:
    _, status, used = os.wait4(process.pid, 0)
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    kilobytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Cost(used.ru_utime + used.ru_stime, ended - began, kilobytes / 1024), ended


class Pairs(NamedTuple):
    """Runs of two commands in turn."""

    ours: list[Cost]
    beside: list[Cost]

    @property
    def peak(self) -> float:
        """Our median peak, in MiB."""
        return statistics.median(cost.peak for cost in self.ours)

    def row(self, name: str, must: float | None = None, aim: float | None = None) -> Row:
        """The line that compares them: medians over the pairs."""
        return Row(
            name,
            statistics.median(a.cpu / b.cpu for a, b in zip(self.ours, self.beside, strict=True)),
            must=must,
            aim=aim,
            ours=statistics.median(cost.cpu for cost in self.ours) * 1000,
            beside=statistics.median(cost.cpu for cost in self.beside) * 1000,
            wall=statistics.median(a.wall / b.wall for a, b in zip(self.ours, self.beside, strict=True)),
        )


def pairs(
    ours: Callable[[], Cost] | Sequence[str],
    beside: Callable[[], Cost] | Sequence[str],
    place: Place,
    runs: int | None = None,
) -> Pairs:
    """Run both in turn, after one run of each that is not counted."""

    def once(what: Callable[[], Cost] | Sequence[str]) -> Cost:
        return what() if callable(what) else run(what, place)

    once(ours)
    once(beside)
    found = [(once(ours), once(beside)) for _ in range(runs or place.runs)]
    return Pairs([a for a, _ in found], [b for _, b in found])


@contextmanager
def optional() -> Iterator[None]:
    """What is measured within is a peer's: one that fails is told of and left out."""
    try:
        yield
    except Broken as problem:
        print(f"left out: {problem}", file=sys.stderr)


def median_ms(seconds: Iterable[float]) -> float:
    """The median in milliseconds."""
    return statistics.median(seconds) * 1000


def forget(path: Path) -> None:
    """Remove a file that may be there."""
    with suppress(FileNotFoundError):
        path.unlink()
