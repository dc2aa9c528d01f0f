"""Which wishes about collecting money are refused, and with which codes?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class CollectionNotFound(NotFound):
    """Nothing is collected under this id, or for this invoice."""

    code = "payments.collection_not_found"


class CollectionUnderWay(Conflict):
    """An attempt is under way; wait until its outcome is known."""

    code = "payments.collection_under_way"


class NothingDue(Conflict):
    """Nothing is due on this invoice."""

    code = "payments.nothing_due"


class PayerUnknown(Conflict):
    """No connected provider with an API key knows this customer."""

    code = "payments.payer_unknown"


class PolicyMalformed(Invalid):
    """A policy names days in rising order, and a day to give up that is not before them."""

    code = "payments.policy_malformed"


class RefundMalformed(Invalid):
    """A refund names a payment, an amount above zero, and why."""

    code = "payments.refund_malformed"


class RefundTooLarge(Conflict):
    """More than what of the payment has not been given back, or is just being."""

    code = "payments.refund_too_large"


class RefundChanged(Conflict):
    """This source has already refunded something else."""

    code = "payments.refund_changed"


class RefundNotFound(NotFound):
    """There is no such refund."""

    code = "payments.refund_not_found"


class NotRefundable(Conflict):
    """This payment did not come through a connected provider."""

    code = "payments.not_refundable"


class TopUpMalformed(Invalid):
    """A rule for topping up names a threshold, an amount and a cap that fit each other."""

    code = "payments.top_up_malformed"


class TopUpRuleNotFound(NotFound):
    """This customer has no rule for topping up in this currency."""

    code = "payments.top_up_rule_not_found"


class UpgradeRefused(Conflict):
    """Only a subscription of ours that is active can be upgraded for a payment at once."""

    code = "payments.upgrade_refused"
