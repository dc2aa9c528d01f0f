"""How does a founder develop against Stripe with no Stripe?"""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from solvent.kit.cli import EXIT_FAILED, JsonOption, show_facts, show_json
from solvent.systems.payments.stripe_emulator.plain import part, table

if TYPE_CHECKING:
    from solvent.systems.payments.loopback import Answer, Call
    from solvent.systems.payments.stripe_emulator.emulator import StripeEmulator

PORT = 12_111
HELP = "Develop offline: emulators of what your product talks to."

app = typer.Typer(help=HELP, no_args_is_help=True)


@app.callback()
def dev() -> None:
    """Develop offline: emulators of what your product talks to."""


@app.command()
def stripe(
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data: Annotated[
        Path | None,
        typer.Option(help="SQLite file that keeps the account; in memory without.", dir_okay=False),
    ] = None,
    forward_to: Annotated[
        str | None, typer.Option(help="Your webhook handler; it hears of every event.")
    ] = None,
    duplicate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Chance that an event is delivered twice.")
    ] = 0.0,
    reorder: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Chance that later events overtake one.")
    ] = 0.0,
    delay: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="Deliveries come up to so many seconds late.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Another seed, another fate of each event.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Answer as Stripe's API does, with a page to pay on, a portal, test clocks and webhooks.

    Point Stripe's own client at the address: `StripeClient(key, base_addresses={"api": address})`.
    Solvent itself: `payments.stripe_api` in solvent.toml. Ctrl-C stops it.
    """
    from solvent.systems.payments.stripe_emulator.emulator import (  # noqa: PLC0415 - at need
        Chaos,
        StripeEmulator,
    )

    if forward_to and not forward_to.startswith(("http://", "https://")):
        raise typer.BadParameter("--forward-to begins with http:// or https://")
    chaos = Chaos(duplicate, reorder, delay, seed)
    try:
        emulator = StripeEmulator(data=data, chaos=chaos, host=host, port=port)
    except sqlite3.DatabaseError as fault:
        raise typer.BadParameter(f"--data {data}: {fault}") from None
    log = _Log(as_json=as_json)
    emulator.desk.told, emulator.courier.told = log.request, log.delivery
    try:
        with emulator:
            _tell(emulator, forward_to, as_json=as_json)
            _wait()
    except OSError as fault:
        typer.echo(f"solvent: {host}:{port} cannot be listened on: {fault.strerror}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


def _tell(emulator: StripeEmulator, forward_to: str | None, *, as_json: bool) -> None:
    """Say where it is, and by what it is known."""
    secret = emulator.forward_to(forward_to) if forward_to else None
    facts = [
        ("address", emulator.url),
        ("api key", emulator.api_key),
        ("webhook secret", secret or "none: --forward-to, or make an endpoint by the API"),
        ("kept in", str(emulator.data or "memory")),
    ]
    if as_json:
        told = {"address": emulator.url, "api_key": emulator.api_key, "webhook_secret": secret}
        show_json(told)
    else:
        show_facts(facts)


def _wait() -> None:
    """Wait for Ctrl-C or a SIGTERM."""
    ends = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        ends.set()

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, end)
    ends.wait()


class _Log:
    """Tells of each request and each delivery, a line each."""

    def __init__(self, *, as_json: bool) -> None:
        self._line: Callable[..., None] = self._as_json if as_json else self._as_text

    def request(self, call: Call, answer: Answer) -> None:
        """Tell of a request, and why it was refused if it was."""
        error = part(table(answer.body) or {}, "error")
        why = error.get("message")
        self._line(what=f"{call.method} {call.path}", came=str(answer.status), why=why)

    def delivery(self, event: dict[str, object], endpoint: dict[str, object], came: str) -> None:
        """Tell of a delivery."""
        self._line(what=f"{event['type']} {event['id']} -> {endpoint['url']}", came=came, why=None)

    @staticmethod
    def _as_text(*, what: str, came: str, why: str | None) -> None:
        typer.echo(f"{came:>16}  {what}{f'  ({why})' if why else ''}")

    @staticmethod
    def _as_json(*, what: str, came: str, why: str | None) -> None:
        typer.echo(json.dumps({"what": what, "outcome": came, "why": why}))
