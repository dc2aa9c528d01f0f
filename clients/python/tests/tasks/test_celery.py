"""Does an application of Celery come to the same on Solvent, and is the rest refused clearly?

`celery_story.json` is what real Celery 5.7 made of `celery_shop.py`. `make peer-celery` runs that
again.
"""

import importlib.util
import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import eventually
from hypothesis import given
from hypothesis import strategies as st

from solvent_client.tasks.celery import Celery, Unsupported, chain, chord, group, shared_task
from solvent_client.tasks.celery.conf import Conf
from solvent_client.tasks.celery.exceptions import ImproperlyConfigured, NotRegistered
from solvent_client.tasks.celery.marks import mark, unmark
from solvent_client.tasks.celery.schedules import cron_of, crontab, solar
from solvent_client.tasks.record import Scheduled, decode

HERE = Path(__file__).parent
RECORDED = json.loads((HERE / "celery_story.json").read_text("utf-8"))
CELERY = os.environ.get("SOLVENT_TEST_CELERY") or (
    sys.executable if importlib.util.find_spec("celery") else None
)


def story(python, kind, **environ):
    done = subprocess.run(
        [python, "celery_story.py", kind],
        cwd=HERE,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_application_of_celery_comes_to_the_same_on_solvent(queue, space):
    made = story(sys.executable, "solvent", SOLVENT_QUEUE_URL=queue.url, SOLVENT_QUEUE_SPACE=space)
    assert made == RECORDED


@pytest.mark.skipif(CELERY is None, reason="Celery is not installed: make peer-celery")
def test_what_is_recorded_is_what_celery_itself_makes_of_it():
    assert story(CELERY, "celery") == RECORDED


@pytest.fixture
def shop(queue, space):
    made = Celery("shop", broker=queue.url, space=space)
    yield made
    made.close()


async def test_the_beat_schedule_stands_on_the_log(shop, working):
    @shop.task(name="close_day")
    def close_day(scope):
        return scope

    shop.conf.timezone = "Europe/Berlin"
    shop.conf.beat_schedule["close-the-day"] = {
        "task": "close_day",
        "schedule": crontab(minute=30, hour=3, day_of_week="mon-fri"),
        "args": ("all",),
        "options": {"expires": 600},
    }

    @shop.on_after_configure.connect
    def more(sender, **_):
        sender.add_periodic_task(timedelta(seconds=1), close_day.s("often"), name="often")

    async with working(shop.solvent) as worker:
        found = await worker._link.reader.last(f"cron.{shop.solvent.space}.close-the-day")
        told = decode(found.data)
        assert isinstance(told, Scheduled)
        assert (told.cron, told.zone) == ("30 3 * * 1-5", "Europe/Berlin")
        assert told.spec.args == b'[["all"],{}]'
        assert told.spec.expires_ns == 600_000_000_000
        await eventually(lambda: worker.done >= 2)


@pytest.mark.parametrize(
    "when, cron",
    [
        (crontab(), "* * * * *"),
        (crontab(minute=0, hour="*/3"), "0 */3 * * *"),
        (crontab(minute="0,15", hour=[8, 12], day_of_month="1-7"), "0,15 12,8 1-7 * *"),
        (crontab(0, 4, day_of_week="sunday,Wed"), "0 4 * * 0,3"),
        (crontab(0, 4, month_of_year="1,7"), "0 4 * 1,7 *"),
        (timedelta(minutes=5), "@every 300s"),
        (90.0, "@every 90s"),
    ],
)
def test_schedules_of_celery_are_cron_expressions(when, cron):
    assert cron_of(when) == cron


@pytest.mark.parametrize(
    "ask, told",
    [
        (lambda: cron_of(0.5), "whole seconds"),
        (lambda: cron_of("soon"), "expected crontab, timedelta or seconds"),
        (lambda: crontab(day_of_month=1, day_of_week=1), "day_of_month and day_of_week together"),
        (lambda: solar("sunset", 1, 2), "by the sun"),
        (lambda: Conf(task_queues=[]), r"conf\.task_queues"),
        (lambda: Conf().update(worker_pool="gevent"), r"conf\.worker_pool"),
        (lambda: Conf(task_serializer="yaml").codec, "task_serializer"),
        (chain, "at least one step"),
    ],
)
def test_what_solvent_has_not_is_refused_by_its_name(ask, told):
    with pytest.raises(Unsupported, match=told):
        ask()


def test_options_that_mean_nothing_are_refused_when_they_are_said(shop):
    @shop.task(name="t")
    def t(n=0):
        return n

    refused = {
        r"task\(pydantic=": lambda: shop.task(pydantic=True)(
            test_options_that_mean_nothing_are_refused_when_they_are_said
        ),
        "routing_key=": lambda: t.apply_async(routing_key="x"),
        "headers=": lambda: t.apply_async(headers={}),
        r"link: write chain": lambda: t.s().link(t.s()),
        "control.inspect": lambda: shop.control.inspect,
        "worker_main": lambda: shop.worker_main([]),
        "config_from_envvar": lambda: shop.config_from_envvar("X"),
        "expected a body": lambda: chord([t.s()]).native(),
        "at least one member": lambda: group().delay(),
    }
    for told, ask in refused.items():
        with pytest.raises(Unsupported, match=told):
            ask()
    with pytest.raises(NotRegistered):
        shop.signature("nowhere")


def test_settings_come_from_an_object_with_a_prefix_or_without(shop):
    class Django:
        DEBUG = True
        CELERY_TIMEZONE = "Asia/Kolkata"
        CELERY_TASK_ACKS_LATE = True

    shop.config_from_object(Django, namespace="CELERY")
    assert shop.conf.timezone == "Asia/Kolkata"
    shop.config_from_object({"task_default_queue": "main", "mine": 1})
    assert shop.conf["task_default_queue"] == "main"
    with pytest.raises(Unsupported, match="task_queues"):
        shop.config_from_object({"CELERY_TASK_QUEUES": []}, namespace="CELERY")


def test_options_of_tasks_are_said_to_solvent_as_celery_means_them(shop):
    shop.conf.update(task_default_queue="main", task_routes={"mail.*": {"queue": "mail"}})

    @shop.task(name="plain")
    def plain():
        pass

    @shop.task(name="mail.send", rate_limit="10/m", soft_time_limit=5, max_retries=None)
    def send():
        pass

    shop.load()
    assert (plain.native.options.queue, send.native.options.queue) == ("main", "mail")
    assert plain.native.options.max_retries == 3
    assert plain.native.options.retry_on == ()  # Celery tries again only what asks for it
    spec = send.native.call((), {}).spec
    assert (spec.timeout_ns, spec.max_attempts, spec.rate.count) == (5_000_000_000, 1000, 10)


def test_eager_tasks_run_at_once(shop):
    shop.conf.task_always_eager = True
    runs = []

    @shop.task(name="eager", bind=True, max_retries=2)
    def eager(self, n):
        runs.append(self.request.retries)
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        assert self.request.is_eager
        return n + 1

    @shop.task(name="broken")
    def broken():
        raise ValueError("broken")

    assert eager.delay(1).get() == 2
    assert runs == [0, 1, 2]
    assert chain(eager.s(1), eager.s()).apply_async().get() == 3
    result = broken.delay()
    assert (result.state, result.ready(), result.failed()) == ("FAILURE", True, True)
    with pytest.raises(ValueError, match="broken"):
        result.get()
    shop.conf.task_eager_propagates = True
    with pytest.raises(ValueError, match="broken"):
        broken.delay()


async def test_a_job_is_revoked_and_its_progress_is_told(shop, working):
    import asyncio

    @shop.task(name="long", bind=True)
    def long(self):
        self.update_state(state="PROGRESS", meta={"current": 3, "total": 4})
        from solvent_client.tasks import current_task

        while not current_task.cancelled:
            asyncio.run(asyncio.sleep(0.01))

    async with working(shop.solvent) as worker:
        result = await asyncio.to_thread(long.delay)
        seen = await eventually(lambda: result.handle.aprogress(2.0))
        assert (seen.share, json.loads(seen.note)) == (0.75, {"current": 3, "total": 4})
        assert await asyncio.to_thread(lambda: result.state) == "STARTED"
        await asyncio.to_thread(shop.control.revoke, result.id, terminate=True)
        await eventually(lambda: not worker.held)
        assert await asyncio.to_thread(lambda: shop.AsyncResult(result.id).state) == "REVOKED"


def test_shared_tasks_belong_to_the_current_application(shop):
    @shared_task(name=f"shared-{uuid.uuid4().hex}", queue="shared")
    def shared(n):
        """Twice."""
        return 2 * n

    assert shared(4) == 8
    assert shared.app is shop
    assert shared.s(1).task.startswith("shared-")
    assert shared.delay(1).state == "PENDING"


def test_celery_itself_must_not_be_imported_before():
    code = (
        "import sys, types; sys.modules['celery'] = types.ModuleType('celery')\n"
        "from solvent_client.tasks import celery\n"
        "try: celery.install()\n"
        "except celery.Unsupported as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Celery was imported before" in done.stdout


def test_without_an_application_there_is_no_current_one():
    code = (
        "from solvent_client.tasks.celery import current_app\n"
        "from solvent_client.tasks.celery.exceptions import ImproperlyConfigured\n"
        "try: current_app.tasks\n"
        "except ImproperlyConfigured as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "there is no application" in done.stdout
    assert issubclass(ImproperlyConfigured, Exception)


marked = st.recursive(
    st.none()
    | st.integers()
    | st.text()
    | st.binary()
    | st.uuids()
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(marked)
def test_what_json_has_no_word_for_comes_back(value):
    assert unmark(json.loads(json.dumps(mark(value)))) == value


def test_marks_are_those_of_kombu():
    assert mark(Decimal("1.50")) == {"__type__": "decimal", "__value__": "1.50"}
    assert mark(date(2026, 1, 2)) == {"__type__": "date", "__value__": "2026-01-02"}
    assert mark((time(1, 2), datetime(2026, 1, 1, tzinfo=UTC))) == [
        {"__type__": "time", "__value__": "01:02:00"},
        {"__type__": "datetime", "__value__": "2026-01-01T00:00:00+00:00"},
    ]
    assert unmark({"__type__": "alien", "__value__": "x"}) == {
        "__type__": "alien",
        "__value__": "x",
    }
