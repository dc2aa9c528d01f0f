"""How does anyone get the two engines running on a directory, and stopped again?

`boot_engines` is the way for tests, benches and scripts; `solvent up` prepares the engines by
the same code and keeps them alive as well.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from solvent.app.supervisor.access import (
    EngineAccess,
    NatsAccess,
    PostgresAccess,
    nats_url_access,
    url_access,
    write_access,
)
from solvent.app.supervisor.account import Account, choose_account
from solvent.app.supervisor.birth import end, forget, recall
from solvent.app.supervisor.errors import DataInUse
from solvent.app.supervisor.layout import DataLock, Layout, existing_postgres, lay_out
from solvent.app.supervisor.nats import Nats
from solvent.app.supervisor.postgres import Postgres, prepare_postgres
from solvent.app.supervisor.process import GENTLE_STOPS, Child, Spec
from solvent.app.supervisor.settings import EngineSettings

READY_WITHIN_S = 60.0


class Prepared:
    """Engines that can be started: their data made, their configuration written, nothing running.

    Holds the lock of the data directory until `release`.
    """

    def __init__(self, settings: EngineSettings) -> None:
        """Prepare everything. Raises SupervisorError, its kind saying what is wrong."""
        data = settings.data_dir
        self.account: Account | None = choose_account(
            settings.user, existing_data=existing_postgres(data)
        )
        self.layout: Layout = lay_out(data, self.account, state_dir=settings.state_dir)
        self._settings = settings
        self._lock = DataLock(self.layout.engines)
        try:
            end_orphans(self.layout)
            self.nats: Nats | None = None
            self.postgres: Postgres | None = None
            if not settings.nats_is_url:
                self.nats = Nats(settings, self.layout, self.account)
            if not settings.postgres_is_url:
                self.postgres = prepare_postgres(settings, self.layout, self.account)
        except BaseException:
            self._lock.release()
            raise

    @property
    def specs(self) -> tuple[Spec, ...]:
        """What is to be started, in order."""
        return tuple(one.spec for one in (self.nats, self.postgres) if one is not None)

    @property
    def access(self) -> EngineAccess:
        """How to reach the engines (the ports of NATS are known once it has been started)."""
        return EngineAccess(self._postgres_access(), self._nats_access())

    def release(self) -> None:
        """Let another supervisor have the data directory."""
        if self.nats is not None:
            self.nats.scratch.clear()
        if self.postgres is not None and not self.postgres.socket_dir.is_relative_to(
            self.layout.engines
        ):
            with suppress(OSError):  # a short stand-in in /tmp; not empty while a server lives
                self.postgres.socket_dir.rmdir()
        self._lock.release()

    def _postgres_access(self) -> PostgresAccess:
        if self.postgres is not None:
            return self.postgres.access
        return url_access(self._settings.postgres, secrets=self.layout.secrets)

    def _nats_access(self) -> NatsAccess:
        if self.nats is not None:
            return self.nats.access
        return nats_url_access(self._settings.nats)


@dataclass(frozen=True, slots=True)
class Engines:
    """Running engines: `access` says how to reach them; a child is None for an engine by URL.

    A test of failure may `kill`, `stop` and `start` a child.
    """

    access: EngineAccess
    layout: Layout
    access_file: Path
    postgres: Child | None
    nats: Child | None


@contextmanager
def boot_engines(
    data_dir: Path, *, settings: EngineSettings | None = None
) -> Generator[Engines, None, None]:
    """Run the engines on a directory for the length of the block; DIR/run/engines.json is written.

    Call it from a thread that lives as long as the block: the engines end with the thread that
    started them (Linux). Raises SupervisorError if they do not come up.
    """
    prepared = Prepared(settings or EngineSettings(data_dir=data_dir))
    children = {spec.name: Child(spec) for spec in prepared.specs}
    access_file = prepared.layout.run / "engines.json"
    try:
        for child in children.values():
            child.start()
        for child in children.values():
            child.wait_ready(within_s=READY_WITHIN_S)
        write_access(access_file, prepared.access)
        yield Engines(
            prepared.access,
            prepared.layout,
            access_file,
            children.get("postgres"),
            children.get("nats"),
        )
    finally:
        for child in children.values():
            child.stop()
        access_file.unlink(missing_ok=True)
        prepared.release()


def end_orphans(layout: Layout) -> None:
    """End what an earlier supervisor left running when it was killed.

    PostgreSQL sees to itself: see `postgres.clear_stale`. Raises DataInUse if one does not end.
    """
    for path in sorted(layout.run.glob("*.pid")):
        birth = recall(path)
        if birth is not None and path.stem != "postgres" and not end(birth, GENTLE_STOPS):
            message = f"process {birth.pid} of an earlier run does not end"
            raise DataInUse(message)
        forget(path)
