"""How does an operator activate and deactivate machines, and write files, at a terminal?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solvent.kit.cli import DryRunOption, TenantOption, run_in_tenant
from solvent.kit.clock import format_time
from solvent.kit.config import read_bounded
from solvent.kit.ctx import Ctx
from solvent.systems.licensing import service
from solvent.systems.licensing.cli.licenses import LicenseArgument
from solvent.systems.licensing.model import Activation
from solvent.systems.licensing.rules.envelope import FILE_BYTES_MAX

OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="File to write; printed without.")
]
FileArgument = Annotated[Path, typer.Argument(help="File that the program wrote.")]


def activate(
    license_id: LicenseArgument,
    request: FileArgument,
    out: OutOption = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Answer a machine's request file with its license file."""
    text = read_bounded(request, limit_bytes=FILE_BYTES_MAX)

    async def use_case(ctx: Ctx) -> str:
        return (await service.activate_for(ctx, license_id, text.encode())).text

    _write(run_in_tenant(tenant, use_case, dry_run=dry_run), out)


def deactivate(
    license_id: LicenseArgument,
    activation: Annotated[str, typer.Argument(help="Activation, act_….")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """End the activation of a machine that is out of reach."""

    async def use_case(ctx: Ctx) -> Activation:
        return await service.deactivate_for(ctx, license_id, activation)

    _tell(run_in_tenant(tenant, use_case, dry_run=dry_run))


def seat(
    license_id: LicenseArgument,
    user: Annotated[str, typer.Argument(help="Who gets the seat: a name of one line.")],
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Give a named person a seat, once; `deactivate` takes it back."""

    async def use_case(ctx: Ctx) -> Activation:
        return await service.assign_seat(ctx, license_id, user)

    given = run_in_tenant(tenant, use_case, dry_run=dry_run)
    typer.echo(f"{given.id} is the seat of {given.machine.name or user}")


def prove(proof: FileArgument, tenant: TenantOption = None, dry_run: DryRunOption = False) -> None:
    """Take a machine's deactivation proof: its slot is free at once."""
    text = read_bounded(proof, limit_bytes=FILE_BYTES_MAX)

    async def use_case(ctx: Ctx) -> Activation:
        return await service.prove_deactivation(ctx, text.encode())

    _tell(run_in_tenant(tenant, use_case, dry_run=dry_run))


def write_file(
    license_id: LicenseArgument,
    license_key: Annotated[
        str | None, typer.Option(help="Its key, to encrypt the file under.")
    ] = None,
    out: OutOption = None,
    tenant: TenantOption = None,
) -> None:
    """Write a license file that is good on any machine."""

    async def use_case(ctx: Ctx) -> str:
        return (await service.license_file(ctx, license_id, license_key=license_key)).text

    _write(run_in_tenant(tenant, use_case), out)


def revocations(out: OutOption = None, tenant: TenantOption = None) -> None:
    """Write the signed list of what is believed no more."""
    _write(run_in_tenant(tenant, service.revocation_list), out)


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(activate)
    app.command()(deactivate)
    app.command()(seat)
    app.command()(prove)
    app.command("file")(write_file)
    app.command()(revocations)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="ascii")
    typer.echo(str(out))


def _tell(ended: Activation) -> None:
    free = "its slot is free"
    if not ended.proven and ended.file_until:
        free += f" after {format_time(ended.file_until)}, when its last file expires"
    typer.echo(f"{ended.id} is deactivated; {free}")
