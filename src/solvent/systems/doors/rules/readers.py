"""What does one event say, by the bytes that were kept of it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from solvent.kit.errors import Invalid
from solvent.systems.doors.model import Door, Sent, Use
from solvent.systems.doors.rules import lago, openmeter, stripe
from solvent.systems.doors.rules.reading import read_form, read_json

READERS: Mapping[Door, Callable[[object], Use]] = MappingProxyType(
    {Door.LAGO: lago.read, Door.OPENMETER: openmeter.read, Door.STRIPE: stripe.read}
)


def read(door: Door, raw: bytes, value: object) -> Sent:
    """Return one event with what it says, or with why it says nothing."""
    try:
        return Sent(raw, use=READERS[door](value))
    except Invalid as refused:
        return Sent(raw, refused=refused)


def read_again(door: Door, raw: bytes) -> Sent:
    """As `read`, from bytes alone: JSON, or a form where Stripe's clients send one."""
    try:
        form = door is Door.STRIPE and not raw.lstrip().startswith(b"{")
        value: object = read_form(raw) if form else read_json(raw)[1]
    except Invalid as refused:
        return Sent(raw, refused=refused)
    return read(door, raw, value)
