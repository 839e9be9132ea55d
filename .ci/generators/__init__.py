"""What writes the completions and the man pages: developers run it, users get its output."""

from __future__ import annotations

from elkcli.storage.settings import default_of


def outputs() -> dict[str, str]:
    """Every generated file: its path in the tree, and its text."""
    from generators import bash, fish, man, powershell, surface, zsh

    root = surface.read()
    model = default_of("model")
    return {
        "completions/elkcli.bash": bash.generate(root, model),
        "completions/_elkcli": zsh.generate(root, model),
        "completions/elkcli.fish": fish.generate(root, model),
        "completions/elkcli.ps1": powershell.generate(root, model),
        **man.generate(root),
    }
