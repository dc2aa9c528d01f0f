"""Can a table be read at a terminal, and by a program?"""

from __future__ import annotations

import pytest

from solvent.kit.cli import show_facts, show_table

COLUMNS = ("name", "id")
ROWS = [("Ada", "cus_" + "0" * 26), ("Lovelace\tof\nLondon\x1b[31m", "cus_" + "1" * 26)]


def at_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))


def test_a_pipe_gets_a_row_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.split("\t")) for line in lines] == [2, 2, 2]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_columns_under_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_terminal(monkeypatch, 80)
    show_table(COLUMNS, [("Ada", "x"), ("李四", "y")])
    assert capsys.readouterr().out.splitlines()[1:] == ["Ada   x", "李四  y"]


def test_a_narrow_terminal_cuts_no_id_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_terminal(monkeypatch, 40)
    show_table(COLUMNS, ROWS)
    told = capsys.readouterr().out
    assert all(row[1] in told for row in ROWS)


def test_nothing_is_told_apart_from_the_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [], empty="No customers yet.")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "No customers yet.\n")


def test_facts_stand_under_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts([("id", "x"), ("name", "Ada")])
    assert capsys.readouterr().out == "id    x\nname  Ada\n"
