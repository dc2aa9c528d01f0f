"""Does a worker run what was submitted, try again what failed, and stop what is to be stopped?"""

import asyncio
import threading
import time

import pytest
from conftest import eventually

from solvent_client.tasks import (
    Backoff,
    JobCanceled,
    JobDead,
    NotInTask,
    Reject,
    ResultTimeout,
    Retry,
    chain,
    chord,
    current_task,
    group,
)

SOON = Backoff(base_ms=10, max_ms=50)


async def test_plain_and_async_functions_run_and_return(app, working):
    @app.task
    def plain(a, b=2):
        return {"sum": a + b, "thread": threading.current_thread().name}

    @app.task
    async def lazy(a, b=2):
        await asyncio.sleep(0)
        return a * b

    async with working(app):
        told = await (await plain.adelay(1)).aget(20)
        assert told["sum"] == 3
        assert told["thread"].startswith("solvent-task")
        assert await (await lazy.adelay(3, b=5)).aget(20) == 15


async def test_the_plain_face_waits_for_results(app, working):
    @app.task(name="double")
    async def double(a):
        return 2 * a

    async with working(app):
        result = await asyncio.to_thread(lambda: double.delay(21).get(20))
    assert result == 42


async def test_a_result_that_does_not_come_in_time_is_a_timeout(app):
    @app.task(name="never")
    def never():
        pass

    handle = await never.adelay()
    with pytest.raises(ResultTimeout):
        await handle.aget(0.05)


async def test_what_fails_is_tried_again_and_then_dead_with_its_reason(app, working):
    runs = []

    @app.task(name="shaky", max_retries=2, backoff=SOON)
    def shaky(until):
        runs.append(current_task.attempt)
        if len(runs) < until:
            raise ValueError(f"run {len(runs)}")
        return "done"

    async with working(app):
        assert await (await shaky.adelay(3)).aget(20) == "done"
        assert runs == [1, 2, 3]
        runs.clear()
        handle = await shaky.adelay(9)
        with pytest.raises(JobDead, match="ValueError: run 3") as dead:
            await handle.aget(20)
    assert "raise ValueError" in dead.value.detail
    assert runs == [1, 2, 3]


async def test_a_dead_job_is_replayed_from_its_first_attempt(app, working):
    broken = True

    @app.task(name="mended", max_retries=0)
    async def mended():
        if broken:
            raise RuntimeError("broken")
        return current_task.attempt

    async with working(app):
        handle = await mended.adelay()
        with pytest.raises(JobDead):
            await handle.aget(20)
        broken = False
        assert await handle.areplay()
        assert await handle.aget(20) == 1


async def test_a_task_says_when_it_is_tried_again(app, working):
    moments = []

    @app.task(name="later", bind=True, max_retries=3)
    def later(self):
        moments.append(time.monotonic())
        if self.request.retries == 0:
            raise self.retry(countdown=0.3)
        if self.request.retries == 1:
            raise Retry("once more", countdown=0.01)
        if self.request.retries == 2:
            current_task.retry(0)
        return self.request.attempt

    async with working(app):
        assert await (await later.adelay()).aget(20) == 4
    assert moments[1] - moments[0] >= 0.25


async def test_the_last_retry_leaves_its_cause_in_the_dead_letter(app, working):
    @app.task(name="gives_up", bind=True)
    def gives_up(self):
        try:
            return {}["k"]
        except KeyError as error:
            raise self.retry(exc=error, countdown=0, max_retries=1)  # noqa: B904 - it has a cause

    async with working(app):
        handle = await gives_up.adelay()
        with pytest.raises(JobDead, match="KeyError: 'k'") as dead:
            await handle.aget(20)
    assert "KeyError" in dead.value.detail


async def test_a_task_that_is_rejected_or_not_worth_a_retry_is_dead_at_once(app, working):
    runs = []

    @app.task(name="rejects", backoff=SOON)
    def rejects():
        runs.append(1)
        raise Reject("no such order")

    @app.task(name="gives_up", backoff=SOON, retry_on=(OSError,), give_up_on=(PermissionError,))
    def gives_up(kind):
        runs.append(1)
        raise {"value": ValueError, "permission": PermissionError}[kind](kind)

    async with working(app):
        for handle, told in [
            (await rejects.adelay(), "no such order"),
            (await gives_up.adelay("value"), "ValueError: value"),
            (await gives_up.adelay("permission"), "PermissionError: permission"),
        ]:
            with pytest.raises(JobDead, match=told):
                await handle.aget(20)
    assert len(runs) == 3


async def test_a_run_that_takes_too_long_is_stopped(app, working):
    stopped = []

    @app.task(name="sleeps", timeout=0.3, max_retries=0)
    async def sleeps():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            stopped.append("async")
            raise

    @app.task(name="spins", timeout=0.3, max_retries=0)
    def spins():
        try:
            while True:
                time.sleep(0.01)
        except BaseException as error:
            stopped.append(type(error).__name__)
            raise

    async with working(app):
        for task in (sleeps, spins):
            handle = await task.adelay()
            with pytest.raises(JobDead, match=r"timeout: it ran for more than 0\.3 s"):
                await handle.aget(20)
    assert stopped == ["async", "TimeLimitExceeded"]


async def test_a_job_that_is_not_done_by_its_deadline_is_dead(app, working):
    @app.task(name="late")
    async def late():
        await asyncio.sleep(30)

    handle = await late.aapply_async(deadline=1.0)
    async with working(app):
        with pytest.raises(JobDead, match="expired"):
            await handle.aget(20)
    waiting = await late.aapply_async(expires=0.2)  # no worker: queue time counts
    with pytest.raises(JobDead, match="expired"):
        await waiting.aget(20)


async def test_a_countdown_is_waited_out(app, working):
    @app.task(name="soon")
    def soon():
        return time.time()

    async with working(app):
        begin = time.time()
        handle = await soon.aapply_async(countdown=0.5)
        assert await handle.aget(20) >= begin + 0.4


async def test_the_urgent_go_first(app, working):
    order = []

    @app.task(name="note")
    async def note(what):
        order.append(what)

    handles = [
        await note.aapply_async((name,), priority=priority)
        for name, priority in [("low", 1), ("high", 9), ("middle", 5)]
    ]
    async with working(app, concurrency=1):
        for handle in handles:
            await handle.aget(20)
    assert order == ["high", "middle", "low"]


async def test_a_concurrency_key_lets_one_run_at_a_time(app, working):
    at_once, most = 0, 0

    @app.task(name="exclusive", concurrency_key=lambda n: "one")
    async def exclusive(n):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1

    async with working(app):
        handles = [await exclusive.adelay(n) for n in range(5)]
        for handle in handles:
            await handle.aget(20)
    assert most == 1


async def test_a_rate_limit_holds_back_what_is_too_much(app, working):
    begun = []

    @app.task(name="limited", rate_limit="3/s")
    async def limited():
        begun.append(time.monotonic())

    async with working(app):
        handles = await app.asubmit_many(limited.s() for _ in range(7))
        for handle in handles:
            await handle.aget(20)
    begun.sort()
    assert begun[6] - begun[0] >= 1.8


async def test_progress_is_seen_from_outside(app, working):
    go_on = asyncio.Event()

    @app.task(name="counts")
    async def counts():
        current_task.progress(0.4, "two of five")
        await go_on.wait()

    async with working(app):
        handle = await counts.adelay()
        seen = await eventually(lambda: handle.aprogress(2.0))
        assert (seen.share, seen.note) == (0.4, "two of five")
        status = await handle.astatus()
        assert (status.state, status.attempt) == ("running", 1)
        go_on.set()
        await handle.aget(20)
    with pytest.raises(NotInTask):
        current_task.progress(0.1)


async def test_a_running_job_is_called_off(app, working):
    seen = []

    @app.task(name="lazy")
    async def lazy():
        try:
            await asyncio.sleep(30)
        finally:
            seen.append("async")

    @app.task(name="plain")
    def plain():
        end = time.monotonic() + 30
        while not current_task.cancelled and time.monotonic() < end:
            time.sleep(0.01)
        seen.append("plain")

    async with working(app) as worker:
        for task in (lazy, plain):
            handle = await task.adelay()
            await eventually(lambda h=handle: h.astatus(), until=lambda s: s.state == "running")
            await eventually(lambda: len(worker._runner.active) == 1)
            assert await handle.acancel("stop")
            await eventually(lambda: not worker.held)
            with pytest.raises(JobCanceled, match="stop"):
                await handle.aget(5)
    assert seen == ["async", "plain"]


async def test_chains_groups_and_chords_bring_results_together(app, working):
    @app.task(name="add")
    def add(a, b):
        return a + b

    @app.task(name="total")
    async def total(numbers):
        return sum(numbers)

    @app.task(name="alone")
    async def alone():
        return "alone"

    async with working(app):
        steps = await (add.s(1, 2) | add.s(10) | add.s(100)).adelay()
        assert await steps.aget(20) == 113
        assert await steps.parent.aget(1) == 13
        several = await group(add.s(n, n) for n in range(5)).adelay()
        assert await several.aget(20) == [0, 2, 4, 6, 8]
        sums = await chord([add.s(n, n) for n in range(300)], total.s()).adelay()
        assert await sums.aget(30) == sum(2 * n for n in range(300))
        mixed = await chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s(), add.s(1000)).adelay()
        assert await mixed.aget(20) == 1007
        chains = await group(add.s(1, 1) | add.s(1), add.s(5, 5)).adelay()
        assert await chains.aget(20) == [3, 10]
        nothing = await chord([add.s(1, 1)], alone.si()).adelay()
        assert await nothing.aget(20) == "alone"


async def test_a_broken_step_breaks_what_waits_for_it(app, working):
    @app.task(name="fails", max_retries=0)
    def fails(*_):
        raise ValueError("broken")

    @app.task(name="total")
    async def total(numbers):
        return sum(numbers)

    async with working(app):
        with pytest.raises(JobDead, match="broken"):
            await (await chain(fails.s(), total.s()).adelay()).aget(20)
        with pytest.raises(JobDead):
            await (await chord([fails.s(), fails.s()], total.s()).adelay()).aget(20)


async def test_a_result_that_cannot_be_written_is_a_dead_job_and_no_lost_one(app, working):
    runs = []

    @app.task(name="huge", backoff=SOON)
    def huge(kind):
        runs.append(kind)
        return {"large": "x" * 10_000_000, "odd": object(), "half": "\ud800"}[kind]

    async with working(app):
        for kind, told in [("large", "at most 524,288"), ("odd", "no object"), ("half", "UTF-8")]:
            handle = await huge.adelay(kind)
            with pytest.raises(JobDead, match=told):
                await handle.aget(20)
    assert runs == ["large", "odd", "half"]


async def test_an_unknown_task_is_tried_elsewhere_and_then_dead(app, open_app, working):
    other = open_app()

    @other.task(name="elsewhere", max_retries=1, backoff=SOON)
    def elsewhere():
        pass

    async with working(app):
        with pytest.raises(JobDead, match="unknown task 'elsewhere'"):
            await (await elsewhere.adelay()).aget(20)


async def test_a_worker_takes_only_from_its_queues(app, working):
    @app.task(name="mail", queue="mail")
    def mail():
        return "sent"

    handle = await mail.adelay()
    async with working(app):
        with pytest.raises(ResultTimeout):
            await handle.aget(0.5)
    async with working(app, queues=("other", "mail")):
        assert await handle.aget(20) == "sent"


async def test_hooks_are_called_around_the_work(app, working):
    told = []
    app.on_start(lambda: told.append("start"))

    @app.on_stop
    async def stop():
        told.append("stop")

    async with working(app):
        assert told == ["start"]
    assert told == ["start", "stop"]


async def test_a_task_submits_others(app, working):
    @app.task(name="inner")
    async def inner(n):
        return n + 1

    @app.task(name="outer_async")
    async def outer_async(n):
        return (await inner.adelay(n)).task_id

    @app.task(name="outer_plain")
    def outer_plain(n):
        return inner.delay(n).get(20)

    async with working(app):
        inner_id = await (await outer_async.adelay(1)).aget(20)
        assert await app.handle(inner_id).aget(20) == 2
        assert await (await outer_plain.adelay(5)).aget(20) == 6
