"""The engine of a batch: workers that take lines, ask, try again, and hand over results, in order where asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from elkcli.api.async_client import AsyncClient, Clients
from elkcli.api.connection import LONGEST_WAIT, Refused, may_retry, pause
from elkcli.api.failures import Lost
from elkcli.batch.jobs import Job, Plan, id_of
from elkcli.batch.lines import Feed, Line
from elkcli.batch.order import Outlet, Write
from elkcli.batch.pace import Pace
from elkcli.batch.results import Reply, Save, encoded, line_of
from elkcli.batch.tally import Limits, Tally
from elkcli.conversation import Note, added, tokens
from elkcli.errors import ElkError, Incomplete, QuotaError, TokenRefused, Unreachable, UsageError
from elkcli.schema import Check, asked_again
from elkcli.value import changed

PATIENCE = 6  # more tries for a line that is told 429: that is about the rate, not about the line
IN_A_ROW = 16  # lines in a row that fail as every other would, and nothing more is sent


@dataclass
class Engine:
    """One run. ``ordered`` holds results back until those of earlier lines are written.

    ``stopped`` says why nothing more was sent, since every other line would fail alike; those lines get that error as
    their result, and ``unsent`` counts them. ``out_of_tokens`` says that the token limit ended the batch.
    """

    feed: Feed
    plan: Plan
    clients: Clients
    write: Write
    jobs: int
    retries: int
    limits: Limits
    ordered: bool
    sleep: Callable[[float], Awaitable[None]]
    done_before: Callable[[Job], bool] = lambda job: False
    digests: bool = False
    save: Save | None = None
    check: Check | None = None
    check_again: int = 0
    say: Callable[[Note], None] = lambda note: None
    tally: Tally = field(default_factory=Tally)
    stopped: ElkError | None = None
    unsent: int = 0
    out_of_tokens: bool = False

    def __post_init__(self) -> None:
        self.pace = Pace(self.jobs, clock=time.monotonic, sleep=self._rest)
        self._stopping = asyncio.Event()
        self._outlet = Outlet(self.write, ordered=self.ordered, window=max(256, 8 * self.jobs))
        self._taking = asyncio.Lock()
        self._room = asyncio.Event()
        self._looked_at = 0
        self._ended = False
        self._in_flight = 0
        self._reserved = 0
        self._most_tokens = 0
        self._failures_in_a_row = 0

    async def run(self) -> None:
        """Work until the input ends or something stops it. What was written stays written when it is cancelled."""
        workers = [asyncio.ensure_future(self._work()) for _ in range(self.jobs)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await self.clients.close()
            self._outlet.close()

    async def _work(self) -> None:
        client: AsyncClient | None = None
        try:
            while (taken := await self._take()) is not None:
                place, job, reserved = taken
                client = client or self.clients.client()
                try:
                    result = await self._ask(client, job)
                finally:
                    self._in_flight -= 1
                    self._reserved -= reserved
                    self._room.set()
                self.tally.position = max(self.tally.position, job.position)
                self._deliver(place, result, job.index)
        finally:
            if client is not None:
                await client.close()

    # Taking

    async def _take(self) -> tuple[int, Job, int] | None:
        """The next line to send: its place in the order, the request, and the tokens set aside for it."""
        async with self._taking:
            turns = 0
            while not self._ended:
                if self._outlet.full:
                    self._room.clear()
                    await self._room.wait()
                    continue
                turns += 1
                if turns % 256 == 0:  # many lines that need no request: let the others go on
                    await asyncio.sleep(0)
                line = await self._next_line()
                if line is None:
                    break
                try:
                    job = self.plan.job(line)
                except UsageError as problem:
                    self.tally.fail(problem)
                    self._deliver(self._outlet.place(), line_of(line.index, _id(line), error=problem), line.index)
                    continue
                if self.done_before(job):
                    self.tally.skipped += 1
                    continue
                if self.stopped is not None:
                    self._leave_out(job, self.stopped)
                    continue
                reserved = await self._afford(job)
                if reserved is None:
                    self._ended = self.out_of_tokens = True
                    break
                self._in_flight += 1
                self._reserved += reserved
                return self._outlet.place(), job, reserved
            return None

    def _leave_out(self, job: Job, why: ElkError) -> None:
        """A line that is not sent has a result too."""
        self.unsent += 1
        self.tally.failed += 1
        self.tally.position = max(self.tally.position, job.position)
        self._deliver(self._outlet.place(), line_of(job.index, job.id, error=_unsent(why)), job.index)

    async def _next_line(self) -> Line | None:
        """The next line of this part of the input, as far as the limit of lines goes."""
        while True:
            if self.limits.lines is not None and self._looked_at >= self.limits.lines:
                line = None
            else:
                line = await self.feed.next()
            if line is None:
                self._ended = True
                return None
            if line.index % self.limits.parts == self.limits.part:
                self._looked_at += 1
                return line

    async def _afford(self, job: Job) -> int | None:
        """Tokens to set aside for ``job``; ``None`` where it could pass the limit. Waits for what is in flight."""
        if self.limits.tokens is None:
            return 0
        while True:
            longest = job.request.body.get("max_tokens") or job.request.body.get("max_completion_tokens")
            known = self._most_tokens
            if isinstance(longest, int) and longest > 0:
                known = len(job.content) // 4 + longest
            used = self.tally.earlier_tokens + self.tally.tokens
            if used + self._reserved + max(known, 1) <= self.limits.tokens and (known or not self._in_flight):
                return known  # without any experience one line goes ahead alone
            if not self._in_flight:
                return None
            self._room.clear()
            await self._room.wait()

    # Asking

    async def _ask(self, client: AsyncClient, job: Job) -> dict[str, Any]:
        began = time.monotonic()
        again = self.check_again
        request, content = job.request, job.content
        try:
            while True:
                reply = await self._reply(client, replace(job, request=request, content=content))
                self._count(reply, request.model)
                reason = self.check(reply.text) if self.check is not None and reply.error is None else None
                if reason is not None:
                    if again > 0:
                        again -= 1
                        body = {
                            **request.body,
                            "messages": asked_again(job.request.body["messages"], reply.text, reason),
                        }
                        request = changed(request, body=body)
                        content = request.content()
                        continue
                    reply.error = Incomplete(f"the answer does not follow the schema: {reason}")
                break
            error, response, usage = reply.error, reply.body(), reply.usage
        except ElkError as problem:
            error, response, usage = problem, None, None
        self._judge(error)
        return line_of(
            job.index,
            job.id,
            response=response,
            error=error,
            usage=usage,
            seconds=time.monotonic() - began,
            digest=job.digest if self.digests else None,
        )

    async def _reply(self, client: AsyncClient, job: Job) -> Reply:
        """The answer of one line, after the retries. Raises the :class:`ElkError` where there is none."""
        tries: Counter[str] = Counter()
        error: ElkError | None = None
        raw = not job.request.wants_image  # a picture is not to be carried through JSON and text besides
        while True:
            era = await self.pace.enter()
            if self.stopped is not None:
                self.pace.leave()
                if error is not None:
                    raise error
                self.unsent += 1
                raise _unsent(self.stopped)
            problem: Lost | Refused | ElkError
            reply: Reply | None
            try:
                pieces = await client.once(job.request, job.content, raw=raw)
                reply = answer = Reply(pieces, self.save, self.say)
                if answer.error is None:
                    self.pace.answered()
                    return answer
                problem = error = self.clients.harmless(answer.error)
            except (Lost, Refused) as caught:
                problem, error, reply = caught, self.clients.harmless(caught.error), None
            finally:
                self.pace.leave()
            if not await self._again(job, problem, error, era, tries):
                if reply is None:
                    raise error
                return reply

    async def _again(
        self, job: Job, problem: Lost | Refused | ElkError, error: ElkError, era: int, tries: Counter[str]
    ) -> bool:
        """Whether a line is to be tried once more; waits as long as is due."""
        asked = problem.wait if isinstance(problem, Refused) else None
        if self.stopped is not None:
            return False  # every other line fails alike
        if error.status == 429 and asked is not None and asked > LONGEST_WAIT:
            pause(1, asked, error)  # which says so
            self._stop(error)
            return False
        if error.status == 429 and may_retry(job.request, problem, 1):
            tries["limited"] += 1
            self.pace.refused(era, asked)
            hopeful = self.pace.hopeful
            if tries["limited"] <= self.retries + (PATIENCE if self.retries and hopeful else 0):
                return True  # the gate waits, with everybody
            if not hopeful:
                self._stop(error)
            return False
        tries["failed"] += 1
        if tries["failed"] > self.retries or not may_retry(job.request, problem, tries["failed"]):
            return False
        seconds = pause(tries["failed"], asked, error)
        if seconds is None:
            return False
        await self._rest(seconds)
        return True

    def _count(self, reply: Reply, model: str) -> None:
        used = tokens(reply.usage)
        self.tally.tokens += used
        self._most_tokens = max(self._most_tokens, used)
        if reply.usage is not None:
            name = reply.served or model
            self.tally.requests[name] += 1
            self.tally.spent[name] = added(self.tally.spent.get(name), reply.usage)

    def _judge(self, error: ElkError | None) -> None:
        """Count, and stop where every further line would fail alike."""
        if error is None:
            self.tally.answered += 1
            self._failures_in_a_row = 0
            return
        self.tally.fail(error)
        if isinstance(error, (TokenRefused, QuotaError, Unreachable)):
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= (IN_A_ROW if error.status == 401 else max(IN_A_ROW, 2 * self.jobs)):
                self._stop(error)
        else:
            self._failures_in_a_row = 0

    def halt(self, error: ElkError) -> None:
        """Send nothing more, and take no more lines; what is on its way is waited for."""
        self._ended = True
        self._stop(error)

    def _stop(self, error: ElkError) -> None:
        if self.stopped is None:
            self.stopped = error
        self._stopping.set()
        self._room.set()

    async def _rest(self, seconds: float) -> None:
        """Sleep, but not on when the batch stops."""
        resting, stopping = asyncio.ensure_future(self.sleep(seconds)), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({resting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            resting.cancel()
            stopping.cancel()

    def _deliver(self, place: int, result: dict[str, Any], index: int) -> None:
        self._outlet.deliver(place, encoded(result), index)
        self._room.set()


def _id(line: Line) -> Any:
    try:
        return id_of(line)
    except UsageError:
        return None


def _unsent(why: ElkError) -> ElkError:
    """The error of a line that was not sent, because another met ``why``."""
    return type(why)(
        f"not sent, as others before it failed: {why.message}", hint=why.hint, code=why.code, status=why.status
    )
