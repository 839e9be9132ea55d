"""All measurements in one table: ``python -m tests.bench [NAME…]``.

Without ``--python``, a wheel is built of this tree and installed into an environment of its own: a checkout whose
bytecode is not kept starts four times slower than what people install.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measuring import TREE, Place, Row, server

NAMES = ("startup", "secure", "streaming", "rendering", "images", "chat", "history", "batch")
PEERS = ("llm", "sgpt", "gptme")


def main() -> None:
    """Measure, print each line as it is known, and write them all as JSON where that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure elkcli beside floors and peers."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure: {' '.join(NAMES)} (all unless told)"
    )
    parser.add_argument("--runs", type=int, default=9, metavar="N", help="pairs that are run for each line (9)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--against", type=Path, metavar="FILE", help="show beside each value the one in this JSON file")
    parser.add_argument("--python", type=Path, metavar="PATH", help="the Python of the environment to measure")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="PATH", help=f"a peer's command: {' '.join(PEERS)}"
    )
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no measurement is called {' '.join(sorted(unknown))}; there are {' '.join(NAMES)}")
    peers = {name: [found] for name in PEERS if (found := shutil.which(name))}
    peers |= {Path(path).name: [str(Path(path).absolute())] for path in asked.peer}
    with tempfile.TemporaryDirectory() as name, server("tests.bench.servers") as url:
        home = Path(name)
        # not resolve(): a virtual environment's Python is a link out of it
        python = asked.python.absolute() if asked.python else _installed(home / "environment")
        place = Place(python, home, url, asked.runs, peers)
        before = {} if asked.against is None else _values(asked.against)
        rows = []
        for row in _rows(place, asked.names or NAMES, before):
            print(row.line(before.get(row.name)), flush=True)
            rows.append(row)
    if asked.json:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
        table = {**machine, "runs": asked.runs, "rows": [row._asdict() for row in rows]}
        asked.json.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _installed(environment: Path) -> Path:
    print("installing a wheel of this tree …", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", str(TREE)], check=True)
    return python


def _values(file: Path) -> dict[str, float]:
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return {row["name"]: row["value"] for row in told["rows"]}


def _rows(place: Place, names: list[str] | tuple[str, ...], before: dict[str, float]) -> Iterator[Row]:
    print(Row.heading(bool(before)), flush=True)
    for name in names:
        yield from importlib.import_module(f"tests.bench.{name}").rows(place)


if __name__ == "__main__":
    main()
