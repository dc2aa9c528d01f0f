"""Do the cases that other queues get wrong come out right?"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import eventually
from proxy import Proxy

from solvent_client.tasks import JobDead, StaleFence, Tasks, chord, current_task
from solvent_client.tasks.worker import lifeline

HERE = Path(__file__).parent
ACK = b'{"stream":"JOBS"'


@pytest.fixture
def shop(queue, space, tmp_path):
    """The application of `shop.py`, seen from here, and its workers as processes."""
    os.environ |= {"SOLVENT_QUEUE_URL": queue.url, "SOLVENT_QUEUE_SPACE": space}
    with contextlib.ExitStack() as stack:
        stack.callback(os.environ.pop, "SOLVENT_QUEUE_URL")
        stack.callback(os.environ.pop, "SOLVENT_QUEUE_SPACE")
        made = Shop(tmp_path / "notes", stack)
        stack.callback(made.app.close)
        yield made


class Shop:
    def __init__(self, notes, stack):
        self.app = Tasks()
        self.notes = notes
        self.stack = stack

    def worker(self, *options):
        """Start a worker process and wait until it is ready."""
        process = self.start(*options)
        line = process.stderr.readline()
        assert "is ready" in line, line + process.stderr.read()
        return process

    def start(self, *options, by=()):
        """Start a worker process, by another program if one is named; it ends with the test."""
        process = subprocess.Popen(
            [sys.executable, *by, "-m", "solvent_client.tasks", "shop:app", *options],
            cwd=HERE,
            env={**os.environ, "SHOP_NOTES": str(self.notes)},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.callback(_end, process)
        return process

    def submit(self, name, *args, **options):
        """Submit a call of a task that only the workers define."""
        if name not in self.app.tasks:
            self.app.task(name=name)(_elsewhere)
        return self.app.tasks[name].apply_async(args, **options)

    async def fail(self, count):
        """Run so many jobs that fail."""
        task = self.app.task(name="fails", max_retries=0)(_elsewhere)
        for handle in await self.app.asubmit_many(task.s(n) for n in range(count)):
            with pytest.raises(JobDead, match="ValueError"):
                await handle.aget(60)

    @property
    def told(self):
        return self.notes.read_text().splitlines() if self.notes.exists() else []


def _elsewhere(*args):
    raise NotImplementedError


def _end(process):
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
    process.wait()
    process.stderr.close()


async def test_a_result_whose_ack_is_lost_is_looked_up_and_the_job_never_runs_again(
    app, open_app, working, queue
):
    runs = []
    with Proxy(queue.url) as proxy:
        behind = open_app(proxy.url)

        @behind.task(name="count")
        async def count(n):
            runs.append(n)
            if len(runs) == 1:
                proxy.cut_on(ACK)  # the next answer of the log is that to our `done`
            return n

        @app.task(name="count")
        async def count_elsewhere(n):
            raise NotImplementedError

        async with working(behind) as worker:
            handle = await count_elsewhere.adelay(7)
            assert await handle.aget(20) == 7
            await eventually(lambda: not worker.held)
            assert (proxy.cuts, worker.refused) == (1, 0)
            assert await (await count_elsewhere.adelay(8)).aget(20) == 8
        behind.close()
    assert runs == [7, 8]


async def test_a_submission_whose_ack_is_lost_is_one_job(open_app, queue, working):
    runs = []
    with Proxy(queue.url) as proxy:
        app = open_app(proxy.url)

        @app.task(name="count")
        async def count(n):
            runs.append(n)

        await count.adelay(0)
        proxy.cut_on(ACK)
        handle = await count.adelay(1)
        assert proxy.cuts == 1
        async with working(app):
            await handle.aget(20)
        app.close()
    assert sorted(runs) == [0, 1]


async def test_the_late_result_of_a_frozen_worker_is_refused(shop):
    """SIGSTOP past the lease, the job goes elsewhere, SIGCONT: the fence is stale."""
    first = shop.worker()
    handle = shop.submit("fence", 1.0)
    await eventually(lambda: shop.told)
    first.send_signal(signal.SIGSTOP)
    second = shop.worker()
    fence = await handle.aget(30)
    began, ended = shop.told[0].split(), shop.told[-1].split()
    assert began[1:] == [began[1], "1"]
    assert ended == ["end", str(fence)]
    assert fence > int(began[1])
    first.send_signal(signal.SIGCONT)
    line = await asyncio.to_thread(_line_with, first, "late result is refused")
    assert f"fence {began[1]} is stale, the job is done by now" in line
    assert (await handle.astatus()).fence == fence
    assert second.poll() is None


def _line_with(process, text):
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(text)


async def test_a_task_asks_whether_its_permission_still_holds(app, working):
    asked = []

    @app.task(name="careful")
    def careful():
        current_task.check()
        handle.cancel("off")
        try:
            current_task.check()
        except StaleFence as stale:
            asked.append(stale)
            raise

    async with working(app) as worker:
        handle = await careful.adelay()
        await eventually(lambda: asked and not worker.held)
    assert asked[0].fence > 0
    assert "canceled" in str(asked[0])


async def test_a_task_that_blocks_the_loop_still_beats(shop):
    """Longer than the lease of 5 s: the beats come from a thread of their own."""
    shop.worker()
    shop.worker()
    handle = shop.submit("block", 6.5)
    assert await handle.aget(30) == 1
    assert shop.told == ["begin 1"]


async def test_c_code_that_holds_pythons_lock_loses_its_lease(shop):
    """What no thread survives is known: the job runs again elsewhere, and the first is refused."""
    shop.worker()
    handle = shop.submit("hold", 9.0)
    await eventually(lambda: shop.told)
    shop.worker()
    assert await handle.aget(30) == 2
    assert shop.told == ["begin 1", "begin 2"]


async def test_a_task_longer_than_its_lease_that_beats_runs_once(shop):
    shop.worker()
    shop.worker()
    handle = shop.submit("nap", 6.5)
    assert await handle.aget(30) == 1
    assert shop.told == ["begin 1", "end 1"]


async def test_a_job_that_kills_its_worker_stops_and_takes_no_innocents(shop):
    workers = [shop.worker() for _ in range(4)]
    poison = shop.submit("poison")
    with pytest.raises(JobDead, match="worker_lost"):
        await poison.aget(60)
    assert shop.told == ["begin 1", "begin 2", "begin 3"]
    assert sum(worker.poll() is None for worker in workers) == 1
    assert await shop.submit("add", 1, 2).aget(20) == 3


async def test_a_worker_that_is_stopped_lets_its_jobs_end_and_hands_back_the_others(shop):
    first = shop.worker("--concurrency", "1", "--drain", "10")
    running = shop.submit("nap", 1.0)
    await eventually(lambda: shop.told)
    waiting = shop.submit("add", 1, 2)
    await asyncio.sleep(0.3)
    first.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(first.wait, 20) == 0
    assert shop.told == ["begin 1", "end 1"]
    assert await running.aget(5) == 1
    shop.worker()
    assert await waiting.aget(20) == 3


async def test_what_does_not_end_in_time_is_handed_back_and_uses_up_no_attempt(shop):
    first = shop.worker("--drain", "0.3")
    handle = shop.submit("nap", 20.0, max_retries=0)
    await eventually(lambda: shop.told)
    first.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(first.wait, 20) == 0
    status = await handle.astatus()
    assert (status.state, status.reason) == ("waiting", "drained")
    shop.worker()
    await eventually(lambda: shop.told[1:] == ["begin 1"])


async def test_a_killed_worker_loses_nothing(shop):
    first = shop.worker()
    handles = [shop.submit("nap", 0.5) for _ in range(20)]
    await eventually(lambda: len(shop.told) >= 5)
    first.kill()
    shop.worker("--concurrency", "20")
    results = [await handle.aget(40) for handle in handles]
    assert set(results) <= {1, 2}


async def test_several_processes_run_as_one_and_the_dead_are_replaced(shop):
    parent = shop.start("--processes", "2", "--concurrency", "1")
    handles = [shop.submit("pid") for _ in range(8)]
    pids = {await handle.aget(30) for handle in handles}
    assert len(pids) == 2
    os.kill(min(pids), signal.SIGKILL)
    after = [shop.submit("pid") for _ in range(8)]
    renewed = {await handle.aget(40) for handle in after}
    assert max(pids) in renewed
    parent.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(parent.wait, 40) == 0


async def ended(process):
    """Wait until a process is gone and all that it has started: their common log ends then."""
    await asyncio.to_thread(process.wait, 20)
    await asyncio.wait_for(asyncio.to_thread(process.stderr.read), 20)


def is_gone(pid):
    """Whether a process has ended, even if nobody has asked how."""
    asked = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607 - the system's
        stdout=subprocess.PIPE,
        check=False,
    )
    return asked.stdout.strip()[:1] in {b"", b"Z"}


async def test_the_processes_of_a_killed_pool_hand_back_their_jobs_and_end(shop):
    parent = shop.start("--processes", "2", "--concurrency", "1", "--drain", "0.2")
    handles = [shop.submit("nap", 30.0, max_retries=0) for _ in range(2)]
    await eventually(lambda: shop.told == ["begin 1"] * 2)
    parent.kill()
    await ended(parent)
    for handle in handles:
        status = await handle.astatus()
        assert (status.state, status.reason) == ("waiting", "drained")


@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one", "several"])
async def test_the_workers_of_a_killed_house_hand_back_their_jobs_and_end(shop, options):
    house = shop.start("--drain", "0.2", *options, by=(str(HERE / "housing.py"), sys.executable))
    handle = shop.submit("nap", 30.0, max_retries=0)
    await eventually(lambda: shop.told == ["begin 1"])
    worker_pid = int(house.stderr.readline())
    house.kill()
    await eventually(lambda: is_gone(worker_pid))
    status = await handle.astatus()
    assert (status.state, status.reason) == ("waiting", "drained")


def test_an_orphan_that_does_not_drain_is_ended():
    """A loop that a task holds hears no request; somebody has to end it."""
    code = (
        "import sys, time; from solvent_client.tasks.worker import lifeline\n"
        "assert lifeline.watch(lambda: None, patience_s=0.05); print('.', flush=True)\n"
        "time.sleep(60)"
    )
    end, held = os.pipe()
    told = {**os.environ, "SOLVENT_WORKER_LIFELINE": str(end)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=told, pass_fds=(end,), stdout=subprocess.PIPE
    )
    os.close(end)
    assert process.stdout.readline() == b".\n"
    process.stdout.close()
    os.close(held)
    assert process.wait(20) == 70


@pytest.mark.parametrize("told", ["", "none", "-1", "99999", "0" * 5000])
def test_what_is_no_pipe_is_not_watched(monkeypatch, told):
    monkeypatch.setenv("SOLVENT_WORKER_LIFELINE", told)
    assert not lifeline.watch(os.abort, patience_s=0)


async def test_a_delivery_that_comes_twice_runs_once(app, working):
    """A dispatcher that misses a beat delivers again, under the same fence."""
    import msgspec

    runs = []

    @app.task(name="once")
    async def once():
        runs.append(1)
        await asyncio.sleep(0.2)

    async with working(app) as worker:
        subject = f"work.{app.space}.{worker.name}"
        seen = []

        async def keep(message):
            seen.append(message.data)

        await worker._link.client.subscribe(subject, cb=keep)
        handle = await once.adelay()
        await eventually(lambda: runs)
        await worker._link.client.publish(subject, seen[0])
        await handle.aget(20)
        await worker._link.client.publish(subject, seen[0])
        await worker._link.client.publish(subject, b"\xc1")
        await worker._link.client.publish(subject, msgspec.msgpack.encode([["x", 1]]))
        assert await (await once.adelay()).aget(20) is None
    assert len(runs) == 2


async def test_an_idle_worker_is_small(shop):
    worker = shop.worker()
    await asyncio.sleep(0.5)
    assert rss_mb(worker) <= 45


async def test_failures_leave_no_memory_behind(shop):
    """Each failed run holds 300 kB in a local of its traceback: 600 would be 180 MB."""
    worker = shop.worker()
    await shop.fail(50)
    before = rss_mb(worker)
    await shop.fail(600)
    assert rss_mb(worker) - before < 8


def rss_mb(process):
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize(
    "arguments, code, told",
    [
        (["nowhere:app"], 2, "there is no module 'nowhere'"),
        (["shop:nothing"], 2, "expected module:app"),
        (["shop:app", "--concurrency", "0"], 2, "concurrency: expected 1 to"),
        (["shop:app", "--queues", ""], 2, "queues: expected"),
        (["shop:app", "--concurrency", "many"], 2, "invalid int value"),
        ([], 2, "required: app"),
    ],
)
def test_a_wrong_command_line_is_told(shop, arguments, code, told):
    done = subprocess.run(
        [sys.executable, "-m", "solvent_client.tasks", *arguments],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_without_a_queue_says_so(shop):
    done = subprocess.run(
        [sys.executable, "-m", "solvent_client.tasks", "shop:app"],
        cwd=HERE,
        env={**os.environ, "SOLVENT_QUEUE_URL": "nats://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 75
    assert "the queue cannot be reached: nats://127.0.0.1:1" in done.stderr


async def test_a_worker_lives_through_a_restart_of_the_log(own_queue, space, working):
    with own_queue() as log:
        app = Tasks(log.url, space=space)
        runs = []

        @app.task(name="count")
        async def count(n):
            runs.append(n)
            await asyncio.sleep(0.3)
            return n

        async with working(app, concurrency=5) as worker:
            handles = [await count.adelay(n) for n in range(10)]
            await eventually(lambda: runs)
            log.server.kill()
            log.server.wait()
            log.start_server()
            assert [await handle.aget(40) for handle in handles] == list(range(10))
            assert await (await count.adelay(10)).aget(20) == 10
            await eventually(lambda: not worker.held)
        app.close()
    assert sorted(runs) == list(range(11))


async def test_a_large_group_stands_with_its_header_first(app, working):
    @app.task(name="one")
    async def one(n):
        return 1

    @app.task(name="total")
    async def total(numbers):
        return sum(numbers)

    async with working(app, concurrency=100):
        handle = await chord([one.s(n) for n in range(2_500)], total.s()).adelay()
        assert await handle.aget(60) == 2_500
