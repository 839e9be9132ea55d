"""One run of a batch from end to end: input, engine, results, progress, signals, and what is said about it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elkcli.api.async_client import Clients
from elkcli.api.connection import Connection
from elkcli.api.request import shown
from elkcli.batch.account import Account
from elkcli.batch.engine import Engine
from elkcli.batch.jobs import Job, Plan
from elkcli.batch.lines import Feed, Line, Source
from elkcli.batch.output import ResultFile
from elkcli.batch.sink import Sink
from elkcli.batch.tally import Limits
from elkcli.conversation import Media, Note, SavedMedia
from elkcli.environment import Environment, sleep
from elkcli.errors import Incomplete, Stopped, UsageError
from elkcli.schema import Check
from elkcli.signals import STOPS
from elkcli.storage.settings import Resolved
from elkcli.terminal.messages import Messages
from elkcli.terminal.printing import print_json
from elkcli.terminal.progress import Bar, Progress, State

COUNT_EVERY = 2.0  # seconds after which tokens are counted in history


@dataclass
class Batch:
    """What one call of ``elkcli batch`` does."""

    environment: Environment
    resolved: Resolved
    messages: Messages
    plan: Plan
    source: Source
    output: str | None
    jobs: int
    unordered: bool
    lines: int | None
    tokens: int | None
    shard: tuple[int, int]
    check: Check | None = None
    check_again: int = 0
    _results: ResultFile | None = field(default=None, init=False)
    _stop: type[Stopped] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._account = Account(self.environment, self.resolved, self.messages)

    # Only looking

    def rehearse(self, *, with_token: bool) -> int:
        """Count the lines, and print the first request."""
        try:
            return self._rehearse(self._checked_lines(), with_token=with_token)
        finally:
            self.source.close()

    def _rehearse(self, lines: Iterator[Line], *, with_token: bool) -> int:
        count = bad = 0
        first: Job | None = None
        part, parts = self.shard
        for line in lines:
            if self.lines is not None and count >= self.lines:
                break
            if line.index % parts != part:
                continue
            count += 1
            try:
                job = self.plan.job(line)
            except UsageError as problem:
                bad += 1
                if bad <= 3:
                    self.messages.warn(f"line {line.index + 1}: {problem.message}")
                continue
            first = first or job
        told: dict[str, Any] = shown(first.request, with_token=with_token) if first is not None else {}
        told |= {"lines": count, "bad": bad}
        print_json(self.environment, told)
        self.messages.note(f"{count:,} lines" + (f", {bad:,} of them cannot be sent" if bad else ""))
        return 0

    def _checked_lines(self) -> Iterator[Line]:
        lines = self.source.lines()
        if self.source.names is not None:
            used = ["id", *(self.plan.template.fields if self.plan.template is not None else ["prompt"])]
            for name in used:
                if self.source.names.count(name) > 1:
                    raise UsageError(f"--csv: {self.source.names.count(name)} columns are called {name!r}")
        if self.source.names is not None and self.plan.template is not None:
            self.plan.template.check(self.source.names)
        elif self.source.names is not None and "prompt" not in self.source.names:
            raise UsageError(
                "--csv without --template needs a column called prompt",
                hint="the columns: " + ", ".join(self.source.names[:40]),
            )
        return lines

    # Running

    def run(self, connection: Connection) -> int:
        """Ask every line. Returns the exit code; raises what ended the batch early."""
        gc.enable()  # a batch is no short run
        try:
            lines = self._checked_lines()
            sink = Sink(self.environment, self.output, self.source.path)
            try:
                self._results = sink.file
                self._say_earlier()
                with asyncio.Runner() as runner:
                    engine = runner.run(self._run(connection, lines, sink))
                if sink.failed is not None:
                    sink.failed.hint = (
                        "what came since is on standard output; with room again, the same command goes on"
                    )
                    raise sink.failed
                return self._end(engine)
            finally:
                sink.close()
        finally:
            self.source.close()

    def _say_earlier(self) -> None:
        results = self._results
        if results is not None and (results.kept or results.dropped):
            again = f"; {results.dropped:,} that failed are sent again" if results.dropped else ""
            self.messages.note(f"{results.kept:,} results are in {self.output} already{again}")

    async def _run(self, connection: Connection, lines: Iterator[Line], sink: Sink) -> Engine:
        part, parts = self.shard
        engine = Engine(
            feed=Feed(lines, threaded=self.source.waits),
            plan=self.plan,
            clients=Clients(connection, threads=self.jobs, log=self.messages.log if self.messages.verbose else None),
            write=sink.write,
            jobs=self.jobs,
            retries=connection.retries,
            limits=Limits(self.lines, self.tokens, part, parts),
            # a file is put in order at its end: holding results back would lose them to kill -9
            ordered=not self.unordered and self._results is None,
            sleep=self._sleep,
            done_before=self._results.has if self._results is not None else lambda job: False,
            digests=self._results is not None,
            save=self._saver(),
            check=self.check,
            check_again=self.check_again,
            say=self._remark,
        )
        sink.halt = engine.halt
        engine.tally.earlier_tokens = self._results.tokens if self._results is not None else 0
        working = asyncio.ensure_future(engine.run())
        ticking = asyncio.ensure_future(self._tick(engine))
        try:
            with self._signals(working):
                await working
        except asyncio.CancelledError:
            if self._stop is None:
                raise
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            self._account.take(engine.tally)
        return engine

    async def _sleep(self, seconds: float) -> None:
        if self.environment.sleep is sleep:
            await asyncio.sleep(seconds)
        else:  # a test's clock
            self.environment.sleep(seconds)
            await asyncio.sleep(0)

    @contextmanager
    def _signals(self, working: asyncio.Task[None] | asyncio.Future[None]) -> Iterator[None]:
        """A signal ends the work between two results, not in the middle of one; a second one ends the process."""
        before: dict[int, Any] = {}
        loop = asyncio.get_running_loop()

        def stop(kind: type[Stopped]) -> None:
            if self._stop is not None:
                os._exit(kind.exit_code)
            self._stop = kind
            working.cancel()

        for name, kind in STOPS.items():
            number = getattr(signal, name, None)
            handler = signal.getsignal(number) if number is not None else None
            if number is None or handler is signal.SIG_IGN:
                continue
            with suppress(NotImplementedError, RuntimeError, ValueError):  # Windows; a thread that is not the main one
                loop.add_signal_handler(number, stop, kind)
                before[number] = handler
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    # Beside the answers

    def _saver(self) -> Callable[[Media], tuple[SavedMedia | None, list[Note]]]:
        pictures: Any = None

        def save(media: Media) -> tuple[SavedMedia | None, list[Note]]:
            nonlocal pictures
            if pictures is None:
                from elkcli.storage.pictures import Saver

                beside = str(Path(self.output or "").parent) if self._results is not None else None
                pictures = Saver(self.environment, image_dir=beside or self.resolved.settings.image_dir)
            found: tuple[SavedMedia | None, list[Note]] = pictures.save(media)
            return found

        return save

    def _remark(self, note: Note) -> None:
        if note.warning and self.messages.verbose:
            self.messages.warn(note.text)

    async def _tick(self, engine: Engine) -> None:
        shown = self._progress()
        counted = time.monotonic()
        last = time.monotonic()
        with shown:
            while True:
                await asyncio.sleep(min(shown.every, COUNT_EVERY))
                now = time.monotonic()
                if now - counted >= COUNT_EVERY:
                    self._account.take(engine.tally)
                    counted = now
                if now - last >= shown.every * 0.9:
                    last = now
                    shown.show(self._state(engine))

    def _progress(self) -> Progress:
        environment = self.environment
        drawn = environment.stderr_is_terminal and environment.variables.get("TERM") != "dumb"
        # results that scroll by on the same terminal are progress enough
        both = environment.stdout_is_terminal and self._results is None
        if drawn and not both and not self.messages.quiet and not self.messages.as_json:
            return Bar(environment, self.messages)
        return Progress(self.messages)

    def _state(self, engine: Engine) -> State:
        tally = engine.tally
        size = self.source.size
        return State(
            done=tally.done,
            failed=tally.failed,
            tokens=tally.tokens,
            money=self._account.money,
            fraction=tally.position / size if size else None,
            waiting=engine.pace.waiting,
            at_once=engine.pace.active,
        )

    # The end

    def _end(self, engine: Engine) -> int:
        tally = engine.tally
        if self._results is not None and self._results.restore():
            self.messages.warn(
                f"{self.output} was removed while results were written; they are in {self._results.path}"
            )
        if self._results is not None and self._stop is None and not self._results.finish(order=not self.unordered):
            self.messages.warn(f"the results in {self.output} are whole, but not in the order of the input")
        money = f", {self._account.money:,.4f}".rstrip("0").rstrip(".") if self._account.money else ""
        said = f"{tally.answered:,} answered"
        said += f", {tally.failed:,} failed" if tally.failed else ""
        said += f", {tally.skipped:,} there before" if tally.skipped else ""
        said += f" · {tally.tokens:,} tokens{money}" if tally.tokens else ""
        on = f"the same command goes on: what is in {self.output} is kept" if self._results is not None else None
        if self._stop is not None:
            self.messages.note(f"stopped: {said}")
            if on:
                self.messages.line(f"hint: {on}", "2")
            raise self._stop
        if self.environment.stderr_is_terminal:
            self.messages.note(said)
        if engine.stopped is not None and engine.unsent:
            raise Incomplete(
                f"{tally.failed:,} of {tally.done + tally.skipped:,} lines failed, {engine.unsent:,} of them not sent,"
                f" since every other would fail alike: {engine.stopped.message}",
                hint="; ".join(part for part in (engine.stopped.hint, on) if part) or None,
            )
        if engine.out_of_tokens:
            used = tally.tokens + tally.earlier_tokens
            raise Incomplete(
                f"stopped at {used:,} tokens: the next line could pass the {self.tokens:,} of --max-tokens-total",
                hint=f"raise it, and {on}" if on else "raise it",
            )
        if tally.failed:
            again = f"; {on}" if on else ""
            # the one thing that is wrong with all of them
            why = f": {next(iter(tally.reasons))}" if tally.failed == tally.done and len(tally.reasons) == 1 else ""
            raise Incomplete(
                f"{tally.failed:,} of {tally.done + tally.skipped:,} lines failed{why}",
                hint=f"each failed result has an error member{again}",
            )
        return 0
