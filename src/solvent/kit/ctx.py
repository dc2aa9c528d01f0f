"""For whom, by whom, when and in which transaction does this use case run?"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from solvent.kit.clock import Clock, FrozenClock
from solvent.kit.errors import Denied
from solvent.kit.ids import IdSource, TenantId

if TYPE_CHECKING:
    from solvent.kit.bus import Bus
    from solvent.kit.crypto import Vault
    from solvent.kit.db import Database, Tx

SCOPE_ALL = "*"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an API key, a member, a job, the operator at the terminal, a provider's webhook."""

    kind: str
    id: str
    scopes: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        """Return whether the scope, its module's `:*`, or everything is held."""
        module = scope.partition(":")[0]
        return not self.scopes.isdisjoint({SCOPE_ALL, scope, f"{module}:*"})

    def __str__(self) -> str:
        """Return the actor as audit records name it."""
        return f"{self.kind}:{self.id}"


SYSTEM = Actor("system", "worker", frozenset({SCOPE_ALL}))
OPERATOR = Actor("operator", "cli", frozenset({SCOPE_ALL}))


class ScopeMissing(Denied):
    """This key or member lacks the scope that the call needs."""

    code = "kit.scope_missing"


@dataclass(frozen=True, slots=True)
class Ctx:
    """What a use case may know of its surroundings; every service function's first argument."""

    tx: Tx
    tenant_id: TenantId
    actor: Actor
    clock: Clock
    ids: IdSource
    vault: Vault
    bus: Bus

    def now(self) -> datetime:
        """Return the tenant's present moment: the test clock's where one is set."""
        return self.clock.now()

    def require(self, scope: str) -> None:
        """Let only actors with the scope pass.

        Raises:
            ScopeMissing: the actor lacks it.
        """
        if not self.actor.may(scope):
            raise ScopeMissing(scope=scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, for which tenant, and where that tenant's test clock stands (None: real time)."""

    tenant_id: TenantId
    actor: Actor
    frozen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """Opens transactions and commits them: the only way into a use case, for HTTP, jobs and CLI."""

    db: Database
    clock: Clock
    ids: IdSource
    vault: Vault
    bus: Bus

    @contextlib.asynccontextmanager
    async def open(self, tenant_id: TenantId, actor: Actor) -> AsyncGenerator[Ctx]:
        """Yield a context of this tenant; commit after it, roll back if it raises."""
        async with self.db.transaction() as tx:
            frozen_at = await tx.fetchval("select kit_open($1)", tenant_id)
            yield self._ctx(tx, Principal(tenant_id, actor, frozen_at))

    @contextlib.asynccontextmanager
    async def admit(self, admit: Callable[[Tx], Awaitable[Principal]]) -> AsyncGenerator[Ctx]:
        """Yield a context of whoever `admit` recognizes inside the transaction it has set up."""
        async with self.db.transaction() as tx:
            yield self._ctx(tx, await admit(tx))

    def _ctx(self, tx: Tx, who: Principal) -> Ctx:
        clock = FrozenClock(who.frozen_at) if who.frozen_at else self.clock
        return Ctx(tx, who.tenant_id, who.actor, clock, self.ids, self.vault, self.bus)
