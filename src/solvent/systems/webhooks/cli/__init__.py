"""What can be done about webhooks at a terminal?"""

import typer

from solvent.systems.webhooks.cli import chaos, endpoints, messages

app = typer.Typer(help="Where your events are sent, and what became of them.", no_args_is_help=True)
app.add_typer(endpoints.app, name="endpoint")
messages.mount(app)
chaos.mount(app)

__all__ = ["app"]
