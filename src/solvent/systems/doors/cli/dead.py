"""How does an operator look after usage that could not be counted?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    LimitOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.kit.limits import PAGE_SIZE
from solvent.systems.doors import service
from solvent.systems.doors.limits import LETTERS_MAX, REPLAY_MAX
from solvent.systems.doors.model import Door, LettersAsked, LetterState, Replayed
from solvent.systems.doors.shapes import show_letter, show_replayed

dead = typer.Typer(help="Look after usage that could not be counted.", no_args_is_help=True)

LetterArguments = Annotated[
    list[str] | None, typer.Argument(help="Letters, dle_…; none: all that match.", metavar="LETTER")
]
DoorOption = Annotated[Door | None, typer.Option("--door", help="Only of this door.")]
ReasonOption = Annotated[
    str | None, typer.Option(help="Only for this reason, such as doors.customer_unknown.")
]
EventOption = Annotated[str | None, typer.Option(help="Only of events of this name.")]
CustomerOption = Annotated[str | None, typer.Option(help="Only of who was named so.")]
ROUNDS_MAX = LETTERS_MAX // REPLAY_MAX + 1


@dead.command("list")
def list_(
    door: DoorOption = None,
    reason: ReasonOption = None,
    event: EventOption = None,
    customer: CustomerOption = None,
    state: Annotated[LetterState, typer.Option(help="In this state.")] = LetterState.WAITING,
    limit: LimitOption = PAGE_SIZE,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """List dead letters, the earliest first."""
    asked = LettersAsked(door=door, reason=reason, event=event, customer=customer)
    found = run_in_tenant(
        tenant, lambda ctx: service.list_letters(ctx, asked, state=state, limit=limit)
    )
    if as_json:
        show_json([show_letter(one).model_dump(mode="json") for one in found])
        return
    rows = [
        (one.id, one.door.value, one.reason, one.event or "", one.customer or "", one.times)
        for one in found
    ]
    columns = ("letter", "door", "reason", "event", "customer", "times")
    show_table(columns, rows, empty="No dead letters: all usage that came in could be counted.")


@dead.command()
def show(
    letter: Annotated[str, typer.Argument(help="Letter, dle_….", metavar="LETTER")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was sent, and why it cannot be counted."""
    found = run_in_tenant(tenant, lambda ctx: service.get_letter(ctx, letter))
    told = show_letter(found)
    if as_json:
        show_json(told.model_dump(mode="json"))
        return
    show_facts(
        [
            ("letter", told.id),
            ("door", told.door.value),
            ("state", told.state.value),
            ("reason", told.reason),
            ("detail", f"{told.field}: {told.detail}" if told.field else told.detail),
            ("received", format_time(told.received_at)),
            ("times", told.times),
            ("sent", told.raw),
        ]
    )


@dead.command()
def replay(
    letters: LetterArguments = None,
    door: DoorOption = None,
    reason: ReasonOption = None,
    event: EventOption = None,
    customer: CustomerOption = None,
    dry_run: DryRunOption = False,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try letters again, after the meter or the customer was made or named."""
    asked = _asked(letters, door, reason, event, customer)
    total, after = Replayed(recorded=0, uncounted=0, duplicates=0, still_dead=0), None
    for _ in range(ROUNDS_MAX):
        told, after = _replay_some(tenant, asked, after, dry_run=dry_run)
        total += told
        if after is None:
            break
        typer.echo(f"{total.recorded} recorded, {total.still_dead} still dead …", err=True)
    if as_json:
        show_json(show_replayed(total, cursor=None, dry_run=dry_run).model_dump(mode="json"))
    else:
        _tell(total, dry_run=dry_run)


def _replay_some(
    tenant: str | None, asked: LettersAsked, after: str | None, *, dry_run: bool
) -> tuple[Replayed, str | None]:
    """Replay as much as one transaction holds: what is done stays done if a later one fails."""

    async def use_case(ctx: Ctx) -> tuple[Replayed, str | None]:
        return await service.replay(ctx, asked, after=after, dry_run=dry_run)

    return run_in_tenant(tenant, use_case)


def _tell(told: Replayed, *, dry_run: bool) -> None:
    verb = "would be recorded" if dry_run else "recorded"
    old = f" ({told.uncounted} of them older than their meter)" if told.uncounted else ""
    typer.echo(f"{told.recorded} {verb}{old}, {told.duplicates} were known")
    for reason, many in told.reasons.items():
        typer.echo(f"{many} still dead: {reason}")


@dead.command()
def discard(
    letters: LetterArguments = None,
    door: DoorOption = None,
    reason: ReasonOption = None,
    event: EventOption = None,
    customer: CustomerOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that wait, where nothing else is named.")
    ] = False,
    dry_run: DryRunOption = False,
    tenant: TenantOption = None,
) -> None:
    """Give letters up; by their ids they can be replayed until they are forgotten."""
    asked = _asked(letters, door, reason, event, customer)
    if asked == LettersAsked() and not everything:
        raise typer.BadParameter("name letters, what they share, or --all", param_hint="LETTER")
    count = run_in_tenant(tenant, lambda ctx: service.discard(ctx, asked), dry_run=dry_run)
    typer.echo(f"{count} discarded")


def _asked(
    letters: list[str] | None,
    door: Door | None,
    reason: str | None,
    event: str | None,
    customer: str | None,
) -> LettersAsked:
    return LettersAsked(
        ids=tuple(letters or ()), door=door, reason=reason, event=event, customer=customer
    )
