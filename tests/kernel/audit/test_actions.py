"""Is every action that the code records in the vocabulary, and is nothing else?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import solvent
from solvent.kernel.audit.actions import ACTIONS
from solvent.kernel.audit.rules import ACTION

SRC = Path(solvent.__file__).parent


def recorded() -> Iterator[tuple[str, str]]:
    """Yield each action named where something is recorded, with its place."""
    for path in SRC.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name == "actions.py" or "audit" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                for action in named_in(node):
                    yield action, f"{path.relative_to(SRC)}:{node.lineno}"


def named_in(call: ast.Call) -> Iterator[str]:
    """Yield the actions of `record(action="…")`, and of a module's own `_record(ctx, "…")`."""
    told = [word.value for word in call.keywords if word.arg == "action"]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in {"_record", "_audit", "_note"}:
        told += call.args[1:2]
    for value in told:
        if isinstance(value, ast.Constant) and ACTION.match(str(value.value)):
            yield value.value
        if isinstance(value, ast.JoinedStr):
            yield ast.unparse(value)


def test_every_recorded_action_is_in_the_vocabulary() -> None:
    missing = {
        f"{action} ({place})"
        for action, place in recorded()
        if ACTION.match(action) and action not in ACTIONS
    }
    assert not missing, "give each a sentence in src/solvent/kernel/audit/actions.py"


def test_the_vocabulary_holds_nothing_that_is_never_recorded() -> None:
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in SRC.rglob("*.py") if path.name != "actions.py"
    )
    unused = [action for action in ACTIONS if not mentioned(action, source)]
    assert not unused


def mentioned(action: str, source: str) -> bool:
    """Return whether the action is written out, or put together from its two halves."""
    module, _, verb = action.partition(".")
    put_together = f'f"{module}.{{' in source and re.search(rf'"{verb}"', source)
    return f'"{action}"' in source or bool(put_together)


def test_the_vocabulary_is_sorted_and_told_in_sentences() -> None:
    assert list(ACTIONS) == sorted(ACTIONS)
    for action, told in ACTIONS.items():
        assert ACTION.match(action)
        assert re.fullmatch(r"[A-Z].{10,}\.", told), action
