"""Floors: the least that does the same work. Scripts find the server in ``BENCH_URL``; the prompt is their argument."""

from __future__ import annotations

import json
import shutil

BARE = "pass"

ASK = """import httpx, os, sys
r = httpx.post(os.environ["BENCH_URL"] + "/chat/completions", headers={"Authorization": "Bearer sk-bench"}, timeout=300,
    json={"model": "m", "stream": False, "messages": [{"role": "user", "content": sys.argv[1]}]})
print(r.json()["choices"][0]["message"]["content"])"""

STREAM = """import httpx, json, os, sys
with httpx.stream("POST", os.environ["BENCH_URL"] + "/chat/completions", timeout=300,
        headers={"Authorization": "Bearer sk-bench"},
        json={"model": "m", "stream": True, "messages": [{"role": "user", "content": sys.argv[1]}]}) as r:
    rest = b""
    for data in r.iter_raw():
        *lines, rest = (rest + data).split(b"\\n")
        for line in lines:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    sys.stdout.write(choice["delta"].get("content") or "")
        sys.stdout.flush()"""

BATCH = """import asyncio, httpx, json, os, sys
async def main(lines, results, jobs):
    prompts, url = iter(open(lines)), os.environ["BENCH_URL"] + "/chat/completions"
    with open(results, "w") as out:
        async with httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=jobs)) as client:
            async def work():
                for line in prompts:
                    body = {"model": "m", "stream": False, "messages": [{"role": "user", "content": json.loads(line)}]}
                    reply = await client.post(url, json=body, headers={"Authorization": "Bearer sk-bench"})
                    out.write(json.dumps(reply.json()) + "\\n")
            await asyncio.gather(*[work() for _ in range(jobs)])
asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))"""

PROMPT = """from prompt_toolkit import PromptSession
PromptSession().prompt("elk> ")"""


def curl(url: str, prompt: str) -> list[str] | None:
    """curl as a streaming client, where there is one."""
    found = shutil.which("curl")
    if found is None:
        return None
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": prompt}]})
    headers = ["-H", "Content-Type: application/json", "-H", "Authorization: Bearer sk-bench"]
    return [found, "-sN", *headers, "-d", body, f"{url}/chat/completions"]
