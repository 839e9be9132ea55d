"""Peak memory and time of an image on its way in, against the image's size: ``python -m tests.bench.images``.

Each way runs in a process of its own. The line of JSON is counted in: 4/3 of the image is the least that base64 takes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path

SIZES = (1_000_000, 10_000_000, 40_000_000)
WAYS = ("hoisted", "whole", "in pieces", "one value")


def _peak() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _run(way: str, size: int) -> None:
    from elkcli.api.embedded import Found, Hoard, Splitter, decode_url

    base = _peak()
    block = os.urandom(1_000_000)
    image = block * (size // len(block))
    line = b'{"content":"Here.\\n![image](data:image/png;base64,%b)"}' % b64encode(image)
    del image
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")
    begun = time.process_time()
    if way == "hoisted":
        hoard = Hoard()
        short = hoard.hoist(line)
        del line
        splitter = Splitter(hoard)
        bits = [*splitter.feed(json.loads(short)["content"]), *splitter.close()]
    else:
        text = json.loads(line)["content"]
        del line
        splitter = Splitter()
        if way == "one value":
            found = decode_url(text[len("Here.\n![image](") : -1])
            bits = [] if found is None else [found]
        elif way == "whole":
            bits = [*splitter.feed(text), *splitter.close()]
        else:
            pieces = (text[at : at + 4096] for at in range(0, len(text), 4096))
            bits = [bit for piece in pieces for bit in splitter.feed(piece)] + splitter.close()
    seconds = time.process_time() - begun
    peak = _peak()
    came = [bit for bit in bits if isinstance(bit, Found)]
    assert len(came) == 1
    assert came[0].data == block * (size // len(block))
    print(f"{way:10} {size / 1e6:5.0f} MB   peak {(peak - base) / size:5.2f} × the image   {seconds:6.2f} s CPU")


def _saved(size: int) -> None:
    import io

    from elkcli.conversation import Media
    from elkcli.environment import Environment
    from elkcli.storage.pictures import Saver

    data = os.urandom(1_000_000) * (size // 1_000_000)
    base = _peak()
    with tempfile.TemporaryDirectory() as place:
        environment = Environment([], {"ELKCLI_DATA_DIR": place}, None, None, io.StringIO(), directory=Path(place))
        begun = time.perf_counter()
        Saver(environment).save(Media(data, "image/png"))
        seconds = time.perf_counter() - begun
    print(f"{'saved':10} {size / 1e6:5.0f} MB   peak {(_peak() - base) / size:5.2f} × more      {seconds:6.2f} s wall")


def _drawn() -> None:
    from elkcli.api.demo_picture import draw

    for size in ("512", "1K", "2K", "4K"):
        begun = time.process_time()
        drawn = draw("bench", "an elk", {"aspect_ratio": "1:1", "image_size": size}, None)
        seconds = time.process_time() - begun
        print(f"{'drawn':10} {size:>5}      {len(drawn.data) / 1e3:7.0f} kB                {seconds:6.2f} s CPU")


def main() -> None:
    """All ways and sizes, or one, named by the arguments."""
    if len(sys.argv) == 3:
        way, size = sys.argv[1], int(sys.argv[2])
        if way == "saved":
            _saved(size)
        else:
            _run(way, size)
        return
    for way in (*WAYS, "saved"):
        for size in SIZES:
            subprocess.run([sys.executable, "-m", "tests.bench.images", way, str(size)], check=True)
    _drawn()


if __name__ == "__main__":
    main()
