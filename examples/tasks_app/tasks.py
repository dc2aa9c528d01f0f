"""Which jobs does a small shop have?

Workers run them: `solvent-worker examples.tasks_app.tasks:app`.
"""

import asyncio

from solvent_client.tasks import Backoff, Reject, Tasks, current_task

app = Tasks()  # SOLVENT_QUEUE_URL, SOLVENT_QUEUE_SPACE and SOLVENT_QUEUE_KEY say where

ORDERS = {"ord_1": 1200, "ord_2": 4990, "ord_3": 75}


@app.task(name="shop.receipt", max_retries=5, backoff=Backoff(base_ms=200), unique=True)
def send_receipt(order: str) -> str:
    """Send a receipt, once however often it is asked for; the mail server is shaky."""
    if order not in ORDERS:
        raise Reject(f"no such order: {order}")  # not worth another try
    if current_task.attempt == 1:
        raise ConnectionError("451 try again later")
    return f"receipt for {order}: {ORDERS[order] / 100:.2f} EUR"


@app.task(name="shop.tally", rate_limit="100/s")
async def tally(order: str) -> int:
    """Return what an order came to, in cents."""
    await asyncio.sleep(0.01)
    return ORDERS[order]


@app.task(name="shop.report")
async def report(amounts: list[int]) -> str:
    """Sum up what the tallies return."""
    current_task.progress(0.5, "summing up")
    return f"{len(amounts)} orders, {sum(amounts) / 100:.2f} EUR"


@app.task(name="shop.nightly", cron="0 3 * * *", tz="Europe/Berlin")
async def nightly() -> None:
    """Run each night at three, summer and winter."""
    await report.adelay(list(ORDERS.values()))
