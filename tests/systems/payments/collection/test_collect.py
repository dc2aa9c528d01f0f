"""Is each invoice charged once, whatever breaks between us and the provider?"""

from __future__ import annotations

import asyncio

import pytest

from solvent.kernel.ledger.model import InvoiceStatus
from solvent.systems.payments.collection.model import (
    AttemptState,
    CollectionState,
    Decline,
)


async def test_a_final_invoice_is_charged_and_booked(till):
    invoice = await till.bill()
    story = await till.work(invoice.id)
    assert story.collection.state is CollectionState.PAID
    assert [one.state for one in story.attempts] == [AttemptState.SUCCEEDED]
    assert (await till.get(invoice)).status is InvoiceStatus.PAID
    assert till.charged_minor() == await till.booked_minor() == 2900
    assert await till.sound()
