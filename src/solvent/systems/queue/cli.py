"""What can an operator see and do about jobs at a terminal?"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeAlias, TypeVar

import typer
from pydantic import BaseModel

from solvent.kit.cli import (
    EXIT_FAILED,
    Door,
    DryRunOption,
    JsonOption,
    TenantOption,
    run_at_door,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.ids import TenantId
from solvent.kit.jobs.desk.messages import STATES, JobRow, StateName
from solvent.kit.jobs.link import JobsLink
from solvent.systems.queue import change, look, shapes, top
from solvent.systems.queue.limits import REPLAY_MAX
from solvent.systems.queue.logbook import as_line, export_log, follow_log, tell_state
from solvent.systems.queue.look import Filter
from solvent.systems.queue.model import HOUSE_SPACE
from solvent.systems.queue.screen import Screen, show_live
from solvent.systems.queue.service import connect, permit
from solvent.systems.queue.settings import QueueSection

T = TypeVar("T")

app = typer.Typer(help="Jobs, queues and workers: look, cancel, replay.", no_args_is_help=True)

AllOption: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Of every tenant, and Solvent's own.")
]
HouseOption: TypeAlias = Annotated[bool, typer.Option("--house", help="Solvent's own jobs.")]
QueueOption: TypeAlias = Annotated[str, typer.Option("--queue", "-q", help="Of this queue only.")]
NameOption: TypeAlias = Annotated[str, typer.Option("--name", "-n", help="Of this name only.")]
TaskArgument: TypeAlias = Annotated[str, typer.Argument(help="Id of the job.", metavar="ID")]
UntilOption: TypeAlias = Annotated[
    int | None, typer.Option("--until", min=1, help="Up to this record of the log.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command looks: the link, and the space (empty: all)."""

    door: Door
    link: JobsLink
    space: str


def _at_log(
    tenant: str | None,
    use_case: Callable[[Place], Awaitable[T]],
    *,
    every: bool = False,
    house: bool = False,
) -> T:
    """Run a use case with the log at hand."""
    if every + house + (tenant is not None) > 1:
        raise typer.BadParameter("give one of --tenant, --all and --house")

    async def inside(door: Door) -> T:
        space = HOUSE_SPACE if house else "" if every else await door.tenant_of(tenant)
        return await use_case(Place(door, door.jobs, space))

    return run_at_door(inside)


@app.command("top")
def show_top(
    tenant: TenantOption = None,
    every: AllOption = False,
    house: HouseOption = False,
    once: Annotated[bool, typer.Option("--once", help="Print one screen and end.")] = False,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.2, max=60, help="Seconds between two looks.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Watch queues, running jobs, failures, workers and scaling; cancel and replay by keys."""
    every = every or (tenant is None and not house)

    async def use_case(place: Place) -> None:
        if as_json:
            while True:
                seen = top.as_json(await top.glance(place.link, place.space))
                typer.echo(json.dumps(seen, default=str, ensure_ascii=False))
                if once:
                    return
                await asyncio.sleep(interval_s)
        elif once or not sys.stdout.isatty():
            _print(await top.glance(place.link, place.space))
        else:
            screen = Screen(place.link, place.space, partial(_note_change, place.door))
            await show_live(screen, interval_s=interval_s)

    _at_log(tenant, use_case, every=every, house=house)


@app.command("ls")
def list_jobs(
    tenant: TenantOption = None,
    every: AllOption = False,
    house: HouseOption = False,
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help=f"{', '.join(STATES)}; repeat.")
    ] = None,
    queue: QueueOption = "",
    name: NameOption = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the latest submitted first."""
    which = Filter(_states(state), queue, name)

    async def use_case(place: Place) -> tuple[Sequence[JobRow], bool]:
        page = await look.find_jobs(place.link, place.space, which, limit=limit)
        return page.rows, page.more

    rows, more = _at_log(tenant, use_case, every=every, house=house)
    if as_json:
        show_json([top_json(row) for row in rows])
        return
    _show_jobs(rows, empty="No such jobs.")
    if more:
        typer.echo(f"there are more: --limit {min(limit * 10, 500)}", err=True)


@app.command("show")
def show_job(
    task_id: TaskArgument,
    tenant: TenantOption = None,
    house: HouseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a job with its whole history."""

    async def use_case(place: Place) -> look.JobStory:
        return await look.tell_job(place.link, place.space, task_id)

    story = _at_log(tenant, use_case, house=house)
    if as_json:
        show_json(shapes.show_story(story).model_dump(mode="json"))
        return
    if story.row:
        told = shapes.show_job(story.row).model_dump(mode="json")
        show_facts([(name, value) for name, value in told.items() if value not in {None, ""}])
        typer.echo()
    moments = [(one.seq, _at(one.at_ns), one.kind, one.text) for one in story.history]
    show_table(("record", "at", "kind", "what"), moments, empty="The log holds no record of it.")


@app.command("cancel")
def cancel_job(
    task_id: TaskArgument,
    tenant: TenantOption = None,
    reason: Annotated[str, typer.Option(help="Why; it stays with the job.")] = "",
    dry_run: DryRunOption = False,
) -> None:
    """Call a job off, before its run or during it; `replay` takes that back."""

    async def use_case(place: Place) -> str:
        story = await look.tell_job(place.link, place.space, task_id)
        if not dry_run:
            allowed = change.Change(place.space, str(OPERATOR))
            await change.cancel(await place.link.log(), allowed, task_id, reason=reason)
            await _note(place, lambda ctx: permit.note_canceled(ctx, task_id, reason=reason))
        return story.row.state if story.row else "ended long ago"

    state = _at_log(tenant, use_case)
    typer.echo(f"{task_id} was {state}; {'nothing was changed' if dry_run else 'it is canceled'}")


@app.command("replay")
def replay_jobs(
    task_id: Annotated[
        str | None, typer.Argument(help="Id of a dead or canceled job.", metavar="ID")
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All dead jobs of the filter.")] = False,
    canceled: Annotated[bool, typer.Option("--canceled", help="All canceled ones.")] = False,
    queue: QueueOption = "",
    name: NameOption = "",
    limit: Annotated[int, typer.Option(min=1, max=REPLAY_MAX, help="At most so many.")] = 100,
    until: UntilOption = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let dead jobs run again; or, with --until, rebuild the exact state after a record."""
    if (task_id is not None) + (dead or canceled) + (until is not None) != 1:
        raise typer.BadParameter("name one job, or give --dead or --canceled, or --until RECORD")
    if until is not None:
        _rebuild(until, as_json=as_json)
    elif task_id is not None:
        _replay_one(tenant, task_id, dry_run=dry_run)
    else:
        asked = [*(["dead"] if dead else []), *(["canceled"] if canceled else [])]
        which = Filter(_states(asked), queue, name)
        _replay_many(tenant, which, limit=limit, dry_run=dry_run, as_json=as_json)


def _replay_one(tenant: str | None, task_id: str, *, dry_run: bool) -> None:
    async def use_case(place: Place) -> str:
        story = await look.tell_job(place.link, place.space, task_id)
        state = story.row.state if story.row else "ended long ago"
        if not dry_run:
            allowed = change.Change(place.space, str(OPERATOR))
            await change.replay(await place.link.log(), allowed, task_id)
            await _note(place, lambda ctx: permit.note_replayed(ctx, (task_id,)))
        return state

    state = _at_log(tenant, use_case)
    typer.echo(f"{task_id} was {state}; {'nothing was changed' if dry_run else 'it waits again'}")


def _replay_many(
    tenant: str | None, which: Filter, *, limit: int, dry_run: bool, as_json: bool
) -> None:
    async def use_case(place: Place) -> change.Replay:
        allowed = change.Change(place.space, str(OPERATOR))
        made = await change.replay_all(place.link, allowed, which, limit=limit, dry_run=dry_run)
        await _note(place, lambda ctx: permit.note_replayed(ctx, made.replayed))
        return made

    made = _at_log(tenant, use_case)
    if as_json:
        rows = [row.task_id for row in made.matched]
        show_json({"matched": rows, "replayed": list(made.replayed), "more": made.more})
        return
    if dry_run:
        _show_jobs(made.matched, empty="Nothing to replay.")
        typer.echo("dry run: nothing was changed", err=True)
    else:
        typer.echo(f"{len(made.replayed)} of {len(made.matched)} wait again")
    if made.more:
        typer.echo(f"there are more: --limit {min(limit * 5, REPLAY_MAX)}", err=True)


def _rebuild(until: int, *, as_json: bool) -> None:
    async def use_case(door: Door) -> dict[str, object]:
        return await tell_state(await door.jobs.log(), until=until)

    told = run_at_door(use_case)
    if as_json:
        show_json(told)
        return
    show_facts([(name, value) for name, value in told.items() if name != "jobs"])


@app.command("log")
def show_log(
    since: Annotated[int, typer.Option("--from", min=1, help="From this record on.")] = 1,
    until: UntilOption = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as records come.")] = False,
    tenant: TenantOption = None,
    every: AllOption = False,
    house: HouseOption = False,
) -> None:
    """Print records of the log as lines of JSON."""
    if follow and until is not None:
        raise typer.BadParameter("give --follow or --until, not both")
    every = every or (tenant is None and not house)

    async def use_case(place: Place) -> None:
        log = await place.link.log()
        async for entry in follow_log(log, since=since, until=until, follow=follow):
            line = as_line(entry, space=place.space)
            if line:
                typer.echo(line)

    _at_log(tenant, use_case, every=every, house=house)


@app.command("export")
def export(
    output: Annotated[typer.FileBinaryWrite, typer.Argument(help="File to write; - for stdout.")],
) -> None:
    """Write every record of the log, bytes and all, as lines of JSON: a backup that can be read."""

    async def use_case(door: Door) -> int:
        return await export_log(await door.jobs.log(), output)

    typer.echo(f"{run_at_door(use_case)} records", err=True)


@app.command("verify")
def verify_log(as_json: JsonOption = False) -> None:
    """Fold every replica's own copy of the log and compare them; exit 1 if one is not sound."""
    from solvent.systems.queue.logbook import verify_replicas  # noqa: PLC0415 - reads it all

    async def use_case(door: Door) -> dict[str, object]:
        return await verify_replicas(door.jobs)

    told = run_at_door(use_case)
    if as_json:
        show_json(told)
    else:
        show_facts([(name, value) for name, value in told.items() if value not in ("", [], None)])
    if not told["sound"]:
        raise typer.Exit(EXIT_FAILED)


@app.command("workers")
def list_workers(
    tenant: TenantOption = None,
    every: AllOption = False,
    house: HouseOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the workers that are heard."""
    every = every or (tenant is None and not house)
    rows = _at_log(
        tenant, lambda place: look.workers(place.link, place.space), every=every, house=house
    )
    if as_json:
        show_json([{"space": row.space, **_dump(shapes.show_worker(row))} for row in rows])
        return
    cells = [
        (
            row.name,
            row.space,
            row.host,
            row.state,
            f"{row.held}/{row.slots}",
            f"{row.cpu:.0%}",
            f"{row.memory:.0%}",
            ",".join(row.queues),
        )
        for row in rows
    ]
    columns = ("worker", "space", "host", "state", "held", "cpu", "memory", "queues")
    show_table(columns, cells, empty="No worker is heard; `solvent queue connect` says how.")


@app.command("schedules")
def list_schedules(
    tenant: TenantOption = None, every: AllOption = False, as_json: JsonOption = False
) -> None:
    """List the schedules in force and when they tick next."""
    every = every or tenant is None
    rows = _at_log(tenant, lambda place: look.schedules(place.link, place.space), every=every)
    if as_json:
        show_json([{"space": row.space, **_dump(shapes.show_schedule(row))} for row in rows])
        return
    cells = [
        (row.name, row.space, row.task, row.queue, row.cron, row.zone, _at(row.next_ns))
        for row in rows
    ]
    columns = ("schedule", "space", "task", "queue", "cron", "zone", "next")
    show_table(columns, cells, empty="No schedule is in force.")


@app.command("scale")
def list_decisions(
    tenant: TenantOption = None, every: AllOption = False, as_json: JsonOption = False
) -> None:
    """Show the decisions about workers on a time line, each with its inputs."""
    every = every or tenant is None
    rows = _at_log(tenant, lambda place: look.decisions(place.link, place.space), every=every)
    if as_json:
        show_json([_dump(shapes.show_scaling(row)) for row in rows])
        return
    cells = [
        (
            _at(row.at_ns),
            row.told.pool,
            row.told.decision,
            row.told.reason,
            " ".join(f"{name}={value}" for name, value in row.told.inputs.items()),
        )
        for row in rows
    ]
    empty = "Nothing was decided: set queue.pool to let workers be started."
    show_table(("at", "pool", "decision", "why", "inputs"), cells, empty=empty)


@app.command("connect")
def print_connection(
    tenant: TenantOption = None,
    submit_only: Annotated[
        bool, typer.Option("--submit-only", help="A key that submits and does not work.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Issue a key for an application and print what it needs, ready to paste into a shell."""

    async def use_case(place: Place) -> connect.Connection:
        url = await look.door_url(place.link, place.door.setting(QueueSection))
        async with place.door.edge.open(TenantId(place.space), OPERATOR) as ctx:
            return await connect.connect(ctx, url, submit_only=submit_only)

    made = _at_log(tenant, use_case)
    if as_json:
        show_json(dict(made.environment))
        return
    for name, value in made.environment:
        typer.echo(f"export {name}={value}")


async def _note_change(door: Door, row: JobRow, done: str) -> None:
    async with door.edge.open(TenantId(row.space), OPERATOR) as ctx:
        if done == "canceled":
            permit.note_canceled(ctx, row.task_id, reason="from the terminal")
        else:
            permit.note_replayed(ctx, (row.task_id,))


async def _note(place: Place, note: Callable[[Ctx], None]) -> None:
    async with place.door.edge.open(TenantId(place.space), OPERATOR) as ctx:
        note(ctx)


def _states(given: list[str] | None) -> tuple[StateName, ...]:
    known: dict[str, StateName] = {state: state for state in STATES}
    for one in given or ():
        if one not in known:
            raise typer.BadParameter(f"{one}: expected one of {', '.join(STATES)}")
    return tuple(known[one] for one in given or ())


def _show_jobs(rows: Sequence[JobRow], *, empty: str) -> None:
    cells = [
        (
            row.task_id,
            row.state,
            row.name,
            row.queue,
            f"{row.attempt}/{row.max_attempts}",
            _at(row.submitted_ns),
            row.worker,
            row.error,
        )
        for row in rows
    ]
    columns = ("job", "state", "name", "queue", "try", "submitted", "worker", "error")
    show_table(columns, cells, empty=empty)


def top_json(row: JobRow) -> dict[str, object]:
    """Return a job as JSON with its space."""
    return {"space": row.space, **_dump(shapes.show_job(row))}


def _dump(shown: BaseModel) -> dict[str, object]:
    return shown.model_dump(mode="json")


def _at(ns: int) -> str:
    at = shapes.moment(ns)
    return format_time(at.replace(microsecond=0)) if at else ""


def _print(seen: top.Glance) -> None:
    from rich.console import Console  # noqa: PLC0415 - 30 ms that other commands need not wait for

    console = Console()
    console.print(top.screen(seen, width=console.width))
