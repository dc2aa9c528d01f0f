"""How does a fact reach everybody whom it concerns, once in effect, and only if it came true?

`emit` writes an outbox row in the caller's transaction; the relay publishes committed rows to
JetStream with the event id as message id; consumers run handlers, each idempotent by
(handler, event id). Reactions run inside the emitting transaction.
"""

from solvent.kit.bus.envelope import Envelope, EventUnknown, Registry
from solvent.kit.bus.outbox import Bus, Nudge

__all__ = ["Bus", "Envelope", "EventUnknown", "Nudge", "Registry"]
