"""Assembly: settings become a client, with the token where it may go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from elkcli.environment import Environment
from elkcli.errors import ConfigError
from elkcli.origin import is_loopback
from elkcli.secret import Token
from elkcli.storage import credentials
from elkcli.storage.checks import DEMO_URL
from elkcli.storage.settings import Resolved, Settings
from elkcli.terminal.messages import Messages

if TYPE_CHECKING:
    from elkcli.api.ahead import Ahead
    from elkcli.api.client import Client
    from elkcli.api.connection import Connection

READING_PACE = 0.012  # seconds between the demo's words at a terminal


def token_for(environment: Environment, resolved: Resolved) -> Token | None:
    """The token, if it may go where it would go. Raises :class:`ConfigError`."""
    found = credentials.find(environment, resolved)
    if found is None:
        return None
    settings = resolved.settings
    if settings.base_url.startswith("http://") and not is_loopback(settings.base_url) and not settings.allow_insecure:
        raise ConfigError(
            f"the token would go over plain http to {settings.base_url}",
            hint="use https, or accept the risk: elkcli config set allow_insecure true",
        )
    return found[0]


def connection_for(
    environment: Environment,
    settings: Settings,
    token: Token | None,
    *,
    paced: bool = True,
    ahead: Ahead | None = None,
) -> Connection:
    """Where the settings send; for the demo, the server as well."""
    from elkcli.api.connection import Connection

    transport = None
    if settings.base_url == DEMO_URL:
        from elkcli.api.demo import DemoTransport

        pace = READING_PACE if paced and environment.stdout_is_terminal else 0.0
        transport = lambda: DemoTransport(pace=pace)  # noqa: E731 - a factory is what the connection takes
    return Connection(
        base_url=settings.base_url,
        token=token,
        timeout=settings.timeout,
        retries=settings.retries,
        ca_file=settings.ca_file,
        transport=transport,
        sleep=environment.sleep,
        further=settings.headers,
        ahead=ahead,
    )


def _ahead(settings: Settings, *, at_once: bool) -> Ahead | None:
    """What connects before the client is there, where that saves time: plain http begins with no more than one trip."""
    if settings.base_url == DEMO_URL or (at_once and not settings.base_url.startswith("https:")):
        return None
    from elkcli.api.ahead import CONNECT_SECONDS, Ahead

    ahead = Ahead(settings.base_url, ca_file=settings.ca_file, seconds=min(CONNECT_SECONDS, settings.timeout))
    if at_once:
        ahead.begin()
        with suppress(ConfigError):  # told when they are used
            ahead.trust()  # before all else, since TLS waits for it
    return ahead


def client_for(
    environment: Environment,
    settings: Settings,
    token: Token | None,
    messages: Messages,
    *,
    paced: bool = True,
    profile: str | None = None,
    at_once: bool = True,
) -> Client:
    """The client for the server of the settings. ``at_once``: what it is made for will be asked without delay."""
    ahead = _ahead(settings, at_once=at_once)
    from elkcli.api.client import Client  # takes a while, in which the connection comes to be

    connection = connection_for(environment, settings, token, paced=paced, ahead=ahead)

    def notify(line: str) -> None:
        if messages.verbose or environment.stderr_is_terminal:
            messages.note(line)

    def refused(name: str) -> None:
        from elkcli.storage.servers import remember

        messages.note(f"the server refuses {name}; asked again without, and remembered")
        remember(environment, settings.base_url, profile, name)

    return Client(connection, notify=notify, log=messages.log if messages.verbose else None, refused=refused)
