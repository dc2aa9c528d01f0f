"""Does the page about numbers say what the commands print?"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from solvent.app.testing import Terminal
from solvent.systems.revenue.service import parse_rates
from solvent.systems.revenue.testing import Founder

PAGE = (Path(__file__).resolve().parents[3] / "docs/howto/read-your-numbers.md").read_text("utf-8")
IDS = re.compile(r"\b(sub|inv)_[0-9a-z]+")


def told() -> list[tuple[str, list[str]]]:
    """The commands of the page in their order, each with the lines that it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def plain(line: str) -> str:
    """A line without what aligns it, and with no id."""
    return " ".join(IDS.sub(r"\1_…", line).split())


@pytest.fixture
def terminal(lived: Founder, solvent: Terminal) -> Terminal:
    """A terminal beside the business that the page tells of."""
    return solvent


def test_each_command_of_the_page_prints_what_it_says(terminal: Terminal) -> None:
    commands = told()
    assert len(commands) >= 10
    for command, lines in commands:
        printed = terminal.ok(*shlex.split(command)[1:])
        assert [plain(one) for one in printed.splitlines()] == [plain(one) for one in lines]


def test_the_file_of_rates_is_one() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(parse_rates(block.encode())) == 2
