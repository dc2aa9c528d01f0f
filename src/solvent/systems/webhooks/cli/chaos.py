"""How does a founder put their own handler to the test?"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from solvent.kit.cli import EXIT_FAILED, JsonOption, show_json, show_table
from solvent.kit.config import read_bounded
from solvent.kit.errors import Invalid
from solvent.systems.webhooks.chaos import Handler, Verdict, run_chaos
from solvent.systems.webhooks.limits import BODY_BYTES_MAX


class DataMalformed(Invalid):
    """The data of an event is a JSON object."""

    code = "webhooks.data_malformed"


def chaos(
    url: Annotated[str, typer.Argument(help="Your handler, say http://127.0.0.1:8000/hooks.")],
    secret: Annotated[str, typer.Option(help="The secret that it checks by, whsec_….")],
    event_type: Annotated[
        str, typer.Option("--type", help="Type of the events that are sent.")
    ] = "webhooks.endpoint_tested.v1",
    data: Annotated[
        Path | None, typer.Option(help="JSON file of their data; small sample data without.")
    ] = None,
    effects: Annotated[
        str | None,
        typer.Option(help="URL that answers with how many events your handler has applied."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Send your handler duplicates, reorders, delays and forgeries; report what it survived.

    Run it against a handler of your test stage: what it accepts, it will act upon.
    """
    handler = Handler(url, secret, event_type, _read(data), effects)
    verdicts = asyncio.run(run_chaos(handler))
    if as_json:
        show_json([one.plain() for one in verdicts])
    else:
        rows = [(one.name, one.grade, one.told) for one in verdicts]
        show_table(("scenario", "survived", "what happened"), rows)
        survived = sum(one.survived is not False for one in verdicts)
        typer.echo(f"{survived} of {len(verdicts)} survived", err=True)
    if any(one.survived is False for one in verdicts):
        raise typer.Exit(EXIT_FAILED)


def _read(path: Path | None) -> dict[str, object]:
    if path is None:
        return {"note": "chaos"}
    try:
        told: object = json.loads(read_bounded(path, limit_bytes=BODY_BYTES_MAX))
    except ValueError as odd:
        raise DataMalformed(str(odd), field=str(path)) from None
    if not isinstance(told, dict):
        raise DataMalformed(field=str(path))
    return told  # pyright: ignore[reportUnknownVariableType] - any object of JSON


def mount(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(chaos)


__all__ = ["Verdict", "mount"]
