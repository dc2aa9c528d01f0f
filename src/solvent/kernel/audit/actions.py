"""Which actions can an audit record tell of, and what does each mean?

The whole vocabulary in one place, sorted. A test compares it with every action that the code
records, so a new action gets its sentence here; nothing at run time depends on the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "billing.account_parked": "An account is charged nothing until somebody has looked.",
        "billing.account_released": "Somebody let a parked account be charged again.",
        "catalogue.catalogue_applied": "Products, plans or prices came into force from a file.",
        "entitlements.entitlement_changed": "What a customer may use was granted or taken away.",
        "entitlements.use_refused": "A customer asked for more than they may use.",
        "ledger.coupon_closed": "A coupon can no longer be redeemed.",
        "ledger.coupon_ended": "A coupon takes nothing more off a subscription.",
        "ledger.coupon_made": "A coupon was made.",
        "ledger.coupon_redeemed": "A subscription was given a coupon.",
        "ledger.credit_expired": "What was left of given credit was taken back.",
        "ledger.credit_granted": "A customer was given credit.",
        "ledger.credit_note_issued": "A part of a final invoice was taken back.",
        "ledger.invoice_finalized": "An invoice got its number and can no longer change.",
        "ledger.invoice_paid": "Nothing is due on an invoice any more.",
        "ledger.invoice_voided": "An invoice was declared void; its number stays used.",
        "ledger.item_added": "Something is to be charged once.",
        "ledger.item_removed": "Something to be charged once was taken back before any invoice.",
        "ledger.payment_recorded": "Money of a customer was booked.",
        "ledger.refund_recorded": "Money was given back to a customer.",
        "licensing.license_changed": "A license got another state, policy or end.",
        "licensing.license_issued": "A license was given.",
        "licensing.license_key_made": "A license got a key, in place of the one it had.",
        "licensing.machine_activated": "A machine or a person took a slot of a license.",
        "licensing.machine_deactivated": "A machine or a person gave its slot back.",
        "licensing.policy_saved": "A license policy was made or changed.",
        "licensing.release_added": "A version came out that maintenance may cover.",
        "licensing.use_refused": "A holder of a license key asked for what it does not give.",
        "payments.account_connected": "A provider's account was connected.",
        "payments.account_disconnected": "A provider's account was taken off.",
        "payments.checkout_created": "A customer was sent to a provider to pay.",
        "payments.customer_kept": "A provider named another customer; the one held stayed.",
        "payments.dispute_seen": "A customer's bank disputes a payment.",
        "payments.event_changed": "A provider sent an event again with other content.",
        "payments.event_failed": "A provider's event could not be applied; it waits for a replay.",
        "payments.event_replayed": "A provider's event was put back to be applied again.",
        "payments.events_replayed": "All failed events were put back to be applied again.",
        "payments.secret_rotated": "A webhook secret was added or replaced.",
        "payments.webhook_refused": "A webhook was not believed: its signature, time or form.",
        "queue.job_canceled": "A job was called off.",
        "queue.jobs_replayed": "Dead or canceled jobs were let run again.",
        "queue.jobs_submitted": "Jobs were submitted over HTTP.",
        "signing.key_made": "A signing key was made and signs from now on.",
        "signing.key_revoked": "A signing key was revoked: nothing it signed is believed.",
        "subscriptions.subscription_changed": "A subscription took another state, plan or end.",
        "subscriptions.subscription_created": "A subscription began.",
        "tenants.api_key_issued": "An API key was issued.",
        "tenants.api_key_revoked": "An API key was revoked.",
        "tenants.customer_created": "A customer came to be known.",
        "tenants.customer_deleted": "A customer without a history was removed.",
        "tenants.customer_updated": "What is told about a customer changed; `fields` names what.",
        "tenants.member_added": "A person joined the business.",
        "tenants.member_changed": "A member got another name or role.",
        "tenants.member_removed": "A member left; their sessions ended.",
        "tenants.request_refused": "A known caller asked for what they may not do.",
        "tenants.session_ended": "A member signed out.",
        "tenants.session_switched": "A member turned the console to live or to test.",
        "tenants.sign_in_link_made": "A one-time sign-in link was made for a member.",
        "tenants.signed_in": "A member signed in by a link.",
        "tenants.tenant_created": "A tenant was created.",
        "tenants.tenant_renamed": "A tenant got another name.",
        "tenants.test_clock_moved": "A test tenant's time was moved, or released.",
        "tenants.token_issued": "A short-lived token was issued.",
    }
)
