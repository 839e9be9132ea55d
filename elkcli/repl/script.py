"""A chat without a terminal: each line of standard input is a turn, answers go to stdout."""

from __future__ import annotations

import gc
from typing import BinaryIO

from elkcli.conversation import REQUEST_LIMIT
from elkcli.errors import ElkError, UsageError
from elkcli.repl.session import Session
from elkcli.repl.slash import do


def run(session: Session, lines: BinaryIO) -> int:
    """Take the lines one by one, go on after failures, and return the exit code of the first."""
    gc.enable()  # a script may be long
    code = 0
    while not session.over and (raw := lines.readline(REQUEST_LIMIT + 1)):
        try:
            line = _text(raw, lines)
            if line.strip():
                do(session, line)
        except ElkError as error:
            session.messages.error(error)
            code = code or error.exit_code
        session.draft = ""
    return code


def _text(raw: bytes, lines: BinaryIO) -> str:
    if len(raw) > REQUEST_LIMIT:
        while raw and not raw.endswith(b"\n"):
            raw = lines.readline(REQUEST_LIMIT)
        raise UsageError(f"a line is longer than {REQUEST_LIMIT >> 20} MiB, which the server refuses")
    try:
        return raw.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as problem:
        raise UsageError(
            f"a line is not UTF-8 (byte {problem.start})", hint="convert the script first, for example with iconv"
        ) from None
