"""What holds for every test, ours and the client's?"""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# No test asserts on wall-clock time: neither does Hypothesis, on a machine that is busy or small.
settings.register_profile(
    "solvent", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("solvent")

# A shell starts what runs in its background deaf to Ctrl-C, and so would be all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Spell out half characters in what a test logged: a worker of xdist cannot send them."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the long stories first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)
