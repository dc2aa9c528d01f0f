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
    on_subscription,
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
from solvent.systems.licensing.service.policies import (
    add_release,
    get_policy,
    list_policies,
    save_policy,
)

__all__ = [
    "Answer",
    "Issued",
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
    "get",
    "get_policy",
    "issue",
    "license_file",
    "list_licenses",
    "list_policies",
    "make_key",
    "on_dispute",
    "on_purchase",
    "on_refund",
    "on_subscription",
    "prove_deactivation",
    "public_keys",
    "reinstate",
    "renew",
    "revocation_list",
    "revoke",
    "save_policy",
    "suspend",
]
