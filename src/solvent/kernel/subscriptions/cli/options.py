"""What may be told about subscriptions at a terminal?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from solvent.kernel.subscriptions.model import When
from solvent.kit.clock import parse_time


def parse_when(text: str) -> When | datetime:
    """Return when a change takes effect. Raises `TimeMalformed`, naming the option."""
    named: dict[str, When] = {when.value: when for when in When}
    return named.get(text) or parse_time(text, field="--at")


IdArgument = Annotated[str, typer.Argument(help="The subscription, sub_….", metavar="ID")]
AtOption = Annotated[str, typer.Option("--at", help="now, period_end, or a moment (RFC 3339).")]
AutoOption = Annotated[
    str,
    typer.Option(
        "--at",
        help="auto (dearer now, cheaper at the period's end), now, period_end, or a moment.",
    ),
]
QuantityOption = Annotated[int | None, typer.Option(help="How many seats.", min=1)]
VersionOption = Annotated[int | None, typer.Option(help="By default the latest.", min=1)]
