"""How does a worker that was started learn its name?"""

from __future__ import annotations

from collections.abc import Sequence

NAME_VARIABLE = "SOLVENT_WORKER_NAME"
PLACE = "{worker}"


def named(command: Sequence[str], name: str) -> list[str]:
    """Return the command with the worker's name wherever it says `{worker}`."""
    return [word.replace(PLACE, name) for word in command]
