"""What do the licensing tests share? A publisher, and a customer's computer."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from publisher import KEY, Computer, Publisher


@pytest.fixture
def publisher():
    return Publisher()


@pytest.fixture
def computer(tmp_path):
    return Computer(tmp_path / "disk")


@pytest.fixture
def other(tmp_path):
    from publisher import OTHER_MACHINE

    return Computer(tmp_path / "other", values=OTHER_MACHINE)


@pytest.fixture
def active(computer, publisher):
    """A computer on which the program is activated."""
    licensing = computer.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY)))
    return computer
