"""How do the processes above the engines reach them?

`DIR/run/engines.json`, mode 0600, answers: addresses, users and passwords of PostgreSQL and NATS.
`DIR/run/api-url` is where the API above them listens, `DIR/run/config-file` by which settings.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from solvent.app.supervisor.account import Account, hand_over
from solvent.app.supervisor.errors import EngineFailed
from solvent.app.supervisor.private_files import keep_password, write_private

FILE_VARIABLE = "SOLVENT_ENGINES_FILE"
DATA_VARIABLE = "SOLVENT_DATA_DIR"
URL_FILE = "api-url"
CONFIG_FILE = "config-file"
DATABASE = "solvent"
OWNER = "solvent_owner"
APP = "solvent_app"
SYSTEM = "solvent_system"
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class PostgresAccess:
    """One URL a role: the owner migrates, `app` is bound by row-level security."""

    owner_dsn: str
    app_dsn: str
    system_dsn: str


@dataclass(frozen=True, slots=True)
class NatsAccess:
    """Where NATS listens and who Solvent is there; no monitor for a server given by URL."""

    url: str
    user: str | None
    password: str | None
    monitor_url: str | None = None


@dataclass(frozen=True, slots=True)
class EngineAccess:
    """All that a process must know to use the engines."""

    postgres: PostgresAccess
    nats: NatsAccess


def socket_access(socket_dir: Path, *, secrets: Path) -> PostgresAccess:
    """The URLs of the embedded PostgreSQL, over its unix socket."""
    where = quote(str(socket_dir), safe="/")

    def dsn(role: str) -> str:
        return f"postgresql://{role}:{role_password(secrets, role)}@/{DATABASE}?host={where}"

    return PostgresAccess(dsn(OWNER), dsn(APP), dsn(SYSTEM))


def url_access(url: str, *, secrets: Path) -> PostgresAccess:
    """The URLs of a PostgreSQL that somebody else runs: the given one is the owner's."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]

    def dsn(role: str) -> str:
        user = f"{role}:{role_password(secrets, role)}"
        return urlunsplit(parts._replace(netloc=f"{user}@{place}"))

    return PostgresAccess(url, dsn(APP), dsn(SYSTEM))


def nats_url_access(url: str) -> NatsAccess:
    """The address of a NATS that somebody else runs, its credentials apart."""
    parts = urlsplit(url)
    if "," in url or parts.username is None:
        return NatsAccess(url, None, None)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return NatsAccess(bare, unquote(parts.username), unquote(parts.password or ""))


def role_password(secrets: Path, role: str) -> str:
    """The password of a role of PostgreSQL, kept in `secrets/pg_<role>.password`."""
    return keep_password(secrets / f"pg_{role.removeprefix('solvent_')}.password")


def write_access(path: Path, access: EngineAccess, *, reader: Account | None = None) -> None:
    """Put the file there, whole or not at all, for the reader's eyes only."""
    write_private(path, json.dumps(asdict(access), indent=2) + "\n")
    hand_over(path, reader)


def read_access(path: Path) -> EngineAccess:
    """Read the file.

    Raises FileNotFoundError if it is not there, EngineFailed if it is not what we wrote.
    """
    text = path.read_text("utf-8")
    try:
        held = json.loads(text)
        return EngineAccess(PostgresAccess(**held["postgres"]), NatsAccess(**held["nats"]))
    except (ValueError, KeyError, TypeError) as error:
        message = f"{path} is not a descriptor of the engines"
        raise EngineFailed(message) from error


def wait_for_access(path: Path, *, within_s: float = 60.0) -> EngineAccess:
    """Read the file as soon as it appears: `solvent up` writes it once the schema is in place.

    So a process can import its code while the engines start. Raises EngineFailed after
    `within_s` seconds.
    """
    end = time.monotonic() + within_s
    while True:
        try:
            return read_access(path)
        except FileNotFoundError:
            if time.monotonic() > end:
                message = f"{path} did not appear in {within_s:g} s: are the engines up?"
                raise EngineFailed(message) from None
        time.sleep(POLL_S)
