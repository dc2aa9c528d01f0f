"""In which ways can a subscription refuse a change?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, LimitReached, NotFound


class SubscriptionNotFound(NotFound):
    """There is no such subscription."""

    code = "subscriptions.not_found"


class AlreadySubscribed(Conflict):
    """The customer already has a current subscription of this product."""

    code = "subscriptions.already_subscribed"


class TransitionRefused(Conflict):
    """A subscription in this state cannot do that."""

    code = "subscriptions.transition_refused"


class ProviderManaged(Conflict):
    """A payment provider runs this subscription; change it there, and it changes here."""

    code = "subscriptions.provider_managed"


class PlanUnfit(Conflict):
    """A subscription changes only to a plan of the same product and currency."""

    code = "subscriptions.plan_unfit"


class QuantityRefused(Invalid):
    """A subscription has as many seats as its plan sells."""

    code = "subscriptions.quantity_refused"


class ChangeTimeInvalid(Invalid):
    """A planned change takes effect later than now, before the year 2201."""

    code = "subscriptions.change_time_invalid"


class ChangeNotFound(NotFound):
    """No change of this id is planned for the subscription."""

    code = "subscriptions.change_not_found"


class TooManyPlanned(LimitReached):
    """At most 20 changes are planned for a subscription at a time."""

    code = "subscriptions.too_many_planned"


class AddonNotFound(NotFound):
    """The subscription has no such add-on."""

    code = "subscriptions.addon_not_found"


class AddonUnfit(Conflict):
    """An add-on goes with a plan of the same product, currency and interval."""

    code = "subscriptions.addon_unfit"


class AddonHeld(Conflict):
    """The subscription has this add-on then; give that one another quantity."""

    code = "subscriptions.addon_held"


class TooManyAddons(LimitReached):
    """A subscription has at most 50 add-ons at a time."""

    code = "subscriptions.too_many_addons"


class CancelTimeInvalid(Invalid):
    """A cancellation takes effect now or later, before the year 2201."""

    code = "subscriptions.cancel_time_invalid"


class ResumeTimeInvalid(Invalid):
    """A pause ends later than now, before the year 2201."""

    code = "subscriptions.resume_time_invalid"


class TimeZoneUnknown(Invalid):
    """This is not a time zone of the IANA database, for example Europe/Paris."""

    code = "subscriptions.time_zone_unknown"


class FactsInvalid(Invalid):
    """These facts of a provider do not describe a subscription."""

    code = "subscriptions.facts_invalid"


class StartTimeInvalid(Invalid):
    """A subscription starts now or in the last five years, not later."""

    code = "subscriptions.start_time_invalid"


class TrialLengthInvalid(Invalid):
    """A trial lasts from 0 to 730 days."""

    code = "subscriptions.trial_length_invalid"
