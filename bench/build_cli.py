"""How large is one file, and how soon does it answer, beside PyInstaller's of the same program?

One JSON object a line. Both build examples/licensed_cli, both check its license at each start, and
they take turns, so that both see the same machine. `wall` is what a user waits; `cpu` is what the
two processors worked, which a busy machine does not lengthen so much.

PyInstaller is not among our dependencies: pip install pyinstaller
"""

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from solvent.app.build_cli.build import build_for_linux
from solvent.app.build_cli.found import Wanted
from solvent.app.build_cli.project import read_program

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "licensed_cli"
CLIENT = ROOT / "clients" / "python"
STARTS = 25
FIRST_STARTS = 9


def main():
    """Build, activate, take turns, tell."""
    if importlib.util.find_spec("PyInstaller") is None:
        sys.exit("bench: the peer is missing: pip install pyinstaller")
    with tempfile.TemporaryDirectory(prefix="bench-build-cli-") as scratch:
        here = Path(scratch)
        home = here / "home"
        home.mkdir()
        ours, theirs = build_ours(here), build_theirs(here)
        text = here / "text"
        text.write_text("one two three", encoding="utf-8")
        activate(ours, home, here)
        told = {
            "ours": figures(ours, home, text, first=True),
            "theirs": figures(theirs, home, text, first=False),
        }
        take_turns(told, {"ours": ours, "theirs": theirs}, home, text)
    tell(told["ours"], told["theirs"])
    show("build_cli_import", import_ms(), "ms", goal="< 60")


def tell(ours, theirs):
    """Print the figures, ours beside theirs: theirs unpacks at every start."""
    every = theirs["every"]
    show("build_cli_size", ours["size_mb"], "MB", peer=theirs["size_mb"], goal="<= 16")
    show(
        "build_cli_first_start", ours["first"]["wall_ms"], "ms", peer=every["wall_ms"], goal="< 300"
    )
    show(
        "build_cli_later_start", ours["later"]["wall_ms"], "ms", peer=every["wall_ms"], goal="< 60"
    )
    for name in ("fastest_ms", "cpu_ms"):
        for start in ("first", "later"):
            figure = f"build_cli_{start}_start_{name.removesuffix('_ms')}"
            show(figure, ours[start][name], "ms", peer=every[name])


def show(figure, value, unit, *, peer=None, goal=None):
    """Print one figure."""
    line = {"figure": figure, "value": value, "unit": unit}
    line |= {"peer": "pyinstaller --onefile" if peer else None, "peer_value": peer}
    ratio = round(peer / value, 2) if peer else None
    print(json.dumps({**line, "ratio": ratio, "goal": goal}), flush=True)


def build_ours(here):
    """Return our file."""
    program = read_program(EXAMPLE, script=None, entry=None)
    wanted = Wanted(Path(sys.executable), program.include, program.exclude)
    built = build_for_linux(program, wanted, here / "ours" / "mytool")
    return built.output


def build_theirs(here):
    """Return PyInstaller's, which leaves out the same modules."""
    script = here / "start.py"
    script.write_text("import sys\nfrom mytool.cli import main\nsys.exit(main())\n", "utf-8")
    program = read_program(EXAMPLE, script=None, entry=None)
    subprocess.run(
        [
            *(sys.executable, "-m", "PyInstaller", "--onefile", "--name", "mytool", "--strip"),
            *("--distpath", here / "theirs", "--workpath", here / "work", "--specpath", here),
            *("--paths", EXAMPLE, "--paths", CLIENT / "src", "--log-level", "ERROR"),
            *(part for one in program.exclude for part in ("--exclude-module", one)),
            script,
        ],
        check=True,
    )
    return here / "theirs" / "mytool"


def activate(program, home, here):
    """Have the test publisher answer the program's request."""
    sys.path.insert(0, str(CLIENT / "tests" / "licensing"))
    from publisher import Publisher

    request, answer = here / "request", here / "license.lic"
    run(program, home, "--activate", "--output", request)
    answer.write_text(Publisher().answer(request.read_text(), issued=int(time.time())), "utf-8")
    run(program, home, "--activate", answer)


def run(program, home, *arguments):
    """Run to the end; return milliseconds on the wall and on the processors."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [program, *arguments],
        env={"HOME": str(home), "PATH": "/nowhere", "LANG": "C.UTF-8"},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    wall_ms = (time.perf_counter() - began) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"bench: {program} ended with {process.returncode}")
    return wall_ms, (used.ru_utime + used.ru_stime) * 1000


def figures(program, home, text, *, first):
    """Return a file's size and, where there is one, what the start takes that unpacks."""
    told = {"size_mb": round(program.stat().st_size / 1e6, 2)}
    if first:
        taken = []
        for _ in range(FIRST_STARTS):
            shutil.rmtree(home / ".cache" / "mytool", ignore_errors=True)
            taken.append(run(program, home, text))
        told["first"] = summary(taken)
    return told


def take_turns(told, programs, home, text):
    """Measure the starts after the first, one after the other."""
    taken = {name: [] for name in programs}
    for _ in range(STARTS):
        for name, program in programs.items():
            taken[name].append(run(program, home, text))
    for name, each in taken.items():
        told[name]["later" if "first" in told[name] else "every"] = summary(each)


def summary(taken):
    """Return medians and the fastest."""
    wall, cpu = zip(*taken, strict=True)
    return {
        "wall_ms": round(statistics.median(wall), 1),
        "fastest_ms": round(min(wall), 1),
        "cpu_ms": round(statistics.median(cpu), 1),
    }


def import_ms():
    """Return what `import solvent_client.licensing` adds to a start, the median of several."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); t = time.perf_counter();"
        "import solvent_client.licensing; print((time.perf_counter() - t) * 1000)"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(CLIENT / "src")]
    taken = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(STARTS)
    ]
    return round(statistics.median(taken), 1)


if __name__ == "__main__":
    main()
