"""Is an acknowledged job ever lost, or run under two permissions, whatever fails?

Each schedule is made from a seed: servers, dispatchers and workers are killed and stopped, a
server is cut off from its peers, and the dispatchers' clocks are wrong, while jobs are submitted
and run. Then all is whole again, every acknowledged job must come to its end, and the histories of
the submitter, the workers and the dispatchers must agree with the log. A failure prints its seed:
`python tools/chaos.py --seed 17` repeats it (as far as a machine repeats its timing).
"""

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import cluster
from chaos_parts.check import check
from chaos_parts.doors import Doors
from chaos_parts.world import SPACE, World

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.errors import SolventError
from solvent.kit.jobs import record as r
from solvent.kit.jobs.guard import ensure_log
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.nats_log import NatsLog

FAULTS = (
    "kill server",
    "stop server",
    "cut server",
    "kill dispatcher",
    "stop dispatcher",
    "kill worker",
    "stop worker",
)
CALM_S = 90
MAKE_TRIES = 20


@dataclass
class Schedule:
    """What happens when."""

    seed: int
    size: int
    jobs: int
    seconds: float
    skews: list = field(default_factory=list)
    faults: list = field(default_factory=list)
    """(at, what, whom, for how long), in seconds."""


def plan(seed, *, jobs, seconds):
    """Return the schedule of a seed."""
    chance = random.Random(seed)
    made = Schedule(seed, chance.choice([1, 3, 3, 3]), jobs, seconds)
    made.skews = [round(chance.uniform(-3600, 3600), 1) for _ in range(2)]
    for _ in range(chance.randint(3, 7)):
        what = chance.choice(FAULTS)
        whom = chance.randrange(made.size if "server" in what else 2)
        lasts = round(chance.uniform(0.3, 7.0), 2)
        made.faults.append((round(chance.uniform(0.5, seconds), 2), what, whom, lasts))
    made.faults.sort()
    return made


class Hand:
    """Does the faults, each of which ends by itself."""

    def __init__(self, world, doors):
        """Act on this world."""
        self.world = world
        self.doors = doors

    def begin(self, what, whom):
        """Let it happen."""
        verb, kind = what.split()
        if kind == "server":
            self._begin_server(verb, self.world.servers.servers[whom])
        elif verb == "kill":
            self.world.hit(f"{kind}s", whom, signal.SIGKILL)
        else:
            self.world.hit(f"{kind}s", whom, signal.SIGSTOP)

    def _begin_server(self, verb, server):
        if verb == "kill":
            server.kill()
        elif verb == "stop":
            server.signal(signal.SIGSTOP)
        elif self.doors is not None:
            self.doors.isolate(self.port_of(server))

    def end(self, what, whom):
        """Let it be over."""
        verb, kind = what.split()
        if kind != "server":
            if verb == "kill":
                getattr(self.world, f"start_{kind}")(whom)
            else:
                self.world.hit(f"{kind}s", whom, signal.SIGCONT)
            return
        server = self.world.servers.servers[whom]
        if verb == "kill" and server.process is None:
            server.start()
            self.know(server)
        elif verb == "stop":
            server.signal(signal.SIGCONT)
        elif verb == "cut" and self.doors is not None:
            self.doors.heal()

    def know(self, server):
        """Tell the doors whose connections are this server's."""
        if self.doors is not None:
            self.doors.pids[self.port_of(server)] = server.process.pid

    def port_of(self, server):
        """Return the port at which its peers reach it."""
        place = self.world.servers.servers.index(server)
        return list(self.doors.doors.values())[place]

    async def follow(self, schedule):
        """Do all of it in its time."""
        await asyncio.gather(*(self._one(*fault) for fault in schedule.faults))

    async def _one(self, at, what, whom, lasts):
        await asyncio.sleep(at)
        self.begin(what, whom)
        await asyncio.sleep(lasts)
        self.end(what, whom)


async def submit_all(schedule, world, acknowledged, submitted):
    """Submit jobs all the while; note which of them the log has acknowledged."""
    chance = random.Random(schedule.seed + 1)
    log = await NatsLog.open(login_to(world), name="chaos-submitter")
    pace_s = schedule.seconds / max(schedule.jobs // 10, 1)
    flying = [
        asyncio.create_task(submit_some(log, chance, place * pace_s, acknowledged, submitted))
        for place in range(schedule.jobs // 10)
    ]
    await asyncio.gather(*flying)
    await log.close()


async def submit_some(log, chance, after_s, acknowledged, submitted):
    """Submit ten jobs in one batch."""
    await asyncio.sleep(after_s)
    ids = [uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(10)]
    submitted.extend(ids)
    records = []
    for task_id in ids:
        pause_s = round(chance.choice([0, 0, 0.05, 1.0]), 2)
        args = json.dumps([[pause_s, chance.choice([0, 0, 0, 1])], {}]).encode()
        backoff = r.Backoff(base_ms=100, factor=1)
        spec = r.Spec("tasks.step", args=args, max_attempts=50, backoff=backoff)
        records.append(
            Append(f"job.{SPACE}.{task_id}", 0, r.encode(r.Submitted(r.CHAIN_START, spec)))
        )
    try:
        await log.append(records)
    except SolventError:
        return  # whether they stand is unknown: they may run, and need not
    acknowledged.extend(ids)


def login_to(world):
    """Return how our own processes get to the log."""
    return NatsLogin(world.servers.url, cluster.USER, cluster.PASSWORD)


async def live(schedule, world, hand, acknowledged, submitted):
    """Let everything happen."""
    await asyncio.gather(
        submit_all(schedule, world, acknowledged, submitted), hand.follow(schedule)
    )


async def calm(world, acknowledged):
    """Wait until every acknowledged job has ended, or for long enough; then have all say why."""
    log = await NatsLog.open(login_to(world), name="chaos-calm")
    left, end = set(acknowledged), time.monotonic() + CALM_S
    while left and time.monotonic() < end:
        world.revive()
        for task_id in list(left):
            try:
                last = await log.last(f"job.{SPACE}.{task_id}")
            except SolventError:
                break
            if last is not None and type(r.decode(last.data)) in {r.Done, r.Dead, r.Canceled}:
                left.discard(task_id)
            else:
                break
        await asyncio.sleep(0.2)
    await log.close()
    if left:
        world.ask()


def run(schedule, directory):
    """Run one schedule; return what is wrong and how much was seen."""
    doors = {} if schedule.size > 1 else None
    servers = cluster.build(directory, size=schedule.size, doors=doors)
    world = World(directory, servers, schedule.skews)
    acknowledged, submitted = [], []
    gate = Doors(doors) if doors is not None else None
    hand = Hand(world, gate)
    try:
        if gate is not None:
            gate.__enter__()
        for one in servers.servers:
            one.start()
            hand.know(one)
        servers.wait_healthy()
        asyncio.run(
            ensure_log(login_to(world), replicas=schedule.size, monitor_urls=servers.monitor_urls)
        )
        for place in range(2):
            world.start_dispatcher(place)
            world.start_worker(place)
        asyncio.run(live(schedule, world, hand, acknowledged, submitted))
        servers.wait_healthy()
        asyncio.run(calm(world, acknowledged))
        world.end()
        wrong, found = check(world, acknowledged, submitted)
    finally:
        world.end()
        for one in servers.servers:
            one.stop()
        if gate is not None:
            gate.__exit__()
    return wrong, acknowledged, found


def tell(schedule, wrong, acknowledged, found, seconds):
    """Print how a schedule ended."""
    print(
        json.dumps(
            {
                "seed": schedule.seed,
                "servers": schedule.size,
                "faults": [f"{what} {whom}" for _, what, whom, _ in schedule.faults],
                "acknowledged": len(acknowledged),
                "records": found.records if found else 0,
                "assignments": sum(map(len, found.fences.values())) if found else 0,
                "compacted_at": found.base if found else 0,
                "seconds": round(seconds, 1),
                "wrong": wrong[:100],
            }
        ),
        flush=True,
    )


def main():
    """Run schedules; exit 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--keep", action="store_true", help="leave the logs of a failure there")
    told = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    seeds = range(told.first, told.first + told.schedules) if told.seed is None else [told.seed]
    failed = []
    for seed in seeds:
        schedule = plan(seed, jobs=told.jobs, seconds=told.seconds)
        directory = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        begun = time.monotonic()
        wrong, acknowledged, found = run(schedule, directory)
        tell(schedule, wrong, acknowledged, found, time.monotonic() - begun)
        if wrong:
            failed.append(seed)
        if wrong and told.keep:
            print(f"what they wrote is in {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(list(seeds)) - len(failed)} of {len(list(seeds))} schedules hold", file=sys.stderr)
    if failed:
        sys.exit(f"these failed, each can be run again by --seed: {failed}")


if __name__ == "__main__":
    main()
