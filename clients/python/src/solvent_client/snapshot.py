"""What does this process know of who may use what, and is it known to be fresh?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from solvent_client.decision import Decision, FailMode, Moment, Quantity, Record, decide
from solvent_client.errors import ProtocolError
from solvent_client.freshness import NEVER_LIVE, NO_PROOF, ClockOffset, Proof
from solvent_client.parse import as_epoch_ms, as_int, as_list, as_moment, parse_object, parse_record
from solvent_client.sse import Event

PROTOCOL: Final = 1
MAX_CUSTOMERS: Final = 1_000_000
_BOUND_LIMIT_MS: Final = 3_600_000
_ID: Final = re.compile(r"cus_[0-9a-hjkmnp-tv-z]{26}")


@dataclass(frozen=True, slots=True)
class View:
    """All that a check reads, in one object, so that a reader needs no lock.

    Only the stream's thread writes. It puts a change into `records` first and moves the proof
    after, so whoever reads the view first and the record second sees all that the view promises.
    """

    records: dict[str, Record] = field(default_factory=dict[str, Record])
    """Each record under its customer's id and under the application's own reference."""
    proof: Proof = NO_PROOF
    live_until_ms: float = NEVER_LIVE
    """The proof's, at hand."""
    ahead_ms: tuple[float, float] = (0.0, 0.0)
    """The proof's offset, at hand: at most, at least."""
    proved_at_ms: float | None = None
    """Local time of the last beat: the moment that a last-known answer is given for."""
    test_now_ms: float | None = None
    on_outage: Mapping[str, FailMode] = field(default_factory=dict[str, FailMode])

    def moment(self, local_ms: float) -> Moment | None:
        """Return the tenant's time: its test clock where it has one, else the database's."""
        if self.test_now_ms is not None:
            return (self.test_now_ms, self.test_now_ms)
        return self.proof.offset.moment(local_ms)

    def last_known(
        self, customer: str, *, feature: str | None, product: str | None, quantity: Quantity
    ) -> Decision | None:
        """Answer as of the last beat, however long ago; None where nothing was ever known."""
        moment = self.moment(self.proved_at_ms) if self.proved_at_ms is not None else None
        if moment is None:
            return None
        return decide(self.records.get(customer), moment, feature, product, quantity)


class Snapshot:
    """The view that checks read and the one connection at a time that renews it."""

    def __init__(self) -> None:
        self.view = View()

    def forget_proof(self) -> None:
        """Stop trusting the view at once (after a fork: no thread renews it here)."""
        offset = self.view.proof.offset
        self.view = replace(self.view, proof=Proof(NEVER_LIVE, offset), live_until_ms=NEVER_LIVE)


class Session:
    """One connection's events, in their order: hello, snapshot, ready, then changes and beats.

    Until `ready` the records gather aside, and the former view goes on under its own proof.

    Args:
        snapshot: what to renew.
        asked_ms: local time when the request left.
        bound_ms: the application's own, tighter bound; None takes the server's.
    """

    def __init__(self, snapshot: Snapshot, *, asked_ms: float, bound_ms: float | None) -> None:
        self._snapshot = snapshot
        self._asked_ms = asked_ms
        self._own_bound_ms = bound_ms
        self._greeted = False
        self._ready = False
        self._gathered: dict[str, Record] = {}
        self._test_now_ms: float | None = None
        self._on_outage: dict[str, FailMode] = {}
        self._offset = ClockOffset(low=None)
        self.bound_ms = 0.0
        self.beats = 0
        self.least_lag_ms = float("inf")

    def start_window(self) -> None:
        """Count beats and watch the least lag anew."""
        self.beats, self.least_lag_ms = 0, float("inf")

    def apply(self, event: Event, *, received_ms: float) -> None:
        """Take one event in.

        Raises:
            ProtocolError: it is malformed, or not allowed here. The connection must be dropped:
                what could not be read may have been the end of an access.
        """
        if event.name != "hello" and not self._greeted:
            raise ProtocolError(f"The stream began with {event.name!r} instead of hello.")
        match event.name:
            case "hello":
                self._hello(event.data)
            case "snapshot":
                self._more(event.data)
            case "ready":
                self._start()
            case "change":
                self._change(event.data)
            case "clock":
                self._clock(event.data)
            case "beat":
                self._beat(event.data, received_ms=received_ms)
            case _:
                pass  # a later server may say more

    def _hello(self, data: str) -> None:
        if self._greeted:
            raise ProtocolError("The stream said hello twice.")
        fields = parse_object(data)
        if as_int(fields.get("protocol"), "protocol") != PROTOCOL:
            raise ProtocolError("The server speaks another protocol: update solvent-client.")
        bound_ms = as_int(fields.get("bound_ms"), "bound_ms")
        if not 0 < bound_ms <= _BOUND_LIMIT_MS:
            raise ProtocolError("`bound_ms` is out of range.")
        self.bound_ms = min(bound_ms, self._own_bound_ms or bound_ms)
        if (at := fields.get("at_ms")) is not None:
            self._offset = ClockOffset(low=self._asked_ms - as_epoch_ms(at, "at_ms"))
        self._greeted = True

    def _more(self, data: str) -> None:
        if self._ready:
            raise ProtocolError("A snapshot came after ready.")
        for value in as_list(parse_object(data).get("customers"), "customers"):
            self._keep(self._gathered, parse_record(value))

    def _start(self) -> None:
        if self._ready:
            raise ProtocolError("The stream was ready twice.")
        self._ready = True
        self._snapshot.view = replace(
            self._snapshot.view,
            records=self._gathered,
            test_now_ms=self._test_now_ms,
            on_outage=self._on_outage,
        )

    def _change(self, data: str) -> None:
        self._keep(self._gathered, parse_record(parse_object(data)))

    def _keep(self, records: dict[str, Record], record: Record) -> None:
        held = records.get(record.customer_id)
        if held is not None and held.revision >= record.revision:
            return
        if held is None and len(records) >= 2 * MAX_CUSTOMERS:
            raise ProtocolError(f"More than {MAX_CUSTOMERS} customers.")
        records[record.customer_id] = record
        if _ID.fullmatch(record.customer) is None:  # what looks like an id is looked up as one
            records[record.customer] = record
        for key, held in record.features.items():
            self._on_outage[key] = held.on_outage

    def _clock(self, data: str) -> None:
        now = as_moment(parse_object(data).get("now"), "now")
        self._test_now_ms = now.timestamp() * 1000.0 if now is not None else None
        if self._ready:
            self._snapshot.view = replace(self._snapshot.view, test_now_ms=self._test_now_ms)

    def _beat(self, data: str, *, received_ms: float) -> None:
        at_ms = as_epoch_ms(parse_object(data).get("at_ms"), "at_ms")
        if not self._ready:
            return
        view = self._snapshot.view
        proof = Proof(view.proof.live_until_ms, self._offset).heard(
            at_ms=at_ms, received_ms=received_ms, bound_ms=self.bound_ms
        )
        self._offset = proof.offset
        least = proof.offset.safe or 0.0
        self._snapshot.view = replace(
            view,
            proof=proof,
            live_until_ms=proof.live_until_ms,
            ahead_ms=(proof.offset.high or 0.0, least),
            proved_at_ms=received_ms,
        )
        self.beats += 1
        self.least_lag_ms = min(self.least_lag_ms, received_ms - at_ms - least)
