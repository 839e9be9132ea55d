"""The wheel and the source archive: what is in them, and whether what is installed from them runs."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from elkcli import __version__
from elkcli.commands.app import COMMANDS
from tests.conftest import TREE

pytest.importorskip("hatchling", reason="the build backend is not there")

SHARE = f"elkcli-{__version__}.data/data/share"
# What pyproject.toml says of the lowest versions is true only as long as this is tried
LOWEST = ["typer==0.27.2", "rich==14.3.0", "httpx==0.28.0", "platformdirs==4.2.0", "prompt-toolkit==3.0.47",
          "tomlkit==0.13.0"]  # fmt: skip


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints. The index, the proxies and the certificates are those of the machine."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the source archive, and with the wheel that was built from it."""
    place = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", place, cwd=TREE)
    with tarfile.open(next(place.glob("*.tar.gz"))) as archive:
        # the filter came with 3.11.4, and the archive is our own
        if hasattr(tarfile, "data_filter"):
            archive.extractall(place, filter="data")
        else:
            archive.extractall(place)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place, cwd=place / f"elkcli-{__version__}")
    return place


@pytest.fixture(scope="session")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


def test_the_wheel_is_for_every_platform_and_named_by_the_version(built: Path) -> None:
    assert [path.name for path in built.glob("*.whl")] == [f"elkcli-{__version__}-py3-none-any.whl"]


def test_the_wheel_carries_every_module_and_says_that_it_is_typed(wheel: zipfile.ZipFile) -> None:
    modules = {str(path.relative_to(TREE)) for path in (TREE / "elkcli").rglob("*.py")}
    assert modules - set(wheel.namelist()) == set()
    assert "elkcli/py.typed" in wheel.namelist()


def test_the_wheel_carries_nothing_but_the_package_and_what_goes_to_share(wheel: zipfile.ZipFile) -> None:
    roots = {name.split("/")[0] for name in wheel.namelist()}
    assert roots == {"elkcli", f"elkcli-{__version__}.data", f"elkcli-{__version__}.dist-info"}
    assert [name for name in wheel.namelist() if "__pycache__" in name or name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("place", "file"),
    [
        ("bash-completion/completions/elkcli", "completions/elkcli.bash"),
        ("zsh/site-functions/_elkcli", "completions/_elkcli"),
        ("fish/vendor_completions.d/elkcli.fish", "completions/elkcli.fish"),
        ("man/man1/elkcli.1", "man/elkcli.1"),
        ("man/man5/elkcli-config.5", "man/elkcli-config.5"),
        *((f"man/man1/elkcli-{name}.1", f"man/elkcli-{name}.1") for name in COMMANDS),
    ],
)
def test_the_wheel_puts_it_where_shells_and_man_look(place: str, file: str, wheel: zipfile.ZipFile) -> None:
    assert wheel.read(f"{SHARE}/{place}") == (TREE / file).read_bytes()


def test_the_wheel_carries_what_install_completion_installs(wheel: zipfile.ZipFile) -> None:
    for file in (TREE / "completions").iterdir():
        assert wheel.read(f"elkcli/completions/{file.name}") == file.read_bytes()


def test_the_metadata_tells_what_it_is(wheel: zipfile.ZipFile) -> None:
    told = email.message_from_bytes(wheel.read(f"elkcli-{__version__}.dist-info/METADATA"))
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("elkcli", __version__, "MIT")
    assert told["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in told.get_all("Classifier", [])
    assert told["Description-Content-Type"] == "text/markdown"
    needed = {line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert {line.split(">=")[0].split("<")[0] for line in needed} == {name.split("==")[0] for name in LOWEST}


def test_the_lowest_versions_are_those_that_are_tried(wheel: zipfile.ZipFile) -> None:
    told = email.message_from_bytes(wheel.read(f"elkcli-{__version__}.dist-info/METADATA"))
    needed = " ".join(told.get_all("Requires-Dist", []))
    for pinned in LOWEST:
        name, _, version = pinned.partition("==")
        assert f">={version.removesuffix('.0')}" in needed, f"{name} is tried with {version}"


def test_the_source_archive_carries_what_tests_and_checks_need(built: Path) -> None:
    inside = built / f"elkcli-{__version__}"
    for name in ("pyproject.toml", "README.md", "tests/conftest.py", ".ci/generate.py", "man/elkcli.1"):
        assert (inside / name).is_file(), name
    assert not list(inside.rglob("__pycache__"))


@pytest.mark.slow
def test_it_runs_from_the_wheel_alone(built: Path, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Without the source tree: nothing is read from beside the package, and the completions are found in it."""
    wheel.extractall(tmp_path / "site")
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**bare, "PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {"ELKCLI_CONFIG_DIR": str(tmp_path / "config"), "ELKCLI_DATA_DIR": str(tmp_path / "data")}

    def said(*arguments: str) -> bytes:
        command = [sys.executable, "-P", "-m", "elkcli", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return done.stdout

    assert said("--version") == f"elkcli {__version__}\n".encode()
    assert said("--show-completion", "zsh") == (TREE / "completions/_elkcli").read_bytes()
    assert said("ask", "-p", "demo", "hi").strip()


@pytest.mark.network
@pytest.mark.parametrize("versions", [[], LOWEST], ids=["newest", "lowest"])
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"], ids=["wheel", "sdist"])
def test_it_installs_into_an_empty_environment_and_runs(
    kind: str, versions: list[str], built: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", next(built.glob(kind)), *versions, cwd=tmp_path)
    tool = tmp_path / "venv/bin/elkcli"
    assert run(tool, "--version", cwd=tmp_path) == f"elkcli {__version__}\n"
    assert run(tool, "ask", "--no-stdin", "-p", "demo", "hi", cwd=tmp_path).strip()
    assert "Usage: elkcli ask" in run(tool, "ask", "--help", cwd=tmp_path)
    assert "gemini" in run(tool, "config", "get", "model", cwd=tmp_path)
    run(tool, "config", "set", "retries", "3", cwd=tmp_path)
    assert run(tool, "config", "get", "retries", cwd=tmp_path) == "3\n"
    assert (tmp_path / "venv/share/man/man1/elkcli.1").is_file()
    assert (tmp_path / "venv/share/bash-completion/completions/elkcli").is_file()
    assert "No broken requirements" in run(python, "-m", "pip", "check", cwd=tmp_path)
