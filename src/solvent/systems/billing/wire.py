"""What does billing mount?"""

from __future__ import annotations

from solvent.contracts.payments import MethodChanged
from solvent.kernel.ledger.events import CreditExpired
from solvent.kernel.metering.ports import UsageJudge
from solvent.kernel.subscriptions.events import PeriodEnded, SubscriptionChanged
from solvent.kit.wiring import Wiring
from solvent.systems.billing import closing, service, tasks
from solvent.systems.billing.cli import COMMANDS
from solvent.systems.billing.effects import InvoiceJudge
from solvent.systems.billing.migrations import service as migrations
from solvent.systems.billing.taxes import service as taxes

LINGER_MS = 250
"""Periods end together: the more of them are closed at once, the less each costs."""


def wire(wiring: Wiring) -> None:
    """Mount routes and commands; open each period when it begins, close it when it ends."""
    wiring.routes("solvent.systems.billing.api:ROUTERS")
    for name, app in COMMANDS.items():
        wiring.command(app, name=name)
    wiring.handle_batch(
        PeriodEnded, tasks.on_periods_ended, name="billing.on_period_ended", linger_ms=LINGER_MS
    )
    wiring.job(closing.JOB_FINISH, tasks.run_finish_period)
    wiring.handle_batch(
        SubscriptionChanged,
        tasks.on_subscriptions_changed,
        name="billing.on_subscription_changed",
    )
    wiring.job(migrations.JOB_MIGRATE, tasks.run_migration)
    wiring.job_batch(closing.JOB_SETTLE_LATE, tasks.run_settle_late)
    wiring.job(taxes.JOB_RATE_STATED, tasks.run_rate_stated)
    wiring.job_batch(service.JOB_RELEASE, tasks.run_releases)
    wiring.handle(MethodChanged, tasks.on_method_changed, name="billing.on_method_changed")
    wiring.handle(CreditExpired, tasks.on_credit_expired, name="billing.on_credit_expired")
    wiring.bind(UsageJudge, InvoiceJudge())
    wiring.check("parked accounts", tasks.check_parked)
