"""What does the operator see of the start: lines for a person, JSON for a machine?"""

import json
import sys
from typing import TextIO

from solvent.kit.clock import SystemClock, format_time

TITLES = {"postgres": "PostgreSQL", "nats": "NATS JetStream", "http": "API", "worker": "Worker"}
GREEN, YELLOW, DIM, PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"


class Terminal:
    """Reports events to standard error (JSON, one a line) or, on a terminal, as a short story."""

    def __init__(self, stream: TextIO | None = None, *, color: bool = True) -> None:
        """Write to the stream, by default to standard error."""
        self._stream = stream or sys.stderr
        self._person = self._stream.isatty()
        self._color = color and self._person

    def __call__(self, event: str, **facts: object) -> None:
        """Report one event."""
        if self._person:
            self._say(event, facts)
        else:
            at = format_time(SystemClock().now())
            rounded = {name: _rounded(value) for name, value in facts.items()}
            self._line(json.dumps({"at": at, "event": event, **rounded}, default=str))

    def _say(self, event: str, facts: dict[str, object]) -> None:
        process = str(facts.get("process", ""))
        title = TITLES.get(process, process)
        match event:
            case "ready":
                self._line(f"  {self._paint('✓', GREEN)} {title:<16}{self._took(facts)}")
            case "started":
                self._line(f"  {self._paint('✓', GREEN)} {title:<16}{self._paint('started', DIM)}")
            case "ended":
                pause = self._paint(f"again in {_seconds(facts.get('again_in_s'))}", DIM)
                self._line(
                    f"  {self._paint('!', YELLOW)} {title} ended: {facts['reason']}; {pause}"
                )
            case "stopped":
                self._line(f"  · {title} stopped")
            case "up":
                self._line(_welcome(facts))
            case _:
                self._line(f"  {facts.get('text', event)}")

    def _took(self, facts: dict[str, object]) -> str:
        return self._paint(_seconds(facts.get("after_s")), DIM)

    def _paint(self, text: str, color: str) -> str:
        return f"{color}{text}{PLAIN}" if self._color else text

    def _line(self, text: str) -> None:
        try:
            self._stream.write(text + "\n")
            self._stream.flush()
        except OSError:  # the terminal is gone; the processes are more important
            return


def _welcome(facts: dict[str, object]) -> str:
    lines = [
        "",
        f"  Solvent is up ({_seconds(facts.get('after_s'))})",
        f"    Console  {facts['url']}/",
        f"    API      {facts['url']}/v1",
    ]
    if facts.get("sign_in"):
        lines.append(f"    Sign in  {facts['sign_in']}  (once)")
    return "\n".join([*lines, "    Stop     Ctrl-C", ""])


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, float) else ""


def _rounded(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value
