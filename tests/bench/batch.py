"""`elkcli batch -j 64` beside a bare asyncio loop of httpx that does the same, against one server that answers at once.

Run it as ``python -m tests.bench.batch [LINES] [JOBS] [PAIRS]``. It prints medians of processor time (user + system)
of paired runs, and their ratio; wall time beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.server import whole

TREE = Path(__file__).resolve().parents[2]
REPLY = json.dumps(whole("An answer of some words, as short answers are.")).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(REPLY), REPLY)

FLOOR = """
import asyncio, json, sys
import httpx

async def main(url, lines, results, jobs):
    prompts = iter(open(lines))
    with open(results, "w") as out:
        async with httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=jobs)) as client:
            async def work():
                for line in prompts:
                    body = {"model": "m", "stream": False, "messages": [{"role": "user", "content": json.loads(line)}]}
                    reply = await client.post(url + "/chat/completions", json=body,
                                              headers={"Authorization": "Bearer sk-bench"})
                    out.write(json.dumps(reply.json()) + "\\n")
            await asyncio.gather(*[work() for _ in range(jobs)])

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


class Instant(asyncio.Protocol):
    """Answers every request at once, with bytes prepared beforehand."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._waiting = b""

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(b"\r\n\r\n")) >= 0:
            head = self._waiting[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._waiting) < end + 4 + size:
                return
            self._waiting = self._waiting[end + 4 + size :]
            self._transport.write(RESPONSE)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Processor and wall seconds of a command that succeeds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main(lines: int = 2000, jobs: int = 64, pairs: int = 5) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.batch", "serve", str(port)], cwd=TREE)
    try:
        with tempfile.TemporaryDirectory() as name:
            home = Path(name)
            prompts = home / "in.jsonl"
            prompts.write_text("".join(json.dumps(f"prompt number {number}") + "\n" for number in range(lines)))
            url = f"http://127.0.0.1:{port}/v1"
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": name,
                "PYTHONPATH": str(TREE),
                "ELKCLI_BASE_URL": url,
                "ELKCLI_TOKEN": "sk-bench",
                "ELKCLI_CONFIG_DIR": str(home / "config"),
                "ELKCLI_DATA_DIR": str(home / "data"),
            }
            ours: list[tuple[float, float]] = []
            floor: list[tuple[float, float]] = []
            for number in range(pairs + 1):
                results = home / f"{number}.jsonl"
                floor.append(
                    timed([sys.executable, "-c", FLOOR, url, str(prompts), f"{results}.f", str(jobs)], environment)
                )
                command = ["-m", "elkcli", "batch", str(prompts), "-o", str(results), "-j", str(jobs)]
                ours.append(timed([sys.executable, *command], environment))
                assert len(results.read_bytes().splitlines()) == lines
            del ours[0], floor[0]  # warm-up
            for what, runs in (("floor: httpx, asyncio", floor), ("elkcli batch", ours)):
                cpu, wall = median(run[0] for run in runs), median(run[1] for run in runs)
                print(f"{what:<22} {cpu:7.2f} s CPU  {wall:7.2f} s wall  {lines / wall:8.0f} lines/s")
            cpu = median(mine[0] / other[0] for mine, other in zip(ours, floor, strict=True))
            wall = median(mine[1] / other[1] for mine, other in zip(ours, floor, strict=True))
            print(f"elkcli ÷ floor, {lines} lines, -j {jobs}, {pairs} pairs: {cpu:.2f} CPU, {wall:.2f} wall")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        main(*(int(word) for word in sys.argv[1:]))
