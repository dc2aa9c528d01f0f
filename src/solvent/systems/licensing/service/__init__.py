"""What may be done with policies, licenses and machines?

One import for callers: `from solvent.systems.licensing import service`.
"""

from solvent.systems.licensing.service.activate import (
    Answer,
    activate,
    activate_for,
    answer_code,
    assign_seat,
    renew,
)
from solvent.systems.licensing.service.deactivate import (
    deactivate,
    deactivate_by_code,
    deactivate_for,
    prove_deactivation,
)
from solvent.systems.licensing.service.files import license_file, public_keys, revocation_list
from solvent.systems.licensing.service.follow import (
    on_dispute,
    on_purchase,
    on_refund,
    on_subscriptions,
)
from solvent.systems.licensing.service.licenses import (
    Issued,
    activations_of,
    by_key,
    get,
    issue,
    list_licenses,
    make_key,
    reinstate,
    revoke,
    suspend,
)
from solvent.systems.licensing.service.missing import (
    Missing,
    MissingPage,
    find_missing,
    issue_missing,
    list_waiting,
)
from solvent.systems.licensing.service.policies import (
    add_release,
    get_policy,
    list_policies,
    save_policy,
)
from solvent.systems.licensing.service.usage import on_usage, report_usage

__all__ = [
    "Answer",
    "Issued",
    "Missing",
    "MissingPage",
    "activate",
    "activate_for",
    "activations_of",
    "add_release",
    "answer_code",
    "assign_seat",
    "by_key",
    "deactivate",
    "deactivate_by_code",
    "deactivate_for",
    "find_missing",
    "get",
    "get_policy",
    "issue",
    "issue_missing",
    "license_file",
    "list_licenses",
    "list_policies",
    "list_waiting",
    "make_key",
    "on_dispute",
    "on_purchase",
    "on_refund",
    "on_subscriptions",
    "on_usage",
    "prove_deactivation",
    "public_keys",
    "reinstate",
    "renew",
    "report_usage",
    "revocation_list",
    "revoke",
    "save_policy",
    "suspend",
]
