"""Does a pool grow and shrink exactly when it should?"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kit.jobs.scale.model import Act, Decision, Pool, S, Sample, Seen, Standing
from solvent.kit.jobs.scale.rules import step

POOL = Pool(
    name="local",
    space="solvent",
    queues=frozenset({"default"}),
    least=1,
    most=4,
    sample_s=5,
    cooldown_s=60,
    drain_s=30,
    start_s=20,
)
START = 1_000_000 * S


class Play:
    """A pool in time: workers that serve at once, with what each holds and burns."""

    def __init__(self, pool: Pool = POOL, *, workers: int = 1) -> None:
        self.pool = pool
        self.at = START
        self.names = [f"w{number}" for number in range(workers)]
        self.born = workers
        self.dead_on_arrival = False
        self.standing = Standing()
        self.done: list[tuple[float, Decision]] = []

    def look(
        self, cpu: float = 0.1, *, held: int = 1, pending: int = 0, wanting: bool = False
    ) -> list[Act]:
        """Let one sample pass."""
        sample = Sample(
            at_ns=self.at,
            workers=tuple(
                Seen(name=name, serves=True, held=held, cpu=cpu, memory=0.2)
                for name in self.names
                if not name.startswith("x")
            ),
            running=frozenset(self.names),
            pending=pending,
            wanting=wanting,
        )
        self.standing, made = step(self.standing, self.pool, sample)
        for one in made:
            self._carry_out(one)
        self.done += [((self.at - START) / S, one) for one in made]
        self.at += round(self.pool.sample_s * S)
        return [one.act for one in made]

    def _carry_out(self, one: Decision) -> None:
        if one.act is Act.START:
            self.names.append(f"{'x' if self.dead_on_arrival else 'w'}{self.born}")
            self.born += 1
        elif one.act in {Act.STOP, Act.GIVE_UP}:
            self.names.remove(one.worker)

    def all(self, samples: Iterable[float], **told) -> list[Act]:
        return [act for cpu in samples for act in self.look(cpu, **told)]


def test_out_on_exactly_the_third_sample_above_the_bound():
    play = Play()
    assert play.all([0.86, 0.86]) == []
    assert play.look(0.86) == [Act.START]
    assert play.done[-1][1].reason == "cpu_high"


@pytest.mark.parametrize(
    "cpu",
    [
        [0.99, 0.99, 0.5, 0.99, 0.99, 0.5],
        [0.85] * 20,
        [0.99, 0.99, 0.85, 0.99, 0.99],
    ],
)
def test_two_spikes_and_a_dip_change_nothing(cpu: list[float]):
    assert Play().all(cpu) == []


def test_the_mean_counts_and_not_one_hot_worker():
    hot = Seen(name="w0", serves=True, held=1, cpu=1.0, memory=0.1)
    cold = replace(hot, name="w1", cpu=0.6)
    standing = Standing()
    for number in range(10):
        running = frozenset({"w0", "w1"})
        sample = Sample(at_ns=START + number * S, workers=(hot, cold), running=running, pending=9)
        standing, made = step(standing, POOL, sample)
        assert not made


def test_work_that_nobody_below_the_bounds_takes_starts_one_worker():
    play = Play()
    assert play.look(0.75, pending=5, wanting=True) == [Act.START]
    assert play.done[-1][1].reason == "no_worker_free"


def test_no_second_worker_while_the_first_is_on_its_way():
    play = Play(replace(POOL, cooldown_s=0, start_s=100))
    play.dead_on_arrival = True
    assert play.look(0.75, pending=5, wanting=True) == [Act.START]
    assert play.all([0.75] * 10, pending=5, wanting=True) == []


def test_in_after_exactly_five_idle_minutes():
    play = Play(workers=2)
    acts = play.all([0.01] * 60, held=0)
    assert acts == []
    assert play.look(0.01, held=0) == [Act.DRAIN]  # the 61st sample, 300 s after the first
    assert play.look(0.01, held=0) == [Act.STOP]


def test_beats_alone_keep_nobody_awake():
    """A worker that only says that it lives is idle, whatever CPU its beats tell of."""
    play = Play(workers=2)
    for number in range(61):
        play.look(0.05 + 0.3 * (number % 2), held=0)
    assert [one.act for _, one in play.done] == [Act.DRAIN]


@pytest.mark.parametrize("told", [{"held": 1}, {"held": 0, "pending": 1}])
def test_one_job_starts_the_idle_clock_anew(told: dict[str, int]):
    play = Play(workers=2)
    assert play.all([0.01] * 50, held=0) == []
    play.look(0.01, **told)
    assert play.all([0.01] * 60, held=0) == []
    assert play.look(0.01, held=0) == [Act.DRAIN]


def test_nothing_is_let_go_while_something_is_pending():
    play = Play(workers=3)
    assert play.all([0.01] * 500, held=0, pending=1) == []


def test_the_least_stay():
    play = Play(replace(POOL, least=2), workers=2)
    assert play.all([0.01] * 500, held=0) == []


def test_the_pool_is_brought_to_its_least_at_once():
    play = Play(replace(POOL, least=3), workers=0)
    assert play.look() == [Act.START] * 3
    assert play.all([0.1] * 20) == []


def test_a_lost_worker_is_replaced_without_waiting():
    play = Play(replace(POOL, least=2), workers=2)
    play.look()
    play.names.pop()
    assert play.look() == [Act.START]
    assert play.done[-1][1].reason == "below_minimum"


def test_no_more_than_the_most_and_it_is_told_once():
    play = Play(replace(POOL, most=2))
    acts = play.all([0.99] * 200)
    assert acts == [Act.START, Act.AT_MOST]
    assert play.look(0.2) == []
    assert Act.AT_MOST in play.all([0.99] * 3)


def test_a_machine_that_others_keep_busy_gets_no_worker_and_keeps_none():
    play = Play(workers=2)
    assert play.all([0.99] * 60, held=0) == []
    assert play.look(0.99, held=0) == [Act.DRAIN]


def test_cool_down_lies_between_two_starts():
    play = Play(replace(POOL, most=10))
    play.all([0.99] * 100)
    moments = [at for at, one in play.done if one.act is Act.START]
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert min(gaps) >= 60


@pytest.mark.parametrize("half", [1, 2, 10, 30, 55])
def test_a_sawtooth_makes_no_oscillation(half: int):
    """High for a while, then idle for less than five minutes, for hours: it grows and stays."""
    play = Play(replace(POOL, most=4))
    for _ in range(60):
        play.all([0.99] * half, held=1, pending=1)
        play.all([0.02] * half, held=0)
    acts = [one.act for _, one in play.done]
    assert Act.DRAIN not in acts
    assert acts.count(Act.START) <= 3


def test_a_slow_sawtooth_changes_once_a_cool_down_at_most():
    play = Play(replace(POOL, cooldown_s=120))
    for _ in range(20):
        play.all([0.99] * 30, held=1, pending=1)
        play.all([0.02] * 120, held=0)
    changes = [at for at, one in play.done if one.act in {Act.START, Act.DRAIN}]
    assert min(b - a for a, b in itertools.pairwise(changes)) >= 120


def test_who_is_drained_is_stopped_once_its_hands_are_empty():
    play = Play(workers=2)
    play.all([0.01] * 61, held=0)
    assert play.all([0.01] * 3, held=1) == []
    assert play.look(0.01, held=0) == [Act.STOP]
    assert play.done[-1][1].reason == "drained"


def test_drain_takes_its_time_and_no_more_then_requeues_with_the_reason():
    play = Play(workers=2)
    play.all([0.01] * 61, held=0)
    assert play.all([0.01] * 5, held=1) == []
    assert play.look(0.01, held=1) == [Act.REQUEUE, Act.STOP]
    assert [one.reason for _, one in play.done[-2:]] == ["drain_timeout"] * 2


def test_a_worker_that_does_not_pass_its_probe_in_time_is_given_up():
    play = Play(replace(POOL, least=2))
    play.dead_on_arrival = True
    assert play.look() == [Act.START]
    assert play.all([0.1] * 4) == []
    assert play.look() == [Act.GIVE_UP]


def test_starts_that_come_to_nothing_are_tried_more_and_more_rarely():
    play = Play(replace(POOL, least=2))
    play.dead_on_arrival = True
    play.all([0.1] * 2000)
    starts = [at for at, one in play.done if one.act is Act.START]
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert gaps == sorted(gaps)
    assert gaps[-1] >= 16 * POOL.cooldown_s
    play.dead_on_arrival = False
    before = len(play.done)
    play.all([0.1] * 400)
    assert [one.act for _, one in play.done[before:]] == [Act.START]
    assert play.standing.failures == 0


def test_an_asked_worker_that_never_appears_counts_no_longer():
    pool = replace(POOL, least=2)
    sample = Sample(at_ns=START, workers=(), running=frozenset(), pending=0)
    standing, made = step(Standing(), pool, sample)
    assert len(made) == 2
    later = replace(sample, at_ns=START + 19 * S)
    standing, made = step(standing, pool, later)
    assert not made
    standing, made = step(standing, pool, replace(sample, at_ns=START + 61 * S))
    assert [one.act for one in made] == [Act.START, Act.START]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1), st.integers(0, 2), st.integers(0, 3), st.booleans(), st.booleans()
        ),
        max_size=300,
    ),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_whatever_happens_the_bounds_hold(looks, least: int, more: int):
    pool = replace(POOL, least=least, most=least + more, idle_s=20, cooldown_s=10)
    play = Play(pool, workers=least)
    for cpu, held, pending, wanting, lose in looks:
        if lose and play.names:
            play.names.pop()
        play.look(cpu, held=held, pending=pending, wanting=wanting)
        kept = [one for one in play.standing.members.values() if not one.drain_ns]
        assert len(kept) + len(play.standing.asked) <= pool.most
        assert len(play.names) <= pool.most + 8  # those that drain are still there


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2), st.integers(0, 2)), max_size=100))
def test_the_same_samples_lead_to_the_same_decisions(looks):
    plays = Play(), Play()
    for cpu, held, pending in looks:
        first, second = (one.look(cpu, held=held, pending=pending) for one in plays)
        assert first == second
    assert plays[0].standing == plays[1].standing
