"""Can anything make a snapshot look fresher than it is? The arithmetic, on clocks that lie."""

from hypothesis import assume, given
from hypothesis import strategies as st

from solvent_client.freshness import NO_PROOF, ClockOffset, Proof

BOUND_MS = 1000
DELAYS = st.floats(0, 60_000)
STARTS = st.floats(0, 1e9)
OFFSETS = st.floats(-2e12, 2e12)
SLACK_MS = 0.01  # doubles of the size of an epoch in ms hold a thousandth


@given(
    offset=OFFSETS,
    asked=STARTS,
    until_read=DELAYS,
    beats=st.lists(st.tuples(st.floats(0, 600_000), DELAYS), min_size=1, max_size=20),
)
def test_never_served_past_the_bound_however_late_beats_come(offset, asked, until_read, beats):
    """The true offset is `offset`; the greeting's clock was read `until_read` ms after asking."""
    proof = Proof(NO_PROOF.live_until_ms, ClockOffset(low=asked - (asked + until_read - offset)))
    newest = float("-inf")
    for after_ms, delay in beats:
        made = asked + after_ms  # local time at which the beat was made
        newest = max(newest, made)
        proof = proof.heard(at_ms=made - offset, received_ms=made + delay, bound_ms=BOUND_MS)
    assert proof.live_until_ms <= newest + BOUND_MS + SLACK_MS


@given(offset=OFFSETS, beats=st.lists(st.tuples(STARTS, DELAYS), min_size=1, max_size=20))
def test_without_the_greetings_clock_the_least_delay_is_the_only_error(offset, beats):
    proof = NO_PROOF
    for made, delay in beats:
        proof = proof.heard(at_ms=made - offset, received_ms=made + delay, bound_ms=BOUND_MS)
    newest, least = max(made for made, _ in beats), min(delay for _, delay in beats)
    first_delay = beats[0][1]
    assert proof.live_until_ms <= newest + BOUND_MS + max(least, first_delay) + SLACK_MS


@given(offset=OFFSETS, made=STARTS, delay=DELAYS, step=st.floats(0.1, 1e9))
def test_a_database_clock_set_forward_proves_nothing_more(offset, made, delay, step):
    proof = NO_PROOF.heard(at_ms=made - offset, received_ms=made + delay, bound_ms=BOUND_MS)
    later = proof.heard(
        at_ms=made + 200 - offset + step, received_ms=made + 200 + delay, bound_ms=BOUND_MS
    )
    assert later.live_until_ms <= made + 200 + delay + BOUND_MS + SLACK_MS


@given(offset=OFFSETS, made=STARTS, delay=DELAYS, again=st.floats(0, 1e6))
def test_a_beat_repeated_later_proves_nothing_new(offset, made, delay, again):
    once = NO_PROOF.heard(at_ms=made - offset, received_ms=made + delay, bound_ms=BOUND_MS)
    twice = once.heard(at_ms=made - offset, received_ms=made + delay + again, bound_ms=BOUND_MS)
    assert twice == once


@given(offset=OFFSETS, asked=STARTS, until_read=DELAYS, delay=DELAYS, now=STARTS)
def test_the_true_time_lies_between_the_two_that_are_known(offset, asked, until_read, delay, now):
    assume(now >= asked + until_read + delay)
    low = asked - (asked + until_read - offset)
    heard = ClockOffset(low=low).heard(
        at_ms=asked + until_read - offset, received_ms=asked + until_read + delay
    )
    moment = heard.moment(now)
    assert moment[0] - SLACK_MS <= now - offset <= moment[1] + SLACK_MS


def test_before_the_first_beat_the_time_is_not_known():
    assert ClockOffset(low=0.0).moment(5.0) is None
