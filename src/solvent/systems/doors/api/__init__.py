"""Which addresses do the doors have?"""

from fastapi import APIRouter

from solvent.systems.doors.api import lago, letters, names, openmeter, stripe

ROUTERS: tuple[APIRouter, ...] = (
    letters.router,
    names.router,
    lago.router,
    openmeter.router,
    stripe.router,
)
__all__ = ["ROUTERS"]
