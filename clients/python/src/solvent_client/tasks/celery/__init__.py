"""How does an existing application of Celery run on Solvent, with two lines changed?

Either its imports name this module instead of `celery`:

    from solvent_client.tasks.celery import Celery
    app = Celery("shop", broker="nats://queue.example.com:4222", space="ten_…")

or, where many modules import Celery, its first lines are

    from solvent_client.tasks import celery
    celery.install()

and every `import celery` after them is answered by this module. What Solvent has not raises
`Unsupported`, at import or at the call, and says what to do instead.
"""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any, Final

from solvent_client.tasks.celery import exceptions, result, schedules, signals
from solvent_client.tasks.celery.app import Celery, current_app, shared_task, signature
from solvent_client.tasks.celery.canvas import Signature, chain, chord, group
from solvent_client.tasks.celery.exceptions import Unsupported
from solvent_client.tasks.celery.result import AsyncResult, GroupResult
from solvent_client.tasks.celery.task import Task
from solvent_client.tasks.current import current_task

__all__ = [
    "AsyncResult",
    "Celery",
    "GroupResult",
    "Signature",
    "Task",
    "Unsupported",
    "chain",
    "chord",
    "current_app",
    "current_task",
    "group",
    "install",
    "shared_task",
    "signature",
]

get_task_logger = logging.getLogger
_LOGS: Final = ("utils", "utils.log")
_NAMES: Final[dict[str, Any]] = {
    "exceptions": exceptions,
    "result": result,
    "schedules": schedules,
    "signals": signals,
}


def install() -> None:
    """Answer `import celery` with this module from now on, in this process.

    Raises:
        Unsupported: Celery itself was imported before.
    """
    here = sys.modules[__name__]
    if sys.modules.get("celery", here) is not here:
        raise Unsupported("install: Celery was imported before; call it in the first lines")
    sys.modules["celery"] = here
    for name, module in _NAMES.items():
        sys.modules[f"celery.{name}"] = module
    canvas = _module("canvas", chain=chain, group=group, chord=chord, signature=signature)
    canvas.Signature = Signature  # type: ignore[attr-defined]
    _module("app", shared_task=shared_task, Celery=Celery)
    _module("app.task", Task=Task)
    for name in _LOGS:
        _module(name, get_task_logger=get_task_logger)


def _module(name: str, **holds: Any) -> ModuleType:  # noqa: ANN401 - what a module holds
    made = ModuleType(f"celery.{name}")
    vars(made).update(holds)
    sys.modules[f"celery.{name}"] = made
    return made
