"""How does work wait for its time, survive a crash, and happen once in effect?

`enqueue` writes a row in the caller's transaction: the job exists exactly when the business change
does. `run_at` is the tenant's time, so a moved test clock makes jobs due. A due row goes to the
log of jobs (`submit`), where dispatchers assign it (`dispatch`) and workers run it (`executor`);
`runtime.JobRuntime` is all of that in one process.
"""

from solvent.kit.jobs.queue import JobPayload, count_due, enqueue, enqueue_at_end

__all__ = ["JobPayload", "count_due", "enqueue", "enqueue_at_end"]
