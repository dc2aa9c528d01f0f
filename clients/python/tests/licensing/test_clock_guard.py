"""Is a clock that was set back noticed, and one that is merely wrong left alone?"""

import datetime as dt
import os
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publisher import DAY, KEY, NOW
from test_activation import refused

from solvent_client.licensing import clock
from solvent_client.licensing.clock import Evidence, Reading, judge

YEAR = 365 * DAY
HOUR = 3600


@pytest.fixture
def used(active):
    """A machine on which the program has run for ten days."""
    for _ in range(10):
        active.later(DAY)
        assert active.reason() is None
    return active


@pytest.mark.parametrize("back_s", [DAY, 7 * DAY, 3 * HOUR])
def test_a_clock_set_back_is_refused_until_it_is_right(used, back_s):
    used.set_clock(-back_s)
    assert used.reason() == "clock_moved_back"
    assert used.reason() == "clock_moved_back"
    used.set_clock(back_s)
    assert used.reason() is None


def test_a_clock_set_back_a_year_is_refused(used):
    used.set_clock(-YEAR)
    assert used.reason() == "clock_moved_back"


def test_a_clock_set_back_does_not_prolong_what_has_expired(used):
    used.later(30 * DAY)
    assert used.reason() == "file_expired"
    used.set_clock(-20 * DAY)
    assert used.reason() == "clock_moved_back"


def test_forward_then_back_is_noticed(used):
    used.set_clock(5 * DAY)
    assert used.reason() is None
    used.set_clock(-5 * DAY)
    assert used.reason() == "clock_moved_back"


def test_forward_past_the_end_then_back_is_noticed(used):
    used.set_clock(YEAR)
    assert used.reason() == "file_expired"
    used.set_clock(-YEAR)
    assert used.reason() == "clock_moved_back"


def test_a_restart_of_the_machine_forgets_nothing(used):
    used.restart()
    used.set_clock(-DAY)
    assert used.reason() == "clock_moved_back"


def test_back_to_just_after_the_last_run_is_noticed_by_what_cannot_be_set(used):
    """The program did not run for three days; the machine did, and it counts its seconds."""
    used.later(3 * DAY)
    used.set_clock(-3 * DAY + 60)
    assert used.reason() == "clock_moved_back"


def test_drift_of_five_minutes_is_not_flagged(used):
    for drift in (-300, 300, -300, -300, 300):
        used.set_clock(drift)
        assert used.reason() is None


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_daylight_saving_time_is_not_flagged(used, zone, monkeypatch):
    """UTC goes on over both changes; a firmware clock in local time is an hour off meanwhile."""
    monkeypatch.setenv("TZ", zone)
    for month in (3, 4, 10, 11):
        moment = dt.datetime(2027, month, 1, tzinfo=ZoneInfo(zone))
        offset_s = moment.utcoffset().total_seconds()
        used.evidence = [Evidence("firmware", used.now + int(offset_s), clock.FIRMWARE_TOLERANCE_S)]
        used.set_clock(HOUR)
        used.set_clock(-HOUR)
        assert used.reason() is None


def test_a_restored_snapshot_whose_store_goes_back_too_is_noticed_by_other_witnesses(used):
    """All of the disk goes back with the clock: the firmware's clock, the host's, does not."""
    shutil.copytree(used.disk, used.disk.parent / "snapshot")
    then = used.now
    used.later(60 * DAY)
    assert used.reason() == "file_expired"
    shutil.rmtree(used.disk)
    shutil.copytree(used.disk.parent / "snapshot", used.disk)
    used.now, host = then, used.now
    used.restart("boot-9")
    assert used.reason() is None, "nothing bears witness: the file's own end bounds it"
    used.evidence = [Evidence("firmware", host, clock.FIRMWARE_TOLERANCE_S)]
    assert used.reason() == "clock_moved_back"


def test_a_restored_snapshot_of_a_running_machine_is_noticed(used):
    """The same start of the machine, and its seconds run backwards."""
    used.since_boot_s -= 5 * DAY
    assert used.reason() == "clock_moved_back"


def test_a_file_of_the_future_of_the_system_bears_witness(used):
    used.evidence = [Evidence("system_file", used.now + DAY)]
    assert used.reason() == "clock_moved_back"
    used.evidence = [Evidence("system_file", used.now + HOUR)]
    assert used.reason() is None


def test_a_computer_that_once_ran_ahead_is_put_right_by_a_fresh_answer(used, publisher):
    used.set_clock(YEAR)
    used.reason()
    used.set_clock(-YEAR)
    assert used.reason() == "clock_moved_back"
    licensing = used.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY), issued=used.now))
    assert used.reason() is None


def test_a_hoarded_answer_does_not_put_a_clock_right_that_was_set_back(used, publisher):
    licensing = used.licensing()
    hoarded = publisher.answer(licensing.request(license_key=KEY), issued=used.now)
    before = used.now
    used.later(25 * DAY)
    used.reason()
    used.set_clock(before + 60 - used.now)
    assert refused(licensing.activate, hoarded) == "clock_moved_back"


def test_the_license_itself_says_when_it_is_at_least(computer, publisher):
    licensing = computer.licensing()
    answer = publisher.answer(licensing.request(license_key=KEY))
    computer.set_clock(-DAY)
    assert refused(licensing.activate, answer) == "from_the_future"


# ------------------------------------------------------------------------------------- the rules


@given(
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.integers(-clock.TOLERANCE_S, clock.TOLERANCE_S),
)
def test_an_honest_clock_is_never_flagged(since_boot_s, elapsed_s, drift_s):
    then = Reading(NOW, "boot", since_boot_s)
    now = Reading(NOW + elapsed_s + drift_s, "boot", since_boot_s + elapsed_s)
    assert judge(now, [then]) is None


@given(st.integers(0, 10**7), st.integers(clock.TOLERANCE_S + 1, 10**8))
def test_a_clock_set_back_is_always_flagged_while_the_machine_runs(elapsed_s, back_s):
    then = Reading(NOW, "boot", 0)
    assert judge(Reading(NOW + elapsed_s - back_s, "boot", elapsed_s), [then]) is not None


def test_without_evidence_nothing_is_flagged():
    assert judge(Reading(0), []) is None


@pytest.mark.parametrize("told", [None, [], {}, {"wall": "x", "since_boot_s": 1}, {"wall": 1}])
def test_a_reading_that_is_none_is_none(told):
    assert clock.reading_of(told) is None


def test_the_machine_is_read(tmp_path):
    """Files of this very system, and of one that is made up."""
    now = clock.read()
    assert now.wall > NOW
    assert judge(now, [now], clock.witnesses()) is None
    rtc = tmp_path / "sys/class/rtc/rtc0"
    rtc.mkdir(parents=True)
    (rtc / "since_epoch").write_text("1768471200\n")
    log = tmp_path / "var/log/wtmp"
    log.parent.mkdir(parents=True)
    log.touch()
    os.utime(log, (NOW, NOW))
    own = tmp_path / "own"
    own.touch()
    told = {one.source: one for one in clock.witnesses([own, Path("/nowhere")], root=tmp_path)}
    assert told["firmware"].at == NOW
    assert told["own_file"].at >= NOW
    if os.getuid() == 0:
        assert told["system_file"].at == NOW
        os.chown(log, 12345, 12345)
    assert "system_file" not in {one.source for one in clock.witnesses(root=tmp_path)}
