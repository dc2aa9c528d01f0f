"""How do events get to where they are heard: signed, and as late, often and mixed up as asked?"""

from __future__ import annotations

import hashlib
import heapq
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from solvent.kit.clock import Clock, SystemClock, monotonic_ms
from solvent.systems.payments.model import Provider
from solvent.systems.payments.stripe_emulator.endpoints import KIND, wants
from solvent.systems.payments.stripe_emulator.expand import render
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.store import Store
from solvent.systems.payments.testing import Delivery, deliver

RETRIES_S = (1.0, 5.0, 25.0)
"""Stripe tries three times more in a sandbox, over some hours; here within half a minute."""
HELD_BACK_S = 2.0
"""How long an event is held back for others to overtake it."""
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Chaos:
    """What befalls deliveries: chances from 0 to 1, drawn the same way again from the same seed."""

    duplicate: float = 0.0
    reorder: float = 0.0
    delay_s: float = 0.0
    seed: int = 0


@dataclass(order=True, slots=True)
class Errand:
    """One delivery of one event to one endpoint."""

    due_ms: float
    number: int
    event: str = field(compare=False)
    endpoint: str = field(compare=False)
    tries: int = field(default=0, compare=False)


def body_of(event: Json) -> bytes:
    """Return an event as it goes over the wire."""
    return json.dumps(render(event), indent=2, ensure_ascii=False).encode()


def signed(event: Json, *, secret: str, clock: Clock | None = None) -> Delivery:
    """Return the signed request with which an event is delivered."""
    at = (clock or SystemClock()).now()
    return deliver(Provider.STRIPE, body_of(event), secret=secret, at=at)


@dataclass(slots=True)
class Courier:
    """Delivers in a thread of its own, while it runs."""

    store: Store
    lock: threading.RLock
    clock: Clock
    chaos: Chaos = field(default_factory=Chaos)
    told: Callable[[Json, Json, str], None] | None = None
    """Is called with what came of each delivery."""
    retries_s: tuple[float, ...] = RETRIES_S
    held_back_s: float = HELD_BACK_S
    _queue: list[Errand] = field(default_factory=list[Errand])
    _number: int = 0
    _drawn: int = 0
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _ends: bool = False
    _thread: threading.Thread | None = None
    _idle: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more; what is under way is waited for."""
        with self._wake:
            self._ends = True
            self._wake.notify()
        if self._thread:
            self._thread.join(TIMEOUT_S)

    def send(self, events: list[Json]) -> None:
        """Let the endpoints hear of events that they want."""
        if not events:
            return
        with self.lock:
            endpoints = list(self.store.newest(KIND))
        for event in events:
            for endpoint in endpoints:
                if wants(endpoint, event["type"]):
                    self._send_out(event["id"], endpoint["id"])

    def send_again(self, event: str) -> int:
        """Deliver an event anew to every endpoint; return to how many."""
        with self.lock:
            endpoints = list(self.store.newest(KIND))
        for endpoint in endpoints:
            self._add(event, endpoint["id"], 0.0)
        return len(endpoints)

    def hurry(self) -> None:
        """Deliver at once what waits for its moment, in the order of these moments."""
        with self._wake:
            now = monotonic_ms()
            for place, errand in enumerate(sorted(self._queue)):
                errand.due_ms, errand.number = min(errand.due_ms, now), place
            heapq.heapify(self._queue)
            self._wake.notify()

    def settle(self, timeout_s: float = 10.0) -> bool:
        """Wait until nothing is left to deliver; return whether that came to pass."""
        return self._idle.wait(timeout_s)

    def _send_out(self, event: str, endpoint: str) -> None:
        late = self._draw() * self.chaos.delay_s
        if self._draw() < self.chaos.reorder:
            late += self.held_back_s
        self._add(event, endpoint, late)
        if self._draw() < self.chaos.duplicate:
            self._add(event, endpoint, late)

    def _draw(self) -> float:
        """Return the next number from 0 to 1 that the seed gives."""
        self._drawn += 1
        told = hashlib.sha256(f"{self.chaos.seed}:{self._drawn}".encode()).digest()
        return int.from_bytes(told[:6]) / 2**48

    def _add(self, event: str, endpoint: str, late_s: float, tries: int = 0) -> None:
        with self._wake:
            self._number += 1
            due = monotonic_ms() + late_s * 1000
            heapq.heappush(self._queue, Errand(due, self._number, event, endpoint, tries))
            self._idle.clear()
            self._wake.notify()

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while errand := self._next():
                self._deliver(client, errand)

    def _next(self) -> Errand | None:
        """Wait for the next errand that is due; return None when all is to end."""
        with self._wake:
            while not self._ends:
                if not self._queue:
                    self._idle.set()
                    self._wake.wait()
                    continue
                left_ms = self._queue[0].due_ms - monotonic_ms()
                if left_ms <= 0:
                    return heapq.heappop(self._queue)
                self._wake.wait(left_ms / 1000)
        return None

    def _deliver(self, client: httpx.Client, errand: Errand) -> None:
        with self.lock:
            event, endpoint = self.store.find(errand.event), self.store.find(errand.endpoint)
        if event is None or endpoint is None:
            return
        request = signed(event, secret=endpoint["_secret"], clock=self.clock)
        try:
            answer = client.post(endpoint["url"], content=request.body, headers=request.headers)
            good, outcome = answer.is_success, str(answer.status_code)
        except (httpx.HTTPError, httpx.InvalidURL) as fault:
            good, outcome = False, type(fault).__name__
        if self.told:
            self.told(event, endpoint, outcome)
        if not good and errand.tries < len(self.retries_s):
            pause = self.retries_s[errand.tries]
            self._add(errand.event, errand.endpoint, pause, errand.tries + 1)
