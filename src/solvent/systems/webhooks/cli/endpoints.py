"""How does an operator look after endpoints at a terminal?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from solvent.kit.cli import (
    DryRunOption,
    JsonOption,
    TenantOption,
    run_in_tenant,
    show_facts,
    show_json,
    show_table,
)
from solvent.kit.clock import format_time
from solvent.kit.ctx import Ctx
from solvent.systems.webhooks import service
from solvent.systems.webhooks.cli.reach import run_guarded
from solvent.systems.webhooks.limits import ENDPOINTS_MAX, ORDER_WAIT_S, OVERLAP_HOURS
from solvent.systems.webhooks.model import Endpoint, Made, SignatureScheme, State
from solvent.systems.webhooks.rules.address import Guard
from solvent.systems.webhooks.rules.patterns import EVERYTHING
from solvent.systems.webhooks.service.endpoints import BY_HAND, Signing
from solvent.systems.webhooks.shapes import show_counted, show_endpoint, show_made

app = typer.Typer(help="Where events are sent.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(help="Endpoint, whe_….", metavar="ENDPOINT")]
TypeOption = Annotated[
    list[str] | None,
    typer.Option("--type", help="Event type, `billing.*` or `*`; may be given several times."),
]
OrderedOption = Annotated[
    bool | None, typer.Option("--ordered/--unordered", help="Deliver in the order of events.")
]
WaitOption = Annotated[
    int | None,
    typer.Option("--order-wait", min=0, help="Seconds that one which fails holds up the others."),
]
DescriptionOption = Annotated[str | None, typer.Option(help="What it is for.")]
SchemeOption = Annotated[
    list[SignatureScheme] | None,
    typer.Option("--scheme", help="Signature: v1 (default), v1a, or both."),
]
SecretOption = Annotated[
    str | None, typer.Option(help="A secret that was agreed elsewhere, whsec_….")
]
SHOWN_ONCE = "the secret is shown this once: it is kept encrypted"


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="https URL that the events are posted to.")],
    types: TypeOption = None,
    description: DescriptionOption = None,
    ordered: OrderedOption = None,
    order_wait: WaitOption = None,
    scheme: SchemeOption = None,
    secret: SecretOption = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an endpoint and print its secret."""
    wanted = service.Wanted(
        url,
        tuple(types or [EVERYTHING]),
        description or "",
        _order_wait(None, ordered=ordered, wait_s=order_wait),
    )
    signing = Signing(tuple(scheme or [SignatureScheme.V1]), secret)

    async def use_case(ctx: Ctx, guard: Guard) -> Made:
        return await service.create(ctx, wanted, guard=guard, signing=signing)

    _show_made(run_guarded(tenant, use_case, dry_run=dry_run), as_json=as_json)


@app.command("list")
def list_endpoints(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the endpoints."""
    found = run_in_tenant(tenant, lambda ctx: service.list_endpoints(ctx, limit=ENDPOINTS_MAX))
    if as_json:
        show_json([show_endpoint(one).model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.url, " ".join(one.event_types), _health(one)) for one in found]
    show_table(
        ("endpoint", "url", "types", "health"),
        rows,
        empty="No endpoints yet: solvent webhook endpoint add --help",
    )


@app.command()
def show(
    endpoint: EndpointArgument, tenant: TenantOption = None, as_json: JsonOption = False
) -> None:
    """Show an endpoint, its secrets, and how many messages wait, arrived and failed."""

    async def use_case(ctx: Ctx) -> tuple[Endpoint, dict[State, int]]:
        return await service.get(ctx, endpoint), await service.count_states(ctx, endpoint)

    held, states = run_in_tenant(tenant, use_case)
    if as_json:
        show_json(show_counted(held, states).model_dump(mode="json"))
        return
    _show(held)
    show_facts((f"{state.value} messages", count) for state, count in states.items())


@app.command()
def change(
    endpoint: EndpointArgument,
    url: Annotated[str | None, typer.Option(help="Another URL.")] = None,
    types: TypeOption = None,
    description: DescriptionOption = None,
    ordered: OrderedOption = None,
    order_wait: WaitOption = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Change what is given of an endpoint; the rest stays."""

    async def use_case(ctx: Ctx, guard: Guard) -> Endpoint:
        held = service.wanted_of(await service.get(ctx, endpoint))
        wanted = replace(
            held,
            url=held.url if url is None else url,
            event_types=tuple(types) if types else held.event_types,
            description=held.description if description is None else description,
            order_wait_s=_order_wait(held.order_wait_s, ordered=ordered, wait_s=order_wait),
        )
        return await service.update(ctx, endpoint, wanted, guard=guard)

    _show(run_guarded(tenant, use_case, dry_run=dry_run))


@app.command()
def rotate(
    endpoint: EndpointArgument,
    overlap_hours: Annotated[
        int, typer.Option(min=0, help="Hours that the old secrets sign beside the new one.")
    ] = OVERLAP_HOURS,
    scheme: Annotated[SignatureScheme, typer.Option(help="Of which scheme.")] = SignatureScheme.V1,
    secret: SecretOption = None,
    tenant: TenantOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a new secret and print it; adds the scheme where the endpoint had none of it."""
    made = run_in_tenant(
        tenant,
        lambda ctx: service.rotate(
            ctx, endpoint, scheme=scheme, overlap_hours=overlap_hours, secret=secret
        ),
        dry_run=dry_run,
    )
    _show_made(made, as_json=as_json)


@app.command()
def disable(
    endpoint: EndpointArgument,
    reason: Annotated[str, typer.Option(help="Why.")] = BY_HAND,
    tenant: TenantOption = None,
) -> None:
    """Send an endpoint nothing more until it is enabled."""
    _show(run_in_tenant(tenant, lambda ctx: service.disable(ctx, endpoint, reason=reason)))


@app.command()
def enable(endpoint: EndpointArgument, tenant: TenantOption = None) -> None:
    """Let an endpoint get messages again; what it missed: `solvent webhook replay`."""
    _show(run_in_tenant(tenant, lambda ctx: service.enable(ctx, endpoint)))


@app.command()
def remove(
    endpoint: EndpointArgument, tenant: TenantOption = None, dry_run: DryRunOption = False
) -> None:
    """Delete an endpoint with the records of what it got."""
    run_in_tenant(tenant, lambda ctx: service.remove(ctx, endpoint), dry_run=dry_run)
    typer.echo(f"{endpoint} is deleted")


def _order_wait(held: int | None, *, ordered: bool | None, wait_s: int | None) -> int | None:
    """Return how long one that fails holds up the others, as the two options say it together."""
    if ordered is False:
        if wait_s is not None:
            raise typer.BadParameter(
                "only an ordered endpoint has a wait", param_hint="--order-wait"
            )
        return None
    if wait_s is not None:
        return wait_s
    return (ORDER_WAIT_S if held is None else held) if ordered else held


def _show_made(made: Made, *, as_json: bool) -> None:
    if as_json:
        show_json(show_made(made.endpoint, made.secrets).model_dump(mode="json"))
        return
    _show(made.endpoint)
    show_facts(("secret", one) for one in made.secrets)
    typer.echo(SHOWN_ONCE, err=True)


def _show(held: Endpoint) -> None:
    show_facts(
        [
            ("endpoint", held.id),
            ("url", held.url),
            ("types", " ".join(held.event_types)),
            ("description", held.description or "none"),
            ("order", _order(held)),
            ("health", _health(held)),
            *(
                (f"{one.scheme.value} secret", _secret(one.id, one.public_key, one.not_after))
                for one in held.secrets
            ),
        ]
    )


def _order(held: Endpoint) -> str:
    if held.order_wait_s is None:
        return "any"
    return f"kept; one that fails holds up the others for {held.order_wait_s} s"


def _health(held: Endpoint) -> str:
    if not held.enabled:
        return f"disabled ({held.disabled_reason})"
    return f"failing since {format_time(held.failing_since)}" if held.failing_since else "good"


def _secret(secret_id: str, public_key: str | None, not_after: object) -> str:
    until = f", until {not_after}" if not_after else ""
    return f"{secret_id}{' ' + public_key if public_key else ''}{until}"
