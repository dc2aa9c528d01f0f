"""Which choices does the supervisor need before it can start anything?"""

from dataclasses import dataclass, field
from pathlib import Path

from solvent.app.supervisor.errors import SettingInvalid

POSTGRES_SOURCES = ("auto", "embedded", "system", "pixeltable")
POSTGRES_SCHEMES = ("postgresql://", "postgres://")
NATS_SOURCES = ("auto", "embedded", "system")
NATS_SCHEMES = ("nats://", "tls://")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Where the engines' binaries and data lie, and as whom they run.

    `postgres` and `nats` are a source of binaries or a URL; with a URL nothing is started.
    `user` names the account of the engines when the supervisor runs as root.
    `state_dir` holds data and binaries that the account cannot reach in `data_dir`.
    `reserved_ports` are left alone when a free one is sought.
    """

    data_dir: Path
    postgres: str = "auto"
    nats: str = "auto"
    user: str | None = None
    state_dir: Path = Path("/var/lib/solvent")
    shared_buffers_mb: int = 32
    max_connections: int = 60
    jetstream_max_file_mb: int = 10_240
    reserved_ports: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a source that is neither known nor a URL."""
        _check("engines.postgres", self.postgres, POSTGRES_SOURCES, POSTGRES_SCHEMES)
        _check("engines.nats", self.nats, NATS_SOURCES, NATS_SCHEMES)

    @property
    def postgres_is_url(self) -> bool:
        """Whether PostgreSQL is somebody else's to run."""
        return self.postgres.startswith(POSTGRES_SCHEMES)

    @property
    def nats_is_url(self) -> bool:
        """Whether NATS is somebody else's to run."""
        return self.nats.startswith(NATS_SCHEMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpSettings:
    """What `solvent up` runs: the engines and the commands of the processes above them.

    Each command is an argument vector. `sign_in` prints a one-time link on its first output line
    and may be empty; `environment` is added to what the processes inherit; `config` is the settings
    file, for commands that are run beside.
    """

    engines: EngineSettings
    host: str = "127.0.0.1"
    port: int = 8080
    migrate: tuple[str, ...] = ()
    http: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    sign_in: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = field(default=())
    config: str = ""
    ready_within_s: float = 60.0
    stop_within_s: float = 15.0
    log_max_bytes: int = 10 * 1024 * 1024
    log_keep: int = 3


def _check(name: str, value: str, sources: tuple[str, ...], schemes: tuple[str, ...]) -> None:
    if value in sources or value.startswith(schemes):
        return
    # The value is not repeated: a mistyped URL may hold a password.
    expected = ", ".join((*sources, *(f"{scheme}…" for scheme in schemes)))
    message = f"{name}: expected one of {expected}"
    raise SettingInvalid(message)
