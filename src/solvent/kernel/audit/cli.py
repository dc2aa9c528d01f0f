"""What can an operator ask of the audit log at a terminal?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from solvent.kernel.audit import proof, service
from solvent.kernel.audit.model import Head, Record, Report
from solvent.kernel.audit.ports import HeadSigner
from solvent.kernel.audit.rules import time_text
from solvent.kit.cli import (
    EXIT_FAILED,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.ctx import Ctx
from solvent.kit.errors import Invalid

FindSigner: TypeAlias = Callable[[], HeadSigner]

HELP = "Who did what, and proof that nobody changed it since."


def commands(signer: FindSigner) -> typer.Typer:
    """Return `solvent audit …`, its proofs signed by whom `signer` finds."""
    app = typer.Typer(help=HELP, no_args_is_help=True)
    app.command("list")(list_records)
    app.command("verify")(_verify_command(signer))
    app.command("export")(_export_command(signer))
    return app


def list_records(
    tenant: TenantOption = None,
    subject: Annotated[str | None, typer.Option(help="Only records about this.")] = None,
    action: Annotated[str | None, typer.Option(help="Only records of this action.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=service.LIST_LIMIT_MAX, help="At most so many.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the newest audit records."""

    async def use_case(ctx: Ctx) -> list[Record]:
        return await service.list_records(ctx, subject=subject, action=action, limit=limit)

    records = run_in_tenant(tenant, use_case)
    if as_json:
        show_json([_as_row(record) for record in records])
        return
    rows = [
        (r.seq, time_text(r.entry.at), r.entry.actor, r.entry.action, r.entry.subject)
        for r in records
    ]
    show_table(("seq", "at", "actor", "action", "subject"), rows)


def _verify_command(signer: FindSigner):  # noqa: ANN202 - a command for typer
    def verify(
        tenant: TenantOption = None,
        file: Annotated[
            Path | None, typer.Option(help="Check this exported proof instead; needs no server.")
        ] = None,
        public_key: Annotated[
            str | None, typer.Option(help="Hex key that must have signed the proof.")
        ] = None,
        as_json: JsonOption = False,
    ) -> None:
        """Walk the whole chain and name the first bad record; exit 1 if there is one."""
        if file is None:
            report = run_in_tenant(tenant, service.verify)
        else:
            report = _verify_file(file, signer(), public_key)
        _show_report(report, as_json=as_json)
        if not report.ok:
            raise typer.Exit(EXIT_FAILED)

    return verify


def _export_command(signer: FindSigner):  # noqa: ANN202 - a command for typer
    def export(
        file: Annotated[Path, typer.Argument(help="Where to write the proof (JSON lines).")],
        tenant: TenantOption = None,
    ) -> None:
        """Write the audit proof: every record, and the chain's head signed by the tenant."""

        async def use_case(ctx: Ctx) -> Head:
            with file.open("w", encoding="utf-8") as out:
                return await service.write_proof(ctx, signer(), lambda line: out.write(line + "\n"))

        try:
            head = run_in_tenant(tenant, use_case)
        except OSError as fault:
            raise Invalid(fault.strerror or "cannot be written", field=str(file)) from None
        typer.echo(f"{file}: {head.seq} records, head {head.hash}")

    return export


def _verify_file(file: Path, signer: HeadSigner, public_key: str | None) -> Report:
    try:
        with file.open(encoding="utf-8") as lines:
            return proof.verify_lines(lines, verifies=signer.verifies, public_key=public_key)
    except OSError as fault:
        raise Invalid(fault.strerror or "cannot be read", field=str(file)) from None
    except UnicodeDecodeError:
        raise Invalid("not UTF-8 text", field=str(file)) from None


def _show_report(report: Report, *, as_json: bool) -> None:
    facts: list[tuple[str, object]] = [
        ("tenant", report.tenant_id),
        ("checked", report.checked),
        ("head", report.head.hash if report.head else ""),
        ("result", "ok" if report.ok else "bad"),
    ]
    if report.flaw:
        facts += [
            ("first bad", report.flaw.seq),
            ("why", report.flaw.why.value),
            ("detail", report.flaw.detail),
        ]
    if as_json:
        show_json({name.replace(" ", "_"): value for name, value in facts})
    else:
        show_facts(facts)


def _as_row(record: Record) -> dict[str, object]:
    entry = record.entry
    return {
        "seq": record.seq,
        "at": time_text(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "data": dict(entry.data),
        "hash": record.hash,
    }
