"""Where is the log of jobs, as whom do we go there, and what does a connection to it look like?"""

# nats-py types its keywords in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import nats
import nats.errors

from solvent_client.tasks.errors import OptionInvalid, QueueUnreachable

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger("solvent_client.tasks")

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a space, a task id and a worker's name may look like: they are parts of subjects."""
_CONNECT_S: Final = 10.0
_SCHEMES: Final = {"nats", "tls", "ws", "wss"}


@dataclass(frozen=True, slots=True)
class Place:
    """An address of the log, a space in it, and who we are there.

    Args:
        urls: `nats://host:4222`, or several of a cluster.
        space: whose jobs: a tenant's id.
        user: whose key the password is; the space, where it is an API key.
        password: never shown.
    """

    urls: tuple[str, ...]
    space: str
    user: str = ""
    password: str = field(default="", repr=False)


def place_of(url: str | None, space: str | None, key: str | None) -> Place:
    """Return the place that is named.

    What is left out is read from SOLVENT_QUEUE_URL, SOLVENT_QUEUE_SPACE and SOLVENT_QUEUE_KEY. A
    user and password may stand in the URL instead of a key.

    Raises:
        OptionInvalid: the URL or the space is not one.
    """
    url = url or os.environ.get("SOLVENT_QUEUE_URL") or "nats://127.0.0.1:4222"
    space = space or os.environ.get("SOLVENT_QUEUE_SPACE") or ""
    key = key or os.environ.get("SOLVENT_QUEUE_KEY") or ""
    if not TOKEN.fullmatch(space):
        raise OptionInvalid(
            f"space: expected up to 64 letters, digits, '_' or '-', got {space!r}"
            " (give space=…, or set SOLVENT_QUEUE_SPACE)"
        )
    urls = [part.strip() for part in url.split(",") if part.strip()]
    for one in urls:
        if urlsplit(one).scheme not in _SCHEMES or not urlsplit(one).hostname:
            raise OptionInvalid(f"url: expected nats://host:4222 or tls://…, got {_shown(one)!r}")
    login = urlsplit(urls[0])
    return Place(
        urls=tuple(re.sub(r"//[^@/]*@", "//", one) for one in urls),
        space=space,
        user=space if key else unquote(login.username or ""),
        password=key or unquote(login.password or ""),
    )


def _shown(url: str) -> str:
    return re.sub(r"//[^@/]*@", "//…@", url)


@dataclass(slots=True)
class Faults:
    """Remembers what the server last said against a connection, for the error that follows."""

    last: str = ""
    when_lost: list[Callable[[], None]] = field(default_factory=list["Callable[[], None]"])
    """Called when the connection breaks: what was on its way has no answer any more."""

    async def lose(self) -> None:
        """Tell those who wait; nats-py calls this."""
        for tell in self.when_lost:
            tell()

    async def note(self, error: Exception) -> None:
        """Keep what was said; nats-py calls this."""
        self.last = str(error)
        log.debug("queue connection: %s", error)


async def connect(place: Place, *, name: str, faults: Faults | None = None) -> Client:
    """Return a connection that reconnects by itself for ever.

    Raises:
        QueueUnreachable: nobody answered, or the key was refused.
    """
    faults = faults or Faults()
    try:
        return await asyncio.wait_for(_connect(place, name, faults), _CONNECT_S)
    except (TimeoutError, OSError, nats.errors.Error) as error:
        told = faults.last or str(error) or type(error).__name__
        raise QueueUnreachable(f"{', '.join(place.urls)}: {told}") from error


async def _connect(place: Place, name: str, faults: Faults) -> Client:
    client = await nats.connect(
        servers=list(place.urls),
        name=name,
        user=place.user or None,
        password=place.password or None,
        inbox_prefix=f"_INBOX.{place.space}",
        max_reconnect_attempts=_FIRST_ATTEMPTS,
        reconnect_time_wait=0.1,
        connect_timeout=2,
        ping_interval=5,
        max_outstanding_pings=2,
        pending_size=_PENDING_BYTES,
        error_cb=faults.note,
        disconnected_cb=faults.lose,
        allow_reconnect=True,
    )
    client.options["max_reconnect_attempts"] = -1  # once connected, for ever
    return client


_FIRST_ATTEMPTS: Final = 20
_PENDING_BYTES: Final = 8 * 1024 * 1024
