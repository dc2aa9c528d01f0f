"""What may be asked about revenue, and what keeps it up to date?"""

from solvent.systems.revenue.service.export import What, export
from solvent.systems.revenue.service.follow import follow
from solvent.systems.revenue.service.listing import Listed, list_movements, mrr_by_plan
from solvent.systems.revenue.service.note import note_invoices
from solvent.systems.revenue.service.policy import (
    get_policy,
    list_rates,
    parse_rate,
    parse_rates,
    remove_rate,
    set_policy,
    set_rate,
    set_rates,
)
from solvent.systems.revenue.service.rebuild import rebuild, verify
from solvent.systems.revenue.service.recognition import list_shares, recognition
from solvent.systems.revenue.service.report import Ask, Retention, cohorts, mrr, retention, scope_of

__all__ = [
    "Ask",
    "Listed",
    "Retention",
    "What",
    "cohorts",
    "export",
    "follow",
    "get_policy",
    "list_movements",
    "list_rates",
    "list_shares",
    "mrr",
    "mrr_by_plan",
    "note_invoices",
    "parse_rate",
    "parse_rates",
    "rebuild",
    "recognition",
    "remove_rate",
    "retention",
    "scope_of",
    "set_policy",
    "set_rate",
    "set_rates",
    "verify",
]
