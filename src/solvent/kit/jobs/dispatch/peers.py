"""Which of several dispatchers proposes, so that the others do not do the same for nothing?

A courtesy only: the log decides between any number that propose at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from solvent.kit.jobs.dispatch.post import PeerBeat

SILENT_NS: Final = 2_000_000_000
"""A dispatcher that is not heard, or reads nothing, for so long is passed over."""


@dataclass(slots=True)
class _Peer:
    beat: PeerBeat
    heard_at_ns: int
    moved_at_ns: int


@dataclass(slots=True)
class Peers:
    """The other dispatchers, as they were heard."""

    name: str
    started_ns: int
    _others: dict[str, _Peer] = field(default_factory=dict[str, _Peer])

    def hear(self, beat: PeerBeat, mono_ns: int) -> None:
        """Take in what another one says."""
        if beat.name == self.name:
            return
        if beat.state == "bye":
            self._others.pop(beat.name, None)
            return
        known = self._others.get(beat.name)
        moved = known is None or beat.applied > known.beat.applied
        moved_at_ns = mono_ns if known is None or moved else known.moved_at_ns
        self._others[beat.name] = _Peer(beat, mono_ns, moved_at_ns)

    def leads(self, mono_ns: int, *, applied: int) -> bool:
        """Return whether nobody older is at work; `applied` is how far we ourselves have read."""
        mine = (self.started_ns, self.name)
        return not any(
            (one.beat.started_ns, one.beat.name) < mine and _is_alive(one, mono_ns, applied)
            for one in self._others.values()
        )

    def forget_silent(self, mono_ns: int) -> None:
        """Drop those that were not heard for long."""
        self._others = {
            name: one
            for name, one in self._others.items()
            if mono_ns - one.heard_at_ns <= SILENT_NS
        }


def _is_alive(peer: _Peer, mono_ns: int, applied: int) -> bool:
    """Return whether it is heard, and reads the log if there is anything to read."""
    stuck = applied > peer.beat.applied and mono_ns - peer.moved_at_ns > SILENT_NS
    return mono_ns - peer.heard_at_ns <= SILENT_NS and not stuck
