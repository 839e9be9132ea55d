"""The vocabulary of the tests: run elkcli as a shell would, against a server that says what it is told."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import hypothesis
import pytest

from elkcli.environment import Environment
from tests.server import SecureServer, Server
from tests.terminals import Terminal

TOKEN = "sk-test-dontleakthis0123456789abcdef"
# the same examples at each run: a suite that fails by chance tells nothing of the change at hand
hypothesis.settings.register_profile("elkcli", derandomize=True, deadline=None)
hypothesis.settings.load_profile("elkcli")
TREE = Path(__file__).resolve().parent.parent
# what is started here is to hear its signals, though this was started by nohup or in the background of a script
for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def needs(program: str) -> pytest.MarkDecorator:
    """Skips a test where a program is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not there")


@dataclass(frozen=True)
class Result:
    """How a run ended and what it wrote."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)

    @property
    def events(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> str:
        """The one line that says what failed."""
        lines = [line for line in self.err.splitlines() if line.startswith("elkcli: ")]
        assert len(lines) == 1, f"expected one line of error, got:\n{self.err}"
        return lines[0].removeprefix("elkcli: ")

    @property
    def hint(self) -> str:
        """The line that says what to do, or nothing."""
        lines = [line for line in self.err.splitlines() if line.startswith("hint: ")]
        assert len(lines) <= 1, self.err
        return lines[0].removeprefix("hint: ") if lines else ""

    def fails(self, code: int, out: bytes = b"") -> Result:
        """Assert a clean failure: this code, this much of an answer, one line of error and no traceback."""
        assert (self.code, self.out) == (code, out), self
        assert "Traceback" not in self.err, self.err
        assert self.error.strip(), self.err
        noise = [line for line in self.err.splitlines() if line.strip() and not line.startswith(("elkcli: ", "hint: "))]
        assert not noise, f"more than an error and a hint:\n{self.err}"
        return self

    def succeeds(self, out: bytes | None = None) -> Result:
        """Assert success, and exactly this on standard output where given."""
        assert self.code == 0, self
        assert out is None or self.out == out, self
        return self


class Unread(io.RawIOBase):
    """A terminal at which nobody types: reading from it is the mistake."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("elkcli read from the terminal it was not to read from")


@dataclass
class Elkcli:
    """Runs elkcli in this process, in a home of its own."""

    home: Path
    variables: dict[str, str]
    sleeps: list[float] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    shows_token: bool = False

    @property
    def work(self) -> Path:
        """The current directory."""
        return self.home / "work"

    @property
    def config(self) -> Path:
        return self.home / "config"

    @property
    def data(self) -> Path:
        return self.home / "data"

    def configure(self, toml: str) -> None:
        """Write ``config.toml``."""
        self.config.mkdir(mode=0o700, exist_ok=True)
        (self.config / "config.toml").write_text(toml)

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file in the current directory."""
        path = self.work / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def __call__(
        self,
        *arguments: str,
        stdin: bytes | str | BinaryIO | None = None,
        env: Mapping[str, str | None] | None = None,
        terminal: bool = False,
    ) -> Result:
        """Run elkcli. ``stdin=None`` is a terminal at which nobody types; a variable ``None`` is unset."""
        from elkcli.__main__ import run

        out, err = io.BytesIO(), io.StringIO()
        source: BinaryIO
        if stdin is None:
            source = cast(BinaryIO, io.BufferedReader(Unread()))
        elif isinstance(stdin, (bytes, str)):
            source = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
        else:
            source = stdin
        environment = Environment(
            arguments=list(arguments),
            variables=self._variables(env),
            stdin=source,
            stdout=out,
            stderr=err,
            stdin_is_terminal=stdin is None,
            stdout_is_terminal=terminal,
            stderr_is_terminal=terminal,
            directory=self.work,
            sleep=self.sleeps.append,
        )
        code = run(environment)
        self.written += [out.getvalue(), err.getvalue().encode(errors="surrogatepass")]
        return Result(code, out.getvalue(), err.getvalue())

    def _variables(self, env: Mapping[str, str | None] | None) -> dict[str, str]:
        merged: dict[str, str | None] = {**self.variables, **(env or {})}
        return {name: value for name, value in merged.items() if value is not None}

    # Real processes

    def process(
        self,
        *arguments: str,
        env: Mapping[str, str | None] | None = None,
        through: Sequence[str] = (),
        **options: Any,
    ) -> Process:
        """Start a real elkcli, ``through`` another program where given.

        Its input is empty and its output are pipes unless ``options`` say otherwise.
        """
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [*through, sys.executable, "-m", "elkcli", *arguments]
        return Process(self, subprocess.Popen(command, cwd=self.work, env=self._variables(env), **options))

    def shell(self, script: str, env: Mapping[str, str | None] | None = None, *, stdin: bytes | None = None) -> Result:
        """Run a bash script in which ``elkcli`` is the real command."""
        function = f'elkcli() {{ {shlex.quote(sys.executable)} -m elkcli "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", function + script],
            cwd=self.work,
            env=self._variables(env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=30,
            check=False,
        )
        self.written += [done.stdout, done.stderr]
        return Result(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def terminal(self, *arguments: str, env: Mapping[str, str | None] | None = None, **options: Any) -> Terminal:
        """Start a real elkcli at a real terminal, whose screen can be read."""
        started = Terminal(
            [sys.executable, "-m", "elkcli", *arguments], cwd=self.work, env=self._variables(env), **options
        )
        self._terminals.append(started)
        return started

    def __post_init__(self) -> None:
        self._terminals: list[Terminal] = []
        self._processes: list[Process] = []

    def close(self) -> None:
        """End what still runs, then look for the token in everything that was written."""
        for process in self._processes:
            process.end()
        for terminal in self._terminals:
            terminal.end()
            self.written.append(terminal.received)
        if self.shows_token:
            return
        secret = TOKEN.encode()
        for output in self.written:
            assert secret not in output, f"the token was printed:\n{output.decode(errors='replace')}"
        for path in self.home.rglob("*"):
            if path.is_file() and path.name != "credentials.toml":
                assert secret not in path.read_bytes(), f"the token lies in {path}"


class Process:
    """A running elkcli."""

    def __init__(self, elkcli: Elkcli, popen: subprocess.Popen[bytes]) -> None:
        self.popen = popen
        self._elkcli = elkcli
        elkcli._processes.append(self)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def read(self, size: int) -> bytes:
        """The next bytes of standard output, as many as asked for unless it ends."""
        data = b""
        assert self.popen.stdout is not None
        while len(data) < size and (more := os.read(self.popen.stdout.fileno(), size - len(data))):
            data += more
        return data

    def result(self, stdin: bytes | None = None, *, within: float = 20.0) -> Result:
        """Wait for the end, at most ``within`` seconds."""
        out, err = self.popen.communicate(stdin, timeout=within)
        self._elkcli.written += [out or b"", err or b""]
        return Result(_shell_code(self.popen.returncode), out or b"", (err or b"").decode(errors="replace"))

    def end(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _shell_code(code: int) -> int:
    """The code as ``$?`` shows it: elkcli may die of the signal or exit with its number."""
    return code if code >= 0 else 128 - code


@pytest.fixture(autouse=True)
def no_test_reaches_the_real_home_or_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything lies under ``tmp_path`` and every address but loopback is refused, loudly."""
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    for name in list(os.environ):
        if name.startswith(("ELKCLI_", "XDG_")) or name.lower().endswith("_proxy") or name in _MEDDLING:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "work")
    reached: list[str] = []

    def guarded(original: Callable[..., Any], host_of: Callable[..., object]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            host = host_of(*arguments, **options)
            host = host.decode() if isinstance(host, bytes) else host
            if isinstance(host, str) and host.endswith(".invalid"):  # RFC 6761: exists nowhere
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if isinstance(host, str) and host and not (host in {"localhost", "::1"} or host.startswith("127.")):
                reached.append(host)
                raise AssertionError(f"a test tried to reach {host}")
            return original(*arguments, **options)

        return call

    def of_address(_self: socket.socket, address: Any) -> object:
        return address[0] if isinstance(address, tuple) else None

    monkeypatch.setattr(socket, "getaddrinfo", guarded(socket.getaddrinfo, lambda host, *_, **__: host))
    monkeypatch.setattr(socket.socket, "connect", guarded(socket.socket.connect, of_address))
    monkeypatch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex, of_address))
    yield
    assert not reached, f"tried to reach {reached}"


_MEDDLING = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "VISUAL", "EDITOR", "SSL_CERT_FILE", "SSL_CERT_DIR"}


@pytest.fixture
def elkcli(tmp_path: Path) -> Iterator[Elkcli]:
    """``elkcli("ask", "hi", stdin=…, env=…, terminal=…)`` runs the tool and gives back (code, out, err)."""
    home = tmp_path / "home"
    tool = Elkcli(
        home,
        {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PYTHONPATH": str(TREE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ELKCLI_CONFIG_DIR": str(home / "config"),
            "ELKCLI_DATA_DIR": str(home / "data"),
        },
    )
    yield tool
    tool.close()


@pytest.fixture
def server(elkcli: Elkcli) -> Iterator[Server]:
    """A real server on a free port, to which ``elkcli`` is pointed, with a token."""
    running = Server()
    elkcli.variables |= {"ELKCLI_BASE_URL": running.url, "ELKCLI_TOKEN": TOKEN}
    yield running
    running.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """A certificate and its key: of this machine, and of another one. None is trusted by itself."""
    folder = tmp_path_factory.mktemp("tls")
    return {
        "right": issue(folder, "right", "IP:127.0.0.1,DNS:localhost"),
        "other": issue(folder, "other", "DNS:elsewhere.example"),
    }


@pytest.fixture
def secure(certificates: dict[str, tuple[Path, Path]], elkcli: Elkcli) -> Iterator[SecureServer]:
    """The server behind TLS, to which ``elkcli`` is pointed. It tries once, and does not trust it yet."""
    running = SecureServer(*certificates["right"])
    running.says()
    elkcli.variables |= {"ELKCLI_BASE_URL": running.url, "ELKCLI_TOKEN": TOKEN, "ELKCLI_RETRIES": "0"}
    yield running
    running.close()


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def issue(folder: Path, name: str, san: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName={san}", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def wait_until(condition: Callable[[], object], *, within: float = 10.0, what: str = "it") -> None:
    """Wait for something another thread or process does."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within} seconds"
        time.sleep(0.005)
