"""What is seen of the queue at one glance: queues, live jobs, failures, workers, decisions?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from solvent.kit.jobs.desk.messages import JobRow, Overview, QueueRow, WorkerRow
from solvent.kit.jobs.link import JobsLink
from solvent.systems.queue import look, shapes
from solvent.systems.queue.look import Filter, Scaling

NS = 1_000_000_000
LIVE_ROWS, FAILED_ROWS, DECISION_ROWS = 10, 8, 8
WORKER_ROWS = 12
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
WIDE = 110
ID_CHARS, ID_CHARS_NARROW = 36, 13
WORKER_CHARS, NAME_CHARS = 16, 24
HOT = 0.85
WARM = 0.70
BAR = 8
CHOSEN = "bold on grey23"
ACT_MARKS = {
    "start": "+",
    "drain": "~",
    "stop": "-",
    "requeue": "<",
    "give_up": "x",
    "at_most": "=",
}
KEYS = "↑↓ choose · c cancel · r replay · p pause · q quit"


@dataclass(frozen=True, slots=True)
class Glance:
    """All that one screen shows; `space` is empty where it is of all."""

    overview: Overview
    live: Sequence[JobRow]
    failed: Sequence[JobRow]
    workers: Sequence[WorkerRow]
    decisions: Sequence[Scaling]
    space: str = ""

    @property
    def choices(self) -> Sequence[JobRow]:
        """The jobs that can be chosen, in the order in which they are shown."""
        return (*self.live, *self.failed)


async def glance(link: JobsLink, space: str) -> Glance:
    """Look at a space (empty: at all); raises DeskAway."""
    live = await look.find_jobs(link, space, Filter(("assigned",)), limit=LIVE_ROWS)
    failed = await look.find_jobs(link, space, Filter(("dead",)), limit=FAILED_ROWS)
    decisions = await look.decisions(link, space)
    return Glance(
        await look.overview(link, space),
        live.rows,
        failed.rows,
        await look.workers(link, space),
        decisions[-DECISION_ROWS:],
        space,
    )


def as_json(seen: Glance) -> dict[str, object]:
    """Return the same as JSON."""
    return {
        "space": seen.space or None,
        "seq": seen.overview.seq,
        "at": shapes.moment(seen.overview.clock_ns),
        "void_records": seen.overview.voids,
        "queues": [
            {"space": one.space, **shapes.show_queue(one).model_dump(mode="json")}
            for one in seen.overview.queues
        ],
        "jobs": [_job_json(one) for one in seen.live],
        "failures": [_job_json(one) for one in seen.failed],
        "workers": [
            {"space": one.space, **shapes.show_worker(one).model_dump(mode="json")}
            for one in seen.workers
        ],
        "scaling": [shapes.show_scaling(one).model_dump(mode="json") for one in seen.decisions],
    }


def _job_json(row: JobRow) -> dict[str, object]:
    return {"space": row.space, **shapes.show_job(row).model_dump(mode="json")}


def screen(
    seen: Glance, *, width: int = WIDE, chosen: str = "", told: str = "", keys: bool = False
) -> Group:
    """Return the whole screen; `chosen` is the task id that stands out, `told` a last line.

    On a terminal narrower than `WIDE` ids are shortened; `ls` and JSON have them whole.
    """
    id_chars = ID_CHARS if width >= WIDE else ID_CHARS_NARROW
    parts: list[RenderableType] = [_head(seen)]
    parts.append(_framed("queues", _queues(seen, id_chars), _no_queues(seen)))
    parts.append(_framed("running", _live(seen, chosen, id_chars), "Nothing runs."))
    failed = _failed(seen, chosen, id_chars)
    parts.append(_framed("failed", failed, "Nothing has failed for good."))
    parts.append(_framed("workers", _workers(seen), "No worker is heard."))
    parts.append(_framed("scaling", _decisions(seen), "Nothing was decided yet."))
    if told or keys:
        parts.append(Text(told or KEYS, style="bold" if told else "dim"))
    return Group(*parts)


def _head(seen: Glance) -> Text:
    over = seen.overview
    counts = [row.counts for row in over.queues]
    total = {
        name: sum(one.get(name, 0) for one in counts) for name in ("waiting", "assigned", "dead")
    }
    done = sum(row.done_minute for row in over.queues)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("queue ", style="bold")
    text.append(seen.space or "all tenants", style="cyan")
    text.append(f"  {total['waiting']:,} waiting  {total['assigned']:,} running  ")
    text.append(f"{total['dead']:,} dead", style="red" if total["dead"] else "")
    text.append(f"  {done:,}/min  ")
    if over.voids:
        text.append(f"{over.voids:,} void  ", style="yellow")
    text.append(f"record {over.seq:,}  {_clock(over.clock_ns)}", "dim")
    return text


def _no_queues(seen: Glance) -> str:
    who = "" if seen.space else " of any tenant"
    return (
        f"No job{who} yet. `solvent queue connect` prints what a worker needs; docs/howto/"
        "queue-workers.md goes on from there."
    )


def _framed(title: str, table: Table, empty: str) -> Panel:
    body: RenderableType = table if table.row_count else Text(empty, style="dim")
    return Panel(body, title=title, title_align="left", border_style="dim", padding=(0, 1))


def _table(columns: Iterable[str], *, right: Iterable[str] = (), give: str) -> Table:
    """Return a table whose column `give` gives way where there is too little room."""
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    rights = frozenset(right)
    for name in columns:
        justify = "right" if name in rights else "left"
        ratio = 1 if name == give else None
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", ratio=ratio)
    return table


def _queues(seen: Glance, id_chars: int) -> Table:
    numbers = ("wait", "later", "run", "dead", "/min", "workers", "oldest")
    wide, over = not seen.space, seen.overview
    head = ("tenant", "queue") if wide else ("queue",)
    table = _table((*head, *numbers), right=numbers, give="queue")
    for row in over.queues:
        cells = _queue_cells(row, over.clock_ns)
        table.add_row(*([short(row.space, id_chars)] if wide else []), *cells)
    return table


def _queue_cells(row: QueueRow, now_ns: int) -> list[RenderableType]:
    counts = row.counts
    dead = counts.get("dead", 0)
    starved = counts.get("waiting", 0) and not row.workers
    return [
        row.queue,
        f"{counts.get('waiting', 0):,}",
        f"{counts.get('delayed', 0):,}",
        f"{counts.get('assigned', 0):,}",
        Text(f"{dead:,}", style="red" if dead else ""),
        f"{row.done_minute:,}",
        Text(str(row.workers), style="yellow" if starved else ""),
        span(now_ns - row.oldest_ns) if row.oldest_ns else "",
    ]


def _live(seen: Glance, chosen: str, id_chars: int) -> Table:
    columns = ("", "job", "name", "worker", "try", "for", "progress")
    table = _table(columns, right=("try", "for"), give="name")
    now_ns = seen.overview.clock_ns
    for row in seen.live:
        table.add_row(
            _mark(row, chosen),
            short(row.task_id, id_chars),
            _plain(row.name),
            short(_plain(row.worker), WORKER_CHARS),
            f"{row.attempt}/{row.max_attempts}",
            span(now_ns - row.assigned_ns),
            _progress(row),
            style=CHOSEN if row.task_id == chosen else "",
        )
    return table


def _failed(seen: Glance, chosen: str, id_chars: int) -> Table:
    columns = ("", "job", "name", "tries", "ago", "why")
    table = _table(columns, right=("tries", "ago"), give="why")
    for row in seen.failed:
        table.add_row(
            _mark(row, chosen),
            short(row.task_id, id_chars),
            short(_plain(row.name), NAME_CHARS),
            str(row.attempt),
            span(seen.overview.clock_ns - row.ended_ns),
            Text(_plain(row.error), style="red"),
            style=CHOSEN if row.task_id == chosen else "",
        )
    return table


def _workers(seen: Glance) -> Table:
    columns = ("worker", "host", "state", "held", "cpu", "memory", "queues")
    table = _table(columns, right=("held",), give="queues")
    for row in seen.workers[:WORKER_ROWS]:
        table.add_row(
            short(_plain(row.name), WORKER_CHARS),
            short(_plain(row.host), WORKER_CHARS),
            Text(row.state, style="green" if row.state == "ready" else "yellow"),
            f"{row.held}/{row.slots}",
            bar(row.cpu),
            bar(row.memory),
            _plain(", ".join(row.queues)),
        )
    return table


def _decisions(seen: Glance) -> Table:
    table = _table(("at", "", "pool", "decision", "why", "inputs"), give="inputs")
    for one in reversed(seen.decisions):
        told = one.told
        table.add_row(
            _clock(one.at_ns),
            ACT_MARKS.get(told.decision, "?"),
            _plain(told.pool),
            told.decision,
            told.reason,
            Text(_inputs(told.inputs), style="dim"),
        )
    return table


def _inputs(inputs: dict[str, float | int | str]) -> str:
    names = ("worker", "cpu_mean", "high_samples", "pending", "serving", "running")
    return " ".join(f"{name}={inputs[name]}" for name in names if name in inputs)


def _mark(row: JobRow, chosen: str) -> str:
    return ">" if row.task_id == chosen else " "


def _progress(row: JobRow) -> RenderableType:
    if row.progress is None:
        return Text(_plain(row.note), style="dim")
    text = bar(row.progress, hot=2)
    text.append(f" {_plain(row.note)}" if row.note else "")
    return text


def bar(share: float, *, hot: float = HOT) -> Text:
    """Return a share as a short bar with its percentage."""
    share = min(max(share, 0.0), 1.0)
    full = round(share * BAR)
    style = "red" if share > hot else "yellow" if hot <= 1 and share > WARM else "green"
    text = Text()
    text.append("█" * full, style=style)
    text.append("░" * (BAR - full), style="dim")
    text.append(f" {share * 100:3.0f} %")
    return text


def span(ns: int) -> str:
    """Return a time that has passed, in its one or two largest units."""
    seconds = max(ns, 0) // NS
    if seconds < MINUTE_S:
        return f"{seconds} s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S} min {seconds % MINUTE_S} s"
    if seconds < DAY_S:
        return f"{seconds // HOUR_S} h {seconds % HOUR_S // MINUTE_S} min"
    return f"{seconds // DAY_S} d {seconds % DAY_S // HOUR_S} h"


def short(text: str, chars: int) -> str:
    """Return a text as far as it fits: of a long one the beginning and the last four."""
    return text if len(text) <= chars else f"{text[: chars - 5]}…{text[-4:]}"


def _clock(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS, UTC).strftime("%H:%M:%S") if ns else ""


def _plain(text: str) -> str:
    """Return a text of an application without what would speak to the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
