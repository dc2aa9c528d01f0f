"""How many durable jobs a second are submitted, assigned, run and done, and how soon do they start?

One JSON object a line. Ours: every submission, assignment and end is a record that the log has
synced to the disk (of every replica's majority) before it counts; servers, dispatcher, worker and
submitter are processes of their own. The peers are in an environment that the bench builds, each
with its usual broker: Celery, Dramatiq and taskiq on Redis (append-only file synced each second),
Procrastinate on PostgreSQL. A job is a no-op, a millisecond of computing, or a wait of 50 ms.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

# The root stands first, so that the parts are found.
sys.path[0] = str(Path(__file__).parents[1])
from bench.queue_parts import peers, raw  # noqa: E402
from bench.queue_parts.stage import memory_mb, our_stage, start_pacer, start_worker, submit  # noqa: E402

GOAL_PER_S = {1: 10_000, 3: 5_000}
GOAL_P99_MS, GOAL_IDLE_MB, GOAL_DRIFT = 10, 45, 0.05
SLOTS = {"noop": 200, "ms1": 20, "io": 200}
WARM = 500
FAIL_OVER_S, TOLD_FAIL_OVER_S = 15, 7


def tell(**what):
    """Print one finding."""
    print(json.dumps(what), flush=True)


def rate_of(stage, kind, count):
    """Submit and run so many jobs; return jobs a second, from the first word to the last end."""
    before = stage.counted
    started, _ = submit(stage, kind, count)
    return count / (stage.wait_done(before + count) - started)


def measure_rates(replicas, counts):
    """Tell the rate of each kind of job."""
    with our_stage(replicas=replicas) as stage:
        for kind, count in counts.items():
            worker = start_worker(stage, slots=SLOTS[kind])
            rate_of(stage, kind, WARM)
            rate = rate_of(stage, kind, count)
            goal = {"goal": GOAL_PER_S[replicas]} if kind == "noop" else {}
            tell(
                queue="solvent", replicas=replicas, kind=kind, jobs=count, per_s=round(rate), **goal
            )
            stage.stop(worker)


def measure_waits(replicas, seconds, per_s):
    """Tell how long jobs wait from their submission to their start, at a steady rate."""
    with our_stage(replicas=replicas) as stage:
        start_worker(stage, slots=SLOTS["noop"])
        rate_of(stage, "noop", WARM)
        submit(stage, "noop", seconds * per_s, per_s)
        stage.wait_done(WARM + seconds * per_s)
        waits = stage.waits()
        tell(
            queue="solvent",
            replicas=replicas,
            at_per_s=per_s,
            dispatch_p50_ms=round(statistics.median(waits), 2),
            dispatch_p99_ms=round(waits[int(len(waits) * 0.99)], 2),
            goal_p99_ms=GOAL_P99_MS,
        )


def measure_memory(jobs):
    """Tell a worker's memory before its first job, and how it grows over many."""
    with our_stage(replicas=1) as stage:
        worker = start_worker(stage, slots=10)
        time.sleep(3)
        idle = memory_mb(worker)
        tell(queue="solvent", worker_idle_mb=round(idle, 1), goal=GOAL_IDLE_MB)
        stage.stop(worker)
        worker = start_worker(stage, slots=SLOTS["noop"])
        part = jobs // 10
        started = time.perf_counter()
        seen, keeper = [], []
        for _ in range(10):
            rate_of(stage, "noop", part)
            seen.append(memory_mb(worker))
            keeper.append(memory_mb(stage.dispatcher))
        tell(
            queue="solvent",
            jobs=jobs,
            per_s=round(jobs / (time.perf_counter() - started)),
            worker_mb=[round(one, 1) for one in seen],
            drift=round(seen[-1] / seen[0] - 1, 4),
            goal=GOAL_DRIFT,
            dispatcher_mb=[round(one) for one in keeper],
        )


def measure_backlog(jobs):
    """Tell whether submitting is as fast with a long backlog as with none."""
    with our_stage(replicas=1) as stage:
        submit(stage, "noop", WARM)
        _, tenths = submit(stage, "noop", jobs)
        rates = [round(jobs / 10 / one) for one in tenths]
        tell(
            queue="solvent",
            backlog=jobs,
            enqueued_per_s=rates,
            last_tenth_to_first=round(rates[-1] / rates[0], 2),
            dispatcher_mb=round(memory_mb(stage.dispatcher)),
        )


def measure_fail_over(times):
    """Tell for how long no job ends after the leader of three servers was killed."""
    with our_stage(replicas=3) as stage:
        start_worker(stage, slots=SLOTS["noop"])
        rate_of(stage, "noop", WARM)
        gaps = []
        for _ in range(times):
            leader = stage.leader()
            pacer = start_pacer(stage, FAIL_OVER_S * 100, 100)
            stage.wait_done(stage.counted + 100)
            leader.kill()
            gaps.append(round(longest_pause(stage, pacer), 2))
            leader.start()
            stage.servers.wait_healthy()
        tell(
            queue="solvent", replicas=3, leader_killed=times, pauses_s=gaps, told_s=TOLD_FAIL_OVER_S
        )


def longest_pause(stage, pacer):
    """Return the longest time without a job done, in seconds, until the submitter has ended."""
    longest, counted, since = 0.0, stage.counted, time.perf_counter()
    while pacer.poll() is None:
        now = time.perf_counter()
        if stage.counted != counted:
            longest = max(longest, now - since)
            counted, since = stage.counted, now
        time.sleep(0.005)
    return longest


def main():
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs; under 2 minutes")
    parser.add_argument(
        "--only", default="", help="raw, rates, waits, memory, failover, backlog, peers"
    )
    parser.add_argument("--no-peers", action="store_true", help="ours alone")
    told = parser.parse_args()
    wanted = set(told.only.split(",")) - {""}

    for name, measure in parts(told.quick).items():
        if (name in wanted) if wanted else (name != "peers" or not told.no_peers):
            measure()


def parts(quick):
    """Return what can be measured, by its name."""
    small = 10 if quick else 1
    counts = {"noop": 100_000 // small, "ms1": 10_000 // small, "io": 20_000 // small}
    return {
        "raw": lambda: [tell(**raw.measure(n, 100_000 // small)) for n in (1, 3)],
        "rates": lambda: [measure_rates(n, counts) for n in (1, 3)],
        "waits": lambda: [measure_waits(n, 5 if quick else 20, 1_000) for n in (1, 3)],
        "memory": lambda: measure_memory(50_000 if quick else 1_000_000),
        "failover": lambda: measure_fail_over(1 if quick else 3),
        "backlog": lambda: measure_backlog(1_000_000 // small),
        "peers": lambda: peers.measure(tell, 20 if quick else 1),
    }


if __name__ == "__main__":
    main()
