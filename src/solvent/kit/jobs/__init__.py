"""How does work wait for its time, survive a crash, and happen once in effect?

`enqueue` writes a row in the caller's transaction: the job exists exactly when the business change
does. `run_at` is the tenant's time, so a moved test clock makes jobs due. The runtime here is
simple on purpose; issue "Queue" replaces it behind these functions.
"""

from solvent.kit.jobs.queue import JobPayload, count_due, enqueue, enqueue_at_end
from solvent.kit.jobs.runtime import JobRuntime

__all__ = ["JobPayload", "JobRuntime", "count_due", "enqueue", "enqueue_at_end"]
