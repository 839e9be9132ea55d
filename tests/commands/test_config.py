"""`elkcli config`: settings that keep a hand-edited file as it was, and a token that nobody sees."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import TOKEN, Elkcli
from tests.server import Server

LAST4 = TOKEN[-4:]


@pytest.fixture(autouse=True)
def no_server_in_the_environment(elkcli: Elkcli) -> None:
    elkcli.variables.pop("ELKCLI_BASE_URL", None)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("model", "gemini-x", "gemini-x"), ("temperature", "0.5", "0.5"), ("temperature", "1", "1"),
        ("stream", "no", "false"), ("stream", "TRUE", "true"), ("max_tokens", "12", "12"),
        ("system", "a = \"b\"\n#", None),
        ("base_url", "http://localhost:1/", "http://localhost:1/v1"), ("aspect_ratio", "16x9", "16:9"),
        ("image_size", "2k", "2K"), ("retries", "0", "0"), ("timeout", "2.5", "2.5"), ("seed", "-3", "-3"),
        ("system", "é 🦌", "é 🦌"),
    ],
)  # fmt: skip
def test_what_is_set_is_got_listed_and_unset(key: str, value: str, shown: str | None, elkcli: Elkcli) -> None:
    before = elkcli("config", "get", key)
    elkcli("config", "set", key, value).succeeds(b"")
    got = elkcli("config", "get", key).succeeds().text.removesuffix("\n")
    assert got == (shown if shown is not None else value)
    (row,) = [row for row in elkcli("config", "list", "--json").succeeds().json if row["key"] == key]
    assert row["origin"] == "file"
    elkcli("config", "unset", key).succeeds()
    after = elkcli("config", "get", key)
    assert (after.code, after.out) == (before.code, before.out)


@pytest.mark.parametrize("value", ["-y", "--nothing", "-be brief"])
def test_a_value_may_look_like_an_option_behind_two_dashes(value: str, elkcli: Elkcli) -> None:
    elkcli("config", "set", "system", "--", value).succeeds()
    assert elkcli("config", "get", "system").text == value + "\n"
    elkcli("config", "set", "--", "system", value + "2").succeeds()
    assert elkcli("config", "get", "system").text == value + "2\n"
    assert elkcli("config", "set", "system", value).code == (0 if " " in value else 2)


@pytest.mark.parametrize(
    ("value", "sent"), [("[END]", ["[END]"]), ("[1]", ["[1]"]), ('["a", "[b]"]', ["a", "[b]"]), ("a b", ["a b"])]
)
def test_a_stop_string_may_look_like_a_list(value: str, sent: list[str], elkcli: Elkcli) -> None:
    def stop() -> object:
        return elkcli("ask", "hi", "--dry-run").succeeds().json["body"]["stop"]

    elkcli("config", "set", "stop", value).succeeds()
    assert stop() == sent
    elkcli.configure(f"stop = '{value}'\n")
    assert stop() == sent
    elkcli.configure("")
    elkcli.variables["ELKCLI_STOP"] = value
    assert stop() == sent


def test_several_words_are_one_value(elkcli: Elkcli) -> None:
    elkcli("config", "set", "system", "be", "brief").succeeds()
    elkcli("config", "get", "system").succeeds(b"be brief\n")


HAND = """\
# My settings, do not touch
model   =  "a"   # the model

temperature = 0.5

[profiles.images]   # pictures
# before
model = 'b'
aspect_ratio = "16:9"

[profiles."my work"]
base_url = "https://work.example/v1"
"""


def test_comments_and_order_of_a_hand_edited_file_survive(elkcli: Elkcli) -> None:
    elkcli.configure(HAND)
    elkcli("config", "set", "model", "z").succeeds()
    elkcli("config", "set", "seed", "7").succeeds()
    elkcli("config", "set", "seed", "8", "-p", "images").succeeds()
    elkcli("config", "unset", "temperature").succeeds()
    text = (elkcli.config / "config.toml").read_text()
    for words in ("# My settings, do not touch", "# the model", "# pictures", "# before", '[profiles."my work"]'):
        assert words in text, text
    assert text.index('"z"') < text.index("[profiles.images]") < text.index("# before") < text.index("my work")
    assert "temperature" not in text
    elkcli("config", "get", "seed").succeeds(b"7\n")
    elkcli("config", "get", "seed", "-p", "images").succeeds(b"8\n")
    elkcli("config", "set", "model", "a").succeeds()
    elkcli("config", "set", "model", "a").succeeds()
    assert (elkcli.config / "config.toml").read_text().count("model") == text.count("model")


@pytest.mark.parametrize(
    ("key", "value"),
    [("temperature", "9"), ("modle", "x"), ("stream", "maybe"), ("format", "xml"), ("base_url", "ftp://x"),
     ("retries", "-1"), ("token_x", "1"), ("profiles", "x"), ("a.b", "1"), ("", "x"), ("headers", "Host: x")],
)  # fmt: skip
def test_a_bad_key_or_value_is_2_and_leaves_the_file_alone(key: str, value: str, elkcli: Elkcli) -> None:
    elkcli.configure(HAND)
    elkcli("config", "set", key, value).fails(2)
    assert (elkcli.config / "config.toml").read_text() == HAND


def test_a_refused_value_names_the_allowed_ones(elkcli: Elkcli) -> None:
    for words in ("markdown", "jsonl"):
        assert words in elkcli("config", "set", "format", "xml").fails(2).err
    assert "0 to 2" in elkcli("config", "set", "temperature", "9").fails(2).err


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('profiles = { one = { model = "a" } }\n',
         'profiles = { one = { model = "a" }, "two" = {seed = 3} }\n'),
        ('[profiles]\none = { model = "a" }\n', '[profiles]\none = { model = "a" }\n\n[profiles.two]\nseed = 3\n'),
        ('# mine\r\nmodel = "a"\r\n', '# mine\r\nmodel = "a"\r\n\r\n[profiles.two]\r\nseed = 3\r\n'),
    ],
)  # fmt: skip
def test_a_profile_is_added_however_the_others_are_written(before: str, after: str, elkcli: Elkcli) -> None:
    path = elkcli.config / "config.toml"
    elkcli.configure("")
    path.write_bytes(before.encode())
    elkcli("config", "set", "-p", "two", "seed", "3").succeeds()
    squeezed = path.read_bytes().decode().replace('"two"', "two").replace(" ", "")
    assert squeezed == after.replace('"two"', "two").replace(" ", "")


def test_a_file_in_an_unusual_shape_is_refused_rather_than_changed_wrongly(elkcli: Elkcli) -> None:
    before = 'profiles.one.model = "a"\nstop = ["a"]\n'
    elkcli.configure(before)
    result = elkcli("config", "set", "-p", "two", "seed", "3")
    assert result.code in {0, 3}
    if result.code:
        assert (elkcli.config / "config.toml").read_text() == before
        assert "config edit" in result.err
    assert elkcli("config", "get", "stop").text == '["a"]\n'


def test_comments_between_headers_survive(elkcli: Elkcli) -> None:
    elkcli.configure('[headers]\n# who asks\nX-Team = "a"\nX-Old = "b"\n')
    elkcli("config", "set", "headers", "X-Team: c").succeeds()
    assert (elkcli.config / "config.toml").read_text() == '[headers]\n# who asks\nX-Team = "c"\n'


def test_a_broken_file_is_not_made_worse(elkcli: Elkcli) -> None:
    elkcli.configure("model = \n")
    elkcli("config", "set", "model", "x").fails(3)
    assert (elkcli.config / "config.toml").read_text() == "model = \n"


def test_a_bad_value_in_the_file_can_be_mended_by_setting_it(elkcli: Elkcli) -> None:
    elkcli.configure("temperature = 9\n")
    assert elkcli("config", "set", "temperature", "1").code in {0, 3}


def test_list_tells_where_each_value_comes_from(elkcli: Elkcli) -> None:
    elkcli.configure("seed = 1\nmax_tokens = 2\nprofile = 'p'\n[profiles.p]\nmax_tokens = 3\ntop_p = 0.5\n")
    rows = {
        row["key"]: (row["value"], row["origin"])
        for row in elkcli("config", "list", "--json", env={"ELKCLI_TOP_P": "0.25"}).succeeds().json
    }
    assert rows["seed"] == (1, "file")
    assert rows["max_tokens"] == (3, "profile")
    assert rows["top_p"] == (0.25, "environment")
    assert rows["temperature"] == (None, "default")
    assert rows["retries"] == (2, "default")
    assert rows["profile"][0] == "p"
    plain = elkcli("config", "list").succeeds().text
    assert all(key in plain for key in rows)


@pytest.mark.parametrize(
    ("file", "variable", "option", "named", "origin"),
    [
        (None, None, None, "default", "default"), ("a", None, None, "a", "file"),
        ("a", "b", None, "b", "environment"), ("a", "b", "a", "a", "option"), (None, None, "b", "b", "option"),
    ],
)  # fmt: skip
def test_list_tells_where_the_profile_comes_from(
    file: str | None, variable: str | None, option: str | None, named: str, origin: str, elkcli: Elkcli
) -> None:
    elkcli.configure((f"profile = '{file}'\n" if file else "") + "[profiles.a]\n[profiles.b]\n")
    words = ["-p", option] if option else []
    listed = elkcli("config", "list", "--json", *words, env={"ELKCLI_PROFILE": variable}).succeeds().json
    assert {"key": "profile", "value": named, "origin": origin} in listed


def test_path_is_the_file(elkcli: Elkcli) -> None:
    elkcli("config", "path").succeeds(f"{elkcli.config}/config.toml\n".encode())


def test_edit_opens_the_file_and_checks_what_was_saved(elkcli: Elkcli) -> None:
    editor = elkcli.file("editor", '#!/bin/sh\necho "model = \'edited\'" >> "$1"\n')
    editor.chmod(0o755)
    elkcli("config", "edit", env={"EDITOR": str(editor)}).succeeds()
    elkcli("config", "get", "model").succeeds(b"edited\n")
    editor.write_text('#!/bin/sh\necho "temperature = 9" >> "$1"\n')
    elkcli("config", "edit", env={"EDITOR": str(editor)}).fails(3)


# The token


def test_a_token_is_stored_from_a_pipe_and_never_shown(elkcli: Elkcli) -> None:
    elkcli("config", "set", "token", stdin=f"{TOKEN}\n").succeeds(b"")
    shown = elkcli("config", "get", "token").succeeds().text
    assert shown.startswith("sk-")
    assert LAST4 in shown
    listed = elkcli("config", "list").succeeds().text
    assert LAST4 in listed
    elkcli.shows_token = True
    elkcli("config", "get", "token", "--reveal").succeeds(f"{TOKEN}\n".encode())


def test_a_token_on_the_command_line_is_refused_with_the_reason(elkcli: Elkcli) -> None:
    result = elkcli("config", "set", "token", TOKEN).fails(2)
    assert "command line" in result.error
    assert not (elkcli.config / "credentials.toml").exists()


@pytest.mark.parametrize("given", ["", "  \n", "one\ntwo\n", "sk-\x1b[31m", "sk-é", "sk a", b"\xff\xfe", "sk-\0x"])
def test_what_is_no_token_is_not_stored(given: str | bytes, elkcli: Elkcli) -> None:
    elkcli("config", "set", "token", stdin=given).fails(2)
    assert not (elkcli.config / "credentials.toml").exists()


def test_a_short_token_is_not_shown_by_its_last_four(elkcli: Elkcli) -> None:
    elkcli("config", "set", "token", stdin="abc123").succeeds()
    assert "c123" not in elkcli("config", "get", "token").succeeds().text


def test_the_credentials_are_for_the_owner_only(elkcli: Elkcli) -> None:
    old = os.umask(0)
    try:
        elkcli("config", "set", "token", stdin=TOKEN).succeeds()
    finally:
        os.umask(old)
    file = elkcli.config / "credentials.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(elkcli.config.stat().st_mode) == 0o700
    assert TOKEN not in "".join(path.name for path in elkcli.config.iterdir())


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666, 0o604])
def test_credentials_that_others_can_read_are_refused_with_the_cure(mode: int, elkcli: Elkcli, server: Server) -> None:
    env = {"ELKCLI_TOKEN": None, "ELKCLI_BASE_URL": None}
    elkcli.configure(f'base_url = "{server.url}"\n')
    elkcli("config", "set", "token", stdin=TOKEN, env=env).succeeds()
    file = elkcli.config / "credentials.toml"
    file.chmod(mode)
    result = elkcli("ask", "hi", env=env).fails(3)
    assert f"chmod 600 {file}" in result.hint
    assert not server.requests


def test_tokens_belong_to_profiles(elkcli: Elkcli, server: Server) -> None:
    env = {"ELKCLI_TOKEN": None, "ELKCLI_BASE_URL": None}
    elkcli.configure(f'base_url = "{server.url}"\n[profiles.work]\nmodel = "w"\n')
    elkcli("config", "set", "token", stdin="sk-general-1234567", env=env).succeeds()
    elkcli("config", "set", "token", "-p", "work", stdin="sk-work-1234567", env=env).succeeds()
    server.says()
    elkcli("ask", "hi", env=env).succeeds()
    elkcli("ask", "hi", "-p", "work", env=env).succeeds()
    sent = [request.header("authorization") for request in server.requests]
    assert sent == ["Bearer sk-general-1234567", "Bearer sk-work-1234567"]
    elkcli("config", "unset", "token", "-p", "work", env=env).succeeds()
    elkcli("config", "unset", "token", env=env).succeeds()
    elkcli("ask", "hi", env=env).fails(3)


def test_a_changed_base_url_does_not_take_the_token_along(elkcli: Elkcli, server: Server) -> None:
    env = {"ELKCLI_TOKEN": None, "ELKCLI_BASE_URL": None}
    elkcli("config", "set", "base_url", "https://api.elk.invalid", env=env).succeeds()
    elkcli("config", "set", "token", stdin=TOKEN, env=env).succeeds()
    elkcli("config", "set", "base_url", server.url, env=env).succeeds()
    elkcli("ask", "hi", env=env).fails(3)
    assert not server.requests


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (f"echo {TOKEN}", 0),
        (f"printf '  {TOKEN}\\n\\n'", 0),
        (f"echo {TOKEN} >&2; exit 1", 3),
        ("true", 3),
        ("no-such-program-anywhere", 3),
        ("echo a; echo b", None),
        (f"echo {TOKEN}; yes more", 3),
        ("cat /dev/zero", 3),
        ("yes >&2 & sleep 0.2; kill $!", 3),
        ("printf '\\377'", 3),
    ],
)
def test_a_program_can_give_the_token(command: str, code: int | None, elkcli: Elkcli, server: Server) -> None:
    env = {"ELKCLI_TOKEN": None, "ELKCLI_BASE_URL": None}
    script = elkcli.file("give", f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    where = command if command.startswith("no-such") else str(script)
    elkcli.configure(f'base_url = "{server.url}"\ntoken_command = "{where}"\n')
    script.write_text(script.read_text().replace(TOKEN, TOKEN[:9] + "''" + TOKEN[9:]))  # not itself a leak
    server.says()
    result = elkcli("ask", "hi", env=env)
    if code is not None:
        assert result.code == code, result
    if code == 0:
        assert server.request.header("authorization") == f"Bearer {TOKEN}"
    elif code:
        result.fails(code)
        assert not server.requests


def test_a_program_in_the_environment_speaks_for_the_address_beside_it(
    elkcli: Elkcli, server: Server, closed_port: int
) -> None:
    env = {"ELKCLI_TOKEN": None, "ELKCLI_BASE_URL": server.url, "ELKCLI_TOKEN_COMMAND": "echo sk-of-a-program"}
    server.says()
    elkcli("ask", "hi", env=env).succeeds()
    assert server.request.header("authorization") == "Bearer sk-of-a-program"
    elkcli("ask", "hi", "--base-url", f"http://127.0.0.1:{closed_port}", env=env).fails(3)


def test_a_damaged_entry_among_the_tokens_is_mended_by_the_command_that_is_named(elkcli: Elkcli) -> None:
    elkcli("config", "set", "-p", "two", "model", "x").succeeds()
    elkcli("config", "set", "-p", "two", "token", stdin="sk-two-1234567890").succeeds()
    file = elkcli.config / "credentials.toml"
    file.write_text(file.read_text() + "\n[default]\ntoken = 3\n")
    assert "config set token" in elkcli("config", "get", "token", env={"ELKCLI_TOKEN": None}).fails(3).err
    elkcli("config", "set", "token", stdin="sk-one-1234567890").succeeds()
    assert elkcli("config", "get", "token").text.endswith("…7890\n")
    assert elkcli("config", "get", "-p", "two", "token").succeeds()


# Many writers


@pytest.mark.slow
def test_two_writers_at_once_lose_nothing(elkcli: Elkcli) -> None:
    elkcli.configure(HAND)
    script = "for i in 1 2 3 4 5; do elkcli config set seed $i -p p{0} || exit 1; done"
    threads = [threading.Thread(target=lambda n=n: elkcli.shell(script.format(n))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        elkcli("config", "get", "seed", "-p", f"p{number}").succeeds(b"5\n")
    assert "# My settings, do not touch" in (elkcli.config / "config.toml").read_text()
    assert sorted(path.name for path in elkcli.config.iterdir() if not path.name.startswith(".")) in (
        ["config.toml"], ["config.toml", "lock"])  # fmt: skip


@pytest.mark.slow
def test_a_hidden_prompt_takes_the_token_at_a_terminal(elkcli: Elkcli) -> None:
    terminal = elkcli.terminal("config", "set", "token")
    terminal.see("oken").type(TOKEN).press("enter")
    assert terminal.exit() == 0
    assert TOKEN not in terminal.scrolled
    assert LAST4 in elkcli("config", "get", "token").succeeds().text


@pytest.mark.slow
def test_ctrl_c_at_the_prompt_stores_nothing(elkcli: Elkcli) -> None:
    terminal = elkcli.terminal("config", "set", "token")
    terminal.see("oken").press("ctrl-c")
    assert terminal.exit() == 130
    assert "Traceback" not in terminal.screen
    assert not (elkcli.config / "credentials.toml").exists()


@pytest.mark.slow
def test_the_token_is_never_among_the_arguments_of_a_process(elkcli: Elkcli, server: Server) -> None:
    server.stalls()
    process = elkcli.process("ask", "hi", env={"ELKCLI_BASE_URL": server.url})
    while not server.requests:
        assert process.popen.poll() is None
    listed = Path(f"/proc/{process.popen.pid}/cmdline")
    ps = ["ps", "-p", str(process.popen.pid), "-o", "args="]
    shown = listed.read_bytes() if listed.exists() else subprocess.run(ps, capture_output=True, check=True).stdout
    assert Path(sys.executable).name.encode() in shown
    assert TOKEN.encode() not in shown
    process.signal(15)
    process.result()


# check


def checked(elkcli: Elkcli, server: Server) -> dict[str, str | None]:
    elkcli.configure(f'base_url = "{server.url}"\nmodel = "m"\n')
    return {"ELKCLI_BASE_URL": None}


def test_check_reports_each_thing_on_a_line(elkcli: Elkcli, server: Server) -> None:
    env = checked(elkcli, server)
    server.serves("/v1/models", {"object": "list", "data": [{"id": "m"}, {"id": "n"}]})
    lines = elkcli("config", "check", env=env).succeeds().text.splitlines()
    text = "\n".join(lines).lower()
    for word in (server.url, "token", "model", "configuration"):
        assert word in text
    assert server.request.method == "GET"
    assert server.request.path == "/v1/models"
    assert server.request.header("authorization") == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"error": {"message": "Invalid token"}}, 4),
        (403, {"error": {"message": "no"}}, 4),
        (429, b"", 5),
        (500, {"error": {"message": "x"}}, 6),
        (404, {"error": {"message": "Invalid URL"}}, 6),
        (200, "<!doctype html>", 6),
        (200, {"success": False, "message": "no"}, 6),
        (200, {"data": [{"id": "other"}]}, 6),
        (200, {"data": None}, 6),
        (200, {"data": [1, None, {}, {"id": 7}]}, 6),
        (200, [], 6),
    ],
)
def test_check_ends_with_the_codes_of_ask(status: int, body: object, code: int, elkcli: Elkcli, server: Server) -> None:
    env = checked(elkcli, server)
    server.serves("/v1/models", body, status=status)
    result = elkcli("config", "check", "--retries", "0", env=env)
    assert result.code == code, result
    assert result.error
    assert "Traceback" not in result.err


@pytest.mark.parametrize("body", [{"models": [{"name": "models/m"}]}, {"data": ["m", 3]}])
def test_check_reads_every_list_that_models_reads(body: object, elkcli: Elkcli, server: Server) -> None:
    env = checked(elkcli, server)
    server.serves("/v1/models", body)
    assert "m known" in elkcli("config", "check", env=env).succeeds().text


def test_check_without_a_server_or_a_token(elkcli: Elkcli, server: Server, closed_port: int) -> None:
    env = {"ELKCLI_BASE_URL": f"http://127.0.0.1:{closed_port}"}
    assert elkcli("config", "check", "--retries", "0", env=env).code == 7
    assert elkcli("config", "check", env={**env, "ELKCLI_TOKEN": None}).code == 3


@pytest.mark.parametrize("profile", [["-p", "work"], ["--profile", "demo"], ["--profile=work"]])
def test_every_command_of_config_takes_a_profile(profile: list[str], elkcli: Elkcli) -> None:
    elkcli.configure("[profiles.work]\nmodel = 'm'\n")
    for words in (["set", "model", "m"], ["get", "model"], ["unset", "model"], ["list"]):
        if profile[-1] != "demo":
            elkcli("config", *words, *profile).succeeds()
    assert elkcli("config", "path", *profile).succeeds().text == elkcli("config", "path").text
    elkcli("config", "edit", *profile, env={"EDITOR": "true", "VISUAL": None}).succeeds()


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize("key", ["timeout", "temperature", "top_p", "seed", "retries"])
def test_a_number_too_big_for_any_use_is_refused_with_its_line(key: str, digits: int, elkcli: Elkcli) -> None:
    elkcli.configure(f"model = 'm'\n{key} = {'9' * digits}\nstream = true\n")
    assert "line 2" in elkcli("config", "list").fails(3).error


def test_a_number_too_long_to_read_among_the_tokens_is_no_bug(elkcli: Elkcli, server: Server) -> None:
    elkcli("config", "set", "token", stdin=f"{TOKEN}\n").succeeds()
    file = elkcli.config / "credentials.toml"
    file.write_text(f"{file.read_text()}more = {'9' * 5000}\n")
    assert "not valid TOML" in elkcli("ask", "hi", env={"ELKCLI_TOKEN": None}).fails(3).error


@pytest.mark.parametrize("where", [["model", "\udcff"], ["headers.X-A", "\udcff"], ["model", "m", "-p", "\udcff"]])
def test_what_is_not_utf8_is_not_set(where: list[str], elkcli: Elkcli) -> None:
    elkcli("config", "set", *where).fails(2)
    assert not (elkcli.config / "config.toml").exists()


def test_a_program_that_gives_no_token_in_time_is_stopped(
    elkcli: Elkcli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elkcli.storage.credentials.COMMAND_SECONDS", 0.3)
    for command in ("sleep 20", "sh -c 'sleep 20; true'", "sh -c 'exec >&-; sleep 20'"):
        began = time.monotonic()
        result = elkcli("ask", "hi", env={"ELKCLI_TOKEN": None, "ELKCLI_TOKEN_COMMAND": command})
        assert "gave no token within 0.3 s" in result.fails(3).error
        assert time.monotonic() - began < 5
    assert not server.requests
