"""Do the engines of the test plugin come up, and are they shut to strangers?"""

import socket
from urllib.parse import urlsplit

import asyncpg
import nats


async def test_postgres_answers_its_owner(engines):
    connection = await asyncpg.connect(engines.access.postgres.owner_dsn)
    try:
        row = await connection.fetchrow("select current_user as who, current_database() as place")
    finally:
        await connection.close()
    assert tuple(row) == ("solvent_owner", "solvent")


async def test_nats_stores_a_message(engines):
    access = engines.access.nats
    client = await nats.connect(access.url, user=access.user, password=access.password)
    try:
        stream = client.jetstream()
        await stream.add_stream(name="probe", subjects=["probe.*"])
        acknowledged = await stream.publish("probe.one", b"x")
        await stream.delete_stream("probe")
    finally:
        await client.close()
    assert acknowledged.seq == 1


def test_nats_refuses_the_anonymous(engines):
    where = urlsplit(engines.access.nats.url)
    with socket.create_connection((where.hostname, where.port), timeout=5) as sock:
        sock.sendall(b'CONNECT {"verbose":true}\r\nPING\r\n')
        said = b"".join(iter(lambda: sock.recv(4096), b""))
    assert b"-ERR 'Authorization Violation'" in said
