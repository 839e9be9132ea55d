"""The certificates that a server's own is checked against."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from elkcli.errors import ConfigError


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Certificates of ``ca_file``, of ``SSL_CERT_FILE``, or of the system. Raises :class:`ConfigError`."""
    chosen = ca_file or os.environ.get("SSL_CERT_FILE")
    try:
        if chosen:
            return ssl.create_default_context(cafile=Path(chosen).expanduser())
        context = ssl.create_default_context()
    except (OSError, ssl.SSLError) as problem:
        said = "there is none" if isinstance(problem, ssl.SSLError) else (problem.strerror or str(problem)).lower()
        raise ConfigError(
            f"the certificates in {chosen or 'the system store'} cannot be read: {said}",
            hint=f"see {'elkcli config get ca_file' if ca_file else 'SSL_CERT_FILE'}" if chosen else None,
        ) from problem
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not paths.capath and not context.cert_store_stats()["x509_ca"]:
        import certifi  # comes with httpx; for systems whose Python knows no store

        context.load_verify_locations(certifi.where())
    return context
