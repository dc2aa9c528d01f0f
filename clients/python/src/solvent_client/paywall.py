"""May this customer pass, now? Answered in this process, as fresh as a stated bound."""

import atexit
import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from solvent_client.api import Consumption, Metered, Solvent
from solvent_client.breaker import Breaker
from solvent_client.decision import (
    Decision,
    FailMode,
    Quantity,
    checked_quantity,
    decide,
    decide_in_outage,
    plain,
)
from solvent_client.errors import BadKey, ProtocolError, Refused, Unreachable
from solvent_client.guard import Customer, guard
from solvent_client.host import elapsed_ms, fresh_id, wall_clock
from solvent_client.problem import checked_upgrade_url
from solvent_client.snapshot import Snapshot
from solvent_client.spool import Spool
from solvent_client.usage import UsageBuffer, UsageEvent

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from solvent_client.stream import Stream

log = logging.getLogger("solvent_client")

MAX_CUSTOMER_CHARACTERS: Final = 200
_MAX_WAITING: Final = 32
_UNSENDABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

Answer = TypeVar("Answer")
Guarded = TypeVar("Guarded", bound=Callable[..., object])


class Paywall:
    """Guards an application: checks, consumes and meters what its customers use.

    A check is answered from a snapshot in this process that Solvent's event stream keeps fresh. It
    is used only while it is proved to hold all that was committed up to `bound_ms` ago; otherwise
    the check asks Solvent, and where that fails the fail mode decides. Any thread may call anything
    at any time; after a fork the child opens a stream of its own.

    Args:
        url: the API's address, say `https://billing.example.com`.
        key: a secret API key with the scopes `entitlements:read` and, to consume and meter,
            `entitlements:write` and `metering:write`.
        fail: what holds in an outage where a feature says nothing itself.
        fail_by_feature: what holds in an outage for these features, whatever the catalogue says.
        bound_ms: a bound on staleness that is tighter than the server's.
        silence_s: a stream on which nothing came for so long is opened anew.
        timeout_s: how long a check may wait for Solvent before the fail mode decides.
        upgrade_url: where a refused customer can buy, an https address or a path; goes into 402s.
        spool: a folder that keeps unsent usage over a crash; None keeps it in memory only.
        max_buffered: how many usage events are held while Solvent cannot be reached.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        fail: FailMode = "closed",
        fail_by_feature: Mapping[str, FailMode] | None = None,
        bound_ms: int | None = None,
        silence_s: float = 12.0,
        timeout_s: float = 2.0,
        upgrade_url: str | None = None,
        spool: str | Path | None = None,
        max_buffered: int = 10_000,
    ) -> None:
        modes = {fail, *(fail_by_feature or {}).values()}
        if not modes <= {"open", "closed"}:
            raise ValueError("fail: expected 'open' or 'closed'")
        if bound_ms is not None and bound_ms <= 0:
            raise ValueError("bound_ms: expected a positive number of milliseconds")
        self.upgrade_url = checked_upgrade_url(upgrade_url)
        self.api = Solvent(url, key, timeout_s=timeout_s)
        self._fail: FailMode = fail
        self._fail_by_feature: dict[str, FailMode] = dict(fail_by_feature or {})
        self._bound_ms = bound_ms
        self._silence_s = silence_s
        self._snapshot = Snapshot()
        self._usage = UsageBuffer(
            self.api.send_usage,
            max_events=max_buffered,
            spool=Spool(Path(spool)) if spool is not None else None,
        )
        self._closed = False
        self._reset_process()
        _all_paywalls.add(self)

    def _reset_process(self) -> None:
        """Make what belongs to one process: locks, threads, connections."""
        self._lock = threading.Lock()
        self._breaker = Breaker(elapsed_ms)
        self._stream: Stream | None = None
        self._pool: ThreadPoolExecutor | None = None

    # ------------------------------------------------------------------------------------- checks

    def peek(
        self,
        customer: str | None,
        feature: str | None = None,
        product: str | None = None,
        quantity: Quantity = 1,
    ) -> Decision | None:
        """Answer from the snapshot at once, or None where only Solvent itself can tell."""
        view = self._snapshot.view  # first the proof, then the clock, then the record: see View
        now_ms = elapsed_ms()
        if now_ms >= view.live_until_ms or type(customer) is not str:
            return None
        if view.test_now_ms is None:
            most, least = view.ahead_ms
            moment = (now_ms - most, now_ms - least)
        else:
            moment = (view.test_now_ms, view.test_now_ms)
        return decide(view.records.get(customer), moment, feature, product, quantity)

    def check(
        self,
        customer: str | None,
        feature: str | None = None,
        product: str | None = None,
        quantity: Quantity = 1,
    ) -> Decision:
        """Say whether the customer may pass; waits for Solvent where the snapshot cannot tell.

        With neither feature nor product: whether they hold any current subscription. It never
        raises over the network: an outage is answered by the fail mode.

        Raises:
            ValueError: the quantity is not a positive int or Decimal.
        """
        seen = self.peek(customer, feature, product, checked_quantity(quantity))
        return seen if seen is not None else self._ask(customer, feature, product, quantity)

    async def check_async(
        self,
        customer: str | None,
        feature: str | None = None,
        product: str | None = None,
        quantity: Quantity = 1,
    ) -> Decision:
        """Answer as `check` does; where Solvent must be asked, another thread waits for it."""
        seen = self.peek(customer, feature, product, checked_quantity(quantity))
        if seen is not None:
            return seen
        return await self.in_thread(lambda: self._ask(customer, feature, product, quantity))

    async def in_thread(self, call: Callable[[], Answer]) -> Answer:
        """Run a call that waits for Solvent without holding up the event loop."""
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_MAX_WAITING, thread_name_prefix="solvent-ask")
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _ask(
        self,
        customer: str | None,
        feature: str | None,
        product: str | None,
        quantity: Quantity,
    ) -> Decision:
        self.start()
        if not customer:
            return _UNKNOWN_CUSTOMER
        if not _is_sendable(customer):
            return _BAD_CUSTOMER
        question = partial(
            self.api.check, customer, feature=feature, product=product, quantity=quantity
        )
        answer = self._answer(question)
        if answer is None:  # a refusal is false too
            return self._in_outage(customer, feature, product, quantity)
        return answer

    def _answer(self, question: Callable[[], Decision]) -> Decision | None:
        """Ask Solvent; None where it cannot be asked."""
        if not self._breaker.may_try():
            return None
        try:
            decision = question()
        except BadKey as error:
            self._breaker.failed()
            log.error("Solvent refuses this application's key: %s", error)  # noqa: TRY400
            return None
        except Refused as error:
            self._breaker.worked()
            return replace(_BAD_REQUEST, reason=str(error))
        except (Unreachable, ProtocolError) as error:
            self._breaker.failed()
            log.debug("Solvent was not reached: %s", error)
            return None
        self._breaker.worked()
        return decision

    def _in_outage(
        self, customer: str, feature: str | None, product: str | None, quantity: Quantity
    ) -> Decision:
        last_known = self._snapshot.view.last_known(
            customer, feature=feature, product=product, quantity=quantity
        )
        mode = self._fail_mode(customer, feature)
        return decide_in_outage(last_known, mode=mode, feature=feature)

    def _fail_mode(self, customer: str, feature: str | None) -> FailMode:
        """Return what the application says of the feature, else its last record, else `fail`."""
        if feature is None:
            return self._fail
        if feature in self._fail_by_feature:
            return self._fail_by_feature[feature]
        view = self._snapshot.view
        record = view.records.get(customer)
        held = record.features.get(feature) if record is not None else None
        return held.on_outage if held is not None else view.on_outage.get(feature, self._fail)

    # -------------------------------------------------------------------------------------- usage

    def consume(
        self,
        customer: str,
        feature: str,
        quantity: Quantity = 1,
        *,
        id: str | None = None,
    ) -> Decision:
        """Take a quantity out of a quota, exactly: Solvent counts, so this always asks it.

        In an outage the fail mode decides; what it lets through is taken later, under the same id.

        Args:
            customer: the application's own reference of the customer.
            feature: the quota.
            quantity: how much to take.
            id: what makes it one consumption (visible ASCII, at most 170 characters); give it where
                the call may be repeated.
        """
        quantity = checked_quantity(quantity)
        if not _is_sendable(customer):
            return _BAD_CUSTOMER if customer else _UNKNOWN_CUSTOMER
        key = id or fresh_id("use")
        question = partial(self.api.consume, customer, feature=feature, quantity=quantity, key=key)
        decision = self._answer(question)
        if decision is not None:
            return decision
        decision = self._in_outage(customer, feature, None, quantity)
        if decision.allowed:
            use = Consumption(customer=customer, feature=feature, quantity=plain(quantity), key=key)
            self._usage.add({"id": key, "consume": use})
        return decision

    def track(
        self,
        customer: str,
        meter: str,
        quantity: Quantity = 1,
        *,
        at: datetime | None = None,
        id: str | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> bool:
        """Note a use of a meter and return at once; it is sent in the background, counted once.

        Returns:
            False where the buffer is full and the event is lost (a warning is logged once).
        """
        event = UsageEvent(
            customer=customer,
            meter=meter,
            quantity=quantity,
            at=at,
            id=id or fresh_id("evt"),
            properties=properties or {},
        )
        return self._usage.add(event.to_json(now=self.now()))

    def meter(self, events: Iterable[UsageEvent]) -> Metered:
        """Send events now, in batches, and return what was new and what was counted before.

        Raises:
            Unreachable: not all were handed over, after some retries. Sending all again is safe.
            Refused: a batch is malformed; nothing of it was counted.
        """
        return self.api.meter(events, now=self.now())

    def flush(self) -> int:
        """Send the usage that is held, and return how many events are left."""
        return self._usage.flush()

    def now(self) -> datetime:
        """Return the tenant's time: its test clock, else Solvent's; this host's if never heard."""
        moment = self._snapshot.view.moment(elapsed_ms())
        if moment is None:
            return wall_clock()
        return datetime.fromtimestamp(moment[0] / 1000.0, UTC)

    # ------------------------------------------------------------------------------- life of a wall

    def start(self) -> None:
        """Open the stream, if it is not open in this process yet. The first check does it too."""
        if self._stream is not None or self._closed:
            return
        from solvent_client.stream import Stream

        with self._lock:
            if self._stream is None and not self._closed:
                self._stream = Stream(
                    self.api.transport,
                    self._snapshot,
                    bound_ms=self._bound_ms,
                    silence_s=self._silence_s,
                )
                self._stream.start()

    @property
    def live(self) -> bool:
        """Whether checks are answered in this process right now."""
        return elapsed_ms() < self._snapshot.view.live_until_ms

    @property
    def last_error(self) -> Exception | None:
        """What is wrong with the stream, None while nothing is."""
        return self._stream.last_error if self._stream is not None else None

    def wait_live(self, *, within_s: float = 5.0) -> bool:
        """Wait until checks are answered in this process; False if that took too long."""
        self.start()
        deadline_ms = elapsed_ms() + within_s * 1000.0
        pause = threading.Event()
        while not self.live and elapsed_ms() < deadline_ms:
            pause.wait(0.01)
        return self.live

    def stop(self) -> int:
        """Stop the stream, send the usage that is held, and return how many events are left.

        The next check opens the stream again.
        """
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._snapshot.forget_proof()
        return self._usage.flush()

    def close(self) -> int:
        """Do what `stop` does, for good. The interpreter's end does it to every paywall left."""
        self._closed = True
        self.stop()
        left = self._usage.close()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)
        self.api.close()
        return left

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """Begin anew in a child process: threads did not come along, connections are not ours."""
        stream = self._stream
        if stream is not None:
            stream.abandon()
        self._snapshot.forget_proof()
        self._reset_process()
        self.api.transport.forget_connections()
        self._usage.after_fork()

    # -------------------------------------------------------------------------------------- guard

    def required(
        self,
        *,
        customer: Customer,
        feature: str | None = None,
        product: str | None = None,
        quantity: Quantity = 1,
    ) -> Callable[[Guarded], Guarded]:
        """Guard a function, plain or async: it runs only for a customer who may pass.

        Args:
            customer: the name of the function's parameter that holds the customer's reference, or
                a function that is called with the same arguments and returns it.
            feature: the feature that is needed; None needs any current subscription.
            product: the product that is needed.
            quantity: how much of a quota must be left.

        Raises:
            PaymentRequired: (the guarded function) the customer may not pass.
        """
        return guard(self, customer, feature=feature, product=product, quantity=quantity)


def _is_sendable(customer: object) -> bool:
    """Say whether it could be a customer at all: nothing else is worth a question."""
    if not isinstance(customer, str) or not 0 < len(customer) <= MAX_CUSTOMER_CHARACTERS:
        return False
    return _UNSENDABLE.search(customer) is None


_UNKNOWN_CUSTOMER: Final = Decision(
    allowed=False,
    code="unknown_customer",
    reason="The request does not say which customer it is for.",
    source="caller",
)
_BAD_CUSTOMER: Final = replace(
    _UNKNOWN_CUSTOMER, reason="The request's customer reference cannot be one."
)
_BAD_REQUEST: Final = Decision(
    allowed=False, code="bad_request", reason="Solvent refused the question.", source="database"
)

_all_paywalls: "weakref.WeakSet[Paywall]" = weakref.WeakSet()


def _after_fork() -> None:
    for paywall in list(_all_paywalls):
        paywall.after_fork()


@atexit.register
def _at_exit() -> None:
    for paywall in list(_all_paywalls):
        paywall.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
