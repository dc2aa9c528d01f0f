"""In which ways can a catalogue be refused?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, NotFound


class CatalogueInvalid(Invalid):
    """The catalogue is not valid; `problems` names each place and what was expected there."""

    code = "catalogue.invalid"

    @property
    def problems(self) -> list[str]:
        """Return each problem as `file:line: key: expected …`."""
        told = self.detail.get("problems")
        return told if isinstance(told, list) else [self.message]


class QuantityInvalid(Invalid):
    """A quantity to be rated is a finite number that is not negative."""

    code = "catalogue.quantity_invalid"


class AmountTooLarge(Invalid):
    """The rated amount is past the limit of an amount of money."""

    code = "catalogue.amount_too_large"


class ProductNotFound(NotFound):
    """There is no such product."""

    code = "catalogue.product_not_found"


class PlanNotFound(NotFound):
    """There is no such plan, or it has no such version."""

    code = "catalogue.plan_not_found"


class ProviderPriceUnknown(NotFound):
    """No plan of the catalogue names this price of the payment provider."""

    code = "catalogue.provider_price_unknown"


class PlanArchived(Conflict):
    """This plan is no longer sold."""

    code = "catalogue.plan_archived"


class ProviderPriceTaken(Conflict):
    """This price of the payment provider has belonged to another plan."""

    code = "catalogue.provider_price_taken"


class ContentTypeUnknown(Invalid):
    """A catalogue is sent as application/toml or application/json."""

    code = "catalogue.content_type_unknown"
    status = 415
    title = "Unsupported media type"
