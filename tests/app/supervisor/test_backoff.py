"""Do the pauses between restarts grow, stay bounded and begin anew?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.app.supervisor.backoff import Policy, Restarts


def test_each_failure_doubles_the_pause_up_to_the_limit():
    restarts = Restarts(Policy(first_s=0.1, most_s=1.0, jitter=0.0))
    pauses = [restarts.pause_s(ran_s=0.0, chance=0.5) for _ in range(6)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_a_stable_run_begins_anew():
    restarts = Restarts(Policy(first_s=0.1, jitter=0.0, stable_s=30.0))
    for _ in range(5):
        restarts.pause_s(ran_s=29.9, chance=0.0)
    assert restarts.pause_s(ran_s=30.0, chance=0.0) == pytest.approx(0.1)


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_chance_only_shortens_and_never_past_its_share(failures, chance):
    policy = Policy()
    restarts = Restarts(policy, failures)
    pause_s = restarts.pause_s(ran_s=0.0, chance=chance)
    assert policy.first_s * (1 - policy.jitter) <= pause_s <= policy.most_s
