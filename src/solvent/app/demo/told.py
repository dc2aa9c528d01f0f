"""How is the story told at a terminal, step by step, each seen to be true?"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from dataclasses import dataclass, field

from rich.console import Console

from solvent.kit.clock import monotonic_ms


class NotTrue(Exception):
    """A step of the story did not come out as it must."""


def check(true: bool, otherwise: str) -> None:  # noqa: FBT001 - it is the thing checked
    """Go on only if it is true; `otherwise` tells what was seen instead."""
    if not true:
        raise NotTrue(otherwise)


@dataclass(slots=True)
class Teller:
    """Tells chapters and steps; shows a spinner while a step is under way, on a terminal."""

    console: Console = field(default_factory=lambda: Console(file=sys.stdout, highlight=False))
    began_ms: float = field(default_factory=monotonic_ms)
    steps: int = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.console.print(f"\n[bold]{title}[/bold]")

    @contextlib.contextmanager
    def step(self, text: str) -> Generator[list[str]]:
        """Do a step; what is appended to the list is told behind it."""
        notes: list[str] = []
        began_ms = monotonic_ms()
        try:
            with self._spinner(text):
                yield notes
        except NotTrue as failed:
            self.console.print(f"  [red]✗[/red] {text}\n    [red]{failed}[/red]")
            raise
        self.steps += 1
        took_s = (monotonic_ms() - began_ms) / 1000
        self.console.print(f"  [green]✓[/green] {text} [dim]{took_s:.2f} s[/dim]")
        for note in notes:
            self.console.print(f"    [dim]{note}[/dim]", markup=True)

    def elapsed_s(self) -> float:
        """Return how long the story has taken so far."""
        return (monotonic_ms() - self.began_ms) / 1000

    def _spinner(self, text: str) -> contextlib.AbstractContextManager[object]:
        if self.console.is_terminal:
            return self.console.status(text)
        return contextlib.nullcontext()
