"""How does a test get real engines? A pytest plugin: `pytest -p solvent.app.testing`.

`engines` boots PostgreSQL and NATS once a session (once a worker under xdist) on a fresh directory.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from solvent.app.supervisor.engines import Engines, boot_engines
from solvent.app.supervisor.settings import EngineSettings


def engine_settings(data_dir: Path) -> EngineSettings:
    """The settings of engines for tests: the binaries that SOLVENT_TEST_POSTGRES names, if any."""
    postgres = os.environ.get("SOLVENT_TEST_POSTGRES", "auto")
    return EngineSettings(data_dir=data_dir, postgres=postgres)


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Running engines on a directory of their own, gone with everything in it at the end."""
    # Not pytest's tmp_path: it is 0700, and root's engines run as another user, who must get in.
    data_dir = Path(tempfile.mkdtemp(prefix="solvent-test-"))
    try:
        with boot_engines(data_dir, settings=engine_settings(data_dir)) as running:
            places = (running.layout.data, running.layout.engines)
            yield running
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
