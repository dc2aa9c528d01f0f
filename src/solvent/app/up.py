"""How does `solvent up` become the supervisor?"""

from __future__ import annotations

import sys
from typing import NoReturn

from solvent.app import environment
from solvent.app.supervisor.handoff import exec_up
from solvent.app.supervisor.settings import EngineSettings, UpSettings


def run(*, host: str | None, port: int | None) -> NoReturn:
    """Read the settings and become the supervisor.

    Raises:
        ConfigInvalid: a setting is wrong; nothing has been started.
    """
    if host is not None:
        environment.tell("SOLVENT_HTTP__HOST", host)
    if port is not None:
        environment.tell("SOLVENT_HTTP__PORT", port)
    settings = environment.settings()
    engines = EngineSettings(
        data_dir=environment.data_dir(),
        postgres=settings.engines.postgres,
        nats=settings.engines.nats,
        user=settings.engines.user or None,
    )
    exec_up(
        UpSettings(
            engines=engines,
            host=settings.http.host,
            port=settings.http.port,
            migrate=_module("solvent.app.migrate"),
            http=_module("solvent.app.http"),
            worker=_module("solvent.app.worker"),
            sign_in=_module("solvent.app.sign_in"),
            environment=environment.inherited(),
            config=str(environment.config_file() or ""),
        )
    )


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name)
