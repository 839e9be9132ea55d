"""Tokens on the disk: kept by profile, each bound to the origin it was stored for, in a file for its owner only."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import time
from pathlib import Path

from elkcli.environment import Environment
from elkcli.errors import ConfigError, ElkError
from elkcli.origin import origin
from elkcli.secret import Token
from elkcli.signals import leave_to_main
from elkcli.storage.checks import DEMO_URL
from elkcli.storage.lock import locked
from elkcli.storage.private import replace
from elkcli.storage.settings import Resolved

COMMAND_SECONDS = 60
COMMAND_BYTES = 1 << 20
_NO_PROFILE = "default"


def credentials_path(environment: Environment) -> Path:
    """Where tokens are kept."""
    return environment.config_dir / "credentials.toml"


def find(environment: Environment, resolved: Resolved) -> tuple[Token, str] | None:
    """The token for this run and where it comes from; ``None`` where the demo needs none.

    ``ELKCLI_TOKEN``, then the profile's ``token_command``, then the stored token of the profile, then the stored
    token of no profile: the last three only for the origin they belong to. Raises :class:`ConfigError`.
    """
    url = resolved.settings.base_url
    if url == DEMO_URL:
        return None
    if words := environment.variables.get("ELKCLI_TOKEN", "").strip():
        return Token(words), "environment"
    if command := resolved.settings.token_command:
        if origin(url) != origin(resolved.own_url):
            raise _elsewhere(origin(resolved.own_url), url)
        return Token(_run(command)), "token_command"
    stored = read(credentials_path(environment))
    strangers = []
    for name in dict.fromkeys([resolved.profile or _NO_PROFILE, _NO_PROFILE]):
        if entry := stored.get(name):
            words, bound = entry
            if bound == origin(url):
                return Token(words), "credentials"
            strangers.append(bound)
    if strangers:
        raise _elsewhere(strangers[0], url)
    raise ConfigError(
        f"no token for {url}", hint="elkcli config set token, or ELKCLI_TOKEN; `elkcli ask -p demo hi` needs none"
    )


def _elsewhere(bound: str, url: str) -> ConfigError:
    return ConfigError(
        f"the stored token belongs to {bound} and is not sent to {origin(url)}",
        hint="give that address a profile and a token of its own (config set token -p NAME), or use ELKCLI_TOKEN",
    )


def read(path: Path, *, mending: bool = False) -> dict[str, tuple[str, str]]:
    """The stored tokens with their origins, by profile. Raises :class:`ConfigError`, also where others can read.

    With ``mending``, what is no token is left out: the file is about to be written anew.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as problem:
        raise ConfigError(f"cannot read {path}: {problem.strerror}") from problem
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"others can read the tokens in {path}", hint=f"chmod 600 {shlex.quote(str(path))}")
    import tomllib

    try:
        document = tomllib.loads(raw.decode())
    except (ValueError, RecursionError):  # not TOML, not UTF-8, a number of five thousand digits
        if mending:
            return {}
        # the parser's own words may quote the line, and with it the token
        raise ConfigError(f"{path} is not valid TOML", hint="elkcli config set token writes it anew") from None
    found = {}
    for name, entry in document.items():
        if isinstance(entry, dict) and isinstance(entry.get("token"), str) and isinstance(entry.get("origin"), str):
            found[name] = (entry["token"], entry["origin"])
        elif not mending:
            raise ConfigError(
                f"{path}: [{name}] needs a token and an origin", hint="elkcli config set token writes it anew"
            )
    return found


def store(environment: Environment, token: Token, profile: str | None, url: str) -> None:
    """Keep ``token`` for ``profile``, bound to the origin of ``url``. Raises :class:`ElkError`."""
    _change(environment, profile or _NO_PROFILE, (token.reveal(), origin(url)))


def forget(environment: Environment, profile: str | None) -> bool:
    """Drop the token of ``profile``; whether there was one."""
    return _change(environment, profile or _NO_PROFILE, None)


def _change(environment: Environment, name: str, entry: tuple[str, str] | None) -> bool:
    import tomlkit

    path = credentials_path(environment)
    try:
        with locked(environment.config_dir):
            stored = read(path, mending=entry is not None)
            had = stored.pop(name, None) is not None
            if entry is not None:
                stored[name] = entry
            elif not had:
                return False
            document = tomlkit.document()
            for profile, (words, bound) in stored.items():
                table = tomlkit.table()
                table["token"] = words
                table["origin"] = bound
                document[profile] = table
            replace(path, tomlkit.dumps(document).encode())
    except OSError as problem:
        raise ElkError(f"cannot write {path}: {problem.strerror}") from problem
    return had


def _run(command: str) -> str:
    """The first line that the user's program prints. Raises :class:`ConfigError`."""
    import subprocess

    try:
        code, said = _output(shlex.split(command))
    except ValueError as problem:
        raise ConfigError(f"token_command cannot be read: {problem}") from problem
    except subprocess.TimeoutExpired:
        raise ConfigError(f"token_command gave no token within {COMMAND_SECONDS} s: {command}") from None
    except OSError as problem:
        raise ConfigError(f"token_command cannot be run: {command}: {problem.strerror}") from problem
    if len(said) > COMMAND_BYTES:
        raise ConfigError(f"token_command prints more than a token: {command}")
    if code != 0:
        # what it said is not repeated: a program that fails may print what it was to keep
        raise ConfigError(f"token_command failed ({code}): {command}")
    printed = said.decode("utf-8", "replace").strip().splitlines()
    if not printed:
        raise ConfigError(f"token_command printed nothing: {command}")
    return printed[0]


def _output(words: list[str]) -> tuple[int, bytes]:
    """How a program ended and what it printed; one that goes on and on, in time or in words, is stopped."""
    import subprocess
    from threading import Thread

    deadline = time.monotonic() + COMMAND_SECONDS
    process = subprocess.Popen(  # noqa: S603 - the user's own command, from the user's own file
        words, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    said = bytearray()

    def read() -> None:
        leave_to_main()
        with contextlib.suppress(OSError, ValueError):  # closed below: nobody waits any more
            while len(said) <= COMMAND_BYTES and process.stdout and (some := process.stdout.read(65536)):
                said.extend(some)

    try:
        reading = Thread(target=read, daemon=True)  # another process may hold the pipe long after this one is gone
        reading.start()
        reading.join(COMMAND_SECONDS)
        if len(said) > COMMAND_BYTES:
            return 0, bytes(said)
        return process.wait(0 if reading.is_alive() else max(0, deadline - time.monotonic())), bytes(said)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
