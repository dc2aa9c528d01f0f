"""What may be done at a door: send usage, name customers and meters, look after dead letters?"""

from solvent.systems.doors.service.letters import (
    count_letters,
    discard,
    get_letter,
    list_letters,
    replay,
)
from solvent.systems.doors.service.meters import make_meter, meter_at, meters_of
from solvent.systems.doors.service.names import (
    list_customers,
    list_meters,
    name_customer,
    name_customers,
    name_meter,
    unname_customer,
    unname_meter,
)
from solvent.systems.doors.service.query import customer_of, windows_of
from solvent.systems.doors.service.take import bury_conflicts, take

__all__ = [
    "bury_conflicts",
    "count_letters",
    "customer_of",
    "discard",
    "get_letter",
    "list_customers",
    "list_letters",
    "list_meters",
    "make_meter",
    "meter_at",
    "meters_of",
    "name_customer",
    "name_customers",
    "name_meter",
    "replay",
    "take",
    "unname_customer",
    "unname_meter",
    "windows_of",
]
