"""Which commands does revenue have?"""

import typer

from solvent.systems.revenue.cli import explain, history, rates, reports

app = typer.Typer(
    help="See what recurring revenue comes to, why it moved, and when it is earned.",
    no_args_is_help=True,
)
for part in (reports, explain, history):
    part.mount(app)
app.add_typer(rates.app, name="rate")

__all__ = ["app"]
