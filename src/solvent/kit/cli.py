"""How does a command reach the running engines, and how does it tell what it found?"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, Protocol, TypeAlias, TypeVar

import typer

from solvent.kit.ctx import OPERATOR, Ctx, Edge
from solvent.kit.ids import TenantId
from solvent.kit.limits import PAGE_SIZE_MAX

if TYPE_CHECKING:
    from solvent.kit.jobs.link import JobsLink

T = TypeVar("T")
S = TypeVar("S")

EXIT_FAILED = 1
EXIT_USAGE = 2
GAP = "  "

TenantOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        "-t",
        envvar="SOLVENT_TENANT",
        help="Slug of the tenant; may be left out where there is only one business.",
        show_default=False,
    ),
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
LimitOption: TypeAlias = Annotated[
    int, typer.Option("--limit", min=1, max=PAGE_SIZE_MAX, help="At most so many.")
]
DryRunOption: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Show what would happen, and change nothing.")
]


class Door(Protocol):
    """The running engines, as a command sees them."""

    @property
    def edge(self) -> Edge:
        """The way into a transaction."""
        ...

    @property
    def jobs(self) -> JobsLink:
        """The log of jobs and the desk."""
        ...

    def setting(self, kind: type[S]) -> S:
        """Return a module's slice of the settings, by its class."""
        ...

    async def tenant_of(self, slug: str | None) -> TenantId:
        """Return the tenant of a slug, or the only one there is.

        Raises:
            NotFound: there is no such tenant.
            Invalid: no slug was given, and there are several.
        """
        ...


Opener: TypeAlias = Callable[[], AbstractAsyncContextManager[Door]]
_opener: contextvars.ContextVar[Opener] = contextvars.ContextVar("opener")


def use_opener(opener: Opener) -> None:
    """Say how commands reach the engines; the app does, once."""
    _opener.set(opener)


class _Undone(Exception):
    """Rolls the transaction of a dry run back."""


def run_in_tenant(
    tenant: str | None, use_case: Callable[[Ctx], Awaitable[T]], *, dry_run: bool = False
) -> T:
    """Run a use case as the operator, in one transaction of a tenant, and return its result.

    A dry run does all of it and then rolls it back, and says so.
    """

    async def inside() -> T:
        async with _opener.get()() as door:
            tenant_id = await door.tenant_of(tenant)
            results: list[T] = []
            with contextlib.suppress(_Undone):
                async with door.edge.open(tenant_id, OPERATOR) as ctx:
                    results.append(await use_case(ctx))
                    if dry_run:
                        raise _Undone
            return results[0]

    result = asyncio.run(inside())
    if dry_run:
        typer.echo("dry run: nothing was kept", err=True)
    return result


def run_at_edge(use_case: Callable[[Edge], Awaitable[T]]) -> T:
    """Run what opens its own transactions, say for a tenant that is yet to be made."""

    async def inside() -> T:
        async with _opener.get()() as door:
            return await use_case(door.edge)

    return asyncio.run(inside())


def run_at_door(use_case: Callable[[Door], Awaitable[T]]) -> T:
    """Run what needs more of the engines than a transaction, say the log of jobs."""

    async def inside() -> T:
        async with _opener.get()() as door:
            return await use_case(door)

    return asyncio.run(inside())


def show_json(value: object) -> None:
    """Print a value as indented JSON."""
    typer.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing yet."
) -> None:
    """Print rows under their columns, or one sentence where there are none.

    To a terminal too narrow for the table each row is a block of facts, so that no id is cut off;
    to a pipe, tab-separated lines with a header.
    """
    cells = [[_one_line(cell) for cell in row] for row in rows]
    if not cells:
        typer.echo(empty, err=True)
    elif sys.stdout.isatty():
        _show_to_person(columns, cells)
    else:
        for row in [list(columns), *cells]:
            typer.echo("\t".join(row))


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line, the values under each other."""
    pairs = [(name, str(value)) for name, value in facts]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        typer.echo(f"{name:<{width}}  {value}")


def _one_line(cell: object) -> str:
    """Return a cell without what would break a line, or speak to the terminal."""
    return "".join(char if char.isprintable() else " " for char in str(cell))


def _show_to_person(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len  # noqa: PLC0415 - 10 ms that pipes need not wait for

    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    if sum(widths) + len(GAP) * (len(widths) - 1) > shutil.get_terminal_size().columns:
        for row in rows:
            show_facts(zip(columns, row, strict=True))
            typer.echo()
        return
    for index, row in enumerate([columns, *rows]):
        padded = [
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        line = GAP.join(padded).rstrip()
        typer.echo(line if index else typer.style(line, bold=True))
