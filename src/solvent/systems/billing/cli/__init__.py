"""What can an operator do about invoices, credit, coupons and items at the terminal?"""

from solvent.systems.billing.cli import (
    coupon,
    credit,
    invoice,
    item,
    migrate,
    seller,
    simulate,
    tax,
)

COMMANDS = {
    "invoice": invoice.app,
    "billing": simulate.app,
    "credit": credit.app,
    "coupon": coupon.app,
    "item": item.app,
    "subscription migrate": migrate.app,
    "seller": seller.app,
    "tax": tax.app,
}
