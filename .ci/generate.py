"""Write what is generated from the program: completions and man pages. ``--check`` only says whether they are fresh."""

from __future__ import annotations

import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE), str(TREE / ".ci")]

from generators import outputs  # noqa: E402 - found only once the path is set


def main() -> int:
    """Write or check, and say what was not fresh."""
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write("usage: python .ci/generate.py [--check]\n")
        return 2
    wanted = outputs()
    stale = [path for path, text in wanted.items() if not _holds(TREE / path, text)]
    left = [
        str(path.relative_to(TREE))
        for folder in ("completions", "man")
        for path in (TREE / folder).glob("*")
        if str(path.relative_to(TREE)) not in wanted
    ]
    for name in stale:
        sys.stderr.write(f"{'stale' if check else 'wrote'}: {name}\n")
        if not check:
            (TREE / name).parent.mkdir(exist_ok=True)
            (TREE / name).write_text(wanted[name], encoding="utf-8")
    for name in left:
        sys.stderr.write(f"{'not generated' if check else 'removed'}: {name}\n")
        if not check:
            (TREE / name).unlink()
    if check and (stale or left):
        sys.stderr.write("python .ci/generate.py writes them\n")
        return 1
    return 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() == text.encode()


if __name__ == "__main__":
    sys.exit(main())
