"""How does a test get a seller of licenses, and machines that ask for them and give them back?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import TypeAdapter

from solvent.kernel.audit import service as audit
from solvent.kernel.catalogue import service as catalogue
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.tenants import service as tenants
from solvent.kernel.tenants.model import CustomerDetails
from solvent.kit.bus.envelope import decode
from solvent.kit.bus.outbox import read_pending
from solvent.kit.clock import format_time
from solvent.kit.ctx import OPERATOR, Actor, Ctx, Edge
from solvent.kit.db import Database
from solvent.kit.ids import TenantId
from solvent.kit.wiring import Event
from solvent.systems.licensing import service
from solvent.systems.licensing.model import Activation, Policy, RevocationList
from solvent.systems.licensing.rules import codes, document, envelope, fingerprint, requests
from solvent.systems.licensing.rules.envelope import FileKind
from solvent.systems.licensing.rules.verdict import Question, Verdict, judge, read_revocations
from solvent.systems.licensing.service import Answer, Issued

EVENTS_MAX = 100_000
SOURCES = ("machine_id", "cpu", "disk", "mac")
EPOCH = datetime(2026, 1, 15, 10, 0, tzinfo=UTC)
ASKED_AT = format_time(EPOCH)
T = TypeVar("T")
E = TypeVar("E", bound=Event)

ANYBODY = Actor("license", "holder")
CATALOGUE = b"""
[meters.exports]
aggregation = "sum"

[products.mytool]

[plans.pro]
product = "mytool"
currency = "USD"
interval = "month"
grace_days = 3
prices.base = { model = "flat", amount = 29 }
features.export = { kind = "switch" }
features.batch = { kind = "quota", limit = 100, meter = "exports" }

[plans.team]
product = "mytool"
currency = "USD"
interval = "month"
grace_days = 3
prices.base = { model = "flat", amount = 99 }

[plans.once]
product = "mytool"
currency = "USD"
interval = "year"
prices.base = { model = "flat", amount = 49 }
"""


PRO = Policy(key="pro", name="Pro", product="mytool")


@dataclass(slots=True)
class Device:
    """A machine; `name` decides what it is made of, `asked` counts its requests."""

    name: str
    product: str = "mytool"
    components: dict[str, str] = field(default_factory=dict[str, str])
    asked: int = 0

    def __post_init__(self) -> None:
        """Make the components of the name."""
        self.components = self.components or {
            source: fingerprint.component(self.product, source, f"{self.name} {source}")
            for source in SOURCES
        }

    @property
    def fingerprint(self) -> str:
        """Return the machine's one name."""
        return fingerprint.fingerprint(self.components)

    @property
    def secret(self) -> bytes:
        """Return what the nonce of the last request was made of."""
        return hashlib.sha256(f"{self.name} {self.asked}".encode()).digest()

    @property
    def nonce(self) -> str:
        """Return the nonce of the last request."""
        return requests.nonce_of(self.secret)

    def ask(self, license_key: str | None = None, **other: object) -> bytes:
        """Return a fresh request file, for a trial where there is no license key."""
        self.asked += 1
        told: dict[str, object] = {
            "version": 1,
            "kind": "activation" if license_key else "trial",
            "product": self.product,
            "license_key": license_key,
            "fingerprint": self.fingerprint,
            "components": self.components,
            "nonce": self.nonce,
            "created_at": ASKED_AT,
            "name": self.name,
            "platform": "linux-x86_64",
            "tool_version": "2.5.0",
        }
        content = envelope.plain(FileKind.REQUEST, json.dumps(told | other).encode())
        return envelope.with_checksum(content).encode()

    def prove(self, activation_id: str, **other: object) -> bytes:
        """Return the proof that the file of the last request is destroyed."""
        told: dict[str, object] = {
            "version": 1,
            "product": self.product,
            "activation": activation_id,
            "nonce": self.nonce,
            "secret": self.secret.hex(),
            "deactivated_at": ASKED_AT,
        }
        content = envelope.plain(FileKind.PROOF, document.dump(told | other))
        return envelope.with_checksum(content).encode()

    def ask_by_code(self) -> str:
        """Return a fresh typed request."""
        self.asked += 1
        nonce = requests.nonce_of(self._typed_secret, size_bytes=codes.NONCE_BYTES)
        said = bytes.fromhex(self.fingerprint)[: codes.FINGERPRINT_BYTES] + bytes.fromhex(nonce)
        return codes.write(bytes([codes.REQUEST]) + said)

    def prove_by_code(self) -> str:
        """Return the typed proof that what the last typed request got is destroyed."""
        return codes.write(bytes([codes.DEACTIVATION]) + self._typed_secret)

    def replace(self, *sources: str) -> None:
        """Put other hardware in."""
        for source in sources:
            value = f"{self.name} {source} {self.asked} new"
            self.components[source] = fingerprint.component(self.product, source, value)

    @property
    def _typed_secret(self) -> bytes:
        return self.secret[: codes.SECRET_BYTES]


@dataclass(slots=True)
class Seller:
    """A tenant that sells mytool; each call is a transaction of its own.

    `key` is the license key that was issued last, which machines use unless told another.
    """

    edge: Edge
    system: Database
    tenant_id: TenantId
    slug: str = ""
    now: datetime = EPOCH
    key: str = ""
    devices: dict[str, Device] = field(default_factory=dict[str, Device])

    def open(self, actor: Actor = OPERATOR) -> AbstractAsyncContextManager[Ctx]:
        """Open a context of the tenant."""
        return self.edge.open(self.tenant_id, actor)

    async def do(self, act: Callable[[Ctx], Awaitable[T]], actor: Actor = OPERATOR) -> T:
        """Run a use case in a transaction of its own."""
        async with self.open(actor) as ctx:
            return await act(ctx)

    async def pass_time(self, **span: float) -> None:
        """Move the tenant's time on."""
        self.now += timedelta(**span)
        await self.do(lambda ctx: tenants.move_test_clock(ctx, self.now))

    async def policy(self, **terms: Any) -> Policy:  # noqa: ANN401 - a policy's terms
        """Make a policy of these terms, or change it."""
        return await self.do(lambda ctx: service.save_policy(ctx, replace(PRO, **terms)))

    async def sell(self, **terms: Any) -> Issued:  # noqa: ANN401 - a policy's terms
        """Make a policy of these terms and give a license of it."""
        made = await self.policy(**terms)
        issued = await self.do(lambda ctx: service.issue(ctx, made.key))
        self.key = issued.key
        return issued

    def device(self, name: str) -> Device:
        """Return the machine of this name."""
        return self.devices.setdefault(name, Device(name))

    async def activate(self, device: str, key: str | None = None) -> Answer:
        """Let a machine ask for its file."""
        return await self.send(self.device(device).ask(key or self.key))

    async def send(self, request: bytes) -> Answer:
        """Hand in a request file."""
        return await self.do(lambda ctx: service.activate(ctx, request), ANYBODY)

    async def renew(self, activation_id: str) -> Answer:
        """Let a machine renew its file."""
        return await self.do(lambda ctx: service.renew(ctx, self.key, activation_id), ANYBODY)

    async def deactivate(self, activation_id: str) -> Activation:
        """Deactivate a machine that is out of reach."""
        return await self.do(lambda ctx: service.deactivate(ctx, self.key, activation_id), ANYBODY)

    async def prove(self, device: str, activation_id: str) -> Activation:
        """Let a machine prove that it has destroyed its file."""
        proof = self.device(device).prove(activation_id)
        return await self.do(lambda ctx: service.prove_deactivation(ctx, proof), ANYBODY)

    async def public_keys(self) -> list[Ed25519PublicKey]:
        """Return what a program of this seller believes files by, the newest first."""
        found = await self.do(service.public_keys)
        return [Ed25519PublicKey.from_public_bytes(bytes.fromhex(one)) for one in found]

    async def question(self, device: str | None = None) -> Question:
        """Return what a program on a machine asks of a file now."""
        machine = self.device(device) if device else None
        return Question(
            public_keys=await self.public_keys(),
            at=self.now,
            license_key=self.key or None,
            fingerprint=machine.fingerprint if machine else None,
            components=machine.components if machine else None,
        )

    async def judge(self, text: str, device: str, **asked: Any) -> Verdict:  # noqa: ANN401 - as told
        """Return what a program on a machine thinks of a file now."""
        return judge(text.encode(), replace(await self.question(device), **asked))

    async def revocations(self) -> RevocationList:
        """Return the list of what is believed no more."""
        text = await self.do(service.revocation_list, ANYBODY)
        return read_revocations(text.encode(), await self.public_keys())

    async def stock(self) -> None:
        """Apply a catalogue with the plans pro, team and once, and make the customer alice."""
        spec = parse(CATALOGUE, file="catalogue.toml")
        await self.do(lambda ctx: catalogue.apply(ctx, spec))
        await self.do(lambda ctx: tenants.upsert_customer(ctx, "alice", CustomerDetails()))

    async def events(self, kind: type[E]) -> list[E]:
        """Return the events of a kind that are on their way, in the order they were emitted."""
        async with self.system.transaction() as tx:
            found = [decode(one.envelope) for one in await read_pending(tx, limit=EVENTS_MAX)]
        read = TypeAdapter(kind).validate_python
        mine = (one for one in found if one.tenant_id == self.tenant_id)
        return [read(one.payload) for one in mine if one.name == kind.NAME]

    async def audited(self, action: str) -> list[str]:
        """Return the subjects of the audit records of an action, the newest first."""
        found = await self.do(lambda ctx: audit.list_records(ctx, action=action, limit=100))
        return [record.entry.subject for record in found]
