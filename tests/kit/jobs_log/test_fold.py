"""Do the records of the log add up to the right state, and is damage found?"""

from __future__ import annotations

import gc

import pytest

from solvent.kit.jobs import record as r
from solvent.kit.jobs import table
from solvent.kit.jobs.fold import LogCorrupt, State
from solvent.kit.jobs.job import ASSIGNED, CANCELED, DEAD, GATHERING, WAITING, pack_job, unpack_job

SECOND = 1_000_000_000
A, B = "solvent.a", "ten_alice.b"


def test_a_job_lives_from_submission_to_done(book) -> None:
    assert book.submit(A, not_before_ns=7).job.due_ns == 7
    assigned = book.assign(A)
    job = book.state.jobs[A]
    assert (job.phase, job.fence, job.worker, job.attempt) == (ASSIGNED, assigned.seq, "w1", 1)
    done = book.finish(A)
    assert (done.kind, done.before, done.job) == ("done", ASSIGNED, job)
    assert A not in book.state.jobs
    assert book.state.finished[A] is job
    assert (job.space, job.task_id, job.subject) == ("solvent", "a", "job.solvent.a")


def test_jobs_that_wait_keep_one_text_of_their_name_and_queue(book) -> None:
    """A million jobs wait in memory: what they have in common is there once."""
    first, other = (book.submit(key, name="mail.send", queue="mails").job for key in (A, B))
    carried = unpack_job(pack_job(first), key=A, seq=9)
    assert first.spec is not other.spec
    for spec in (other.spec, carried.spec):
        assert spec.name is first.spec.name
        assert spec.queue is first.spec.queue
    assert not gc.is_tracked(first.spec)


def test_a_failed_job_waits_from_the_time_of_the_record(book) -> None:
    book.submit(A)
    fence = book.assign(A).seq
    book.write(A, r.Failed, fence=fence, error="boom", retry_in_ns=5 * SECOND)
    job = book.state.jobs[A]
    assert (job.phase, job.due_ns, job.error) == (WAITING, book.now_ns + 5 * SECOND, "boom")
    assert book.assign(A).job.attempt == 2


@pytest.mark.parametrize(
    "cause, attempt, lost",
    [("worker_lost", 1, 1), ("timeout", 1, 0), ("drained", 0, 0), ("refused", 0, 0)],
)
def test_what_an_expiry_costs_depends_on_its_cause(book, cause, attempt, lost) -> None:
    book.submit(A)
    book.write(A, r.Expired, fence=book.assign(A).seq, cause=cause)
    job = book.state.jobs[A]
    assert (job.phase, job.attempt, job.lost) == (WAITING, attempt, lost)


def test_a_late_result_is_refused_by_its_fence(book) -> None:
    book.submit(B)
    late = book.assign(B).seq
    book.write(B, r.Expired, fence=late, cause="worker_lost")
    book.assign(B, worker="w2")
    refused = book.finish(B, fence=late)
    assert refused.kind == "void"
    assert "fence" in refused.reason
    assert book.state.jobs[B].worker == "w2"
    assert book.finish(B).kind == "done"


def test_a_dead_job_is_replayed_from_its_first_attempt(book) -> None:
    book.submit(A)
    fence = book.assign(A).seq
    book.write(A, r.Dead, fence=fence, reason="boom")
    assert (book.state.jobs[A].phase, list(book.state.dead)) == (DEAD, [A])
    book.write(A, r.Replayed)
    job = book.state.jobs[A]
    assert (job.phase, job.attempt, book.state.dead) == (WAITING, 0, {})


def test_a_canceled_job_gives_room_to_its_next_life(book) -> None:
    book.submit(A)
    book.write(A, r.Canceled, reason="not wanted")
    assert book.state.jobs[A].phase == CANCELED
    assert book.submit(A, name="again").before == CANCELED
    assert book.state.jobs[A].spec.name == "again"


def test_a_second_submission_of_a_live_job_is_void(book) -> None:
    book.submit(A)
    assert book.submit(A, name="other").kind == "void"
    assert book.state.jobs[A].spec.name == "noop"


def test_a_group_calls_back_once_all_members_are_done(book) -> None:
    group = "ten_alice.g"
    book.write(group, r.Grouped, size=2, callback=r.Spec(name="sum"))
    for member in (f"{group}-0", f"{group}-1"):
        book.submit(member, group="g")
    assert book.submit(group, name="sum").kind == "void"
    headers = []
    for member in (f"{group}-1", f"{group}-0"):
        book.assign(member)
        headers.append(book.finish(member).header)
    assert headers == [book.state.jobs[group]] * 2
    assert book.state.jobs[group].group.is_complete
    assert book.submit(group, name="sum", gather=2).before == GATHERING
    assert book.state.jobs[group].phase == WAITING


def test_a_dead_member_breaks_its_group_until_it_is_replayed(book) -> None:
    group = "ten_alice.g"
    book.write(group, r.Grouped, size=1)
    book.submit(f"{group}-0", group="g")
    assert book.write(f"{group}-0", r.Dead, reason="boom").header.group.broken == 1
    assert book.write(f"{group}-0", r.Replayed).header.group.broken == 0


def test_a_member_counts_once_and_only_within_its_group(book) -> None:
    group = "ten_alice.g"
    book.write(group, r.Grouped, size=2)
    for member in ("ten_alice.g-0", "ten_alice.g-0", "ten_alice.g-7", "ten_alice.other"):
        book.submit(member, group="g")
        book.assign(member)
        book.finish(member)
    assert book.state.jobs[group].group.done_count == 1


@pytest.mark.parametrize("key, corrupt", [(A, True), (B, False)])
def test_a_broken_chain_is_damage_in_our_space_and_void_in_a_tenants(book, key, corrupt) -> None:
    book.submit(key)
    if corrupt:
        with pytest.raises(LogCorrupt, match=r"record 2 \(job.solvent.a\)"):
            book.write(key, r.Canceled, prev=b"x" * 16)
    else:
        assert book.write(key, r.Canceled, prev=b"x" * 16).kind == "void"
        assert book.state.jobs[key].phase == WAITING
        assert book.write(key, r.Canceled).kind == "canceled"


def test_bytes_that_are_no_record_are_damage_in_our_space_and_void_in_a_tenants(book) -> None:
    assert book.put(f"job.{B}", b"\xc1 nonsense").kind == "void"
    with pytest.raises(LogCorrupt, match="it is no record"):
        book.put(f"job.{A}", b"\xc1 nonsense")


def test_a_missing_record_is_damage(book) -> None:
    for name in "abc":
        book.submit(f"solvent.{name}")
    with pytest.raises(LogCorrupt, match="the records from 2 to 2 are missing"):
        book.refold([book.entries[0], book.entries[2]])


def test_a_log_that_lost_its_beginning_is_damage(book) -> None:
    for name in "ab":
        book.submit(f"solvent.{name}")
    with pytest.raises(LogCorrupt, match="begins with a checkpoint"):
        book.refold(book.entries[1:])


def test_a_changed_record_is_found_at_the_next_checkpoint_but_one(book) -> None:
    book.submit(B, args=b"[1]")
    book.mark()
    book.mark()
    changed = list(book.entries)
    changed[0] = changed[0]._replace(data=changed[0].data.replace(b"[1]", b"[2]"))
    with pytest.raises(LogCorrupt, match="some record before 2 is not what it was"):
        book.refold(changed)


def test_another_state_is_found_at_the_next_checkpoint(book) -> None:
    book.submit(B)
    book.mark()
    wrong = book.state.next_checkpoint()
    wrong = r.Checkpoint(wrong.upto, wrong.log_digest, b"x" * 32, wrong.live)
    with pytest.raises(LogCorrupt, match="the state was another"):
        book.put("checkpoint", r.encode(wrong))


@pytest.mark.parametrize(
    "subject, record",
    [
        ("checkpoint", r.Scaled("default", "out", "busy", {})),
        ("scaling.default", r.Vouched(0)),
        ("other", r.Vouched(0)),
        ("checkpoint", r.Checkpoint(99, b"", b"", 0)),
    ],
)
def test_what_only_we_may_write_must_be_right(book, subject, record) -> None:
    with pytest.raises(LogCorrupt):
        book.put(subject, r.encode(record))


def test_a_carried_record_counts_for_nothing_unless_it_is_vouched_for(book) -> None:
    book.submit(B)
    assert book.write(B, r.Carried, state=b"\x80").kind == "void"
    assert book.assign(B).kind == "assigned"


def test_what_was_vouched_for_must_come(book) -> None:
    book.submit(B)
    book.put("checkpoint", r.encode(r.Vouched(1)))
    with pytest.raises(LogCorrupt, match="1 records before it are missing"):
        book.assign(B)


def test_what_is_carried_must_be_our_state(book) -> None:
    book.submit(B)
    book.put("checkpoint", r.encode(r.Vouched(1)))
    with pytest.raises(LogCorrupt, match="another state than ours"):
        book.write(B, r.Carried, state=b"\x80")


def test_a_job_has_no_checkpoint_on_its_subject(book) -> None:
    assert book.put(f"job.{B}", r.encode(r.Vouched(0))).kind == "void"


def test_the_digest_is_the_same_however_it_was_come_to(book) -> None:
    for place in range(20):
        book.submit(f"ten_alice.{place}")
        if place % 3 == 0:
            book.state.digest()
    for place in range(0, 20, 2):
        book.assign(f"ten_alice.{place}")
    assert book.state.digest() == book.refold().digest()
    assert book.state.log_digest() == book.refold().log_digest()
    before = book.state.digest()
    book.finish("ten_alice.0")
    assert book.state.digest() != before


def test_finished_and_dead_jobs_are_kept_in_bounds(book, monkeypatch) -> None:
    monkeypatch.setattr(table, "FINISHED_KEPT_MAX", 3)
    monkeypatch.setattr(table, "DEAD_KEPT_MAX", 2)
    for place in range(5):
        book.submit(f"{A}{place}", args=b"x" * 300)
        book.assign(f"{A}{place}")
        book.finish(f"{A}{place}")
        book.submit(f"{B}{place}")
        book.write(f"{B}{place}", r.Dead, reason="boom")
    assert list(book.state.finished) == [f"{A}{place}" for place in (2, 3, 4)]
    assert all(not job.spec.args for job in book.state.finished.values())
    assert list(book.state.jobs) == list(book.state.dead) == [f"{B}3", f"{B}4"]
    assert book.write(f"{B}0", r.Replayed).kind == "void"


def test_an_empty_log_folds_to_nothing() -> None:
    assert State().digest() == bytes(32)
