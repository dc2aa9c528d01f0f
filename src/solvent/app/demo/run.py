"""In which order is the main job told, and what must be seen to be true at each step?"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from solvent.app.demo import bill, getin, refuse
from solvent.app.demo.cast import Founder, found
from solvent.app.demo.stage import ROOT, Stage, open_app, open_stage
from solvent.app.demo.told import NotTrue, Teller
from solvent.app.environment import tell
from solvent.kit.cli import EXIT_FAILED
from solvent.systems.payments.model import Provider

CATALOGUE = ROOT / "examples" / "catalogue.toml"
STRIPE_SECRET = "whsec_demo_4f1d7a53c2b84e0f9a6d"  # noqa: S105 - the demo's own, made up
PADDLE_SECRET = "pdl_ntfset_demo_93b0c4e1d2f84a5c"  # noqa: S105 - as above


@dataclass(frozen=True, slots=True)
class Made:
    """What the demo leaves behind."""

    invoice_pdf: Path
    audit_proof: Path


def run(*, output: Path) -> int:
    """Play the story; return the exit code: 0 only if every step was seen to be true."""
    teller = Teller()
    output = output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix="solvent-demo-"))
    workspace.chmod(0o711)  # root's engines run as another user, who must get in
    try:
        made = _play(teller, workspace / "data", output)
    except (NotTrue, httpx.HTTPError) as failed:
        teller.console.print(f"\n[red]demo: failed[/red] {type(failed).__name__}: {failed}")
        teller.console.print(f"[dim]logs: {workspace}[/dim]")
        return EXIT_FAILED
    shutil.rmtree(workspace, ignore_errors=True)
    teller.console.print(f"\n{teller.steps} steps seen to be true in {teller.elapsed_s():.1f} s")
    print(f"demo: ok {made.invoice_pdf} {made.audit_proof}")  # noqa: T201 - one line, unwrapped
    return 0


def _play(teller: Teller, data_dir: Path, output: Path) -> Made:
    tell("PYTHONPATH", ROOT)
    with ExitStack() as open_things:
        teller.chapter("A founder starts Solvent")
        with teller.step("solvent up: PostgreSQL, JetStream, API and worker") as notes:
            stage = open_things.enter_context(open_stage(data_dir))
            notes.append(f"{stage.url}, data in {data_dir}")
        stripe, paddle = _found_both(teller, stage)

        teller.chapter("Nobody gets in without paying")
        with teller.step("the example application starts behind the paywall"):
            logbook = open_things.enter_context(open_app(stage, stripe.key))
            papertrail = open_things.enter_context(open_app(stage, paddle.key))
        getin.nobody_yet(teller, logbook)

        teller.chapter("A customer pays, and gets in")
        getin.pay_with_stripe(teller, stage, stripe, logbook)
        getin.pay_with_paddle(teller, stage, paddle, papertrail)

        teller.chapter("What is used is metered, and billed at the month's end")
        bill.meter_logs(teller, stage, stripe)
        invoice_pdf = bill.close_the_month(teller, stage, stripe, output)

        teller.chapter("The subscriptions are canceled")
        getin.cancel(teller, stage, stripe, logbook)
        getin.cancel(teller, stage, paddle, papertrail)

        teller.chapter("Mallory tries her luck")
        refuse.refuse_forgeries(teller, stage, stripe)

        teller.chapter("Everything can be proved")
        proof = refuse.prove(teller, stage, stripe, output)
    return Made(invoice_pdf, proof)


def _found_both(teller: Teller, stage: Stage) -> tuple[Founder, Founder]:
    with teller.step("two businesses, one with Stripe, one with Paddle") as notes:
        stripe = found(stage, "Logbook", Provider.STRIPE, STRIPE_SECRET)
        paddle = found(stage, "Papertrail", Provider.PADDLE, PADDLE_SECRET)
        notes.append(f"tenants {stripe.slug} and {paddle.slug}, their test clocks stand still")
    with teller.step("examples/catalogue.toml: a monthly plan with a price per GB of logs"):
        for founder in (stripe, paddle):
            stage.solvent("catalogue", "apply", str(CATALOGUE), "--tenant", founder.slug)
    return stripe, paddle
