"""How is no use lost while Solvent cannot be reached? A bounded buffer with stable ids."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from solvent_client.decision import Quantity, plain
from solvent_client.errors import ProtocolError, Refused, SolventError, Unreachable
from solvent_client.host import fresh_id, jitter
from solvent_client.spool import Spool

MAX_BATCH: Final = 100
MAX_BUFFERED: Final = 10_000
_DIGITS: Final = 32
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0
_MAX_DOUBLINGS: Final = 10

log = logging.getLogger("solvent_client")


@dataclass(slots=True)
class UsageEvent:
    """A use of a meter, counted once however often it is sent.

    Solvent refuses an id that comes again with other content, the time included: who builds an
    event anew after a crash gives both `id` and `at`.

    Args:
        customer: the application's own reference of the customer.
        meter: the meter's key.
        quantity: how much, in the meter's unit.
        at: when; None becomes the moment at which the event is first handed over.
        id: what makes it one event; a fresh one where none is given.
        properties: what else is worth knowing, say a region.
    """

    customer: str
    meter: str
    quantity: Quantity = 1
    at: datetime | None = None
    id: str = field(default_factory=lambda: fresh_id("evt"))
    properties: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        number = self.quantity
        sane = isinstance(number, int) or (number.is_finite() and abs(number.adjusted()) < _DIGITS)
        if isinstance(number, bool) or not sane:
            raise ValueError("quantity: expected an int or a Decimal of at most 32 digits")
        if not self.id or not self.customer or not self.meter:
            raise ValueError("id, customer and meter: expected text that is not empty")
        if self.at is not None and self.at.tzinfo is None:
            raise ValueError("at: expected a time with its offset from UTC")

    def to_json(self, *, now: datetime) -> dict[str, object]:
        """Return the event as the API takes it, stamped with this time if it carries none."""
        at = self.at = self.at or now
        return {
            "id": self.id,
            "customer": self.customer,
            "meter": self.meter,
            "value": plain(self.quantity),
            "at": at.isoformat(),
            "properties": dict(self.properties),
        }


Send = Callable[[Sequence[Mapping[str, object]]], None]
"""Hands a batch over; raises Unreachable (try again) or Refused (never will)."""


class UsageBuffer:
    """Holds events until Solvent has them, and hands them over in batches.

    When it is full the newest event is dropped with a warning, never an older one. An event that
    Solvent refuses is dropped with an error, and does not hold up the others.

    Args:
        send: what hands a batch over.
        interval_s: how long an event may wait for company.
        max_events: how many events are held.
        spool: a file that keeps the events over a crash of this process; None keeps them in memory.
    """

    def __init__(
        self,
        send: Send,
        *,
        interval_s: float = 1.0,
        max_events: int = MAX_BUFFERED,
        spool: Spool | None = None,
    ) -> None:
        self._send = send
        self._interval_s = interval_s
        self._max_events = max_events
        self._spool = spool
        self._reset()
        if spool is not None:
            self._held.update((str(event["id"]), event) for event in spool.recover(max_events))
        if self._held:
            self._wake_thread()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._held: OrderedDict[str, Mapping[str, object]] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self._warned = False
        self.dropped = 0

    def after_fork(self) -> None:
        """Start empty in a child process: what was held is the parent's to send."""
        if self._spool is not None:
            self._spool.after_fork()
        self._reset()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, event: Mapping[str, object]) -> bool:
        """Hold an event until it is handed over; False where there is no room for it."""
        with self._lock:
            if len(self._held) >= self._max_events:
                self._overflow()
                return False
            key = str(event["id"])
            if key not in self._held:
                self._held[key] = event
                if self._spool is not None:
                    self._spool.append(event)
            full = len(self._held) >= MAX_BATCH
        self._wake_thread(now=full)
        return True

    def _overflow(self) -> None:
        self.dropped += 1
        if not self._warned:
            self._warned = True
            log.warning("Usage is lost: %d events wait for Solvent already.", self._max_events)

    def _wake_thread(self, *, now: bool = False) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if not self._closing and (self._thread is None or not self._thread.is_alive()):
                    self._thread = threading.Thread(
                        target=self._run, name="solvent-usage", daemon=True
                    )
                    self._thread.start()
        if now:
            self._wake.set()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._wait_s())
            self._wake.clear()
            self.flush()

    def _wait_s(self) -> float:
        if self._failures == 0:
            return self._interval_s
        doublings = min(self._failures - 1, _MAX_DOUBLINGS)
        return min(_FIRST_WAIT_S * 2**doublings, _LONGEST_WAIT_S) * (0.5 + jitter() / 2)

    def flush(self) -> int:
        """Hand over what is held, as far as Solvent takes it, and return how many are left."""
        with self._sending:
            while batch := self._first(MAX_BATCH):
                try:
                    self._hand_over(batch)
                except (Unreachable, ProtocolError) as error:
                    self._failures += 1
                    if self._failures == 1:
                        log.warning("Usage waits (%d events): %s", len(self._held), error)
                    break
                self._failures = 0
                self._forget(batch)
        return len(self._held)

    def _first(self, count: int) -> list[Mapping[str, object]]:
        with self._lock:
            return [event for event, _ in zip(self._held.values(), range(count), strict=False)]

    def _hand_over(self, batch: list[Mapping[str, object]]) -> None:
        """Send the batch; where it is refused, find the event at fault by halves and drop it."""
        try:
            self._send(batch)
        except Refused as error:
            if error.status in {401, 403}:
                raise Unreachable(str(error)) from error  # a key can be put right
            if len(batch) == 1:
                self.dropped += 1
                log.error("Solvent refuses the usage event %s: %s", batch[0]["id"], error)  # noqa: TRY400
                return
            middle = len(batch) // 2
            self._hand_over(batch[:middle])
            self._hand_over(batch[middle:])

    def _forget(self, batch: list[Mapping[str, object]]) -> None:
        with self._lock:
            for event in batch:
                self._held.pop(str(event["id"]), None)
            self._warned = False
            if self._spool is not None:
                self._spool.delivered([str(event["id"]) for event in batch], left=len(self._held))

    def close(self) -> int:
        """Hand over what is held, stop, and return how many events are left behind."""
        self._closing = True
        self._wake.set()
        try:
            left = self.flush()
        except SolventError:
            left = len(self._held)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(self._interval_s + 5.0)
        if self._spool is not None:
            self._spool.close()
        if left:
            log.warning("%d usage events were not handed over.", left)
        return left
