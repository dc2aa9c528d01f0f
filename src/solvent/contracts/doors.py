"""What do the doors tell the other systems?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class UsageBuried:
    """Events that a foreign client sent were accepted and could not be counted; once a request.

    They wait in the dead letters. `reasons` are the codes of why, each once.
    """

    NAME: ClassVar[str] = "doors.usage_buried.v1"

    door: str
    events: int
    reasons: tuple[str, ...]
