"""Is what is forged refused and written down, and can all of it be proved afterwards?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from solvent.app.demo.cast import Founder, soon, stripe_purchase
from solvent.app.demo.stage import Stage
from solvent.app.demo.told import Teller, check
from solvent.kit.clock import SystemClock

BAD_REQUEST = 400
REFUSED_ACTION = "payments.webhook_refused"


def refuse_forgeries(teller: Teller, stage: Stage, founder: Founder) -> None:
    """Send a forged, an old and a year-ahead webhook; see each refused and audited."""
    body = stripe_purchase(founder, "mallory").checkout()
    now = SystemClock().now()
    attempts = (
        ("a webhook signed with another secret", "whsec_guessed_by_mallory_0000", now),
        ("a true webhook, replayed an hour later", founder.secret, now - timedelta(hours=1)),
        ("a webhook from a year ahead", founder.secret, now + timedelta(days=365)),
    )
    for text, secret, signed_at in attempts:
        with teller.step(f"{text}: refused") as notes:
            answer = founder.send(stage, body, secret=secret, signed_at=signed_at)
            check(answer.status_code == BAD_REQUEST, f"it was answered {answer.status_code}")
            notes.append(f"{answer.json()['code']}: {answer.json()['detail']}")
    with teller.step("all three stand in the audit log"), stage.api(founder.key) as api:
        query = {"action": REFUSED_ACTION}

        def audited() -> bool:
            found = api.get("/v1/audit", params=query).raise_for_status().json()["data"]
            return len(found) >= len(attempts)

        soon(audited, "not all refusals were audited")


def prove(teller: Teller, stage: Stage, founder: Founder, output: Path) -> Path:
    """Verify the audit chain, the books and the invoices; export the proof and verify it too."""
    proof = output / f"audit-{founder.slug}.jsonl"
    tenant = ("--tenant", founder.slug)
    with teller.step("solvent audit verify: every record links to the one before") as notes:
        notes.append(stage.solvent("audit", "verify", *tenant).strip())
    with teller.step("solvent ledger verify: every transaction sums to zero") as notes:
        notes.append(stage.solvent("ledger", "verify", *tenant).strip())
    with teller.step("solvent invoice rebuild --verify: the same invoice, byte for byte") as notes:
        notes.append(stage.solvent("invoice", "rebuild", "--verify", *tenant).strip())
    with teller.step("the audit proof, signed, checked without the server") as notes:
        stage.solvent("audit", "export", str(proof), *tenant)
        notes.append(stage.solvent("audit", "verify", "--file", str(proof)).strip())
    return proof
