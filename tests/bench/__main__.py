"""All measurements, one after another: ``python -m tests.bench [startup|markdown|images|batch …]``."""

from __future__ import annotations

import subprocess
import sys

ALL = ("startup", "markdown", "images", "batch")


def main() -> None:
    """Run each in a process of its own, since memory is measured too."""
    wanted = sys.argv[1:] or list(ALL)
    if unknown := [name for name in wanted if name not in ALL]:
        sys.exit(f"no measurement is called {' '.join(unknown)}; there are {' '.join(ALL)}")
    for name in wanted:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=True)


if __name__ == "__main__":
    main()
