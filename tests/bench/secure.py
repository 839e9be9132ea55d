"""A question over https to a server that is far away: what is done while the connection comes to be."""

from __future__ import annotations

import shutil
import statistics
import subprocess
from collections.abc import Iterator

from tests.bench import floors
from tests.bench.measuring import Place, Row, pairs, server
from tests.bench.startup import SHORT


def rows(place: Place) -> Iterator[Row]:
    """Wall time beside a minimal httpx script, which connects once everything is loaded."""
    if shutil.which("openssl") is None:
        return
    certificate, key = place.home / "certificate.pem", place.home / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    with server("tests.bench.servers", "far", str(certificate), str(key)) as url:
        far = Far(*place._replace(url=url))
        post = [*far.script(floors.ASK), SHORT]
        asked = pairs([far.elkcli, "ask", SHORT], post, far)
    wall = [a.wall / b.wall for a, b in zip(asked.ours, asked.beside, strict=True)]
    row = asked.row("ask, https, 100 ms to connect ÷ httpx.post (wall)")
    yield row._replace(value=statistics.median(wall))


class Far(Place):
    """The same place, where the certificate of the server that is far away is trusted."""

    def variables(self, **more: str) -> dict[str, str]:
        """What a process is told."""
        return super().variables(SSL_CERT_FILE=str(self.home / "certificate.pem"), **more)
