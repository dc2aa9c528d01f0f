"""What does a small but realistic application of Celery look like? It runs unchanged on Solvent."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from celery import Celery, Task, chain, chord, group, shared_task
from celery.exceptions import Ignore, MaxRetriesExceededError, Reject
from celery.schedules import crontab
from celery.utils.log import get_task_logger

logger = get_task_logger(__name__)

app = Celery("shop", broker=os.environ["SHOP_BROKER"], backend=os.environ.get("SHOP_BACKEND"))
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_serializer="json",
    timezone="Europe/Berlin",
    enable_utc=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    task_routes={"shop.mail.*": {"queue": "mail"}},
    beat_schedule={
        "close-the-day": {
            "task": "shop.close_day",
            "schedule": crontab(hour=3, minute=30, day_of_week="mon-fri"),
            "args": ("all",),
        },
        "sync-every-half-minute": {
            "task": "shop.sync",
            "schedule": timedelta(seconds=30),
            "options": {"expires": 20},
        },
        "poll": {"task": "shop.sync", "schedule": 90.0},
    },
)

attempts = {}
hooks = []


class Audited(Task):
    """Notes what becomes of its runs."""

    def on_success(self, retval, task_id, args, kwargs):
        hooks.append(f"success {self.name} {retval}")

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        hooks.append(f"failure {self.name} {exc}")

    def on_retry(self, exc, task_id, args, kwargs, einfo):
        hooks.append(f"retry {self.name}")


def tried(name):
    attempts[name] = attempts.get(name, 0) + 1
    return attempts[name]


@app.task(name="shop.price", base=Audited)
def price(amount, rate="0.19"):
    """Money as Decimal goes through JSON and back."""
    return Decimal(amount) * (1 + Decimal(rate))


@app.task(name="shop.due")
def due(ordered_at, days=14):
    return {"due": ordered_at + timedelta(days=days), "kind": type(ordered_at).__name__}


@app.task(name="shop.mail.receipt", bind=True, max_retries=3, default_retry_delay=0)
def send_receipt(self, order):
    """Fails twice, as mail servers do."""
    number = tried(f"receipt {order}")
    if number < 3:
        raise self.retry(exc=ConnectionError("451 later"), countdown=0.05)
    return {"order": order, "retries": self.request.retries, "task": self.request.task}


@app.task(
    name="shop.charge",
    base=Audited,
    autoretry_for=(TimeoutError,),
    retry_backoff=False,
    default_retry_delay=0.05,
    retry_kwargs={"max_retries": 2, "countdown": 0.05},
)
def charge(order):
    tried(f"charge {order}")
    raise TimeoutError("the bank is asleep")


@app.task(name="shop.refuse", base=Audited)
def refuse(order):
    """Without autoretry_for, Celery does not try again."""
    tried(f"refuse {order}")
    raise ValueError(f"no such order: {order}")


@app.task(name="shop.give_up", bind=True, max_retries=1)
def give_up(self):
    tried("give up")
    try:
        self.retry(countdown=0.05)
    except MaxRetriesExceededError:
        return "gave up"


@app.task(name="shop.skip")
def skip():
    raise Ignore


@shared_task(name="shop.add")
def add(x, y):
    logger.debug("adding %s and %s", x, y)
    return x + y


@shared_task(name="shop.total")
def total(numbers):
    return sum(numbers)


@app.task(name="shop.close_day")
def close_day(scope):
    return scope


@app.task(name="shop.sync", ignore_result=True)
def sync():
    return None


@app.task(name="shop.reject", bind=True)
def reject(self):
    raise Reject("not for us", requeue=False)


def story():
    """Run everything that the application does, and return what came of it."""
    told = {}
    told["price"] = str(price.delay("100").get(timeout=20))
    ordered = datetime(2026, 3, 28, 12, tzinfo=UTC)
    told["due"] = str(due.delay(ordered).get(timeout=20)["due"])
    told["due of a date"] = due.delay(date(2026, 1, 31), days=1).get(timeout=20)["kind"]
    told["receipt"] = send_receipt.delay("o-1").get(timeout=20)
    told["direct"] = add(2, 3)
    told["chain"] = chain(add.s(1, 2), add.s(10), add.si(7, 7))().get(timeout=20)
    told["pipe"] = (add.s(1, 1) | add.s(5)).apply_async().get(timeout=20)
    told["group"] = group(add.s(n, n) for n in range(4))().get(timeout=20)
    told["chord"] = chord(add.s(n, n) for n in range(4))(total.s()).get(timeout=20)
    told["chord in chain"] = chain(add.s(1, 1), group(add.s(1), add.s(2)), total.s())().get(
        timeout=20
    )
    told["options"] = add.apply_async((1,), {"y": 2}, countdown=0.1, expires=60).get(timeout=20)
    told["signature"] = app.signature("shop.add", args=(4, 4)).delay().get(timeout=20)
    told["sent"] = app.send_task("shop.add", (5, 5)).get(timeout=20)
    told["apply"] = add.apply(args=(6, 6)).get()
    told["partial"] = add.s(1).delay(2).get(timeout=20)
    told["give up"] = give_up.delay().get(timeout=20)
    for name, task, args in [("charge", charge, ("o-1",)), ("refuse", refuse, ("o-2",))]:
        result = task.delay(*args)
        told[name] = repr(result.get(timeout=20, propagate=False))
        told[f"{name} state"] = (result.state, result.ready(), result.failed())
        try:
            result.get(timeout=20)
        except (TimeoutError, ValueError) as error:
            told[f"{name} raises"] = type(error).__name__
    told["attempts"] = dict(sorted(attempts.items()))
    told["hooks"] = sorted(hooks)
    return told
