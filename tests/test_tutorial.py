"""Does every command of the tutorial do what the page shows?

Code blocks with `file=NAME` are written to that file. A `console` block's lines that begin with
`$ ` are typed into one shell, in order; the lines below each are what it must print, `…` standing
for anything. A `console background` block is left running once it has printed its lines.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from source import ROOT

from solvent.app.testing import fast_directory

TUTORIALS = ROOT / "docs" / "tutorial"
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\u200b")
EXIT = re.compile(r"\[exit (\d+)\]\Z")
WITHIN_S = 60
SETTLES_WITHIN_S = 60
READS = re.compile(r"curl -si (?!.*-X)|solvent (\w+ (list|show|verify|preview)|--version)")
"""Commands that may be typed again until they show what the page shows: they change nothing."""


@dataclass(frozen=True)
class Step:
    """Something that the reader does: saves a file, or types a command."""

    kind: str
    text: str
    expected: tuple[str, ...] = ()
    background: bool = False


def steps_of(page: Path) -> Iterator[Step]:
    """Yield what the page asks its reader to do, in order."""
    for language, info, body in FENCE.findall(page.read_text(encoding="utf-8")):
        if name := re.search(r"file=(\S+)", info):
            yield Step("file", name[1], (body,))
        elif language == "console":
            for command, shown in commands(body):
                yield Step("command", command, shown, background="background" in info)


def commands(body: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each command of a block with the lines that it shows."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        typed, _, shown = part.partition("\n")
        yield typed, tuple(line for line in shown.splitlines() if line.strip())


def shows(printed: str, expected: tuple[str, ...]) -> bool:
    """Say whether each expected line was printed, in their order; `…` stands for anything."""
    lines = iter(ANSI.sub("", printed).splitlines())
    return all(any(alike(line, wanted) for line in lines) for wanted in expected if wanted != "…")


def alike(line: str, wanted: str) -> bool:
    parts = (re.escape(part) for part in wanted.strip().split("…"))
    return re.fullmatch(".*".join(parts), line.strip()) is not None


@dataclass
class Reader:
    """Somebody with a shell who does what the page says, on ports that are free."""

    home: Path
    ports: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    place: Path = ROOT
    aliases: str = ""

    def do(self, step: Step) -> None:
        """Do one step; fail where the page shows something else."""
        if step.kind == "file":
            (self.place / step.text).write_text(self.here(step.expected[0]), encoding="utf-8")
        elif step.background:
            self.leave_running(step)
        else:
            self.type(step)

    def here(self, text: str) -> str:
        """Return a text with the page's ports replaced by free ones."""
        return re.sub(r"\b(8080|8001)\b", lambda found: self.ports[found[0]], text)

    def type(self, step: Step) -> None:
        """Type a command; one that changes nothing is typed again until it shows the lines."""
        expected = tuple(self.here(line) for line in step.expected)
        exits = [int(told[1]) for line in expected if (told := EXIT.search(line))]
        expected = tuple(line for line in expected if not EXIT.search(line))
        deadline = time.monotonic() + SETTLES_WITHIN_S
        while True:
            code, printed = self.run(self.here(step.text))
            good = code == (exits or [0])[0] and shows(printed, expected)
            if good or not READS.match(step.text) or time.monotonic() > deadline:
                break
        assert good, f"$ {step.text}\nexit {code}\n{printed}\nexpected:\n" + "\n".join(expected)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command in the reader's shell, which remembers its place, variables, aliases."""
        state = self.home / ".state"
        script = (
            f"shopt -s expand_aliases; cd {self.place}\n{self.aliases}\n{command}\n"
            f"code=$?; {{ pwd; alias -p; echo; env -0; }} > {state}; exit $code\n"
        )
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", script],
            env=self.environment(),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=WITHIN_S,
        )
        self.remember(state.read_text(encoding="utf-8"))
        return done.returncode, done.stdout.decode()

    def remember(self, state: str) -> None:
        """Keep what the shell told of itself."""
        head, _, variables = state.partition("\n\n")
        place, _, self.aliases = head.partition("\n")
        self.place = Path(place)
        self.variables = dict(one.split("=", 1) for one in variables.split("\0") if "=" in one)

    def environment(self) -> dict[str, str]:
        """Return the shell's variables: those of this machine until it has set its own."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return self.variables or kept | {"HOME": str(self.home), "TERM": "dumb"}

    def leave_running(self, step: Step) -> None:
        """Start a program on a terminal of its own and wait until it has shown the lines."""
        ours, theirs = pty.openpty()
        program = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", f"exec {self.here(step.text)}"],
            cwd=self.place,
            env=self.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.running.append(program)
        expected = tuple(self.here(line) for line in step.expected)
        printed = read_until(ours, expected)
        assert shows(printed, expected), f"$ {step.text}\n{printed}"

    def stop(self) -> None:
        """Press Ctrl-C in every terminal, the last one first."""
        for program in reversed(self.running):
            program.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(20)
            if program.poll() is None:
                program.kill()
                program.wait()


def read_until(terminal: int, expected: tuple[str, ...]) -> str:
    """Return what a program has printed once that shows the lines, or when time is up."""
    printed = b""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline and not shows(printed.decode(errors="replace"), expected):
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                printed += os.read(terminal, 65536)
            except OSError:  # the program has ended
                break
    return printed.decode(errors="replace")


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.fixture
def reader() -> Iterator[Reader]:
    # Not pytest's tmp_path: it is 0700, and root's engines run as another user, who must get in.
    home = Path(tempfile.mkdtemp(prefix="solvent-tutorial-", dir=fast_directory()))
    home.chmod(0o755)
    one = Reader(home, {port: free_port() for port in ("8080", "8001")})
    yield one
    one.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.journey
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial's reader has curl")
@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("*.md")), ids=lambda page: page.stem)
def test_every_command_does_what_the_page_shows(reader: Reader, page: Path) -> None:
    steps = list(steps_of(page))
    assert len(steps) > 10
    for step in steps:
        reader.do(step)


def test_an_expected_line_must_be_there() -> None:
    assert shows("\x1b[32ma\x1b[0m\nb 1 c\n", ("a", "b … c"))
    assert not shows("b 1 c\na\n", ("a", "b … c"))
    assert not shows("ab\n", ("a",))
