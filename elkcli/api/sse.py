"""Server-sent events out of raw bytes, to the grammar of WHATWG HTML §9.2, without I/O."""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
LINE_COST = 64  # bytes that a line costs besides what it says


class LineTooLong(Exception):
    """A line, or the data of one event, is longer than the reader may hold."""


class Events:
    """Cuts a byte stream into the data of its events.

    ``feed`` and ``close`` return what each finished event carries: the bytes of its ``data`` lines joined by
    newlines. A line that is no field of the grammar but begins with ``{`` or ``[`` is an object that was written into
    the stream without a prefix, an error most often (wire.md §3.4): it is returned as if it had one. Comments, other
    fields and empty events return nothing. Lines end in LF, CRLF or a lone CR; a leading byte order mark is skipped.
    """

    def __init__(self, limit: int = 256 * 1024 * 1024) -> None:
        self._limit = limit
        self._partial = bytearray()  # the unfinished line; it grows in place, since it may be an image of 50 MB
        self._data: list[bytes | bytearray] = []  # data lines of the unfinished event
        self._data_size = 0
        self._after_cr = False
        self._fresh = True
        self._bare: list[bytes] | None = None  # the lines of an object without a prefix
        self._bare_size = 0

    @property
    def unfinished(self) -> bytearray:
        """What came of the line that has no end yet."""
        return self._partial

    def feed(self, chunk: bytes) -> list[bytes | bytearray]:  # noqa: PLR0912 - the usual case is written out
        """Take the next bytes and return the data of the events they finish. Raises :class:`LineTooLong`."""
        if self._after_cr:
            if not chunk:
                return []
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\n" not in chunk and b"\r" not in chunk:
            self._hold(chunk)
            return []
        found: list[bytes | bytearray] = []
        lines: list[bytes | bytearray] = [*self._split(chunk)]
        rest = lines.pop()
        if self._partial:
            self._hold(lines[0])
            lines[0] = self._partial
            self._partial = bytearray()
        if self._fresh:
            self._fresh = False
            lines[0] = lines[0].removeprefix(BOM)
        for line in lines:
            # what nearly every line is: one `data: …` followed by a blank one
            if not line:
                if self._data:
                    self._dispatch(found)
            elif line[:6] == b"data: " and not self._data and self._bare is None and len(line) < self._limit:
                if type(line) is bytearray:
                    del line[:6]  # moves no bytes, where a slice would copy them all
                    self._data.append(line)
                else:
                    self._data.append(line[6:])
                self._data_size = len(line)
            else:
                self._line(line, found)
        if rest:
            self._hold(rest)
        return found

    @property
    def held(self) -> int:
        """How much of an unfinished line or event is held."""
        return len(self._partial) + self._data_size + (self._bare_size if self._bare is not None else 0)

    def close(self) -> list[bytes | bytearray]:
        """The end of the stream: an unfinished last line or event counts too, since servers forget the last blank."""
        found: list[bytes | bytearray] = []
        if self._partial:
            line = self._partial
            self._partial = bytearray()
            self._line(line.removeprefix(BOM) if self._fresh else line, found)
        self._line(b"", found)
        if self._bare:
            found.append(b"\n".join(self._bare))
            self._bare = None
        return found

    def _split(self, chunk: bytes) -> list[bytes]:
        if b"\r" not in chunk:
            return chunk.split(b"\n")
        if chunk.endswith(b"\r"):
            self._after_cr = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")

    def _hold(self, piece: bytes | bytearray) -> None:
        if len(self._partial) + len(piece) > self._limit:
            raise LineTooLong
        self._partial += piece

    def _line(self, line: bytes | bytearray, found: list[bytes | bytearray]) -> None:
        if line[:5] == b"data:":
            if self._bare is not None:
                self._flush_bare(found)
            start = 6 if line[5:6] == b" " else 5
            value: bytes | bytearray
            if isinstance(line, bytearray):
                del line[:start]  # moves no bytes, where a slice would copy them all
                value = line
            else:
                value = line[start:]
            self._data_size += len(value) + LINE_COST
            if self._data_size > self._limit:
                raise LineTooLong
            self._data.append(value)
        elif not line:
            if self._data:
                self._dispatch(found)
        elif self._bare is not None:
            self._bare_line(line, found)
        elif line[:1] in (b"{", b"["):
            self._bare, self._bare_size = [], 0
            self._bare_line(line, found)
        elif line == b"data":
            self._data.append(b"")

    def _dispatch(self, found: list[bytes | bytearray]) -> None:
        found.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
        self._data = []
        self._data_size = 0

    def _bare_line(self, line: bytes | bytearray, found: list[bytes | bytearray]) -> None:
        """An object without a prefix may span lines: it ends with the line that closes it."""
        assert self._bare is not None
        self._bare.append(bytes(line))
        self._bare_size += len(line) + LINE_COST
        if self._bare_size > self._limit:
            raise LineTooLong
        end = b"}" if self._bare[0][:1] == b"{" else b"]"
        if (len(self._bare) == 1 and line.rstrip().endswith(end)) or line[:1] == end:
            self._flush_bare(found)

    def _flush_bare(self, found: list[bytes | bytearray]) -> None:
        if self._bare:
            found.append(b"\n".join(self._bare))
        self._bare = None
