"""Write the README's tables that are read off the program. ``--check`` only says whether they are fresh."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE)]

from elkcli import errors  # noqa: E402 - found only once the path is set
from elkcli.api.demo import MODELS  # noqa: E402
from elkcli.repl.slash import commands  # noqa: E402
from elkcli.storage.settings import KEYS, about, default_of, variable  # noqa: E402

README = TREE / "README.md"
_ROOTS = (errors.ElkError, errors.Stopped)
_BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.S)


def _table(head: str, rows: Iterable[Iterable[str]]) -> str:
    count = head.count("|") - 1
    lines = [head, "|" + " --- |" * count]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def settings() -> str:
    """Every setting with what it takes, its default, and its variable."""
    rows = []
    for key in KEYS:
        default = default_of(key)
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        shown = shown.lower() if isinstance(default, bool) else shown
        takes = about(key)["takes"]
        rows.append(
            (
                f"`{key}`",
                _cell(about(key)["help"]),
                f"`{_cell(takes)}`",
                f"`{shown}`" if default not in (None, {}) else "",
                f"`{variable(key)}`",
            )
        )
    return _table("| setting | meaning | takes | default | variable |", rows)


def exit_codes() -> str:
    """The tree of errors, by code."""
    found: dict[int, str] = {0: "an answer was printed whole", 1: "a local failure: a file cannot be written, a bug"}
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, (errors.ElkError, errors.Stopped)) and one.__base__ in _ROOTS:
            said = " ".join(str(one.__doc__).split()).rstrip(".")
            found[one.exit_code] = (
                said[:1].lower() + said[1:] if said.split()[0].isalpha() and said[1].islower() else said
            )
    return _table("| code | meaning |", ((str(code), _cell(said)) for code, said in sorted(found.items())))


def slash_commands() -> str:
    """What a chat understands besides questions."""
    rows = (
        (f"`/{one.name} {one.form}".rstrip() + "`", one.help.splitlines()[0]) for _, one in sorted(commands().items())
    )
    return _table("| in a chat | |", ((_cell(form), _cell(said)) for form, said in rows))


def demo_models() -> str:
    """What the demo's models do."""
    return _table("| model | what it does |", ((f"`{name}`", said) for name, said in MODELS.items()))


BLOCKS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "exit codes": exit_codes,
    "slash commands": slash_commands,
    "demo models": demo_models,
}


def fresh(text: str) -> str:
    """The README's text with its tables as they should be."""
    return _BLOCK.sub(lambda block: block[1] + BLOCKS[block[2]]() + block[3], text)


def main(arguments: list[str]) -> int:
    """Write or check."""
    text = README.read_text(encoding="utf-8")
    wanted = fresh(text)
    if wanted == text:
        return 0
    if arguments == ["--check"]:
        sys.stderr.write("stale: README.md\npython .ci/readme.py writes its tables\n")
        return 1
    README.write_text(wanted, encoding="utf-8")
    sys.stderr.write("wrote: README.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
