"""Which of Celery's settings mean something here, which need nothing, and which are refused?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from solvent_client.tasks.celery.exceptions import Unsupported

UNDERSTOOD: Final[dict[str, Any]] = {
    "broker_url": None,
    "result_backend": None,
    "include": (),
    "imports": (),
    "timezone": "UTC",
    "enable_utc": True,
    "beat_schedule": {},
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ("json",),
    "task_default_queue": "default",
    "task_default_priority": 5,
    "task_default_rate_limit": None,
    "task_routes": {},
    "task_time_limit": None,
    "task_soft_time_limit": None,
    "task_ignore_result": False,
    "task_always_eager": False,
    "task_eager_propagates": False,
}
"""What has an effect, and its default."""

NEEDLESS: Final = frozenset(
    {
        "task_acks_late",  # a job is acknowledged by its result, always
        "task_acks_on_failure_or_timeout",
        "task_reject_on_worker_lost",
        "task_track_started",
        "task_publish_retry",
        "task_publish_retry_policy",
        "task_create_missing_queues",
        "task_send_sent_event",
        "task_store_errors_even_if_ignored",
        "result_accept_content",
        "result_expires",  # results go with the compaction of the log
        "result_extended",
        "result_persistent",
        "broker_connection_retry",
        "broker_connection_retry_on_startup",
        "broker_connection_max_retries",
        "broker_connection_timeout",
        "broker_heartbeat",
        "broker_pool_limit",
        "broker_transport_options",  # there is no visibility timeout
        "result_backend_transport_options",
        "beat_scheduler",
        "beat_schedule_filename",
        "worker_concurrency",  # solvent-worker --concurrency
        "worker_prefetch_multiplier",  # follows what a worker gets done
        "worker_max_tasks_per_child",
        "worker_max_memory_per_child",
        "worker_send_task_events",
        "worker_cancel_long_running_tasks_on_connection_loss",
        "worker_hijack_root_logger",
        "worker_redirect_stdouts",
        "worker_disable_rate_limits",
        "redis_max_connections",
    }
)
"""What is so anyhow, or is said elsewhere."""


class Conf:
    """The settings of an application: as attributes, as keys, and by `update`."""

    def __init__(self, **said: Any) -> None:  # noqa: ANN401 - settings are of many types
        self._said: dict[str, Any] = {}
        self.update(said)

    def update(self, *maps: Mapping[str, Any], **said: Any) -> None:  # noqa: ANN401 - see above
        """Set several. Raises Unsupported for one that Solvent does not know."""
        for known in (*maps, said):
            for name, value in known.items():
                self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401 - see above
        if name not in UNDERSTOOD and name not in NEEDLESS:
            raise Unsupported(f"conf.{name}: Solvent's shim of Celery knows no such setting")
        self._said[name] = value

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - see above
        return self._said.get(name, UNDERSTOOD.get(name))

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - see above
        """Return a setting, or the default where it was not said."""
        return self._said.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter({**UNDERSTOOD, **self._said})

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - see above
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "beat_schedule":  # may be added to in place
            return self._said.setdefault(name, {})
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401 - see above
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self[name] = value

    @property
    def codec(self) -> str:
        """The codec of arguments and results."""
        said = str(self.task_serializer)
        if said not in {"json", "msgpack", "pickle"}:
            raise Unsupported(f"task_serializer: expected json, msgpack or pickle, got {said!r}")
        return said

    def queue_of(self, task: str) -> str | None:
        """Return the queue that `task_routes` names for a task; `*` stands for anything."""
        from fnmatch import fnmatchcase

        routes: object = self.task_routes
        if not isinstance(routes, Mapping):
            raise Unsupported("task_routes: expected a map of names to {'queue': …}")
        for pattern, route in cast("Mapping[str, str | Mapping[str, str]]", routes).items():
            if fnmatchcase(task, pattern):
                return route if isinstance(route, str) else route["queue"]
        return None
