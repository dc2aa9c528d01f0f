"""How does an application have work done later, elsewhere, and surely?

    from solvent_client.tasks import Tasks

    app = Tasks("nats://queue.example.com:4222", space="ten_…", key=key)

    @app.task(max_retries=5)
    def send_receipt(order_id: str) -> None: ...

    send_receipt.delay("ord_17")

Workers are started by `solvent-worker shop.tasks:app`. It needs `solvent-client[tasks]`.
"""

from solvent_client.tasks.app import Tasks
from solvent_client.tasks.current import current_task
from solvent_client.tasks.errors import (
    JobCanceled,
    JobDead,
    JobUnknown,
    LimitReached,
    LogConflict,
    NotInTask,
    OptionInvalid,
    OutcomeUnknown,
    PayloadInvalid,
    PayloadTooLarge,
    QueueUnreachable,
    Reject,
    ResultTimeout,
    Retry,
    StaleFence,
    TaskError,
    TimeLimitExceeded,
)
from solvent_client.tasks.handle import GroupHandle, Handle, Progress, Status
from solvent_client.tasks.options import Options
from solvent_client.tasks.record import Backoff
from solvent_client.tasks.signature import Chain, Chord, Group, Signature, chain, chord, group
from solvent_client.tasks.task import Task

__all__ = [
    "Backoff",
    "Chain",
    "Chord",
    "Group",
    "GroupHandle",
    "Handle",
    "JobCanceled",
    "JobDead",
    "JobUnknown",
    "LimitReached",
    "LogConflict",
    "NotInTask",
    "OptionInvalid",
    "Options",
    "OutcomeUnknown",
    "PayloadInvalid",
    "PayloadTooLarge",
    "Progress",
    "QueueUnreachable",
    "Reject",
    "ResultTimeout",
    "Retry",
    "Signature",
    "StaleFence",
    "Status",
    "Task",
    "TaskError",
    "Tasks",
    "TimeLimitExceeded",
    "chain",
    "chord",
    "current_task",
    "group",
]
