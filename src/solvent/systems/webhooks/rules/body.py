"""What stands in the body of a webhook?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from solvent.kit.clock import format_time


def body_of(event_type: str, at: datetime, data: Mapping[str, object]) -> bytes:
    """Return `{"type", "timestamp", "data"}` as Standard Webhooks recommends, in UTF-8.

    The time is the one at which the event happened, in the tenant's own time.
    """
    told = {"type": event_type, "timestamp": format_time(at), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
