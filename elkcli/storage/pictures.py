"""The media of an answer, saved where the person wants them, under names of our own, never over another file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from elkcli.conversation import Media, MediaKind, Note, SavedMedia
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.media import ALSO_CALLED, Kind, dimensions, readable, sniff
from elkcli.storage import placing, private

_FAMILIES: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}
_SAME = {"image/jpg": "image/jpeg", "audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}
_SPECIAL = set(" ()<>\\")


class Saver:
    """Saves the media of one answer: ``output`` is ``-o``, a file, a directory or ``-``.

    With ``-`` the bytes go to ``write`` (by default straight to standard output), and ``raw`` is true: text must go
    elsewhere. Without ``output`` they go to ``image_dir``, by default the current directory.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        output: str | None = None,
        force: bool = False,
        image_dir: str | None = None,
        write: Callable[[bytes], object] | None = None,
    ) -> None:
        self.raw = output == "-"
        self._environment = environment
        self._output = output
        self._force = force
        self._write = write or self._to_stdout
        self._count = 0
        self._file: Path | None = None  # as the person would type it: relative paths stay so
        self._directory = Path(image_dir or "").expanduser()
        if output is not None and not self.raw:
            typed = Path(output).expanduser()
            if output.endswith(("/", os.sep)) or os.path.isdir(self._real(typed)):  # noqa: PTH112 - never raises
                self._directory = typed
            else:
                self._directory, self._file = typed.parent, typed
        self._begun = environment.clock()
        self._mark = os.urandom(2).hex()

    def _real(self, typed: Path) -> Path:
        return self._environment.directory / typed

    # Before anything is sent

    def check(self) -> None:
        """Raise :class:`UsageError` where the named place cannot take a file, or has one already."""
        if self._output is None:
            return
        if self.raw:
            if self._environment.stdout is None:
                raise UsageError("--output - needs a standard output, and it is closed")
            if self._environment.stdout_is_terminal:
                raise UsageError(
                    "--output - would write an image's bytes to the terminal",
                    hint="name a file (-o elk.png), or pipe it: elkcli ask … -o - | …",
                )
            return
        if not self._output or "\0" in self._output:
            raise UsageError("--output takes a file, a directory or -")
        directory = self._real(self._directory)
        with _refusing(self._output):
            if not directory.is_dir():
                if os.path.lexists(directory):
                    raise UsageError(f"{self._directory} is no directory")
                raise UsageError(f"no such directory: {self._directory}", hint=f"mkdir -p '{self._directory}'")
            if self._file is None:
                _try(directory)
                return
            file = self._real(self._file)
            if placing.is_special(file):
                if not os.access(file, os.W_OK):
                    raise UsageError(f"cannot write {self._output}")
                return
            if os.path.lexists(file) and not self._force:
                raise UsageError(f"{self._output} exists", hint="--force overwrites it")
            if file.exists() and not os.access(file, os.W_OK):
                raise UsageError(f"cannot write {self._output}")
            _try(Path(os.path.realpath(file)).parent)

    # While the answer comes

    def save(self, media: Media) -> tuple[SavedMedia, list[Note]]:
        """Save one picture, sound or film. Raises :class:`ElkError` where it can be put nowhere at all."""
        self._count += 1
        kind, notes = _judge(media)
        if self.raw:
            if self._count > 1:
                notes.append(Note("standard output holds more than one file now", warning=True))
            self._write(media.data)
            return self._saved(media, kind, "-", "-"), notes
        try:
            typed = self._keep(media.data, kind, notes)
        except OSError as problem:
            path = self._rescue(media.data, kind, problem, notes)
            return self._saved(media, kind, str(path), _reference(path), notes[-1].text), notes
        return self._saved(media, kind, str(self._real(typed)), _reference(typed)), notes

    def _saved(self, media: Media, kind: Kind, path: str, reference: str, problem: str = "") -> SavedMedia:
        width, height = dimensions(media.data)
        return SavedMedia(path, reference, kind.kind, kind.mime, len(media.data), width, height, media.choice, problem)

    def _to_stdout(self, data: bytes) -> None:
        stdout = self._environment.stdout
        if stdout is None:
            raise ElkError("cannot write the image: standard output is closed")
        stdout.write(data)
        stdout.flush()

    def _keep(self, data: bytes, kind: Kind, notes: list[Note]) -> Path:
        if self._file is not None:
            return self._keep_named(self._file, data, kind, notes)
        if self._output is None:
            self._real(self._directory).mkdir(parents=True, exist_ok=True)
        for _ in range(100):
            number = "" if self._count == 1 else f"-{self._count}"
            typed = self._directory / f"{self._name()}{number}.{kind.extension}"
            with contextlib.suppress(FileExistsError):
                placing.create(self._real(typed), data)
                return typed
            self._mark = os.urandom(2).hex()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(typed))

    def _name(self) -> str:
        return f"elkcli-{time.strftime('%Y%m%d-%H%M%S', time.localtime(self._begun))}-{self._mark}"

    def _keep_named(self, file: Path, data: bytes, kind: Kind, notes: list[Note]) -> Path:
        """``FILE`` for the first, ``FILE-2.ext`` for the second; the next free number where somebody was faster."""
        if self._count == 1 or placing.is_special(self._real(file)):
            suffix = file.suffix[1:].lower()
            if (
                suffix
                and ALSO_CALLED.get(suffix, suffix) != kind.extension
                and not placing.is_special(self._real(file))
            ):
                notes.append(Note(f"{_reference(file)} is {kind.mime}, whatever its name says", warning=True))
            if self._place(self._real(file), data):
                return file
            self._count += 1
            notes.append(Note(f"{_reference(file)} exists by now, and was left as it is", warning=True))
        while True:
            typed = file.with_name(f"{file.stem}-{self._count}.{kind.extension}")
            if self._place(self._real(typed), data):
                return typed
            self._count += 1

    def _place(self, path: Path, data: bytes) -> bool:
        """Write the file, or return ``False`` if the name is taken and may not be."""
        if self._force:
            placing.replace(path, data)
        else:
            try:
                placing.create(path, data)
            except FileExistsError:
                return False
        return True

    def _rescue(self, data: bytes, kind: Kind, problem: OSError, notes: list[Note]) -> Path:
        """Bytes that were paid for and cannot be saved where they should be: to the data directory."""
        what = f"cannot save the {_what(kind)} in {self._real(self._directory)}: {problem.strerror or problem}"
        directory = self._environment.data_dir / "rescued"
        path = directory / f"{self._name()}-{self._count}.{kind.extension}"
        try:
            private.make_directory(directory)
            with private.create(path) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as second:
            with contextlib.suppress(OSError):
                path.unlink()
            raise ElkError(f"{what}; nor in {directory}: {second.strerror or second}") from second
        notes.append(Note(f"{what}; it is kept in {path}", warning=True))
        return path


def _judge(media: Media) -> tuple[Kind, list[Note]]:
    """What the bytes are, and a word where the server said something else."""
    kind = sniff(media.data)
    claimed = _SAME.get(media.claimed, media.claimed)
    if kind is None:
        family = _FAMILIES.get(media.claimed.partition("/")[0], "document")
        size = readable(len(media.data))
        said = f"the answer's {media.claimed or 'attachment'} ({size}) is no file of a known kind; kept as it came"
        return Kind(family, "application/octet-stream", "bin"), [Note(said, warning=True)]
    if claimed not in {kind.mime, "application/octet-stream"} and claimed.partition("/")[0] != kind.kind:
        return kind, [Note(f"the server calls it {media.claimed}, but it is {kind.mime}", warning=True)]
    return kind, []


def _what(kind: Kind) -> str:
    return "sound" if kind.kind == "audio" else kind.kind


def _reference(typed: Path) -> str:
    """A path as Markdown takes it for a target; bytes that are no text are escaped as addresses have it."""
    text = re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", typed.as_posix())
    if any(char in _SPECIAL or ord(char) < 32 for char in text):
        for char, escaped in (("\\", "\\\\"), ("<", "\\<"), (">", "\\>"), ("\n", "%0A"), ("\r", "%0D")):
            text = text.replace(char, escaped)
        return f"<{text}>"
    return text


@contextlib.contextmanager
def _refusing(output: str) -> Iterator[None]:
    """``OSError`` as the person's mistake: a name that is too long, a file in the place of a directory."""
    try:
        yield
    except OSError as problem:
        raise UsageError(f"cannot write {output}: {problem.strerror}") from problem


def _try(directory: Path) -> None:
    """Raise ``OSError`` where no file can be made. Permissions do not tell: root may do all, but not in ``/proc``."""
    aside = private.beside(directory / "elkcli")
    private.create(aside).close()
    aside.unlink()
