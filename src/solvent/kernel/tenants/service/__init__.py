"""What can be asked about tenants, their people, keys, time and customers?

One import for callers: `from solvent.kernel.tenants import service as tenants`.
"""

from solvent.kernel.tenants.rules.names import check_country
from solvent.kernel.tenants.service.authenticate import (
    KeyAuthenticator,
    authenticate_jwt,
    authenticate_key,
    authenticate_session,
)
from solvent.kernel.tenants.service.business import (
    all_tenants,
    create_business,
    current,
    find,
    find_by_host,
    find_by_slug,
    rename,
    tenant_of,
    twin,
)
from solvent.kernel.tenants.service.customers import (
    create_customer,
    customers_by_ids,
    customers_by_refs,
    delete_customer,
    ensure_customer,
    ensure_customers,
    get_customer,
    list_customers,
    update_customer,
    upsert_customer,
)
from solvent.kernel.tenants.service.keys import get_key, issue_key, list_keys, revoke_key
from solvent.kernel.tenants.service.members import (
    add_member,
    change_member,
    get_member,
    list_members,
    remove_member,
)
from solvent.kernel.tenants.service.refusals import RefusedRequests
from solvent.kernel.tenants.service.sign_in import (
    create_sign_in_link,
    end_current_session,
    end_session,
    end_session_of,
    list_sessions,
    redeem_sign_in_link,
    switch_session,
)
from solvent.kernel.tenants.service.test_clock import (
    move_test_clock,
    release_test_clock,
    test_clock,
)
from solvent.kernel.tenants.service.tokens import issue_token

__all__ = [
    "KeyAuthenticator",
    "RefusedRequests",
    "add_member",
    "all_tenants",
    "authenticate_jwt",
    "authenticate_key",
    "authenticate_session",
    "change_member",
    "check_country",
    "create_business",
    "create_customer",
    "create_sign_in_link",
    "current",
    "customers_by_ids",
    "customers_by_refs",
    "delete_customer",
    "end_current_session",
    "end_session",
    "end_session_of",
    "ensure_customer",
    "ensure_customers",
    "find",
    "find_by_host",
    "find_by_slug",
    "get_customer",
    "get_key",
    "get_member",
    "issue_key",
    "issue_token",
    "list_customers",
    "list_keys",
    "list_members",
    "list_sessions",
    "move_test_clock",
    "redeem_sign_in_link",
    "release_test_clock",
    "remove_member",
    "rename",
    "revoke_key",
    "switch_session",
    "tenant_of",
    "test_clock",
    "twin",
    "update_customer",
    "upsert_customer",
]
