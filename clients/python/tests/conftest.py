"""What do the client's tests share? An emulator of Solvent and a paywall in front of it."""

import contextlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from emulator import KEY, Emulator

from solvent_client import Paywall


@pytest.fixture
def solvent():
    """A running emulator."""
    with Emulator() as running:
        yield running


@pytest.fixture
def open_paywall(solvent):
    """Open paywalls on the emulator; all are closed at the end."""
    with contextlib.ExitStack() as stack:

        def open_one(*, url=None, key=KEY, **options):
            paywall = Paywall(url or solvent.url, key, **{"timeout_s": 1.0, **options})
            stack.callback(paywall.close)
            return paywall

        yield open_one


@pytest.fixture
def paywall(open_paywall):
    """A paywall on the emulator, not started."""
    return open_paywall()
