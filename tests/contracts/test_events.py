"""Does each version of an event still read and write what it always did?"""

from __future__ import annotations

import json

import golden
import pytest
import reference

from solvent.kit.bus.envelope import adapter

reference.import_everything()
EVENTS = reference.event_types()


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.NAME)
def test_an_event_reads_and_writes_its_golden_json(kind: type) -> None:
    path = golden.path_of(kind)
    assert path.is_file(), "a new event version: run `make golden`"
    kept = json.loads(path.read_text(encoding="utf-8"))
    event = adapter(kind).validate_python(kept)
    written = adapter(kind).dump_python(event, mode="json")
    assert {name: written[name] for name in kept} == kept


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.NAME)
def test_an_event_is_frozen(kind: type) -> None:
    assert kind.__dataclass_params__.frozen
    assert hasattr(kind, "__slots__")


def test_no_golden_json_is_without_its_event() -> None:
    """A version that is gone cannot be read by those who kept its events."""
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == {kind.NAME for kind in EVENTS}
