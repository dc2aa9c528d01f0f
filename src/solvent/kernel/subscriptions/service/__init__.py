"""What may be done with a subscription: make it, change it, end it, renew it, look at it?

One import for callers: `from solvent.kernel.subscriptions import service as subscriptions`.
"""

from solvent.kernel.subscriptions.service.addons import (
    JOB_ADDON_TURNED,
    add_addon,
    addons_within,
    change_addon,
    end_addon,
    keep_addon,
    list_addons,
    tell_of_addons,
)
from solvent.kernel.subscriptions.service.cards import note_card
from solvent.kernel.subscriptions.service.change import (
    change_plan,
    change_quantity,
    change_time_zone,
    follow_customer,
    foresee_plan,
    mark_paid,
    mark_past_due,
)
from solvent.kernel.subscriptions.service.create import activate, create
from solvent.kernel.subscriptions.service.end import cancel, keep, pause, resume
from solvent.kernel.subscriptions.service.plan import list_planned, withdraw
from solvent.kernel.subscriptions.service.read import (
    count_on_plan,
    current,
    fee_period,
    find_by_provider,
    get,
    get_many,
    list_all,
    list_current,
    list_current_of,
    list_on_plan,
    list_periods,
    segments,
    whole_period,
)
from solvent.kernel.subscriptions.service.renew import JOB_PERIOD_ENDED, renew, renew_all
from solvent.kernel.subscriptions.service.save import addons_now
from solvent.kernel.subscriptions.service.sync import sync, sync_all

__all__ = [
    "JOB_ADDON_TURNED",
    "JOB_PERIOD_ENDED",
    "activate",
    "add_addon",
    "addons_now",
    "addons_within",
    "cancel",
    "change_addon",
    "change_plan",
    "change_quantity",
    "change_time_zone",
    "count_on_plan",
    "create",
    "current",
    "end_addon",
    "fee_period",
    "find_by_provider",
    "follow_customer",
    "foresee_plan",
    "get",
    "get_many",
    "keep",
    "keep_addon",
    "list_addons",
    "list_all",
    "list_current",
    "list_current_of",
    "list_on_plan",
    "list_periods",
    "list_planned",
    "mark_paid",
    "mark_past_due",
    "note_card",
    "pause",
    "renew",
    "renew_all",
    "resume",
    "segments",
    "sync",
    "sync_all",
    "tell_of_addons",
    "whole_period",
    "withdraw",
]
