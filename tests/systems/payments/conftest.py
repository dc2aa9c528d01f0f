"""Where do the providers' own fixtures stand, if this machine has them?"""

import json
import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("SOLVENT_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def _read(*parts):
    path = SHARED.joinpath(*parts)
    if not path.is_file():
        pytest.skip(f"the providers' fixtures are not on this machine: {path} is missing")
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def stripe_fixtures():
    """Stripe's resource fixtures by object name."""
    return _read("stripe", "fixtures3.json")["resources"]


@pytest.fixture(scope="session")
def paddle_fixture():
    """Return a reader of Paddle's webhook entities by event type."""
    return lambda kind: _read("paddle", f"{kind}.json")
