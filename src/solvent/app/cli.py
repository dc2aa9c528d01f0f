"""What can be said to Solvent at a terminal?"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from solvent import VERSION
from solvent.app import environment
from solvent.app.backlog import cli as backlog
from solvent.app.build_cli.cli import build_cli
from solvent.app.running import read_config_file
from solvent.app.settings import CONFIG_VARIABLE
from solvent.app.supervisor.access import DATA_VARIABLE
from solvent.kit.cli import (
    EXIT_FAILED,
    EXIT_USAGE,
    Door,
    JsonOption,
    run_at_edge,
    show_json,
    show_table,
    use_opener,
)
from solvent.kit.ctx import Edge
from solvent.kit.errors import Invalid, SolventError
from solvent.kit.ids import TenantId

if TYPE_CHECKING:
    from solvent.kit.jobs.link import JobsLink

S = TypeVar("S")

STARTERS = {"up", "sign-in", "demo", "doctor", "build-cli"}
"""Commands that need no module's commands: they start half a second sooner without."""

BEGINNERS = {"up", "demo", "build-cli"}
"""Commands that ask for nothing that runs: its settings are not theirs."""

VALUE_OPTIONS = {"--data", "--config"}

HELP = """The business half of your product: payments, paywall, metering and invoices.

Start with `solvent up`, then `solvent tenant create "Your product"`.
"""

app = typer.Typer(
    name="solvent",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 2 for input that is not valid, 1 for anything else that fails."""
    told = sys.argv[1:] if arguments is None else arguments
    word = _command_of(told)
    if word not in STARTERS:
        gc.disable()  # what is imported stays: looking for garbage among it is a tenth of the start
        _mount_modules(word)
        gc.freeze()
        gc.enable()
    use_opener(open_door)
    try:
        app(args=arguments, prog_name="solvent")
    except SolventError as error:
        typer.echo(f"solvent: {error}", err=True)
        sys.exit(EXIT_USAGE if isinstance(error, Invalid) else EXIT_FAILED)


def _command_of(told: list[str]) -> str:
    """Return the first word that is neither an option nor an option's value."""
    words = iter(told)
    for word in words:
        if word in VALUE_OPTIONS:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"solvent {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    asked: typer.Context,
    data: Annotated[
        Path, typer.Option("--data", envvar=DATA_VARIABLE, help="Directory of all data.")
    ] = Path(environment.DEFAULT_DATA_DIR),
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar=CONFIG_VARIABLE,
            help="Settings file, solvent.toml; else the one of the `solvent up` that runs.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Keep what every command may need."""
    del version
    environment.tell(DATA_VARIABLE, data.absolute())
    if config is None and asked.invoked_subcommand not in BEGINNERS:
        config = read_config_file(data)
    if config:
        environment.tell(CONFIG_VARIABLE, config.absolute())


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)
    ] = None,
    data: Annotated[Path | None, typer.Option(help="As `--data` before the command.")] = None,
) -> None:
    """Start everything: engines, API and worker. Ctrl-C stops it."""
    from solvent.app.up import run

    if data:
        environment.tell(DATA_VARIABLE, data.absolute())
    run(host=host, port=port)


@app.command("sign-in")
def sign_in() -> None:
    """Print a fresh one-time link to the start page."""
    from solvent.app.sign_in import main as print_link

    print_link()


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Directory for what the demo makes.")] = Path(
        "demo-output"
    ),
) -> None:
    """Run the main job on real engines and tell it: pay, get in, use, be billed."""
    from solvent.app.demo import run

    raise typer.Exit(run(output=output))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check what must always hold, for every tenant: books, audit chain, what waits or has died.

    Changes nothing. Exits with 1 if anything is not as it should be.
    """
    from dataclasses import asdict
    from functools import partial

    from solvent.app.doctor import checks_of, examine
    from solvent.app.settings import Settings
    from solvent.app.wire import wire_all

    findings = run_at_edge(partial(examine, checks=checks_of(wire_all(Settings()))))
    if as_json:
        show_json([asdict(one) for one in findings])
    else:
        rows = [(one.tenant, one.check, one.subject, one.detail) for one in findings]
        columns = ("tenant", "check", "subject", "detail")
        show_table(columns, rows, empty="All is as it should be.")
    if findings:
        raise typer.Exit(EXIT_FAILED)


app.command("build-cli")(build_cli)


@dataclass(frozen=True, slots=True)
class EngineDoor:
    """The engines of the data directory, as commands see them."""

    edge: Edge
    link: JobsLink | None = None
    settings: Mapping[type, object] = field(default_factory=dict[type, object])

    @property
    def jobs(self) -> JobsLink:
        """The log of jobs and the desk; see `kit.cli.Door`."""
        from solvent.kit.jobs.link import NotLinked

        if self.link is None:
            raise NotLinked
        return self.link

    def setting(self, kind: type[S]) -> S:
        """Return a module's slice of the settings; see `kit.cli.Door`."""
        found = self.settings.get(kind)
        return found if isinstance(found, kind) else kind()

    async def tenant_of(self, slug: str | None) -> TenantId:
        """Return the tenant of a slug, or the only business's live one; see `kit.cli.Door`."""
        from solvent.kernel.tenants import service

        return await service.tenant_of(self.edge, slug)


@contextlib.asynccontextmanager
async def open_door() -> AsyncGenerator[Door]:
    """Connect to the engines of the data directory.

    Raises:
        NotRunning: `solvent up` does not run on it.
    """
    from solvent.app.door import open_here
    from solvent.kit.jobs.link import JobsLink

    async with open_here() as house:
        link = JobsLink()
        link.connect(house.log_place.login, house.bus)
        try:
            yield EngineDoor(house.edge, link, house.wiring.settings)
        finally:
            await link.close()


def _mount_modules(word: str = "") -> None:
    """Mount the commands below a word, or all where there are none such.

    Typer reads the signature of every command that is mounted: all take longer than one runs.
    """
    from solvent.app.settings import Settings
    from solvent.app.wire import wire_all

    every = {"events": backlog.events, "jobs": backlog.jobs, **wire_all(Settings()).commands}
    wanted = {name: one for name, one in every.items() if name.split()[0] == word} or every
    app.registered_groups.clear()
    for name, command in sorted(wanted.items()):
        above, _, last = name.rpartition(" ")
        parent = wanted[above] if above else app
        if last not in {group.name for group in parent.registered_groups}:
            parent.add_typer(command, name=last)


if __name__ == "__main__":
    main()
