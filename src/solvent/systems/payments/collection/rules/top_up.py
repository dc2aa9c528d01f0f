"""Is a customer's credit to be topped up now?"""

from __future__ import annotations

from datetime import datetime

from solvent.kit.money import AMOUNT_MINOR_MAX, exponent
from solvent.systems.payments.collection.errors import TopUpMalformed
from solvent.systems.payments.collection.model import RuleState, TopUpRule


def is_due(rule: TopUpRule, *, left_minor: int, charged_minor: int) -> bool:
    """Return whether to charge: the credit is below the threshold, and the month's cap allows it.

    `charged_minor` is what was charged in this month, payments under way among it.
    """
    if rule.state is not RuleState.ACTIVE or left_minor >= rule.threshold_minor:
        return False
    cap = rule.monthly_cap_minor
    return cap is None or charged_minor + rule.amount_minor <= cap


def month_of(moment: datetime) -> datetime:
    """Return when the calendar month of a moment began, in UTC."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def check(rule: TopUpRule) -> TopUpRule:
    """Return a rule that can be followed.

    Raises:
        TopUpMalformed: names the field.
    """
    exponent(rule.currency)
    for field, amount, least in (
        ("threshold_minor", rule.threshold_minor, 0),
        ("amount_minor", rule.amount_minor, 1),
        ("bonus_minor", rule.bonus_minor, 0),
    ):
        if not least <= amount <= AMOUNT_MINOR_MAX:
            message = f"expected {least} to {AMOUNT_MINOR_MAX} minor units"
            raise TopUpMalformed(message, field=field)
    cap = rule.monthly_cap_minor
    if cap is not None and not rule.amount_minor <= cap <= AMOUNT_MINOR_MAX:
        message = "a monthly cap allows one payment at least"
        raise TopUpMalformed(message, field="monthly_cap_minor")
    return rule
