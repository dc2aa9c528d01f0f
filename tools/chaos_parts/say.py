"""What does a dispatcher or worker of a fault schedule say of itself when it is asked?"""

import asyncio
import gc
import json
import sys


def say(**what):
    """Write a line to this process's log."""
    print(json.dumps(what, default=str), file=sys.stderr, flush=True)


def tell_dispatcher(dispatcher, log):
    """Say what a dispatcher knows and waits for."""
    view = dispatcher.view
    say(
        leads=dispatcher.leads,
        live=dispatcher.is_live,
        seq=dispatcher.state.seq,
        now_ns=dispatcher.now_ns(),
        flying=len(dispatcher._flying),
        connected=log.wire.up.is_set(),
        held=[
            (one.job.key, one.job.phase, one.worker.id, one.fence, one.noted, one.orphan)
            for one in view.held.values()
        ],
        ending=view._ending,
        to_end=[job.key for job in view._to_end],
        next_ns=view.next_ns,
        workers=[
            {
                "id": one.id,
                "capacity": one.capacity,
                "held": len(one.held),
                "probed": one.probed,
                "lost": one.lost,
                "tier": one.tier,
                "unseen": list(one.unseen),
                "beat": one.beat and (one.beat.state, one.beat.credit, one.beat.held),
            }
            for one in view.fleet.workers.values()
        ],
        tasks=[str(one.get_stack(limit=1)) for one in dispatcher._flying],
    )


def tell_workers(kind):
    """Say what the workers (of this class) in this process hold and wait for."""
    for worker in [one for one in gc.get_objects() if isinstance(one, kind)]:
        link = worker._link
        say(
            worker=worker.name,
            state=worker.state,
            window=worker._window,
            connected=link.client.is_connected,
            server=str(link.client.connected_url and link.client.connected_url.netloc),
            held=[(run.task_id, run.fence, run.cancelled) for run in worker.held.values()],
            ready=[run.fence for run in worker._runner.ready],
            active=[run.fence for run in worker._runner.active],
            unsent=len(link.appender._waiting),
            in_flight=link.appender._in_flight,
            settling=len(worker._reporter._conflicts),
        )
    for task in asyncio.all_tasks():
        say(task=task.get_name(), stands=[str(frame) for frame in task.get_stack(limit=2)])
