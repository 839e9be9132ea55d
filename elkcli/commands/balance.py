"""`elkcli balance`: what the token has left."""

from typing import Annotated
from urllib.parse import quote, urlsplit

import typer

from elkcli.api.catalog import Balance, from_account, from_billing, from_token_usage
from elkcli.api.client import Client
from elkcli.commands import options
from elkcli.commands.connecting import client_for, token_for
from elkcli.commands.turn import refuse, speaker
from elkcli.environment import Environment
from elkcli.errors import ApiError, TokenRefused
from elkcli.secret import Token
from elkcli.storage.settings import resolve
from elkcli.terminal.display import standard_output
from elkcli.terminal.printing import print_json, print_text
from elkcli.terminal.safe import safe_line
from elkcli.value import changed

HELP = """What the token has left.

\b
  elkcli balance
  elkcli balance --json | jq .remaining
  elkcli balance --account        (the whole account; sends the token inside an address)

The server counts each look, and allows few: about 20 in 20 minutes. Nothing is asked twice.
"""
ACCOUNT = "https://query.elkapi.com/user/quota"


def balance(
    ctx: typer.Context,
    account: Annotated[
        bool,
        typer.Option(
            "--account",
            help="Ask query.elkapi.com about the whole account. That page takes the token as a part of its address,"
            " where proxies and logs may keep it; it is asked only with this option, and only for ElkAPI",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
    profile: options.Profile = None,
    base_url: options.BaseUrl = None,
    timeout: options.Timeout = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    environment: Environment = ctx.obj
    resolved = resolve(environment, profile=profile, options={"base_url": base_url, "timeout": timeout})
    settings = changed(resolved.settings, retries=0)
    messages = speaker(environment, settings, quiet=quiet, verbose=verbose)
    standard_output(environment)  # where there is none, nothing is asked
    if account:
        host = urlsplit(settings.base_url).hostname or ""
        refuse(
            not settings.base_url.startswith("https://") or not (host == "elkapi.com" or host.endswith(".elkapi.com")),
            "--account is for ElkAPI only: the token would go to query.elkapi.com",
            f"the base URL is {settings.base_url}",
        )
    token = token_for(environment, resolved)
    keys: list[Balance] = []
    with client_for(environment, settings, token, messages, paced=False, at_once=not account) as client:
        if account:
            messages.note("asking query.elkapi.com, with the token inside the address")
            found, keys = from_account(_of_account(client, token))
        else:
            found = _of_token(client, settings.base_url)
    if as_json:
        print_json(environment, found.as_json() | ({"keys": [key.as_json() for key in keys]} if account else {}))
    else:
        more = "".join(f"key {safe_line(key.name or '?', 60)}: {_left(key)}\n" for key in keys)
        print_text(environment, _told(found) + more)
    return 0


def _of_token(client: Client, base_url: str) -> Balance:
    """The relay's own page, or else the two that OpenAI had. A rate limit on the first ends it: they share one."""
    first: ApiError | TokenRefused
    try:
        return from_token_usage(client.get("", url=base_url.removesuffix("/v1") + "/api/usage/token/"))
    except (ApiError, TokenRefused) as problem:
        first = problem
    try:
        subscription = client.get("/dashboard/billing/subscription")
        return from_billing(subscription, client.get("/dashboard/billing/usage"))
    except (ApiError, TokenRefused) as problem:
        if isinstance(problem, TokenRefused):
            raise
        if isinstance(first, TokenRefused):
            raise first from None
        if problem.status in (404, 405) and first.status in (404, 405):
            raise ApiError(
                "the server tells no balance: it has neither of the pages that would", status=problem.status
            ) from None
        if problem.status in (404, 405):  # then what the page that is there said is worth more
            raise first from None
        raise


def _of_account(client: Client, token: Token | None) -> object:
    """The page that wants the token in its address. No failure repeats that address."""
    assert token is not None
    try:
        return client.get("", url=f"{ACCOUNT}?key={quote(token.reveal(), safe='')}")
    except (ApiError, TokenRefused) as problem:
        problem.message = problem.message.replace(quote(token.reveal(), safe=""), token.masked)
        raise


def _left(one: Balance) -> str:
    return "unlimited" if one.unlimited else _money(one.remaining)


def _told(found: Balance) -> str:
    lines = [("remaining", _left(found))]
    if found.units is not None and not found.unlimited:
        lines[0] = ("remaining", f"{_left(found)} ({found.units:,.0f} units)")
    if found.used is not None:
        lines.append(("used", _money(found.used)))
    if found.granted is not None:
        lines.append(("granted", _money(found.granted)))
    if found.expires is not None:
        lines.append(("expires", found.expires))
    if found.requests is not None:
        lines.append(("requests", f"{found.requests:,.0f}"))
    if found.name:
        lines.append(("token" if found.source == "token" else found.source, safe_line(found.name, 60)))
    return "".join(f"{what}: {value}\n" for what, value in lines)


def _money(amount: float | None) -> str:
    """An amount in the server's unit of money, which is the US dollar unless its operator chose another."""
    if amount is None:
        return "not told"
    return f"{amount:,.4f}".rstrip("0").rstrip(".")
