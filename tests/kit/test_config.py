"""Is every wrong setting named with its place, and does the last good file stay in force?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from solvent.kit.config import ConfigInvalid, LastGood, describe, load, parse, setting


@dataclass(frozen=True, slots=True)
class Web:
    """A section."""

    port: int = setting(80, "Port to listen on.")
    names: tuple[str, ...] = setting(("a",), "Names.")


@dataclass(frozen=True, slots=True)
class Tree:
    """The whole."""

    web: Web = field(default_factory=Web)
    secret: str = setting("", "A secret.")


def read(text: str = "", **environ: str) -> Tree:
    return parse(Tree, text, source="solvent.toml", environ=environ)


def test_defaults_hold_where_nothing_is_set() -> None:
    assert Tree() == read()


def test_the_environment_wins_over_the_file() -> None:
    assert read("[web]\nport = 81", SOLVENT_WEB__PORT="99").web.port == 99


def test_a_list_is_told_by_commas_in_the_environment() -> None:
    assert read(SOLVENT_WEB__NAMES="a.example, b.example").web.names == ("a.example", "b.example")


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    assert read(SOLVENT_SECRET_FILE=str(file)).secret == "hush"


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="absent"):
        read(SOLVENT_SECRET_FILE=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    "text,told",
    [
        ("[web]\nport = 'many'", r"solvent\.toml line 2: web\.port"),
        (
            "[web]\n\nprot = 1",
            r"solvent\.toml line 3: unknown setting web\.prot; known here: .*web\.port",
        ),
        ("[wib]\nport = 1", r"unknown setting wib\.port"),
        ("web = 3", "web"),
        ("[web\nport = 1", "not valid TOML"),
        (f"port = {'9' * 5_000}", "not valid TOML"),
        (f"port = {'[' * 100_000}", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigInvalid, match=told):
        read(text)


def test_a_wrong_variable_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"web\.port"):
        read(SOLVENT_WEB__PORT="eighty")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * 2_000_000])
def test_a_file_that_is_no_text_or_too_long_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "solvent.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigInvalid, match=r"solvent\.toml"):
        load(Tree, path=file, environ={})


def test_every_setting_is_described() -> None:
    assert [key for key, *_ in describe(Tree)] == ["web.port", "web.names", "secret"]


def test_the_last_good_value_stays_in_force(tmp_path: Path) -> None:
    file = tmp_path / "solvent.toml"
    file.write_text("[web]\nport = 1")
    held = LastGood(file, read, Tree())
    assert held.refresh()
    assert held.value.web.port == 1
    file.write_text("[web]\nport = ")
    assert not held.refresh()
    assert (held.value.web.port, "not valid TOML" in held.error) == (1, True)
    file.write_text("[web]\nport = 2")
    assert held.refresh()
    assert (held.value.web.port, held.error) == (2, "")
    file.unlink()
    assert not held.refresh()
    assert (held.value.web.port, bool(held.error)) == (2, True)
