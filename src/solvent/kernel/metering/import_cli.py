"""How is a file of usage imported at a terminal, with what is wrong in it set apart?"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO, TypeAlias

import typer

from solvent.kernel.metering import importing, rehearsing, service
from solvent.kernel.metering.importing import Progress, Row
from solvent.kernel.metering.model import EVENTS_PER_BATCH_MAX, UsageEffect
from solvent.kernel.metering.overlay_cli import show_effects
from solvent.kernel.metering.ports import UsageJudge
from solvent.kit.cli import (
    EXIT_FAILED,
    Door,
    DryRunOption,
    TenantOption,
    run_at_door,
    show_facts,
)
from solvent.kit.ctx import OPERATOR, Ctx
from solvent.kit.errors import SolventError

FindJudge: TypeAlias = Callable[[], UsageJudge]
CUSTOMERS_JUDGED_MAX = 100
DRY_RUN_ROWS_MAX = 1_000_000
STDIN = "-"


def extend(usage: typer.Typer, judge: FindJudge) -> None:
    """Add `solvent usage import`; whom `judge` finds says what a dry run would charge."""

    @usage.command("import")
    def import_file(
        file: Annotated[
            Path, typer.Argument(help="JSON Lines, or CSV if its name says so; - reads the input.")
        ],
        report: Annotated[
            Path | None, typer.Option(help="Where rows go that are refused; FILE.rejected.jsonl.")
        ] = None,
        afresh: Annotated[
            bool, typer.Option("--afresh", help="Begin at the first row, wherever it was left.")
        ] = False,
        tenant: TenantOption = None,
        dry_run: DryRunOption = False,
    ) -> None:
        """Record a file's events, a thousand at a time; what is refused goes to a report.

        An import that was broken off goes on where it was left; importing again adds nothing.
        """
        one = _Import(file, report, tenant, afresh=afresh, dry_run=dry_run)
        effects: list[UsageEffect] = []

        async def run(door: Door) -> Progress:
            if dry_run:
                told, found = await one.rehearse(door, judge())
                effects.extend(found)
                return told
            return await one.run(door)

        told = run_at_door(run)
        one.show(told)
        if dry_run:
            show_effects(effects)
        if told.rejected:
            raise typer.Exit(EXIT_FAILED)


class _Import:
    """One run of an import."""

    def __init__(
        self, file: Path, report: Path | None, tenant: str | None, *, afresh: bool, dry_run: bool
    ) -> None:
        self.file, self.tenant, self.dry_run = file, tenant, dry_run
        self.stdin = str(file) == STDIN
        if not self.stdin and not file.is_file():
            raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
        name = "usage" if self.stdin else file.name
        self.report = report or file.with_name(f"{name}.rejected.jsonl")
        self.place = file.with_name(f"{name}.import.json")
        self.progress = Progress(fingerprint=STDIN)
        if not self.stdin:
            if afresh or dry_run:
                known = importing.progress_of(file, Path("/dev/null"))
            else:
                known = importing.progress_of(file, self.place)
            self.progress = known

    async def run(self, door: Door) -> Progress:
        """Record batch after batch, each in a transaction of its own."""
        tenant_id = await door.tenant_of(self.tenant)
        if self.progress.line:
            typer.echo(f"going on after line {self.progress.line}", err=True)
        with self._rows() as rows, self._reported() as report:
            while batch := list(islice(rows, EVENTS_PER_BATCH_MAX)):
                async with door.edge.open(tenant_id, OPERATOR) as ctx:
                    self.progress, rejected = await _record(ctx, batch, self.progress)
                report.writelines(f"{line}\n" for line in rejected)
                report.flush()
                if not self.stdin:
                    self.progress.write(self.place)
                self._tell()
        self.place.unlink(missing_ok=True)
        return self.progress

    async def rehearse(self, door: Door, judge: UsageJudge) -> tuple[Progress, list[UsageEffect]]:
        """Do all of it in one transaction that is taken back; return what it would change."""
        tenant_id = await door.tenant_of(self.tenant)
        rejected: list[str] = []
        with self._rows() as found:
            rows = list(islice(found, DRY_RUN_ROWS_MAX))
        refs = sorted({row.event.customer_ref for row in rows if row.event})

        async with door.edge.open(tenant_id, OPERATOR) as ctx:

            async def act() -> Progress:
                progress = self.progress
                for first in range(0, len(rows), EVENTS_PER_BATCH_MAX):
                    batch = rows[first : first + EVENTS_PER_BATCH_MAX]
                    progress, refused = await _record(ctx, batch, progress)
                    rejected.extend(refused)
                return progress

            told, effects = await rehearsing.rehearse(
                ctx, judge, act, customer_refs=refs[:CUSTOMERS_JUDGED_MAX]
            )
        for line in rejected[:20]:
            typer.echo(line, err=True)
        return told, effects

    @contextmanager
    def _rows(self) -> Generator[Iterator[Row]]:
        as_csv = self.file.suffix.lower() == ".csv"
        if self.stdin:
            yield importing.rows_of(sys.stdin, as_csv=False, after=0)
            return
        with self.file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            yield importing.rows_of(lines, as_csv=as_csv, after=self.progress.line)

    @contextmanager
    def _reported(self) -> Generator[TextIO]:
        """Yield the report, which is there only if something stands in it."""
        mode = "a" if self.progress.line else "w"
        with self.report.open(mode, encoding="utf-8") as report:
            yield report
        with suppress(OSError):
            if not self.report.stat().st_size:
                self.report.unlink()

    def _tell(self) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{self.progress.rows:,} rows", nl=False, err=True)

    def show(self, told: Progress) -> None:
        """Show what became of the rows."""
        if sys.stderr.isatty():
            typer.echo("", err=True)
        if self.dry_run:
            typer.echo("dry run: nothing was kept", err=True)
        show_facts(
            [
                ("accepted", told.accepted),
                ("duplicates", told.duplicates),
                ("uncounted", told.uncounted),
                ("rejected", told.rejected),
            ]
        )
        if told.rejected and not self.dry_run:
            typer.echo(f"refused rows, each with its reason: {self.report}", err=True)


async def _record(ctx: Ctx, batch: list[Row], progress: Progress) -> tuple[Progress, list[str]]:
    """Record the events of a batch; return the progress, and a line for each refused row."""
    events = [row.event for row in batch if row.event]
    fates = iter(await service.record_each(ctx, events) if events else [])
    counts: Counter[str] = Counter()
    rejected: list[str] = []
    for row in batch:
        fate = next(fates) if row.event else row.refused
        if isinstance(fate, SolventError):
            rejected.append(importing.rejection(row, fate))
            counts["rejected"] += 1
        elif fate is not None:
            counts[fate.value] += 1
    return importing.counted(progress, line=batch[-1].number, fates=dict(counts)), rejected
