"""Does a container's own quota count, and not the host's cores?"""

from __future__ import annotations

from pathlib import Path

import pytest

from solvent.kit.jobs.scale.quota import Load, Quota

SECOND = 1_000_000_000
HOST = Load(0.11, 0.22)


class Box:
    """The files that a kernel shows of control groups."""

    def __init__(self, root: Path) -> None:
        self.proc, self.cgroup = root / "proc", root / "cgroup"
        self.inner = self.cgroup / "outer" / "inner"
        self.inner.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        self.say(self.proc / "self" / "cgroup", "0::/outer/inner")
        self.usage(0)
        self.memory(0)

    def say(self, path: Path, text: str) -> None:
        path.write_text(f"{text}\n")

    def usage(self, us: int) -> None:
        self.say(self.inner / "cpu.stat", f"usage_usec {us}\nuser_usec 1\nsystem_usec 1")

    def memory(self, current: int, *, cached: int = 0) -> None:
        self.say(self.inner / "memory.current", str(current))
        self.say(self.inner / "memory.stat", f"anon 1\ninactive_file {cached}\nactive_file 7")

    def quota(self) -> Quota:
        return Quota(self.proc, self.cgroup, lambda: HOST)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize(
    "told, used_us, share",
    [
        ("100000 100000", 500_000, 0.5),
        ("50000 100000", 500_000, 1.0),
        ("200000 100000", 500_000, 0.25),
        ("10000 100000", 5_000_000, 1.0),
        ("max 100000", 500_000, HOST.cpu),
        ("nonsense", 500_000, HOST.cpu),
    ],
)
def test_cpu_is_a_share_of_the_quota(box: Box, told: str, used_us: int, share: float):
    box.say(box.inner / "cpu.max", told)
    quota = box.quota()
    quota.look(SECOND)
    box.usage(used_us)
    assert quota.look(2 * SECOND).cpu == pytest.approx(share)


def test_the_narrowest_bound_on_the_way_up_counts(box: Box):
    box.say(box.inner / "cpu.max", "400000 100000")
    box.say(box.inner.parent / "cpu.max", "100000 100000")
    box.say(box.inner / "memory.max", "max")
    box.say(box.inner.parent / "memory.max", "1000")
    box.memory(500)
    quota = box.quota()
    quota.look(SECOND)
    box.usage(500_000)
    assert quota.look(2 * SECOND) == Load(0.5, 0.5)


def test_what_is_only_cached_is_not_in_use(box: Box):
    box.say(box.inner / "memory.max", "1000")
    box.memory(900, cached=600)
    assert box.quota().look(SECOND).memory == pytest.approx(0.3)


def test_the_first_look_and_a_clock_that_stands_still_say_nothing_of_cpu(box: Box):
    box.say(box.inner / "cpu.max", "100000 100000")
    box.usage(9_000_000)
    quota = box.quota()
    assert quota.look(SECOND).cpu == 0
    assert quota.look(SECOND).cpu == 0


@pytest.mark.parametrize("told", ["", "1:cpu:/x", "0::/nowhere"])
def test_without_a_group_the_machine_counts(box: Box, told: str):
    box.say(box.proc / "self" / "cgroup", told)
    assert box.quota().look(SECOND) == HOST


def test_this_machine_can_be_measured():
    load = Quota().look(SECOND)
    assert 0 <= load.cpu <= 1
    assert 0 < load.memory <= 1
