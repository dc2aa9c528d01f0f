"""Which events are there to ask for?"""

from __future__ import annotations

import re
import sys
from typing import cast

from solvent.systems.webhooks.rules.patterns import INTERNAL

_WHERE_EVENTS_STAND = re.compile(r"solvent\.(kernel\.\w+\.events|contracts\.\w+)\Z")


def known_types() -> list[str]:
    """Return the names of all events of the kernel and of the systems that the program is made of.

    An event whose module nothing has imported is emitted by nobody.
    """
    kinds = (
        kind
        for name, module in list(sys.modules.items())
        if _WHERE_EVENTS_STAND.match(name)
        for kind in cast("dict[str, object]", vars(module)).values()
        if isinstance(kind, type)
    )
    names = {str(vars(kind)["NAME"]) for kind in kinds if "NAME" in vars(kind)}
    return sorted(names - INTERNAL)
