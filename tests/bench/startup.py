"""Whole processes beside their floors: how much it costs to start, to ask once, and to stream 20,000 chunks.

    python -m tests.bench.startup [--runs N]

Measures the elkcli that is installed beside the Python that runs it: install a wheel, since a checkout whose bytecode
is not kept starts four times slower. Pairs are run in turn (A B A B …); ratios are of CPU (user and system) and of wall
time, the median over the pairs; memory is each process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ASK = """import httpx
r = httpx.post("{url}/chat/completions", json={{"model": "m", "stream": False, "messages": [
    {{"role": "user", "content": "hi"}}]}}, headers={{"Authorization": "Bearer x"}})
print(r.json()["choices"][0]["message"]["content"])"""
LOOP = """import httpx, json, sys
with httpx.stream("POST", "{url}/chat/completions", json={{"model": "m", "stream": True, "messages": [
        {{"role": "user", "content": "20000"}}]}}) as r:
    rest = b""
    for data in r.iter_raw():
        lines = (rest + data).split(b"\\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: {{"):
                sys.stdout.write(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
        sys.stdout.flush()"""


class Cost(NamedTuple):
    """Seconds of CPU and wall, and the peak in MiB, of one process."""

    cpu: float
    wall: float
    peak: float


def cost(command: Sequence[str], environment: dict[str, str]) -> Cost:
    """Run ``command`` to its end, its output to a file."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}")
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def serve(listener: socket.socket) -> None:
    """Answer for ever, with answers that were prepared beforehand."""

    def chunk(text: str | None) -> bytes:
        delta = {"content": text} if text else {}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None if text else "stop"}
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    end = chunk(None) + b"data: [DONE]\n\n"
    message = {"role": "assistant", "content": "Hello there"}
    whole = json.dumps({"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    short, long = chunk("Hello") + chunk(" there") + end, b"".join(chunk(f" word {i}") for i in range(20_000)) + end

    def answer(client: socket.socket) -> None:
        with client:
            asked = b""
            while b"messages" not in asked or not asked.rstrip().endswith(b"}"):
                if not (more := client.recv(65536)):
                    return
                asked += more
            streamed = b'"stream":true' in asked or b'"stream": true' in asked
            body = whole if not streamed else long if b"20000" in asked else short
            kind = b"text/event-stream" if streamed else b"application/json"
            client.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body
            )

    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.startup")
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    listener = socket.create_server(("127.0.0.1", 0))
    server = os.fork()  # a process of its own: its work must not be counted as ours
    if server == 0:
        serve(listener)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    listener.close()
    elkcli, python = str(Path(sys.executable).with_name("elkcli")), sys.executable
    with tempfile.TemporaryDirectory() as home:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ELKCLI"))}
        environment = {
            **kept,
            "ELKCLI_CONFIG_DIR": home,
            "ELKCLI_DATA_DIR": f"{home}/data",
            "ELKCLI_TOKEN": "sk-bench-0123456789",
            "ELKCLI_BASE_URL": url,
        }
        bare = [python, "-c", "pass"]
        ask, loop = [python, "-c", ASK.format(url=url)], [python, "-c", LOOP.format(url=url)]
        rows = [
            ("--version ÷ python -c pass", [elkcli, "--version"], bare, "1.6", "1.2"),
            ("--help ÷ python -c pass", [elkcli, "--help"], bare, "9", "7"),
            ("config get ÷ python -c pass", [elkcli, "config", "get", "model"], bare, "9", "7"),
            ("ask ÷ httpx.post", [elkcli, "ask", "hi"], ask, "1.10", "0.85"),
            ("ask --no-history ÷ httpx.post", [elkcli, "ask", "--no-history", "hi"], ask, "1.10", "0.85"),
            ("20,000 chunks ÷ httpx loop", [elkcli, "ask", "20000"], loop, "1.15", "0.9"),
        ]
        print(
            f"{'':<32}{'cpu':>6}{'wall':>7}{'must':>6}{'aim':>6}{'peak MiB':>10}{'floor':>7}   medians of {runs} pairs"
        )
        for name, ours, floor, must, aim in rows:
            for command in (ours, floor):
                cost(command, environment)  # a warm-up that is not counted
            pairs = [(cost(ours, environment), cost(floor, environment)) for _ in range(runs)]
            cpu = statistics.median(a.cpu / b.cpu for a, b in pairs)
            wall = statistics.median(a.wall / b.wall for a, b in pairs)
            peaks = [statistics.median(pair[which].peak for pair in pairs) for which in (0, 1)]
            print(f"{name:<32}{cpu:>6.2f}{wall:>7.2f}{must:>6}{aim:>6}{peaks[0]:>10.1f}{peaks[1]:>7.1f}", flush=True)
    os.kill(server, signal.SIGTERM)


if __name__ == "__main__":
    main()
