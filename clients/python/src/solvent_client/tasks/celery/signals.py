"""Which of Celery's signals are sent here?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from solvent_client.tasks.celery.app import current_app
from solvent_client.tasks.celery.exceptions import Unsupported


class _WorkerSignal:
    """Is sent when a worker starts or stops."""

    def __init__(self, hook: str) -> None:
        self._hook = hook

    def connect(self, receiver: Callable[..., Any] | None = None, **_: object) -> Any:  # noqa: ANN401 - a decorator, or the receiver
        """Have a function called: as a decorator with or without arguments."""
        if receiver is None:
            return self.connect
        getattr(current_app.solvent, self._hook)(lambda: receiver(sender=current_app))
        return receiver


worker_init = worker_process_init = worker_ready = _WorkerSignal("on_start")
worker_shutdown = worker_process_shutdown = _WorkerSignal("on_stop")


def __getattr__(name: str) -> NoReturn:
    if name.startswith("__"):
        raise AttributeError(name)
    raise Unsupported(f"signals.{name}: override the hooks of a task's base class instead")
