"""Is anything lost that was acknowledged, when any of the processes is killed in the middle?"""

from __future__ import annotations

import itertools
import json
import os
import signal
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from solvent.app.demo.cast import Founder, found, soon
from solvent.app.demo.stage import ROOT, Stage, open_stage
from solvent.app.testing import fast_directory
from solvent.kit.clock import format_time
from solvent.systems.payments.model import Provider
from solvent.systems.payments.testing import StripePurchase

pytestmark = pytest.mark.journey

SECRET = "whsec_survival_0123456789abcdef"
EVENTS = 20
ROUND_S = 2.0
SETTLED_S = 60


@pytest.fixture(scope="module")
def stage() -> Generator[Stage]:
    with tempfile.TemporaryDirectory(prefix="solvent-survival-", dir=fast_directory()) as place:
        Path(place).chmod(0o755)
        with open_stage(Path(place) / "data") as opened:
            yield opened


@pytest.fixture(scope="module")
def founder(stage: Stage) -> Founder:
    made = found(stage, "Survivor", Provider.STRIPE, SECRET)
    catalogue = str(ROOT / "examples" / "catalogue.toml")
    stage.solvent("catalogue", "apply", catalogue, "--tenant", made.slug)
    return made


class Sender(threading.Thread):
    """Sends usage and webhooks without a pause, and counts what was acknowledged."""

    def __init__(self, stage: Stage, founder: Founder, customer: str) -> None:
        super().__init__(daemon=True)
        self.stage, self.founder, self.customer = stage, founder, customer
        self.acknowledged_events = 0
        self.acknowledged_buyers: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        with self.stage.api(self.founder.key) as api:
            for number in itertools.count():
                if self.enough.is_set():
                    return
                try:
                    self._send_usage(api, number)
                    self._send_purchase(number)
                except httpx.HTTPError:
                    self.enough.wait(0.05)

    def _send_usage(self, api: httpx.Client, number: int) -> None:
        at = format_time(self.founder.began_at)
        events = [
            {
                "id": f"{self.customer}-{number}-{i}",
                "customer": self.customer,
                "meter": "alerts",
                "at": at,
            }
            for i in range(EVENTS)
        ]
        if api.post("/v1/usage", json={"events": events}).is_success:
            self.acknowledged_events += EVENTS

    def _send_purchase(self, number: int) -> None:
        buyer = f"{self.customer}-buyer-{number}"
        purchase = StripePurchase(
            buyer,
            "price_demo_pro_monthly",
            self.founder.began_at,
            subscription_id=f"sub_{buyer}",
            provider_customer_id=f"cus_{buyer}",
        )
        delivered = [
            self.founder.deliver(self.stage, body)
            for body in (purchase.paid(), purchase.checkout(), purchase.updated())
        ]
        if delivered == [200, 200, 200]:
            self.acknowledged_buyers.append(buyer)


@pytest.mark.parametrize("victim", ["worker", "http", "nats", "postgres"])
def test_nothing_acknowledged_is_lost(stage: Stage, founder: Founder, victim: str) -> None:
    sender = Sender(stage, founder, f"c-{victim}")
    sender.start()
    sender.enough.wait(ROUND_S)
    os.kill(pid_of(stage, victim), signal.SIGKILL)
    sender.enough.wait(ROUND_S)
    sender.enough.set()
    sender.join()
    assert sender.acknowledged_events
    assert sender.acknowledged_buyers
    with stage.api(founder.key) as api:
        soon(lambda: ready(api), "it did not come back", within_s=SETTLED_S)
        assert count_events(api, founder, sender.customer) >= sender.acknowledged_events
        for buyer in sender.acknowledged_buyers:
            soon(lambda buyer=buyer: gets_in(api, buyer), f"{buyer} is out", within_s=SETTLED_S)
    assert "result   ok" in stage.solvent("audit", "verify", "--tenant", founder.slug)


def pid_of(stage: Stage, process: str) -> int:
    born = json.loads((stage.data_dir / "run" / f"{process}.pid").read_text())
    return int(born["pid"])


def ready(api: httpx.Client) -> bool:
    try:
        return api.get("/readyz").is_success
    except httpx.HTTPError:
        return False


def count_events(api: httpx.Client, founder: Founder, customer: str) -> int:
    query = {
        "meter": "alerts",
        "customer": customer,
        "start": format_time(founder.began_at),
        "end": format_time(founder.began_at.replace(year=founder.began_at.year + 1)),
    }
    answer = api.get("/v1/usage/measure", params=query).raise_for_status().json()
    return int(answer["event_count"])


def gets_in(api: httpx.Client, customer: str) -> bool:
    answer = api.post("/v1/entitlements/check", json={"customer": customer, "feature": "export"})
    return answer.is_success and answer.json()["allowed"]
