"""Submit some jobs and wait for them: `python -m examples.tasks_app`, beside a running worker."""

from examples.tasks_app.tasks import ORDERS, app, report, send_receipt, tally
from solvent_client.tasks import JobDead, chord

if __name__ == "__main__":
    first, again = send_receipt.delay("ord_1"), send_receipt.delay("ord_1")
    print("the same job:", first.task_id == again.task_id)
    print(first.get(timeout=30))
    print(chord([tally.s(order) for order in ORDERS], report.s()).delay().get(timeout=30))
    try:
        send_receipt.delay("ord_9").get(timeout=30)
    except JobDead as dead:
        print("dead letter:", dead.reason)
    app.close()
