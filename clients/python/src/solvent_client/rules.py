"""Which check does this path need? The first rule of the longest matching prefix, or none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from solvent_client.decision import Quantity, checked_quantity

_MAX_KNOWN: Final = 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """What the paths under a prefix need.

    Args:
        prefix: a path that begins with `/`; it matches itself and everything below it, so
            `/export` matches `/export/pdf` and not `/exports`.
        feature: the feature that is needed; None needs any current subscription.
        product: the product that is needed.
        quantity: how much of a quota must be left.
    """

    prefix: str
    feature: str | None = None
    product: str | None = None
    quantity: Quantity = 1

    def __post_init__(self) -> None:
        if not self.prefix.startswith("/") or normal(self.prefix) != _bare(self.prefix):
            raise ValueError(f"prefix: expected a plain path, say /export, not {self.prefix!r}")
        checked_quantity(self.quantity)


class RuleBook:
    """Finds the rule of a path.

    Args:
        default: what a path needs that no rule matches.
        rules: what the paths under some prefixes need; the longest match holds.
        exempt: prefixes that need nothing.
    """

    def __init__(self, default: Rule, rules: Iterable[Rule], exempt: Iterable[str]) -> None:
        self._default = default
        self._rules: Final[Sequence[tuple[str, Rule]]] = sorted(
            ((_bare(rule.prefix), rule) for rule in rules), key=lambda pair: -len(pair[0])
        )
        self._exempt = tuple(_bare(Rule(prefix).prefix) for prefix in exempt)
        self._known: dict[str, Rule | None] = {}

    def needs(self, path: str) -> Rule | None:
        """Return what the path needs, None where it is exempt.

        A path is matched as a server would resolve it, and one that hides where it leads (`//`,
        `/../`, `/./`) is never exempt: frameworks differ in what they make of it.
        """
        try:
            return self._known[path]
        except KeyError:
            pass
        if len(self._known) >= _MAX_KNOWN:
            self._known = {}
        found = self._known[path] = self._find(path)
        return found

    def _find(self, path: str) -> Rule | None:
        resolved = normal(path)
        if resolved == _bare(path) and any(_under(resolved, prefix) for prefix in self._exempt):
            return None
        for prefix, rule in self._rules:
            if _under(resolved, prefix):
                return rule
        return self._default


def _under(path: str, prefix: str) -> bool:
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")


def _bare(path: str) -> str:
    """Return the path without the slash at its end; the root is empty."""
    return path.removesuffix("/")


def normal(path: str) -> str:
    """Return the path with `//`, `.` and `..` resolved and without the slash at its end."""
    if "//" not in path and "/." not in path:
        return _bare(path)
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment not in {"", "."}:
            segments.append(segment)
    return "".join(f"/{segment}" for segment in segments)
