"""What holds for every test, ours and the client's?"""

from __future__ import annotations

import gc
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

LONG = {
    "test_no_input_crashes.py",
    "test_traps.py",
    "test_chaos.py",
    "test_loop.py",
    "test_cluster.py",
    "test_up.py",
    "test_running.py",
    "test_contents.py",
    "test_architecture.py",
    "test_new_system.py",
}
"""Files that take a quarter of a minute and more; the stories are marked in theirs."""

# No test asserts on wall-clock time: neither does Hypothesis, on a machine that is busy or small.
settings.register_profile(
    "solvent", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("solvent")

# A shell starts what runs in its background deaf to Ctrl-C, and so would be all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# What is imported and collected stays: looking for garbage among it is a third of the collection.
gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell out half characters in what a test logged: a worker of xdist cannot send them."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is long first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda one: (not one.get_closest_marker("journey"), one.path.name not in LONG))


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but never among what has been collected."""
    gc.freeze()
    gc.enable()
