"""Do the records of jobs look in the log as other programs expect them to?

The vectors in `queue/records.json` were written by the server's codec. The client's tests read the
same file, so neither side can change the bytes without the other. `python
tests/contracts/test_queue_records.py` writes it anew, after a change that everybody agreed to.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from solvent.kit.jobs import record as r

VECTORS = Path(__file__).parent / "queue" / "records.json"
PREV = bytes(range(16))
NS = 1_000_000_000

PLAIN = r.Spec(name="shop.add", args=b"[[1,2],{}]")
FULL = r.Spec(
    name="shop.mail",
    args=b"\x92\x91\x01\x80",
    codec="msgpack",
    queue="mail",
    priority=9,
    not_before_ns=1_767_225_600 * NS,
    expires_ns=1_767_229_200 * NS,
    timeout_ns=60 * NS,
    max_attempts=3,
    backoff=r.Backoff(base_ms=10, factor=3.0, max_ms=5_000, jitter=0.25),
    key="customer:7",
    key_limit=2,
    in_order=True,
    rate=r.Rate(key="mail", count=10, per_ns=60 * NS),
    keep_result=False,
    then=b"\x90",
    group="0f0f",
    gather=3,
    root="root",
    trace="00-1-2-01",
)

RECORDS: dict[str, r.Record] = {
    "submitted": r.Submitted(r.CHAIN_START, PLAIN, by="client"),
    "submitted_in_full": r.Submitted(PREV, FULL, by="client"),
    "grouped": r.Grouped(r.CHAIN_START, 3, PLAIN, by="client"),
    "grouped_without_callback": r.Grouped(r.CHAIN_START, 3),
    "assigned": r.Assigned(PREV, "w-1", 2, 1_767_225_660 * NS, by="d-1"),
    "done": r.Done(PREV, 17, b"3", by="w-1"),
    "done_without_result": r.Done(PREV, 17),
    "failed": r.Failed(PREV, 17, "ValueError: x", 2 * NS, detail="Traceback", by="w-1"),
    "expired": r.Expired(PREV, 17, "worker_lost", by="d-1"),
    "drained": r.Expired(PREV, 17, "drained", 5, by="w-1"),
    "dead": r.Dead(PREV, "timeout", 17, "Traceback", by="w-1"),
    "canceled": r.Canceled(PREV, "off", by="client"),
    "replayed": r.Replayed(PREV, by="client"),
    "carried": r.Carried(PREV, b"\x80", by="d-1"),
    "scheduled": r.Scheduled(
        r.CHAIN_START, PLAIN, "0 3 * * *", zone="Europe/Berlin", catch_up="all", after_ns=5
    ),
}


def written() -> dict[str, dict[str, str]]:
    """Return the vectors as the server's codec writes them now."""
    return {
        name: {"bytes": (data := r.encode(one)).hex(), "hash": r.chain_hash(data).hex()}
        for name, one in RECORDS.items()
    }


def test_the_bytes_of_records_are_those_that_clients_were_built_for() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == written()


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_comes_back_from_its_bytes(name: str) -> None:
    told = json.loads(VECTORS.read_text(encoding="utf-8"))[name]
    assert r.decode(bytes.fromhex(told["bytes"])) == RECORDS[name]


def test_bytes_that_are_no_record_are_refused() -> None:
    for data in (b"", b"\x80", b"\xc1", b"{}", msgspec.msgpack.encode({"kind": "sung"})):
        with pytest.raises(msgspec.DecodeError):
            r.decode(data)


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(written(), indent=1) + "\n", encoding="utf-8")
