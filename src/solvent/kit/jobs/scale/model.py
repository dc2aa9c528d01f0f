"""What is a pool of workers, what is seen of it, and what is decided?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

S: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """How a group of like workers grows and shrinks; times in seconds.

    Workers are those of `space` that take jobs of one of `queues`.
    """

    name: str
    space: str
    queues: frozenset[str]
    least: int = 1
    most: int = 4
    out_above: float = 0.85
    samples: int = 3
    sample_s: float = 5.0
    idle_s: float = 300.0
    cooldown_s: float = 60.0
    drain_s: float = 60.0
    start_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A worker as its newest beat tells; `held` counts the jobs in its hands.

    `serves` once it has answered its health probe and takes work.
    """

    name: str
    serves: bool
    held: int
    cpu: float
    memory: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is known of a pool at one moment.

    `running` are the names that the provider knows; `pending` counts jobs that wait and are due;
    `wanting` says that some of them could go to no worker below the bounds of CPU and memory.
    """

    at_ns: int
    workers: tuple[Seen, ...]
    running: frozenset[str]
    pending: int
    wanting: bool = False


class Act(StrEnum):
    """What is done about a pool."""

    START = "start"
    DRAIN = "drain"
    STOP = "stop"
    REQUEUE = "requeue"
    GIVE_UP = "give_up"
    AT_MOST = "at_most"


@dataclass(frozen=True, slots=True)
class Decision:
    """One act, why, and on whom: a worker's name, or nobody yet for a start."""

    act: Act
    reason: str
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker of the pool over time, each moment by the clock of the samples (0: not so)."""

    since_ns: int
    served: bool = False
    idle_ns: int = 0
    drain_ns: int = 0
    stopped: bool = False


_NOBODY: Mapping[str, Member] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of a pool from sample to sample."""

    members: Mapping[str, Member] = field(default_factory=lambda: _NOBODY)
    asked: tuple[int, ...] = ()
    """When workers were asked for that have not been seen yet."""
    high: int = 0
    """Samples in a row above the bound."""
    changed_ns: int = 0
    """When workers were last asked for or let go."""
    quiet_ns: int = 0
    """Since when nothing is pending."""
    failures: int = 0
    """Starts in a row that came to nothing."""
    told_most: bool = False
