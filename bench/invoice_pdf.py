"""How long does an invoice of 25 lines take to become a PDF/A-3b with its e-invoice inside?

One JSON object a line. Ours is all of it: the terms of EN 16931, the XML, the page, the metadata of
Factur-X. The peer sets a table of the same lines with reportlab, without tags, PDF/A or XML, where
reportlab is installed (`pip install reportlab`); it says how much a page costs at least.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from io import BytesIO

from solvent.kernel.catalogue.model import Interval, PlanVersion, Price, PriceModel, Terms
from solvent.kernel.ledger import rules as ledger_rules
from solvent.kernel.ledger.model import (
    DraftInput,
    Invoice,
    InvoiceId,
    InvoiceKind,
    InvoiceStatus,
    LegalEntity,
    Letterhead,
    Parties,
    Stretch,
    TaxRule,
)
from solvent.kernel.metering.model import Period
from solvent.systems.billing import rules
from solvent.systems.billing.documents import bill, cii
from solvent.systems.billing.documents.typeset import set_pdf

GOAL_MS, LINES, PEER = 50, 25, "reportlab, a plain table"
START = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = Period(START, datetime(2026, 2, 1, tzinfo=UTC))
ACME = LegalEntity("Acme GmbH", ("Weg 1",), "10115", "Berlin", "DE", tax_id="DE136695976")
GLOBEX = LegalEntity("Globex SARL", ("Rue 2",), "75001", "Paris", "FR", tax_id="FR40303265045")
PARTIES = Parties(
    "Acme", "globex", "Globex", None, "FR", "Europe/Paris", False, Letterhead(ACME, GLOBEX)
)


def invoice():
    """An invoice of as many fees, with tax."""
    prices = tuple(
        Price(f"p{place}", PriceModel.FLAT, f"Fee number {place}", amount_minor=2_900 + place)
        for place in range(LINES)
    )
    terms = Terms("logs", "Pro", "EUR", Interval.MONTH, 1, prices, ())
    version = PlanVersion("pro", 1, terms, "0" * 64, START)
    said = ledger_rules.draft(
        DraftInput(
            InvoiceKind.PERIOD,
            "cus_1",
            "sub_1",
            JANUARY,
            version,
            (Stretch(version, JANUARY, ()),),
            0,
            TaxRule("VAT", Decimal("0.19")),
        )
    )
    return Invoice(
        id=InvoiceId("inv_1"),
        status=InvoiceStatus.FINAL,
        draft=said,
        digest=sha256(b"").hexdigest(),
        drawn_at=JANUARY.end,
        number=1,
        parties=PARTIES,
        finalized_at=JANUARY.end,
        due_at=JANUARY.end + timedelta(days=14),
    )


def ours(one):
    """The PDF of an invoice as `printing.print_invoice` makes it, less the database."""
    made = bill.of_invoice(one, PARTIES)
    assert not bill.faults(made)
    return set_pdf(rules.sheet(one, PARTIES, []), at=one.finalized_at, xml=cii.write(made))


def peers(one):
    """A table of the same lines."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate, Table

    rows = [[line.description, "1", str(line.amount_minor)] for line in one.draft.lines]
    written = BytesIO()
    SimpleDocTemplate(written, pagesize=A4).build([Table(rows)])
    return written.getvalue()


def measured(make, rounds):
    """Wall and processor time in ms, each round an invoice of its own; three rounds are warm."""
    wall, cpu = [], []
    for number in range(1, rounds + 4):
        one = replace(invoice(), number=number)
        began, busy = time.perf_counter(), time.process_time()
        assert make(one).startswith(b"%PDF")
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - busy) * 1000)
    wall, cpu = sorted(wall[3:]), sorted(cpu[3:])
    return {
        "lines": LINES,
        "median_ms": round(statistics.median(wall), 1),
        "p95_ms": round(wall[int(len(wall) * 0.95)], 1),
        "best_ms": round(wall[0], 1),
        "cpu_median_ms": round(statistics.median(cpu), 1),
    }


def main():
    """Measure ours, and the peer where it is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    line = {"who": "solvent"} | measured(ours, rounds)
    print(json.dumps(line | {"goal_ms": GOAL_MS, "met": line["median_ms"] < GOAL_MS}))
    try:
        print(json.dumps({"who": PEER} | measured(peers, rounds)))
    except ImportError:
        print(json.dumps({"who": PEER, "absent": "pip install reportlab"}))


if __name__ == "__main__":
    main()
