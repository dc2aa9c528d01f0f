"""Does any change to any record of a chain show, and does the first one get named?"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.audit import rules
from solvent.kernel.audit.model import GENESIS_HASH, Bounds, Entry, Head, Record, Why
from solvent.kit.ids import TenantId

AT = datetime(2026, 1, 15, 10, 0, 0, 123456, tzinfo=UTC)
TENANT = TenantId("ten_00000000000000000000000001")


def entry(number: int = 1, **data) -> Entry:
    return rules.entry(
        at=AT, actor="member:alice", action="tests.thing_done", subject=f"thing_{number}", data=data
    )


def chain(length: int) -> list[Record]:
    records, prev = [], GENESIS_HASH
    for seq in range(1, length + 1):
        record = Record(TENANT, seq, entry(seq, n=seq), prev, "")
        record = replace(record, hash=rules.record_hash(record))
        records.append(record)
        prev = record.hash
    return records


def flaw_of(records: list[Record], head: Head | None):
    check = rules.ChainCheck()
    check.feed(records)
    last = max((record.seq for record in records), default=0)
    return check.finish(Bounds(head, last))


def head_of(records: list[Record]) -> Head:
    return Head(records[-1].seq, records[-1].hash)


def test_a_whole_chain_has_no_flaw() -> None:
    records = chain(5)
    assert flaw_of(records, head_of(records)) is None


def test_an_empty_tenant_has_no_flaw() -> None:
    assert flaw_of([], None) is None


FORGERIES = {
    "actor": lambda r: replace(r, entry=replace(r.entry, actor="member:mallory")),
    "action": lambda r: replace(r, entry=replace(r.entry, action="tests.nothing_done")),
    "subject": lambda r: replace(r, entry=replace(r.entry, subject="other")),
    "data": lambda r: replace(r, entry=replace(r.entry, data={"n": 99})),
    "time": lambda r: replace(r, entry=replace(r.entry, at=r.entry.at + timedelta(microseconds=1))),
    "tenant": lambda r: replace(r, tenant_id=TenantId("ten_other")),
    "hash": lambda r: replace(r, hash="f" * 64),
}


@pytest.mark.parametrize("what", FORGERIES)
@pytest.mark.parametrize("place", [1, 3, 5])
def test_names_first_bad_record(what: str, place: int) -> None:
    records = chain(5)
    head = head_of(records)
    records[place - 1] = FORGERIES[what](records[place - 1])
    flaw = flaw_of(records, head)
    assert (flaw.seq, flaw.why) == (place, Why.HASH_MISMATCH)


def test_a_forged_record_with_a_new_hash_breaks_the_next_link() -> None:
    records = chain(5)
    forged = FORGERIES["data"](records[2])
    records[2] = replace(forged, hash=rules.record_hash(forged))
    flaw = flaw_of(records, head_of(records))
    assert (flaw.seq, flaw.why) == (4, Why.BROKEN_LINK)


def test_a_missing_record_is_a_gap() -> None:
    records = chain(5)
    flaw = flaw_of(records[:2] + records[3:], head_of(records))
    assert (flaw.seq, flaw.why) == (3, Why.GAP)


def test_two_records_that_changed_places_are_a_gap() -> None:
    records = chain(5)
    records[1], records[2] = records[2], records[1]
    flaw = flaw_of(records, head_of(records))
    assert (flaw.seq, flaw.why) == (2, Why.GAP)


def test_truncation_is_seen() -> None:
    records = chain(5)
    flaw = flaw_of(records[:3], head_of(records))
    assert (flaw.seq, flaw.why) == (4, Why.TRUNCATED_TAIL)
    gone = flaw_of([], head_of(records))
    assert (gone.seq, gone.why) == (1, Why.TRUNCATED_TAIL)


def test_a_lost_head_is_seen() -> None:
    flaw = flaw_of(chain(3), None)
    assert (flaw.seq, flaw.why) == (3, Why.MISSING_HEAD)


def test_a_record_beyond_the_head_is_seen() -> None:
    records = chain(5)
    check = rules.ChainCheck()
    check.feed(records[:4])
    flaw = check.finish(Bounds(head_of(records[:4]), 5))
    assert (flaw.seq, flaw.why) == (5, Why.BEYOND_HEAD)


def test_a_head_of_another_chain_is_seen() -> None:
    flaw = flaw_of(chain(3), Head(3, "a" * 64))
    assert (flaw.seq, flaw.why) == (3, Why.HEAD_MISMATCH)


def test_hash_covers_every_field_once() -> None:
    """The hashed text is plain canonical JSON of all fields: nobody needs our code to check it."""
    record = chain(2)[1]
    told = json.loads(rules.canonical(record))
    assert told == {
        "tenant": TENANT,
        "seq": 2,
        "at": "2026-01-15T10:00:00.123456Z",
        "actor": "member:alice",
        "action": "tests.thing_done",
        "subject": "thing_2",
        "data": {"n": 2},
        "prev_hash": record.prev_hash,
    }
    assert rules.canonical(record) == json.dumps(told, sort_keys=True, separators=(",", ":"))


def test_the_zone_of_a_moment_does_not_change_its_text() -> None:
    plus_two = AT.astimezone(timezone(timedelta(hours=2)))
    assert rules.time_text(plus_two) == rules.time_text(AT) == "2026-01-15T10:00:00.123456Z"


@given(st.text(max_size=3000))
def test_any_text_can_be_recorded(text: str) -> None:
    clean = rules.clean_text(text)
    assert "\0" not in clean
    assert len(clean) <= rules.TEXT_LENGTH_MAX
    clean.encode()


@pytest.mark.parametrize(
    "given_value, kept",
    [
        (Decimal("0.10"), "0.10"),
        (AT, "2026-01-15T10:00:00.123456Z"),
        (("a", "b\0"), ["a", "b\N{REPLACEMENT CHARACTER}"]),
        (10**30, 10**30),
        (None, None),
        (True, True),
    ],
)
def test_a_fact_takes_a_form_that_comes_back_unchanged(given_value, kept) -> None:
    assert rules.clean_fact(given_value) == kept


@pytest.mark.parametrize("wrong", [0.1, b"bytes", {"a": 1}, object()])
def test_a_fact_without_one_text_is_a_bug(wrong) -> None:
    with pytest.raises(TypeError):
        rules.clean_fact(wrong)


@pytest.mark.parametrize("action", ["", "done", "Tests.done", "tests.done.twice", "tests.done\n"])
def test_an_action_that_no_module_owns_is_a_bug(action: str) -> None:
    with pytest.raises(ValueError, match=r"module\.what_happened"):
        rules.entry(at=AT, actor="a:b", action=action, subject="", data={})
