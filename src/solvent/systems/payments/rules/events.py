"""Which provider's reader is asked what an event says?"""

from __future__ import annotations

from solvent.systems.payments.model import Envelope, Event, Fact, Provider
from solvent.systems.payments.rules import paddle, stripe
from solvent.systems.payments.rules.reading import Doc, read_body


def envelope(provider: Provider, doc: Doc) -> Envelope:
    """Return what an event says of itself; raises EventMalformed."""
    return stripe.envelope(doc) if provider is Provider.STRIPE else paddle.envelope(doc)


def fact(provider: Provider, doc: Doc) -> Fact | None:
    """Return the fact that an event tells, None if of no use; raises EventMalformed."""
    return stripe.fact(doc) if provider is Provider.STRIPE else paddle.fact(doc)


def matters(provider: Provider, kind: str) -> bool:
    """Return whether events of this type change anything here."""
    return kind in (stripe.READERS if provider is Provider.STRIPE else paddle.READERS)


def read(provider: Provider, body: bytes) -> Event:
    """Return the event that the raw bytes are; raises EventMalformed."""
    doc = read_body(body)
    return Event(provider, envelope(provider, doc), fact(provider, doc))
