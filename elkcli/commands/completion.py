"""`elkcli --install-completion` and `--show-completion`: the files that come with elkcli, put where shells look."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.storage.private import replace
from elkcli.terminal.printing import print_text

FILES = {"bash": "elkcli.bash", "zsh": "_elkcli", "fish": "elkcli.fish", "powershell": "elkcli.ps1"}
MARK = "# completion of elkcli"
BASH_COMPLETION = ("/usr/share", "/usr/local/share", "/opt/homebrew/share", "/opt/local/share")


def show(environment: Environment, wanted: str | None) -> None:
    """Print the completion file of a shell."""
    print_text(environment, text_for(shell_of(environment, wanted)))


def install(environment: Environment, wanted: str | None) -> None:
    """Put the completion file of a shell where that shell finds it, and say what was done."""
    shell = shell_of(environment, wanted)
    home = _home(environment.variables)
    said = []
    target = place_of(shell, environment, home)
    try:
        said.append(_write(target, text_for(shell)))
        said += _rest(shell, environment.variables, home, target)
    except OSError as problem:
        raise ElkError(f"cannot write {problem.filename or target}: {problem.strerror}") from problem
    print_text(environment, "".join(f"{line}\n" for line in said))


def shell_of(environment: Environment, wanted: str | None) -> str:
    """The shell that was named, or else the user's own. Raises :class:`UsageError`."""
    named = wanted or Path(environment.variables.get("SHELL", "powershell" if os.name == "nt" else "")).stem
    shell = {"pwsh": "powershell"}.get(named, named)
    if shell not in FILES:
        said = f"there is no completion for {named!r}" if named else "which shell? SHELL is not set"
        raise UsageError(said, hint=f"one of: {', '.join(FILES)}")
    return shell


def text_for(shell: str) -> str:
    """The completion file, as it lies in the package, or beside it in a source tree."""
    package = Path(__file__).parent.parent
    for folder in (package / "completions", package.parent / "completions"):
        if (folder / FILES[shell]).is_file():
            return (folder / FILES[shell]).read_text(encoding="utf-8")
    raise ElkError(f"the completion file {FILES[shell]} is not there", hint="install elkcli anew")


def place_of(shell: str, environment: Environment, home: Path) -> Path:
    """Where the shell looks for it."""
    variables = environment.variables
    data = _directory(variables, "XDG_DATA_HOME", home / ".local" / "share")
    if shell == "bash":
        own = _directory(variables, "BASH_COMPLETION_USER_DIR", data / "bash-completion")
        return own / "completions" / "elkcli"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_elkcli"
    if shell == "fish":
        return _directory(variables, "XDG_CONFIG_HOME", home / ".config") / "fish" / "completions" / "elkcli.fish"
    return environment.data_dir / "elkcli.ps1"


def _rest(shell: str, variables: Mapping[str, str], home: Path, target: Path) -> list[str]:
    """What has to be done besides: a shell that looks nowhere by itself is told in its start-up file."""
    if shell == "fish":
        return ["fish finds it by itself"]
    if shell == "powershell":
        return [f"add this line to the file $PROFILE names:  . '{target}'"]
    if shell == "bash":
        if _loads_bash_completion(home / ".bashrc"):
            return ["bash finds it by itself; open a new shell"]
        path = shlex.quote(str(target))
        # a system's own start-up file may load bash-completion, which then finds it when it is wanted
        line = f"complete -p -D >/dev/null 2>&1 || [ ! -r {path} ] || . {path}\n"
        return [_tell(home / ".bashrc", line), "open a new shell"]
    lines = (
        f"fpath=({shlex.quote(str(target.parent))} $fpath)\n"
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
        "autoload -Uz _elkcli && compdef _elkcli elkcli\n"
    )
    return [_tell(_directory(variables, "ZDOTDIR", home) / ".zshrc", lines), "open a new shell"]


def _loads_bash_completion(file: Path) -> bool:
    """Whether a start-up file loads the package bash-completion, and it is there."""
    if not any(Path(share, "bash-completion", "bash_completion").exists() for share in BASH_COMPLETION):
        return False
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    return any("bash_completion" in line.partition("#")[0] for line in text.splitlines())


def _tell(file: Path, lines: str) -> str:
    """Add ``lines`` to a start-up file, once."""
    there = file.read_bytes() if file.exists() else b""
    if f"{MARK}\n{lines}".encode() in there:
        return f"{file} loads it already"
    gap = b"" if not there else b"\n" if there.endswith(b"\n") else b"\n\n"
    with file.open("ab") as out:  # not replaced: it may be a link into somebody's collection of dotfiles
        out.write(gap + f"{MARK}\n{lines}".encode())
    return f"{file} now loads it"


def _write(target: Path, text: str) -> str:
    if target.exists() and target.read_bytes() == text.encode():
        return f"{target} is there already"
    verb = "replaced" if target.exists() else "wrote"
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, text.encode())
    target.chmod(0o644)
    return f"{verb} {target}"


def _home(variables: Mapping[str, str]) -> Path:
    return Path(variables.get("HOME") or Path.home())


def _directory(variables: Mapping[str, str], name: str, default: Path) -> Path:
    given = variables.get(name)
    return Path(given) if given else default
