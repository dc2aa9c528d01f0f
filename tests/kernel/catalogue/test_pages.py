"""Do the pages about the catalogue say what the reader of it does?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.parse import parse

ROOT = Path(__file__).resolve().parents[3]
HOWTO = (ROOT / "docs/howto/write-a-catalogue.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs/reference/catalogue.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", HOWTO, re.MULTILINE | re.DOTALL)

PROBES = {
    "": "x = 1",
    "## `[meters.KEY]`": "[meters.a]\nx = 1",
    "## `[products.KEY]`": "[products.a]\nx = 1",
    "## `[plans.KEY]`": "[plans.a]\nx = 1",
    "## `[plans.KEY.credits.KEY]`": "[plans.a.credits.b]\nx = 1",
    "## `[plans.KEY.features.KEY]`": '[plans.a.features.b]\nkind = "quota"\nx = 1',
    **{
        f"## `[plans.KEY.prices.KEY]` {model}": f'[plans.a.prices.b]\nmodel = "{model}"\nx = 1'
        for model in ("flat", "per_unit", "package", "graduated", "percentage", "dynamic")
    },
    "### Tiers": '[plans.a.prices.b]\nmodel = "volume"\ntiers = [{ x = 1 }]',
}


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_is_a_catalogue(block: str) -> None:
    assert parse(block.encode(), file="example.toml").plans


@pytest.mark.parametrize("section", [name for name in PROBES if name])
def test_every_key_that_is_known_is_explained(section: str) -> None:
    with pytest.raises(CatalogueInvalid) as refused:
        parse(PROBES[section].encode(), file="probe.toml")
    (told,) = [one for one in refused.value.problems if "this key is not known here" in one]
    known = re.findall(r"\w+", told.partition("expected one of ")[2].partition(": this")[0])
    heading = re.sub(r" \w+\Z", "", section) if section.startswith("## ") else section
    text = REFERENCE.partition(heading + "\n")[2]
    text = re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]
    assert text
    assert [key for key in known if f"`{key}`" not in text] == []
