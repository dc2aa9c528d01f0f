"""What does `solvent up` do, from the first line on the terminal to the last?

Engines, API and worker start together: the two import their code while the engines come up, and
wait for DIR/run/engines.json, which is written when the migrations are through.
"""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from solvent.app.supervisor.access import (
    CONFIG_FILE,
    DATA_VARIABLE,
    FILE_VARIABLE,
    URL_FILE,
    EngineAccess,
    write_access,
)
from solvent.app.supervisor.account import Account, can_run, hand_over
from solvent.app.supervisor.engines import Prepared
from solvent.app.supervisor.errors import EngineFailed, SettingInvalid, SupervisorError
from solvent.app.supervisor.keeper import Keeper, Report, Signals, reap_strangers
from solvent.app.supervisor.notify import notify
from solvent.app.supervisor.private_files import make_directory, write_private
from solvent.app.supervisor.probe import free_port, http_ok, why_not_listen
from solvent.app.supervisor.process import Child, Spec
from solvent.app.supervisor.settings import UpSettings
from solvent.app.supervisor.terminal import Terminal

READY_PATH = "/readyz"
PORT_VARIABLE = "SOLVENT_HTTP__PORT"
TRIES_AT_START = 4
URL_TRIES = 5
URL_PAUSE_S = 1.0
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not bound here
"""Addresses that mean all of the machine's, and how each is reached on it."""


class Stopped(Exception):
    """The operator asked for a stop while something was awaited."""


def run_up(settings: UpSettings, *, report: Report | None = None) -> int:
    """Run Solvent in the foreground until it is told to stop; return the exit status.

    0 after an orderly stop, 1 if something does not come up, 2 for a setting that is not valid.
    Must be called in the main thread: it takes over the signals.
    """
    began = time.monotonic()
    say = report or Terminal()
    settings = _with_port(settings)
    try:
        _check_port(settings)
        prepared = Prepared(replace(settings.engines, reserved_ports=(settings.port,)))
    except SupervisorError as error:
        say("refused", text=f"solvent up: {error}", code=error.code)
        return EXIT_USAGE if isinstance(error, SettingInvalid) else EXIT_FAILED
    except OSError as error:
        say("refused", text=f"solvent up: {error}", code=SupervisorError.code)
        return EXIT_FAILED
    try:
        return _Run(settings, prepared, say, began=began).run()
    finally:
        prepared.release()


@dataclass(frozen=True, slots=True)
class _Files:
    """What others read: the engines, for the migrations at first, API's address, settings file."""

    early: Path
    final: Path
    url: Path
    config: Path


class _Run:
    """One run of `solvent up`."""

    def __init__(
        self, settings: UpSettings, prepared: Prepared, report: Report, *, began: float
    ) -> None:
        self._settings = settings
        self._prepared = prepared
        self._report = report
        self._began = began
        self._written: EngineAccess | None = None
        run = prepared.layout.run
        self._files = _Files(
            run / "engines.starting.json", run / "engines.json", run / URL_FILE, run / CONFIG_FILE
        )
        self._environment = dict(settings.environment)
        self._notify_socket = self._environment.pop("NOTIFY_SOCKET", None)
        self._account = _app_account(prepared, settings, report)
        self._keeper = Keeper(
            report, log_max_bytes=settings.log_max_bytes, log_keep=settings.log_keep
        )
        self._signals = Signals(self._keeper.force)

    def run(self) -> int:
        """Start, serve, stop."""
        try:
            self._start()
            while True:
                pause_s = self._keeper.tick()
                self._follow_nats()
                self._sleep(pause_s)
        except Stopped:
            return EXIT_OK
        except SupervisorError as error:
            self._report("failed", text=f"solvent up: {error}", code=error.code)
            return EXIT_FAILED
        except OSError as error:  # a full disk, say: stop in order while that is possible
            self._report("failed", text=f"solvent up: {error}", code=SupervisorError.code)
            return EXIT_FAILED
        finally:
            notify(self._notify_socket, "STOPPING=1")
            self._keeper.stop()
            self._remove_files()

    def _start(self) -> None:
        self._remove_files()
        engines = [spec.name for spec in self._prepared.specs]
        apps = self._app_specs()
        # Stopped in the opposite order: worker, API, NATS, PostgreSQL.
        for spec in (*reversed(self._prepared.specs), *apps):
            self._keeper.add(spec)
        self._until(lambda: self._keeper.ready(engines))
        self._migrate()
        self._publish()
        self._until(lambda: self._keeper.ready([spec.name for spec in apps]))
        self._welcome()

    def _until(self, condition: Callable[[], bool], *, every_s: float = 60.0) -> None:
        """Go on until it is true. Raises EngineFailed when there is no hope left, Stopped."""
        end = time.monotonic() + self._settings.ready_within_s
        while True:
            pause_s = self._keeper.tick()
            if condition():
                return
            self._give_up_if_hopeless(end)
            self._sleep(min(pause_s, every_s))

    def _sleep(self, seconds: float) -> None:
        """Wait until there may be something to do. Raises Stopped."""
        reap_strangers(self._keeper.pids)
        self._signals.sleep(seconds)
        if self._signals.stop_asked:
            raise Stopped

    def _give_up_if_hopeless(self, end: float) -> None:
        lost = self._keeper.hopeless(tries=TRIES_AT_START)
        if lost is not None:
            message = f"{lost.name} does not start; {lost.child.spec.log} ends with:"
            raise EngineFailed(f"{message}\n{lost.child.log_tail()}")
        if time.monotonic() > end:
            message = f"not ready after {self._settings.ready_within_s:g} s"
            raise EngineFailed(f"{message}, see {self._prepared.layout.log}")

    def _migrate(self) -> None:
        """Bring the schema up to date; a database given by URL may need a moment to come up."""
        if not self._settings.migrate:
            return
        write_access(self._files.early, self._prepared.access, reader=self._account)
        child = Child(self._spec("migrate", self._settings.migrate, file=self._files.early))
        tries = URL_TRIES if self._settings.engines.postgres_is_url else 1
        for left in reversed(range(tries)):
            if self._finish(child) == 0:
                return
            if left:
                again_at = time.monotonic() + URL_PAUSE_S
                self._until(partial(_is_past, again_at), every_s=URL_PAUSE_S)
        message = f"the migrations failed; {child.spec.log} ends with:\n{child.log_tail()}"
        raise EngineFailed(message)

    def _finish(self, child: Child) -> int | None:
        """Run a command to its end while the loop goes on; return its status."""
        child.start()
        try:
            self._until(lambda: not child.running)
        finally:
            child.stop()
        return child.status

    def _publish(self) -> None:
        self._written = self._prepared.access
        write_access(self._files.final, self._written, reader=self._account)
        self._tell(self._files.url, _url(self._settings))
        if self._settings.config:
            self._tell(self._files.config, self._settings.config)
        self._files.early.unlink(missing_ok=True)

    def _tell(self, path: Path, text: str) -> None:
        write_private(path, text + "\n")
        hand_over(path, self._account)

    def _follow_nats(self) -> None:
        """Tell the processes above when NATS had to come back on another port."""
        if self._written is None or self._written == self._prepared.access:
            return
        self._publish()
        for name in ("http", "worker"):
            if getattr(self._settings, name):
                self._keeper.restart(name)

    def _welcome(self) -> None:
        took_s = time.monotonic() - self._began
        link = self._sign_in_link()
        self._report("up", url=_url(self._settings), after_s=took_s, sign_in=link)
        notify(self._notify_socket, "READY=1")

    def _sign_in_link(self) -> str | None:
        if not self._settings.sign_in:
            return None
        spec = self._spec("sign_in", self._settings.sign_in)
        spec.log.unlink(missing_ok=True)
        status = self._finish(Child(spec))
        lines = spec.log.read_text("utf-8", errors="replace").splitlines()
        spec.log.unlink(missing_ok=True)  # the link must not stay in a log
        return lines[0] if status == 0 and lines else None

    def _app_specs(self) -> list[Spec]:
        settings = self._settings
        host = ANY_HOST.get(settings.host, settings.host)
        specs: list[Spec] = []
        if settings.http:

            def ready(_pid: int) -> bool:
                return http_ok(host, settings.port, READY_PATH)

            specs.append(self._spec("http", settings.http, ready=ready))
        if settings.worker:
            specs.append(self._spec("worker", settings.worker))
        return specs

    def _spec(
        self,
        name: str,
        argv: tuple[str, ...],
        *,
        file: Path | None = None,
        ready: Callable[[int], bool] | None = None,
    ) -> Spec:
        layout = self._prepared.layout
        return Spec(
            name=name,
            argv=lambda: argv,
            log=layout.log / f"{name}.log",
            pid_file=layout.run / f"{name}.pid",
            cwd=layout.data if self._account else None,
            environment=self._child_environment(file or self._files.final),
            account=self._account,
            ready=ready,
            stops=((signal.SIGTERM, self._settings.stop_within_s), (signal.SIGKILL, 5.0)),
        )

    def _child_environment(self, file: Path) -> Mapping[str, str]:
        home = {"HOME": self._account.home, "USER": self._account.name} if self._account else {}
        ours = {FILE_VARIABLE: str(file), DATA_VARIABLE: str(self._prepared.layout.data)}
        return {**self._environment, **home, **ours}

    def _remove_files(self) -> None:
        files = self._files
        for path in (files.early, files.final, files.url, files.config):
            path.unlink(missing_ok=True)


def _url(settings: UpSettings) -> str:
    """Return the API's address as a person types it."""
    host = "localhost" if settings.host in ANY_HOST else settings.host
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


def _is_past(moment_s: float) -> bool:
    return time.monotonic() > moment_s


def _with_port(settings: UpSettings) -> UpSettings:
    """Port 0 means a free one, which the API is told by its own setting."""
    if settings.port != 0:
        return settings
    port = free_port()
    told = (*settings.environment, (PORT_VARIABLE, str(port)))
    return replace(settings, port=port, environment=told)


def _check_port(settings: UpSettings) -> None:
    fault = why_not_listen(settings.port, settings.host) if settings.http else ""
    if fault:
        message = f"http.port: {settings.port} on {settings.host}: {fault}"
        raise SettingInvalid(message)


def _app_account(prepared: Prepared, settings: UpSettings, report: Report) -> Account | None:
    """As whom API and worker run: as root only if there is nobody better, and said so.

    `nobody` never gets the master key: other services may run under that name.
    """
    account = prepared.account
    if account is None:
        return None
    if account.shared:
        reason = "there is no user 'solvent' and engines.user is not set"
    elif can_run(account, (sys.executable, "-c", "import solvent.app.supervisor")):
        _give_files(prepared, account)
        return account
    else:
        reason = f"user '{account.name}' cannot read the program"
    if settings.http or settings.worker:
        report("as_root", text=f"API and worker run as root: {reason}", reason=reason)
    return None


def _give_files(prepared: Prepared, account: Account) -> None:
    layout = prepared.layout
    make_directory(layout.run, 0o711)  # to reach engines.json by name; the process ids stay ours
    for top in (layout.secrets, layout.files):
        for path in (top, *top.rglob("*")):
            hand_over(path, account)
