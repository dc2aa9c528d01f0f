"""Are settings refused that would make each request, or each start, fail?"""

from __future__ import annotations

import pytest

from solvent.app.settings import Settings
from solvent.kit.config import ConfigInvalid, parse


@pytest.mark.parametrize(
    "key,value",
    [
        ("http.rate_per_s", "0"),
        ("http.rate_per_s", "-1.5"),
        ("http.rate_per_s", "nan"),
        ("http.rate_per_s", "inf"),
        ("http.rate_burst", "0"),
        ("http.port", "65536"),
        ("http.port", "-1"),
        ("log.level", "'loud'"),
        ("log.level", "''"),
    ],
)
def test_what_would_stop_the_program_is_refused_when_read(key: str, value: str) -> None:
    with pytest.raises(ConfigInvalid, match=key):
        parse(Settings, f"{key} = {value}", source="solvent.toml", environ={})


def test_the_bounds_are_allowed() -> None:
    text = "http.rate_per_s = 0.1\nhttp.rate_burst = 1\nhttp.port = 0\nlog.level = 'DEBUG'"
    settings = parse(Settings, text, source="solvent.toml", environ={})
    assert (settings.http.port, settings.log.level) == (0, "DEBUG")
