"""Does one screen show all of the queue, on wide and narrow terminals, and obey its keys?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from rich.console import Console

from solvent.kit.jobs.desk.messages import JobRow, Overview, QueueRow, RunningRow, WorkerRow
from solvent.kit.jobs.record import Scaled
from solvent.systems.queue import ordering, top
from solvent.systems.queue.look import Scaling
from solvent.systems.queue.screen import Screen

NS = 1_000_000_000
NOW = 1_800_000_000 * NS
TASK = "4a83600d-2921-43ce-858d-660c80d99e9b"


def row(task_id: str = TASK, **told) -> JobRow:
    made = {
        "space": "ten_a",
        "task_id": task_id,
        "name": "mail.send",
        "queue": "default",
        "state": "assigned",
        "priority": 5,
        "attempt": 1,
        "max_attempts": 5,
        "lost": 0,
        "worker": "w1",
        "submitted_ns": NOW - 90 * NS,
        "submitted_seq": 7,
        "due_ns": 0,
        "assigned_ns": NOW - 75 * NS,
        "deadline_ns": NOW + NS,
        "ended_ns": NOW - 3_700 * NS,
        "error": "",
    }
    return JobRow(**(made | told))


def seen(**told) -> top.Glance:
    queue = QueueRow("ten_a", "default", {"waiting": 1200, "dead": 1, "assigned": 1}, 0, NOW, 9)
    worker = WorkerRow(
        space="ten_a",
        name="w1",
        host="node",
        pid=1,
        state="ready",
        queues=["default"],
        slots=2,
        held=1,
        cpu=0.9,
        memory=0.4,
        rss=0,
        version="",
        started_ns=NOW,
        running=[RunningRow(TASK, "mail.send", 5, 0.5, "half")],
    )
    decision = Scaling(3, NOW, Scaled("queue", "start", "cpu_high", {"cpu_mean": 0.9}))
    made = top.Glance(
        Overview([queue], 41, NOW, leads=True, voids=2),
        [row(progress=0.5, note="half")],
        [row("dead-1", state="dead", error="no\x1b[2J route")],
        [worker],
        [decision],
    )
    return replace(made, **told)


def text_of(glance: top.Glance, width: int, **told) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115 - never read
    try:
        console.print(top.screen(glance, width=width, **told))
        return console.export_text()
    finally:
        console.file.close()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_nothing_is_wider_than_the_terminal_and_everything_is_there(width: int):
    shown = text_of(seen(), width)
    assert max(len(line) for line in shown.splitlines()) <= width
    for part in ("1,200", "mail.send", "w1", "50 %", "90 %", "cpu_high", "2 void", "1 min 15 s"):
        assert part in shown, shown
    assert (TASK in shown) == (width >= 110)


def test_what_an_application_says_does_not_speak_to_the_terminal():
    shown = text_of(seen(), 120)
    assert "\x1b" not in shown
    assert "no [2J route" in shown


def test_a_screen_of_nothing_says_what_to_do():
    nothing = top.Glance(Overview([], 0, 0, leads=True, voids=0), [], [], [], [])
    shown = text_of(nothing, 100)
    assert "solvent queue connect" in shown
    assert "No worker is heard." in shown


def test_the_chosen_one_is_marked():
    assert "> 4a83600d" in " ".join(text_of(seen(), 80, chosen=TASK).split())


@pytest.mark.parametrize(
    "seconds, told",
    [
        (-5, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3_661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_span_is_told_in_its_largest_units(seconds: int, told: str):
    assert top.span(seconds * NS) == told


def test_the_json_holds_what_the_screen_shows():
    told = top.as_json(seen())
    assert told["seq"] == 41
    assert told["jobs"][0]["progress"] == 0.5
    assert told["failures"][0]["task_id"] == "dead-1"
    assert told["queues"][0]["waiting"] == 1200
    assert told["scaling"][0]["decision"] == "start"


@dataclass
class Noted:
    done: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, row: JobRow, done: str) -> None:
        self.done.append((row.task_id, done))


async def test_keys_choose_cancel_replay_pause_and_quit(yard, tenant_id, house):
    from solvent.kit.ctx import OPERATOR
    from solvent.systems.queue.model import WantedJob
    from solvent.systems.queue.service import submit

    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        wanted = [WantedJob(name="wait"), WantedJob(name="die")]
        order = submit.prepare(ctx, wanted, request_key=house.edge.ids.new("qrq"))
    live, dead = (one.task_id for one in await ordering.place(yard.jobs, order))
    noted = Noted()
    screen = Screen(yard.link, tenant_id, noted)
    yard.go.clear()
    async with yard.worker(tenant_id):
        await yard.until(tenant_id, dead, "dead")
        await yard.until(tenant_id, live, "assigned")
        await screen.look()
        assert await screen.press("c")
        assert screen.told == "choose a job first: arrow keys"
        await screen.press("\x1b[B")
        assert screen.chosen == live
        await screen.press("c")
        await yard.until(tenant_id, live, "canceled")
        await screen.press("r")
        await screen.press("j")
        assert screen.chosen == dead
        await screen.press("c")
        assert "has ended" in screen.told
        await screen.press("p")
        assert screen.paused
        await screen.press("p")
        await screen.press("k")
        assert screen.chosen == live
        await screen.press("x")
    yard.go.set()
    assert noted.done == [(live, "canceled"), (live, "replayed")]
    assert not await screen.press("q")
    assert not await screen.press("\x03")
