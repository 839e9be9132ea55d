"""`elkcli config`: settings, profiles, the token, and whether they work."""

import getpass
import json
import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from elkcli.commands import options
from elkcli.commands.app import NAMES
from elkcli.environment import Environment
from elkcli.errors import ConfigError, ElkError, UsageError
from elkcli.secret import Token
from elkcli.storage import credentials
from elkcli.storage.settings import KEYS, Resolved, about, load, resolve, unknown_key
from elkcli.terminal.printing import print_json, print_text
from elkcli.terminal.safe import safe_line

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings=NAMES,
    help="""Settings, profiles and the token.

\b
  elkcli config set token
  elkcli config set model gemini-3-pro-image-preview -p images
  elkcli config list
  elkcli config check
""",
)
Key = Annotated[str, typer.Argument(metavar="KEY", help="A setting, headers.NAME, token, or profile")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
Changed = Annotated[str | None, typer.Option("-p", "--profile", metavar="NAME", help="Change this profile")]
Same = Annotated[
    str | None,
    typer.Option("-p", "--profile", metavar="NAME", help="Allowed as everywhere; all profiles lie in one file"),
]


@app.command("set", context_settings={**NAMES, "ignore_unknown_options": True})  # a value may be negative
def set_(
    ctx: typer.Context,
    key: Key,
    value: Annotated[list[str] | None, typer.Argument(metavar="VALUE", help="Its value; none for token")] = None,
    profile: Changed = None,
) -> int:
    """Set a setting. The token is asked for, or read from standard input."""
    environment: Environment = ctx.obj
    profile = _profile(environment, profile)
    words = [key, *(value or [])]
    if "--" in environment.arguments:  # what is behind it is no option, whatever it looks like
        words = words[: len(words) - len(environment.arguments) + environment.arguments.index("--") + 1]
    for word in words:
        if re.fullmatch(r"--?[A-Za-z]\S*", word):
            raise UsageError(f"no such option: {word}", hint="elkcli config set --help; -- before a value allows it")
    if key == "token":
        if value:
            raise UsageError(
                "the token is not taken from the command line: other users can read it there",
                hint="elkcli config set token (it asks), or pipe the token in",
            )
        _set_token(environment, profile)
        return 0
    if not value:
        hint = about(key)["takes"] if key in KEYS else None
        if key not in KEYS and key != "profile" and not key.startswith("headers."):
            raise unknown_key(key)
        raise UsageError(f"no value for {key}", hint=f"it takes {hint}" if hint else None)
    from elkcli.storage.editing import set_value

    set_value(environment, key, " ".join(value), profile)
    return 0


def _set_token(environment: Environment, profile: str | None) -> None:
    settings = resolve_for_token(environment, profile)
    url = settings.settings.base_url
    if url.startswith("demo:"):
        raise UsageError("the demo needs no token")
    if environment.stdin_is_terminal:
        try:
            words = getpass.getpass(f"Token for {url}: ")
        except EOFError:
            raise UsageError("no token was given; nothing was changed") from None
    else:
        if environment.stdin is None:
            raise UsageError("no token: standard input is closed")
        try:
            lines = environment.stdin.read(65536).decode().strip().splitlines()
        except UnicodeDecodeError:
            raise UsageError("the token on standard input is no text") from None
        if len(lines) > 1:
            raise UsageError("standard input holds more than one line; a token is one")
        words = lines[0] if lines else ""
    if not words.strip():
        raise UsageError("no token was given; nothing was changed")
    try:
        token = Token(words)
    except ConfigError as problem:
        raise UsageError(problem.message) from None
    credentials.store(environment, token, profile, url)
    if environment.stderr_is_terminal:
        environment.stderr.write(f"note: kept {token.masked} for {url}\n")


def resolve_for_token(environment: Environment, profile: str | None) -> Resolved:
    """The settings of ``profile``, which need not be in the file yet: a token can be its first entry."""
    known = load(environment.config_dir / "config.toml").profiles
    if profile is not None and profile not in known and profile not in ("demo", "default"):
        raise UsageError(
            f"no profile is called {profile!r}", hint=f"make it first: elkcli config set base_url URL -p {profile}"
        )
    return resolve(environment, profile=profile)


def _profile(environment: Environment, given: str | None) -> str | None:
    """The profile that a change is for: only one that is named, by option or variable."""
    profile = given or environment.variables.get("ELKCLI_PROFILE") or None
    if profile is not None and (not profile.strip() or any(ord(char) < 32 for char in profile)):
        raise UsageError("a profile's name has no control characters")
    return None if profile == "default" else profile


@app.command("get", context_settings=NAMES)
def get(
    ctx: typer.Context,
    key: Key,
    profile: options.Profile = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the token itself")] = False,
) -> int:
    """Print the value that holds. Where there is none, print nothing and exit 1, as git config.

    \b
      elkcli config get model
      elkcli config get token --reveal
    """
    environment: Environment = ctx.obj
    resolved = resolve(environment, profile=profile)
    if key == "token":
        found = credentials.find(environment, resolved)
        if found is None:
            raise ConfigError("the demo needs no token")
        print_text(environment, (found[0].reveal() if reveal else found[0].masked) + "\n")
        return 0
    if key == "profile":
        print_text(environment, f"{resolved.profile or 'default'}\n")
        return 0
    if key.startswith("headers."):
        value: Any = resolved.settings.headers.get(key.removeprefix("headers."))
    elif key in KEYS:
        value = getattr(resolved.settings, key)
    else:
        raise unknown_key(key)
    if value is None:
        return 1  # as git config: nothing to print, and no error
    print_text(environment, _plain(value) + "\n")
    return 0


@app.command("unset", context_settings=NAMES)
def unset(ctx: typer.Context, key: Key, profile: Changed = None) -> int:
    """Go back to the default.

    \b
      elkcli config unset model
      elkcli config unset token -p images
    """
    environment: Environment = ctx.obj
    profile = _profile(environment, profile)
    if key == "token":
        found = credentials.forget(environment, profile)
    else:
        from elkcli.storage.editing import unset_value

        found = unset_value(environment, key, profile)
    if not found and environment.stderr_is_terminal:
        environment.stderr.write(f"note: {key} was not set\n")
    return 0


@app.command("list", context_settings=NAMES)
def list_(ctx: typer.Context, profile: options.Profile = None, as_json: Json = False) -> int:
    """Every setting, its value, and where the value comes from."""
    environment: Environment = ctx.obj
    resolved = resolve(environment, profile=profile)
    rows = list(_rows(environment, resolved, given=bool(profile)))
    if as_json:
        entries = [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
        print_json(environment, entries)
        return 0
    width = max(len(key) for key, _, _ in rows)
    values = [safe_line(_plain(value), 60) if environment.stdout_is_terminal else _flat(value) for _, value, _ in rows]
    wide = max(len(value) for value in values) if environment.stdout_is_terminal else 0
    for (key, _, origin), value in zip(rows, values, strict=True):
        if environment.stdout_is_terminal:
            print_text(environment, f"{key:<{width}}  {value:<{wide}}  {origin}".rstrip() + "\n")
        else:
            print_text(environment, f"{key}\t{value}\t{origin}\n")
    return 0


def _rows(environment: Environment, resolved: Resolved, *, given: bool) -> Iterator[tuple[str, Any, str]]:
    if given:
        by = "option"
    elif environment.variables.get("ELKCLI_PROFILE"):
        by = "environment"
    elif resolved.file.profile == resolved.profile and resolved.profile:
        by = "file"
    else:
        by = "default"
    yield "profile", resolved.profile or "default", by
    for key in KEYS:
        yield key, getattr(resolved.settings, key), resolved.origins[key]
    try:
        if resolved.settings.token_command and not environment.variables.get("ELKCLI_TOKEN"):
            yield "token", None, "token_command"  # listing runs no programs
        else:
            found = credentials.find(environment, resolved)
            yield "token", found[0].masked if found else None, found[1] if found else "not needed"
    except ConfigError as problem:
        yield "token", None, problem.message


@app.command("path", context_settings=NAMES)
def path(ctx: typer.Context, profile: Same = None) -> int:
    """Where the configuration lies.

    \b
      cat "$(elkcli config path)"
    """
    environment: Environment = ctx.obj
    print_text(environment, f"{environment.config_dir / 'config.toml'}\n")
    return 0


@app.command("edit", context_settings=NAMES)
def edit(ctx: typer.Context, profile: Same = None) -> int:
    """Open the configuration in $VISUAL or $EDITOR, and check what was saved.

    \b
      elkcli config edit
      EDITOR=nano elkcli config edit
    """
    from elkcli.commands.editor import edit as open_in_editor
    from elkcli.storage.lock import locked
    from elkcli.storage.private import replace

    environment: Environment = ctx.obj
    file = environment.config_dir / "config.toml"
    try:
        with locked(environment.config_dir):
            if not file.exists():
                replace(file, _TEMPLATE.encode())
    except OSError as problem:
        raise ElkError(f"cannot write {file}: {problem.strerror}") from problem
    open_in_editor(file, environment)
    load(file)
    return 0


_TEMPLATE = """\
# elkcli: settings. `elkcli config list` shows every one and where its value comes from.
# model = "gemini-3.1-pro-preview"

# A profile is a named set of defaults: elkcli ask -p images "an elk"
# [profiles.images]
# model = "gemini-3-pro-image-preview"
# aspect_ratio = "16:9"
"""


@app.command("check", context_settings=NAMES)
def check(
    ctx: typer.Context,
    profile: options.Profile = None,
    base_url: options.BaseUrl = None,
    timeout: options.Timeout = None,
    retries: options.Retries = None,
    verbose: options.Verbose = False,
) -> int:
    """Ask the server whether the address, the token and the model are right."""
    from elkcli.api.catalog import models_in
    from elkcli.commands.connecting import client_for, token_for
    from elkcli.commands.turn import speaker
    from elkcli.errors import ApiError, TokenRefused

    environment: Environment = ctx.obj
    given = {"base_url": base_url, "timeout": timeout, "retries": retries}
    resolved = resolve(environment, profile=profile, options=given)
    settings = resolved.settings
    messages = speaker(environment, settings, verbose=verbose)
    _say(environment, "configuration", _permissions(environment))
    token = token_for(environment, resolved)
    with client_for(environment, settings, token, messages, paced=False) as client:
        try:
            models = [model["id"] for model in models_in(client.get("/models"))]
        except TokenRefused:
            _say(environment, "base URL", f"{settings.base_url} reached")
            _say(environment, "token", f"{token.masked if token else 'none'} refused")
            raise
    _say(environment, "base URL", f"{settings.base_url} reached")
    _say(environment, "token", f"{token.masked} accepted" if token else "not needed")
    if settings.model in models:
        _say(environment, "model", f"{settings.model} known")
        return 0
    near = get_close_matches(settings.model, models, n=1)
    _say(environment, "model", f"{safe_line(settings.model, 80)} not in the list of {len(models)} models")
    raise ApiError(
        f"the server does not list the model {settings.model}",
        hint=f"did you mean {near[0]}?" if near else "elkcli models",
    )


def _permissions(environment: Environment) -> str:
    """What the modes of the files are. Raises :class:`ConfigError` where others can read the tokens."""
    file = credentials.credentials_path(environment)
    credentials.read(file)
    if not file.exists():
        return f"{environment.config_dir}, no stored token"
    mode = "" if os.name != "posix" else f", mode {file.stat().st_mode & 0o777:04o}"
    return f"{file}{mode}, for its owner only" if mode else str(file)


def _say(environment: Environment, what: str, finding: str) -> None:
    print_text(environment, f"{what}: {finding}\n")


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, dict)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _flat(value: Any) -> str:
    return _plain(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
