"""Does the client write and read the very bytes that the server does?"""

import json
from pathlib import Path

import msgspec
import pytest

from solvent_client.tasks.links import GroupLink, TaskLink, pack_links, unpack_links
from solvent_client.tasks.record import (
    Assigned,
    Carried,
    Dead,
    Scheduled,
    Spec,
    Submitted,
    chain_hash,
    decode,
    encode,
    read_carriage,
)

ROOT = Path(__file__).resolve().parents[4]
VECTORS = json.loads((ROOT / "tests" / "contracts" / "queue" / "records.json").read_text("utf-8"))


@pytest.mark.parametrize("name", VECTORS)
def test_each_vector_of_the_server_is_read_and_written_byte_by_byte(name):
    data = bytes.fromhex(VECTORS[name]["bytes"])
    assert encode(decode(data)) == data
    assert chain_hash(data).hex() == VECTORS[name]["hash"]


def test_what_is_read_is_what_the_server_meant():
    def read(name):
        return decode(bytes.fromhex(VECTORS[name]["bytes"]))

    full, dead, assigned = read("submitted_in_full"), read("dead"), read("assigned")
    assert isinstance(full, Submitted)
    assert (full.spec.name, full.spec.rate.count, full.spec.backoff.factor) == ("shop.mail", 10, 3)
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.fence) == ("timeout", 17)
    assert isinstance(assigned, Assigned)
    assert (assigned.worker, assigned.epoch) == ("w-1", 2)
    assert isinstance(read("scheduled"), Scheduled)


def test_bytes_that_are_no_record_are_refused():
    for data in (b"", b"\x80", b"\xc1", msgspec.msgpack.encode({"kind": "sung"})):
        with pytest.raises(msgspec.DecodeError):
            decode(data)


def test_of_a_carried_state_the_client_reads_who_has_the_job():
    state = msgspec.msgpack.encode(
        {"spec": {"name": "x"}, "phase": "assigned", "submitted_ns": 1, "fence": 9, "worker": "w-1"}
    )
    held = read_carriage(Carried(prev=b"", state=state))
    assert (held.phase, held.fence, held.worker) == ("assigned", 9, "w-1")
    assert read_carriage(Carried(prev=b"", state=b"")) is None


def test_links_come_back_as_they_were():
    task = TaskLink(Spec(name="x"), immutable=True, delay_ns=5, life_ns=7)
    links = [task, GroupLink([[task], [task, task]]), GroupLink([[task]], callback=task)]
    assert unpack_links(pack_links(links)) == (links, False)
    assert unpack_links(pack_links(links, alone=True)) == (links, True)
    assert (pack_links([]), unpack_links(b"")) == (b"", ([], False))
    with pytest.raises(msgspec.DecodeError):
        unpack_links(b"\xc1")
