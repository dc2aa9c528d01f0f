"""What does the shop's story come to, under Celery itself and under Solvent?

`python celery_story.py celery` runs real Celery in memory, `… solvent` the same file on the queue.
"""

import asyncio
import json
import os
import sys
import threading


def by_celery():
    os.environ |= {"SHOP_BROKER": "memory://", "SHOP_BACKEND": "cache+memory://"}
    import celery_shop
    from celery.contrib.testing.worker import start_worker

    queues = ["celery", "mail"]
    with start_worker(
        celery_shop.app, perform_ping_check=False, pool="threads", concurrency=4, queues=queues
    ):
        return celery_shop.story()


def by_solvent():
    os.environ["SHOP_BROKER"] = os.environ["SOLVENT_QUEUE_URL"]
    from solvent_client.tasks import celery

    celery.install()
    import celery_shop

    from solvent_client.tasks.worker.worker import Worker, WorkerOptions

    ready = threading.Event()
    loop = asyncio.new_event_loop()
    worker = None

    async def work():
        nonlocal worker
        app = celery_shop.app.solvent
        app.on_start(ready.set)
        worker = Worker(app, WorkerOptions(queues=("default", "mail"), concurrency=4))
        await worker.run()

    thread = threading.Thread(target=lambda: loop.run_until_complete(work()))
    thread.start()
    assert ready.wait(20)
    try:
        return celery_shop.story()
    finally:
        loop.call_soon_threadsafe(worker.stop)
        thread.join(20)
        loop.close()
        celery_shop.app.close()


if __name__ == "__main__":
    told = {"celery": by_celery, "solvent": by_solvent}[sys.argv[1]]()
    sys.stdout.write(json.dumps(told, indent=1, default=str) + "\n")
