"""Does a hostile text cost no more than its length? Each of these took minutes or gigabytes."""

from __future__ import annotations

import json

import pytest

from solvent.kernel.catalogue.errors import CatalogueInvalid
from solvent.kernel.catalogue.parse import parse
from solvent.kernel.catalogue.source import KEY_PARTS_MAX, TEXT_BYTES_MAX

DEEP = f"expected keys of at most {KEY_PARTS_MAX} parts"


def refused(text: str, *, json_text: bool = False) -> str:
    with pytest.raises(CatalogueInvalid) as caught:
        parse(text.encode()[:TEXT_BYTES_MAX], file="body", json_text=json_text)
    return str(caught.value)


@pytest.mark.parametrize("part", ["a", '"a"', "'a'", '"é \\" ."', "1", " a\t"])
@pytest.mark.parametrize("shape", ["{} = 1", "[{}]", "[[{}]]", "x = {{ y = 1, {} = 1 }}"])
def test_a_key_has_so_many_parts(part: str, shape: str) -> None:
    for count in (KEY_PARTS_MAX + 1, 20_000):
        assert DEEP in refused("\n" + shape.format(".".join([part] * count)))
    assert DEEP not in refused(shape.format(".".join([part] * KEY_PARTS_MAX)))


@pytest.mark.parametrize(
    "piece", ["a", '"', "'", "\"'", '"\\', "\\", "a ", " . ", '"a ', "[", "[a]\n", "{", "a={", "#"]
)
def test_any_one_thing_again_and_again_is_refused_at_once(piece: str) -> None:
    assert refused(piece * (TEXT_BYTES_MAX // len(piece)))


def test_a_thousand_keys_and_one_of_them_twice() -> None:
    many = ",".join(f'"k{number}": 1' for number in range(18_000))
    assert "expected each key once" in refused(f'{{{many}, "k7": 2}}', json_text=True)
    assert "not known" in refused(json.dumps({f"k{n}": 1 for n in range(18_000)}), json_text=True)
