"""What do the tests of the door share: a real server, a key for Alice, one for Mallory?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats
import nats.js.errors
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nats.aio.client import Client
from nats.js.api import StreamConfig

from solvent.app.supervisor.engines import Engines, boot_engines
from solvent.app.supervisor.nats import ISSUER_FILE
from solvent.app.supervisor.settings import EngineSettings
from solvent.app.testing import fast_directory
from solvent.kit.clock import SystemClock
from solvent.kit.errors import Unauthenticated
from solvent.kit.jobs.access import Callout, Door, DoorSettings, Grant
from solvent.kit.nkey import KeyKind, Keypair, keypair_of

STREAM = StreamConfig(
    name="JOBS", subjects=["job.*.*", "cron.*.*", "scaling.*", "checkpoint"], allow_direct=True
)


@contextmanager
def nats_alone() -> Generator[Engines]:
    """Run a NATS on a directory of its own, and no database."""
    data_dir = Path(tempfile.mkdtemp(prefix="solvent-test-", dir=fast_directory()))
    settings = EngineSettings(data_dir=data_dir, postgres="postgresql://nobody@127.0.0.1/none")
    try:
        with boot_engines(data_dir, settings=settings) as running:
            yield running
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


@dataclass
class Keys:
    """An admitter that knows a few keys, each with the grant that it gives."""

    known: dict[str, Grant] = field(default_factory=dict)

    async def __call__(self, user: str, password: str) -> Grant:
        grant = self.known.get(password)
        if grant is None or user not in {"key", grant.space}:
            raise Unauthenticated
        return grant


@dataclass
class Site:
    """A server whose callout is answered, and a door in front of it."""

    house: Client
    door: Door
    keys: Keys
    issuer: Keypair
    direct_url: str
    callout: AsyncExitStack
    opened: AsyncExitStack

    @asynccontextmanager
    async def through(self, key: str, *, user: str = "key", **options) -> AsyncGenerator[Client]:
        """Connect through the door; what the server tells it of refusals is in `told`."""
        told: list[str] = []

        async def note(error: Exception) -> None:
            told.append(str(error))

        space = self.keys.known[key].space if key in self.keys.known else "none"
        client = await nats.connect(
            f"nats://127.0.0.1:{self.door.port}",
            user=user,
            password=key,
            inbox_prefix=f"_INBOX.{space}".encode(),
            error_cb=note,
            allow_reconnect=options.pop("allow_reconnect", False),
            **options,
        )
        client.told = told
        try:
            yield client
        finally:
            await client.close()


@pytest.fixture(scope="package")
def engines() -> Generator[Engines]:
    """A NATS of these tests alone: the stream of jobs of the others' is not theirs to purge."""
    with nats_alone() as running:
        yield running


@pytest.fixture(scope="package")
def issuer(engines: Engines) -> Keypair:
    """The key that the server believes."""
    seed = (engines.layout.secrets / ISSUER_FILE).read_text().split()[1]
    return keypair_of(seed, KeyKind.ACCOUNT)


@pytest_asyncio.fixture(loop_scope="session")
async def site(engines: Engines, issuer: Keypair) -> AsyncGenerator[Site]:
    """The engine of the tests with a fresh stream of jobs, a callout and a door."""
    access = engines.access.nats
    keys = Keys(
        {
            "alice-key": Grant("alice", submit=True, work=True),
            "alice-submits": Grant("alice", submit=True, work=False),
            "alice-works": Grant("alice", submit=False, work=True),
            "mallory-key": Grant("mallory", submit=True, work=True),
        }
    )
    async with AsyncExitStack() as stack:
        house = await nats.connect(access.url, user=access.user, password=access.password)
        stack.push_async_callback(house.close)
        js = house.jetstream()
        try:
            await js.add_stream(STREAM, allow_atomic=True)
        except nats.js.errors.BadRequestError:
            await js.purge_stream("JOBS")
        callout = await stack.enter_async_context(AsyncExitStack())
        answering = Callout(house, issuer, keys, SystemClock()).answering()
        await callout.enter_async_context(answering)
        door = Door(
            access.url, issuer, keys, DoorSettings("127.0.0.1", 0), recheck_s=0.2, bus=house
        )
        opened = await stack.enter_async_context(AsyncExitStack())
        await opened.enter_async_context(door.opened())
        yield Site(house, door, keys, issuer, access.url, callout, opened)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of localhost that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, secret
