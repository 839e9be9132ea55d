"""Settings: one frozen value, one field a key, from option, variable, profile, file and default, in that order.

Everything else about a key (its variable, its validation, `config list`, the man page) is read off the fields here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from elkcli.environment import Environment
from elkcli.errors import ConfigError, ElkError, UsageError
from elkcli.storage.checks import (
    DEMO_URL,
    BadValue,
    a_flag,
    a_number,
    a_ratio,
    a_size,
    a_string,
    a_whole_number,
    a_word,
    an_address,
    one_of,
    some_headers,
    some_strings,
)
from elkcli.value import Value

DEMO = "demo"
MAX_TOKENS = 1_073_741_823  # the relay refuses more than 2**31 / 2
MOST_PRICE = 1e12


class Key(NamedTuple):
    """What is known of one setting."""

    help: str
    check: Callable[[object], Any]
    default: Any = None
    takes: str = ""
    choices: tuple[str, ...] = ()


def _key(
    help: str,
    check: Callable[[object], Any],
    default: Any = None,
    *,
    takes: str = "",
) -> Any:
    return Key(help, check, default, takes)


def _pick(help: str, default: str | None, *choices: str) -> Any:
    return Key(help, one_of(*choices), default, "|".join(choices), choices)


class Settings(Value):
    """Every setting. ``None`` means: not sent, or decided by the occasion."""

    base_url: str = _key("where the API is", an_address, "https://api.elkapi.com/v1", takes="URL")
    model: str = _key("the model to ask", a_word, "gemini-3.1-pro-preview", takes="ID")
    system: str | None = _key("system message; @FILE reads it from a file", a_string, takes="TEXT")
    stream: bool | None = _key("stream the answer (default: but for json and images)", a_flag, takes="true|false")
    format: str = _pick("output format", "auto", "auto", "markdown", "text", "json", "jsonl")
    usage: bool | None = _key("the usage line on stderr (default: at a terminal)", a_flag, takes="true|false")
    reasoning: bool | None = _key("show reasoning on stderr (default: at a terminal)", a_flag, takes="true|false")
    temperature: float | None = _key("sampling temperature", a_number(0, 2, "a number from 0 to 2"), takes="0..2")
    top_p: float | None = _key("nucleus sampling", a_number(0, 1, "a number from 0 to 1"), takes="0..1")
    max_tokens: int | None = _key("longest answer, in tokens", a_whole_number(1, MAX_TOKENS), takes="N")
    stop: tuple[str, ...] | None = _key("end the answer at these strings", some_strings, takes="TEXT or list")
    seed: int | None = _key("seed of the sampling", a_whole_number(-(2**63), 2**63 - 1), takes="N")
    reasoning_effort: str | None = _pick("how long to think", None, "low", "medium", "high")
    aspect_ratio: str | None = _key("ask for an image of this shape", a_ratio, takes="W:H")
    image_size: str | None = _key("ask for an image of this size", a_size, takes="1K|2K|4K")
    image_dir: str | None = _key("where images are saved (default: the current directory)", a_string, takes="DIR")
    image_history: str = _pick("images sent again in a conversation", "latest", "latest", "all", "none")
    image_preview: str = _pick(
        "how a picture is shown at a terminal", "auto", "auto", "kitty", "iterm2", "sixel", "blocks", "none"
    )
    contents: bool = _key("also send the documented contents array", a_flag, False, takes="true|false")
    timeout: float = _key(
        "longest silence of the server", a_number(0.001, 86400, "seconds, from 0.001 to 86400"), 300.0, takes="SECONDS"
    )
    retries: int = _key("tries after the first", a_whole_number(0, 100), 2, takes="N")
    history: bool = _key("keep conversations", a_flag, True, takes="true|false")
    editing_mode: str = _pick("keys in chat", "emacs", "emacs", "vi")
    theme: str = _pick("colours for a dark or a light terminal", "auto", "auto", "dark", "light")
    color: str = _pick("colour in the output", "auto", "auto", "always", "never")
    headers: dict[str, str] = _key("further request headers", some_headers, {}, takes="NAME: VALUE or table")
    ca_file: str | None = _key("certificates to trust instead of the system's", a_string, takes="FILE")
    allow_insecure: bool = _key("allow a token over plain http", a_flag, False, takes="true|false")
    token_command: str | None = _key("a program that prints the token", a_string, takes="COMMAND")


KEYS: tuple[str, ...] = tuple(Settings.__annotations__)
_FIELDS: dict[str, Key] = {key: vars(Settings)[key] for key in KEYS}
for _name, _about in _FIELDS.items():
    setattr(Settings, _name, _about.default)  # the class carries what holds when nobody says otherwise


def check(key: str, value: object) -> Any:
    """``value`` as the setting ``key`` holds it, or :class:`BadValue`."""
    return _FIELDS[key].check(value)


def about(key: str) -> Mapping[str, Any]:
    """The help, allowed form and choices of ``key``."""
    return _FIELDS[key]._asdict()


def default_of(key: str) -> Any:
    """What ``key`` is when nobody says otherwise."""
    return _FIELDS[key].default


def unknown_key(key: str) -> UsageError:
    """The refusal of a key that is no setting, with the near one."""
    near = _nearest(key, [*KEYS, "token", "profile"])
    hint = f"did you mean {near[0]}?" if near else "the settings: " + " ".join(KEYS)
    return UsageError(f"no setting is called {key!r}", hint=hint)


def _nearest(word: str, known: Iterable[str]) -> list[str]:
    from difflib import get_close_matches  # for the wrong word only

    return get_close_matches(word, list(known), n=1)


# Files


class ConfigFile(Value):
    """``config.toml``, read and checked. ``values`` are the top level's, ``profiles`` the tables'."""

    path: Path
    values: dict[str, Any] = {}  # noqa: RUF012 - values are never changed
    profiles: dict[str, dict[str, Any]] = {}  # noqa: RUF012
    profile: str | None = None
    prices: dict[str, dict[str, float]] = {}  # noqa: RUF012


def load(path: Path) -> ConfigFile:
    """Read ``config.toml``; an absent file is an empty one. Raises :class:`ConfigError`, naming the line."""
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return ConfigFile(path)
    except OSError as problem:
        raise ConfigError(f"cannot read {path}: {problem.strerror}") from problem
    return parse(path, raw)


def parse(path: Path, raw: bytes) -> ConfigFile:
    """Check the text of a configuration file. Raises :class:`ConfigError`."""
    import tomllib

    try:
        text = raw.decode("utf-8-sig")
        document = tomllib.loads(text)
    except UnicodeDecodeError as problem:
        line = raw[: problem.start].count(b"\n") + 1
        raise ConfigError(f"{path}, line {line}: not UTF-8") from problem
    except (ValueError, RecursionError) as problem:  # a number of five thousand digits is no TOMLDecodeError
        raise ConfigError(f"{path}: {_toml_problem(str(problem), text)}", hint="elkcli config edit") from problem
    profiles = document.pop("profiles", {})
    prices = document.pop("prices", {})
    profile = document.pop("profile", None)
    if profile is not None and not isinstance(profile, str):
        raise ConfigError(f"{path}, line {_line_of(text, 'profile')}: profile takes a string")
    if not isinstance(profiles, dict) or not all(isinstance(table, dict) for table in profiles.values()):
        raise ConfigError(f"{path}, line {_line_of(text, 'profiles')}: profiles are tables, [profiles.NAME]")
    return ConfigFile(
        path,
        _table(path, text, document, None),
        {name: _table(path, text, table, name) for name, table in profiles.items()},
        profile,
        _prices(path, text, prices),
    )


def _table(path: Path, text: str, table: dict[str, Any], profile: str | None) -> dict[str, Any]:
    checked = {}
    where = () if profile is None else ("profiles", profile)
    for key, value in table.items():
        line = _line_of(text, key, *where)
        if key not in _FIELDS:
            near = _nearest(key, KEYS)
            hint = "a token belongs in credentials.toml: elkcli config set token" if key == "token" else None
            hint = hint or (f"did you mean {near[0]}?" if near else "elkcli config list shows every setting")
            raise ConfigError(f"{path}, line {line}: no setting is called {key!r}", hint=hint)
        try:
            checked[key] = check(key, value)
        except BadValue as problem:
            if isinstance(value, dict) and (member := _bad_member(key, value)) is not None:
                line = _line_of(text, member, *where, key, otherwise=line)
            raise ConfigError(f"{path}, line {line}: {key} takes {problem}", hint="elkcli config edit") from problem
    return checked


def _bad_member(key: str, table: dict[str, Any]) -> str | None:
    for name, value in table.items():
        try:
            check(key, {name: value})
        except BadValue:
            return name
    return None


def _prices(path: Path, text: str, tables: object) -> dict[str, dict[str, float]]:
    said = '[prices."MODEL"] takes input and output (and cached), money per million tokens'
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}, line {_line_of(text, 'prices')}: {said}")
    for model, table in tables.items():
        good = isinstance(table, dict) and all(
            key in {"input", "output", "cached"}
            and isinstance(value, (int, float))
            and not isinstance(value, bool)
            and 0 <= value <= MOST_PRICE
            for key, value in table.items()
        )
        if not good:
            at = next((i for i, line in enumerate(text.splitlines(), 1) if model in line), 1)
            raise ConfigError(f"{path}, line {at}: {said}")
    return tables


def _start_of_long_number(text: str) -> int:
    found = re.search(r"[0-9_]{4300}", text)
    return found.start() if found else 0


def _toml_problem(message: str, text: str) -> str:
    if "integer string conversion" in message:
        return f"line {text[: _start_of_long_number(text)].count(chr(10)) + 1}: a number too long to be one"
    last = max(1, len(text.splitlines()))  # "at end of document" is all that the parser says of those
    match = re.search(r"(.*) \(at line (\d+), column (\d+)\)", message, re.S)
    return f"line {match[2]}, column {match[3]}: {match[1].lower()}" if match else f"line {last}: {message.lower()}"


def _line_of(text: str, key: str, *table: str, otherwise: int = 1) -> int:
    """The line on which ``key`` of ``table`` is set, as near as a plain look at the text can tell."""
    inside = not table
    first = 0
    long_string = r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\''  # what is inside sets nothing
    text = re.sub(long_string, lambda found: "\n" * found[0].count("\n"), text, flags=re.S)
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("["):
            found = re.findall(r"""["']([^"']*)["']|([A-Za-z0-9_-]+)""", bare.split("#")[0])
            names = [quoted or plain for quoted, plain in found]
            inside = names == [*table]
            if key in (*names[:1], *names[-1:]):
                first = first or number
        elif re.match(rf"""["']?{re.escape(key)}["']?\s*[=.]""", bare):
            if inside:
                return number
            first = first or number
    return first or otherwise


# Precedence


class Resolved(Value):
    """Settings with the origin of each value: ``option``, ``environment``, ``profile``, ``file`` or ``default``."""

    settings: Settings
    origins: dict[str, str]
    profile: str | None
    file: ConfigFile
    own_url: str  # the base URL of the layer that names token_command, or of one below: what it speaks for


def variable(key: str) -> str:
    """The environment variable of a setting."""
    return "ELKCLI_" + key.upper()


def resolve(
    environment: Environment, *, profile: str | None = None, options: Mapping[str, Any] | None = None
) -> Resolved:
    """Settings as they hold for this run. ``options`` with the value ``None`` were not given.

    Raises :class:`UsageError` for a bad option (2) and :class:`ConfigError` for a bad variable, file or profile (3).
    """
    file = load(environment.config_dir / "config.toml")
    named_by: type[ElkError] = UsageError if profile else ConfigError
    profile = profile or environment.variables.get("ELKCLI_PROFILE") or file.profile
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def lay(layer: Mapping[str, Any], origin: str) -> None:
        values.update(layer)
        origins.update(dict.fromkeys(layer, origin))

    origins.update(dict.fromkeys(KEYS, "default"))
    lay(file.values, "file")
    if profile and profile != "default":
        table = file.profiles.get(profile)
        if profile == DEMO:
            table = {"model": "demo", **(table or {}), "base_url": DEMO_URL}
        if table is None:
            known = sorted({*file.profiles, DEMO})
            near = _nearest(profile, known)
            hint = f"did you mean {near[0]}?" if near else "the profiles: " + ", ".join(known)
            raise named_by(f"no profile is called {profile!r}", hint=hint)
        lay(table, "profile")
    own_url = values.get("base_url", default_of("base_url"))
    _read_system(values, environment.config_dir)
    found = _from_variables(environment, profile)
    _read_system(found, environment.directory)
    lay(found, "environment")
    if "token_command" in found:  # named beside the address, and for it
        own_url = values.get("base_url", own_url)
    lay(_from_options(options or {}), "option")
    return Resolved(Settings(**values), origins, profile, file, own_url)


def _read_system(layer: dict[str, Any], directory: Path) -> None:
    """Put what ``@FILE`` holds in the place of its name. Raises :class:`ConfigError`."""
    name = layer.get("system")
    if not isinstance(name, str) or not name.startswith("@"):
        return
    try:
        layer["system"] = (directory / Path(name[1:]).expanduser()).read_text(encoding="utf-8-sig").rstrip("\n")
    except (OSError, ValueError, RuntimeError) as problem:
        why = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"system: cannot read {name[1:]}: {why}") from problem


def _from_variables(environment: Environment, profile: str | None) -> dict[str, Any]:
    found = {}
    for key in KEYS:
        raw = environment.variables.get(variable(key))
        if not raw or (profile == DEMO and key == "base_url"):  # the demo promises: no network
            continue
        try:
            found[key] = check(key, raw)
        except BadValue as problem:
            raise ConfigError(f"{variable(key)} takes {problem}") from problem
    return found


def _from_options(options: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in options.items():
        if value is None:
            continue
        try:
            found[key] = check(key, value)
        except BadValue as problem:
            raise UsageError(f"--{key.replace('_', '-')} takes {problem}") from problem
    return found
