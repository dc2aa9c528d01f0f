"""Whom does metering ask what usage changes for those who pay?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol, TypeVar

from solvent.kernel.metering.model import UsageEffect
from solvent.kit.ctx import Ctx

T = TypeVar("T")


class UsageJudge(Protocol):
    """Knows invoices, which metering does not."""

    async def effects_of(
        self, ctx: Ctx, customer_refs: Collection[str], act: Callable[[], Awaitable[object]]
    ) -> list[UsageEffect]:
        """Do what changes usage of these customers, and say which invoices it changes."""
        ...


class NobodyJudges:
    """Stands in where no system draws invoices."""

    async def effects_of(
        self, ctx: Ctx, customer_refs: Collection[str], act: Callable[[], Awaitable[object]]
    ) -> list[UsageEffect]:
        """Do it; nobody is charged."""
        del ctx, customer_refs
        await act()
        return []
