"""How does an operator see what a handler or a job gave up, and let it try again?"""

from __future__ import annotations

from typing import Annotated

import typer

from solvent.kit.bus import dead_letters, parked
from solvent.kit.cli import JsonOption, TenantOption, run_in_tenant, show_json, show_table
from solvent.kit.clock import format_time
from solvent.kit.jobs import queue

events = typer.Typer(help="Events that a handler failed on or gave up.", no_args_is_help=True)
jobs = typer.Typer(help="Jobs that failed for good: list and revive.", no_args_is_help=True)


@events.command("dead")
def list_dead(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List events that a handler could not take, with the reason."""
    letters = run_in_tenant(tenant, dead_letters.list_kept)
    rows = [(one.event_id, one.handler, format_time(one.failed_at), one.reason) for one in letters]
    _show(("event", "handler", "failed", "reason"), rows, as_json=as_json)


@events.command("parked")
def list_parked(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List events that a handler failed on and will try again, with the reason."""
    found = run_in_tenant(tenant, parked.list_parked)
    rows = [
        (one.event_id, one.handler, str(one.tries), format_time(one.not_before), one.reason or "")
        for one in found
    ]
    _show(("event", "handler", "tries", "again", "reason"), rows, as_json=as_json)


@events.command("replay")
def replay(
    event_id: Annotated[str, typer.Argument(help="Id of the event, evt_…")],
    tenant: TenantOption = None,
) -> None:
    """Publish a dead event again; handlers that took it before skip it."""
    cleared = run_in_tenant(tenant, lambda ctx: dead_letters.replay(ctx, event_id))
    typer.echo(f"published again; {cleared} dead letters cleared")


@jobs.command("failed")
def list_failed(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List jobs that failed for good, with the reason."""
    failed = run_in_tenant(tenant, queue.list_dead)
    rows = [(one.id, one.name, format_time(one.run_at), one.last_error) for one in failed]
    _show(("job", "name", "due", "reason"), rows, as_json=as_json)


@jobs.command("revive")
def revive(
    job_id: Annotated[str, typer.Argument(help="Id of the job, job_…")],
    tenant: TenantOption = None,
) -> None:
    """Let a failed job run again from its first attempt."""
    run_in_tenant(tenant, lambda ctx: queue.revive(ctx, job_id))
    typer.echo("waiting to run again")


def _show(columns: tuple[str, ...], rows: list[tuple[str, ...]], *, as_json: bool) -> None:
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table(columns, rows, empty="None: everything was handled.")
