"""Do the terms of a policy add up?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from solvent.systems.licensing.errors import PolicyInvalid
from solvent.systems.licensing.model import Policy, Scheme
from solvent.systems.licensing.rules.requests import PRODUCT

NAME_LENGTH_MAX = 100
SLOTS_MAX = 100_000
DAYS_MAX = 36_525
FILE_DAYS_MAX = 3_653
LEASE_S_MIN, LEASE_S_MAX = 30, 86_400
SPARE_FILES_MAX = 1_000
REVOCATION_AGE_S_MIN, REVOCATION_AGE_S_MAX = 3_600, 31_622_400
FEATURES_MAX = 100
OVERUSE = (100, 125, 150, 200)
KEY = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")


def check(policy: Policy) -> Policy:
    """Return the policy if its terms add up.

    Raises:
        PolicyInvalid: they do not; `field` and message say which and what was expected.
    """
    for field, holds, expected in _terms(policy):
        if not holds:
            raise PolicyInvalid(f"expected {expected}", field=field)
    return policy


def _terms(policy: Policy) -> Iterator[tuple[str, bool, str]]:
    """Yield each term, whether it holds, and what was expected."""
    name = "1 to 64 of a-z, 0-9, _, . and -, beginning with a letter"
    yield "key", bool(KEY.match(policy.key)), name
    yield "product", bool(PRODUCT.match(policy.product)), name
    yield "name", 0 < len(policy.name) <= NAME_LENGTH_MAX, f"1 to {NAME_LENGTH_MAX} characters"
    yield "limit", _within(policy.limit, 1, SLOTS_MAX), f"1 to {SLOTS_MAX}, or null for any"
    yield "overuse_percent", policy.overuse_percent in OVERUSE, "100, 125, 150 or 200"
    yield "days", _within(policy.days, 1, DAYS_MAX), f"1 to {DAYS_MAX}, or null for good"
    maintained = _within(policy.maintenance_days, 1, DAYS_MAX)
    yield "maintenance_days", maintained, f"1 to {DAYS_MAX}, or null for always"
    yield "file_days", _within(policy.file_days, 1, FILE_DAYS_MAX), f"1 to {FILE_DAYS_MAX}"
    leased = _within(policy.lease_s, LEASE_S_MIN, LEASE_S_MAX)
    yield "lease_s", leased, f"{LEASE_S_MIN} to {LEASE_S_MAX}"
    spare = _within(policy.spare_files, 0, SPARE_FILES_MAX)
    yield "spare_files", spare, f"0 to {SPARE_FILES_MAX}"
    age = _within(policy.revocation_max_age_s, REVOCATION_AGE_S_MIN, REVOCATION_AGE_S_MAX)
    told = f"{REVOCATION_AGE_S_MIN} to {REVOCATION_AGE_S_MAX}, or null for no list"
    yield "revocation_max_age_s", age, told
    yield "plan_key", policy.plan_key is None or bool(KEY.match(policy.plan_key)), name
    yield from _of_kinds(policy)
    named = all(KEY.match(code) for code in (*policy.features, *policy.meters))
    few = len(policy.features) + len(policy.meters) <= FEATURES_MAX
    yield "features", named and few, f"at most {FEATURES_MAX}, each named by {name}"


def _of_kinds(policy: Policy) -> Iterator[tuple[str, bool, str]]:
    bounded = policy.days is not None and policy.scheme is Scheme.NODE_LOCKED
    yield "trial", not policy.trial or bounded, "days and node_locked with a trial"
    sold = policy.plan_key is not None
    yield "fallback", not policy.fallback or sold, "a plan_key: a fall-back follows a subscription"
    yield "plan_key", not (policy.trial and sold), "none with a trial: trials are asked for"
    unnamed = policy.unnamed_purchases
    yield "unnamed_purchases", not (policy.trial and unnamed), "false with a trial"


def _within(value: int | None, least: int, most: int) -> bool:
    return value is None or least <= value <= most
