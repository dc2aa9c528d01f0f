"""Do the histories of a schedule agree with each other and with the log?"""

import asyncio
import contextlib
import json
from collections import defaultdict

import cluster

from chaos_parts.story import story
from chaos_parts.world import SPACE
from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.fold import LogCorrupt, State
from solvent.kit.jobs.job import ASSIGNED
from solvent.kit.jobs.nats_log import NatsLog
from solvent.kit.jobs.verify import verify

READ_S = 60
CATCH_UP_S = 60
"""A replica that was away has been seen to need more than 30 s on a loaded machine."""


class Found:
    """The whole log of a schedule, folded, with what each record changed."""

    def __init__(self):
        """Begin with nothing."""
        self.state = State()
        self.digests = {}
        self.ends = {}
        self.fences = defaultdict(dict)
        self.ended_fences = defaultdict(set)
        self.voids = []
        self.entries = []
        self.base = 0

    @property
    def records(self):
        """How many records there are."""
        return len(self.entries)

    def refold(self):
        """Return the fold of the log as compaction would have left it."""
        state = State()
        for entry in self.entries[self.base - 1 :]:
            state.apply(*entry)
        return state

    def take(self, entry):
        """Fold one record and note what the checks need."""
        change = self.state.apply(*entry)
        self.entries.append(entry)
        if change.kind == "checkpoint" and change.record.base:
            self.base = change.record.base
        key = entry.subject.partition(".")[2]
        if change.kind == "void":
            self.voids.append((entry.seq, entry.subject, change.reason))
        elif change.kind == "assigned":
            self.fences[key][entry.seq] = change.job.worker
        elif change.kind == "done":
            self.ends[key] = "done"
            self.ended_fences[key].add(change.record.fence)
        elif change.kind in {"dead", "canceled"}:
            self.ends[key] = change.kind


async def read_all(servers, wanted):
    """Fold the log from its first record; keep the digests at the sequences that are wanted."""
    log = await NatsLog.open(NatsLogin(servers.url, cluster.USER, cluster.PASSWORD), name="check")
    found = Found()
    async with asyncio.timeout(READ_S):
        last = (await log.bounds()).last
        reading = log.read(1)
        while found.state.seq < last:
            for entry in await anext(reading):
                found.take(entry)
                if entry.seq in wanted:
                    digests = found.state.digest().hex(), found.state.log_digest().hex()
                    found.digests[entry.seq] = digests
                if entry.seq == last:
                    break
        await reading.aclose()
    await log.close()
    return found


def check(world, acknowledged, submitted):
    """Return what is wrong, in sentences; nothing if all is well."""
    spoken = [(name, json.loads(line)) for name, line in world.spoken()]
    try:
        found = asyncio.run(read_all(world.servers, {one["seq"] for _, one in spoken}))
    except LogCorrupt as error:
        return [f"the log does not fold: {error}"], None
    wrong = [f"void: {void}" for void in found.voids]
    wrong += check_compaction(found)
    wrong += check_jobs(found, acknowledged, submitted)
    wrong += check_runs(found, world.history())
    for name, told in spoken:
        mine = found.digests.get(told["seq"], ("", ""))
        if told["seq"] and (told["digest"], told["log"]) != mine:
            wrong.append(f"{name} came to another state at {told['seq']}")
        if told["fault"]:
            wrong.append(f"{name} ended by a fault: {told['fault']}")
    with contextlib.suppress(TimeoutError):  # then the verdict says which replica is behind
        world.servers.wait_healthy(CATCH_UP_S)
    login = NatsLogin(world.servers.url, cluster.USER, cluster.PASSWORD)
    verdict = asyncio.run(verify(login))
    if not verdict.sound:
        faults = [(one.name, one.records, one.fault) for one in verdict.replicas]
        wrong.append(f"replicas: {verdict.corrupt} differs at {verdict.differs_at} {faults}")
    return wrong + story(found, world, acknowledged), found


def check_compaction(found):
    """The log from the base of the last compaction on folds to the same state."""
    if not found.base:
        return []
    try:
        again = found.refold()
    except LogCorrupt as error:
        return [f"compacted at {found.base} it does not fold: {error}"]
    same = again.whole and again.digest() == found.state.digest()
    return [] if same else [f"compacted at {found.base} it folds to another state"]


def check_jobs(found, acknowledged, submitted):
    """Every acknowledged job is done, nothing else is there, and nothing hangs."""
    wrong = []
    for task_id in acknowledged:
        end = found.ends.get(f"{SPACE}.{task_id}")
        if end != "done":
            job = found.state.jobs.get(f"{SPACE}.{task_id}")
            wrong.append(f"acknowledged, and {end or (job and job.phase) or 'lost'}: {task_id}")
    known = {f"{SPACE}.{one}" for one in submitted}
    wrong += [f"nobody submitted it: {key}" for key in found.ends if key not in known]
    wrong += [
        f"still assigned: {job.key}" for job in found.state.jobs.values() if job.phase == ASSIGNED
    ]
    return wrong


def check_runs(found, history):
    """Nothing ran without an assignment on the log, none twice, and what counts has run."""
    wrong, begun, ended = [], set(), set()
    for line in history:
        told = json.loads(line)
        key, fence = f"{SPACE}.{told['id']}", told["fence"]
        if told["event"] == "end":
            ended.add((key, fence))
            continue
        if fence not in found.fences[key]:
            wrong.append(f"it ran without an assignment on the log: {key} {fence}")
        if (key, fence) in begun:
            wrong.append(f"one assignment ran twice: {key} {fence}")
        begun.add((key, fence))
    wrong += [
        f"it is done and never ran to its end: {key} {fence}"
        for key, fences in found.ended_fences.items()
        for fence in fences
        if (key, fence) not in ended
    ]
    return wrong
