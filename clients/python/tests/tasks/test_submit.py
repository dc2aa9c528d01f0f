"""Does a call get onto the log once, from any kind of program, with what was said of it?"""

import asyncio
import os
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta

import pytest

from solvent_client.tasks import (
    Backoff,
    OptionInvalid,
    PayloadTooLarge,
    QueueUnreachable,
    Tasks,
    chain,
    chord,
    group,
)
from solvent_client.tasks.record import Submitted

NS = 1_000_000_000


def tasks_of(app):
    @app.task(name="add")
    def add(a, b):
        return a + b

    return add


def spec_of(handle):
    record = handle.status().record
    assert isinstance(record, Submitted)
    return record.spec


def test_a_plain_program_submits_and_looks(app):
    add = tasks_of(app)
    handle = add.delay(1, 2)
    assert handle.state == "waiting"
    assert spec_of(handle).args == b"[[1,2],{}]"
    assert app.handle("nowhere").state == "unknown"


def test_calling_a_task_runs_it_here(app):
    assert tasks_of(app)(1, 2) == 3


async def test_an_asyncio_program_submits_and_looks(app):
    handle = await tasks_of(app).adelay(1, b=2)
    assert (await handle.astatus()).record.spec.args == b'[[1],{"b":2}]'


def test_each_event_loop_may_use_the_same_application(app):
    add = tasks_of(app)
    for _ in range(2):
        assert asyncio.run(add.adelay(1, 2)).state == "waiting"


def test_many_threads_submit_at_once(app):
    add = tasks_of(app)
    handles = []

    def submit():
        handles.extend(add.delay(number, 0) for number in range(20))

    threads = [threading.Thread(target=submit) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({handle.task_id for handle in handles}) == 200
    assert all(handle.state == "waiting" for handle in handles)


def test_many_calls_go_in_few_batches(app):
    add = tasks_of(app)
    handles = add.delay_many((number, 1) for number in range(1_203))
    assert len(handles) == 1_203
    assert spec_of(handles[0]).args == b"[[0,1],{}]"
    assert spec_of(handles[-1]).args == b"[[1202,1],{}]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_web_worker_opens_a_connection_of_its_own(app):
    add = tasks_of(app)
    assert add.delay(1, 2).state == "waiting"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert app.engine._loop is None
            assert add.delay(3, 4).state == "waiting"
            app.close()
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the parent hears of it by the code
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert add.delay(5, 6).state == "waiting"


def test_options_of_a_task_and_of_a_call_stand_in_the_spec(app):
    @app.task(
        name="mail",
        queue="mail",
        priority=7,
        max_retries=2,
        backoff=Backoff(base_ms=10),
        timeout=timedelta(minutes=2),
        rate_limit="10/m",
        concurrency_key=lambda to: f"to:{to}",
        concurrency=3,
        ignore_result=True,
    )
    def mail(to):
        return to

    spec = spec_of(mail.delay("alice"))
    assert (spec.queue, spec.priority, spec.max_attempts) == ("mail", 7, 3)
    assert spec.backoff.base_ms == 10
    assert spec.timeout_ns == 120 * NS
    assert (spec.rate.key, spec.rate.count, spec.rate.per_ns) == ("mail", 10, 60 * NS)
    assert (spec.key, spec.key_limit, spec.keep_result) == ("to:alice", 3, False)
    spec = spec_of(mail.apply_async(("bob",), queue="slow", priority=0, max_retries=None))
    assert (spec.queue, spec.priority, spec.max_attempts, spec.key) == ("slow", 0, 1000, "to:bob")


def test_moments_are_by_the_logs_clock(app):
    add = tasks_of(app)
    add.delay(1, 2)
    now = time.time_ns()
    spec = spec_of(add.apply_async((1, 2), countdown=60, expires=timedelta(minutes=5)))
    assert abs(spec.not_before_ns - now - 60 * NS) < 5 * NS
    assert abs(spec.expires_ns - now - 300 * NS) < 5 * NS
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    spec = spec_of(add.apply_async((1, 2), eta=at, deadline=at + timedelta(hours=1)))
    assert spec.not_before_ns == int(at.timestamp()) * NS
    assert spec.expires_ns == spec.not_before_ns + 3600 * NS


@pytest.mark.parametrize(
    "said, told",
    [
        ({"queue": "a.b"}, "queue: expected"),
        ({"priority": 10}, "priority: expected 0 to 9"),
        ({"max_retries": -1}, "max_retries: expected"),
        ({"timeout": 0}, "timeout: expected"),
        ({"rate_limit": "10 per minute"}, "rate_limit: expected '10/s'"),
        ({"rate_limit": "0/m"}, "rate_limit: expected '10/s'"),
        ({"codec": "yaml"}, "codec: expected"),
        ({"in_order": True}, "in_order: expected a concurrency_key"),
        ({"eta": datetime(2030, 1, 1)}, "eta: expected a time with its offset"),  # noqa: DTZ001
        ({"eta": 1, "countdown": 1}, "eta: expected either"),
        ({"task_id": "a b"}, "task_id: expected"),
        ({"colour": "red"}, "colour: there is no such option"),
    ],
)
def test_an_option_that_is_none_is_refused_by_its_name(app, said, told):
    add = tasks_of(app)
    with pytest.raises(OptionInvalid) as refused:
        add.apply_async((1, 2), **said)
    assert told in str(refused.value)


def test_a_job_of_a_known_id_is_submitted_once(app):
    add = tasks_of(app)
    first = add.apply_async((1, 2), task_id="order-17")
    again = add.apply_async((1, 2), task_id="order-17")
    assert (first.existed, again.existed) == (False, True)
    assert first.task_id == again.task_id == "order-17"


def test_of_unique_jobs_with_the_same_arguments_one_waits(app):
    @app.task(name="once", unique=True)
    def once(a):
        return a

    first, again, other = once.delay(1), once.delay(1), once.delay(2)
    assert (first.existed, again.existed, other.existed) == (False, True, False)
    assert first.task_id == again.task_id != other.task_id
    assert first.cancel()
    next_life = once.delay(1)
    assert not next_life.existed
    assert next_life.task_id == first.task_id
    assert next_life.state == "waiting"


def test_of_unique_jobs_submitted_at_once_one_is_new(app):
    @app.task(name="once", unique=lambda a, b: f"{a}")
    def once(a, b):
        return a

    handles = []
    threads = [
        threading.Thread(target=lambda b=b: handles.append(once.delay(1, b))) for b in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handle.existed for handle in handles) == [False] + [True] * 11


def test_what_is_called_off_does_not_run_and_can_be_replayed(app):
    handle = tasks_of(app).delay(1, 2)
    assert handle.replay() is False
    assert handle.cancel("changed my mind") is True
    assert handle.cancel() is False
    status = handle.status()
    assert (status.state, status.reason) == ("canceled", "changed my mind")
    assert handle.replay() is True
    assert handle.state == "waiting"


def test_a_large_argument_is_refused_and_nothing_is_written(app):
    add = tasks_of(app)
    with pytest.raises(PayloadTooLarge, match="10,000,0"):
        add.delay("x" * 10_000_000, 1)


def test_a_chain_that_carries_too_much_is_refused(app):
    add = tasks_of(app)
    with pytest.raises(PayloadTooLarge, match=r"the rest of a chain: .* at most 262,144"):
        chain(add.s(1, 2), *(add.s("x" * 100_000) for _ in range(3))).delay()


def test_spaces_do_not_see_each_other(app, open_app):
    mine = tasks_of(app).apply_async((1, 2), task_id="job-1")
    mallory = open_app(space=f"{app.space}-m")
    assert mallory.handle("job-1").state == "unknown"
    theirs = tasks_of(mallory).apply_async((1, 2), task_id="job-1")
    assert not theirs.existed
    assert theirs.cancel()
    assert mine.state == "waiting"


def test_a_queue_that_is_not_there_is_said_to_be_unreachable():
    lost = Tasks("nats://127.0.0.1:1", space="t1")
    with pytest.raises(QueueUnreachable, match=r"127\.0\.0\.1:1"):
        tasks_of(lost).delay(1, 2)
    lost.close()


@pytest.mark.parametrize(
    "url, space, told",
    [
        ("nats://a:4222", "", "space: expected"),
        ("nats://a:4222", "a.b", "space: expected"),
        ("http://a:4222", "t1", "url: expected nats://"),
        ("nats://user:secret@", "t1", "url: expected nats://"),
    ],
)
def test_a_place_that_is_none_is_refused(url, space, told):
    with pytest.raises(OptionInvalid) as refused:
        Tasks(url, space=space)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_chord_is_refused_where_it_could_hang(app):
    add = tasks_of(app)
    with pytest.raises(OptionInvalid, match="a member is one task"):
        chord([chain(add.s(1, 2), add.s(3))], add.s(1))
    with pytest.raises(OptionInvalid, match="a single task after a group"):
        chain(group(add.s(1, 2)), group(add.s(3)))
    with pytest.raises(OptionInvalid, match="neither unique nor task_id"):
        chain(add.s(1, 2), add.s(1).set(unique=True)).delay()
    with pytest.raises(OptionInvalid, match="at least one"):
        chain()


def test_two_tasks_of_one_name_are_refused(app):
    @app.task(name="twice")
    def one():
        pass

    with pytest.raises(OptionInvalid, match="two tasks called twice"):

        @app.task(name="twice")
        def two():
            pass


def test_the_import_costs_no_server_and_no_framework():
    import subprocess
    import sys

    heavy = ["solvent", "fastapi", "celery", "ctypes", "pickle"]
    code = (
        "import sys, solvent_client.tasks, solvent_client.tasks.worker.worker;"
        f"print([m for m in {heavy} if m in sys.modules and m != 'pickle'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"[]", "['ctypes']"}
