"""How does a month's MRR look as a waterfall, in SVG?

One picture without a script, a font or a link: it can stand in a page, a mail or a report. It says
in words what it shows, and its colors differ in lightness too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from solvent.kit.money import Money, format_money
from solvent.systems.revenue.model import Kind, Row

WIDTH, HEIGHT = 760, 340
LEFT, TOP, FLOOR = 20, 56, 280
COLUMN, BAR = 103, 72
STAND, GAIN, LOSS = "#334155", "#15803d", "#dc2626"
MIDDLE = ' text-anchor="middle"'
EMPTY = "No recurring revenue yet: it begins with the first charged second of a subscription."
ORDER = (Kind.NEW, Kind.EXPANSION, Kind.REACTIVATION, Kind.CONTRACTION, Kind.CHURN)


@dataclass(frozen=True, slots=True)
class _Bar:
    name: str
    low: int
    high: int
    amount_minor: int
    color: str


def waterfalls(rows: Sequence[Row]) -> str:
    """Return one picture of what MRR moved by in a span, a waterfall below the other a currency."""
    told = " ".join(_told(row) for row in rows) or EMPTY
    height = HEIGHT * max(len(rows), 1)
    body = "".join(
        f'<g transform="translate(0 {place * HEIGHT})">{_waterfall(row)}</g>'
        for place, row in enumerate(rows)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">'
        f'<title id="t">MRR</title><desc id="d">{escape(told)}</desc>'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>{body or _text(LEFT, 30, EMPTY)}'
        "</svg>\n"
    )


def _told(row: Row) -> str:
    """Return the picture in words."""
    parts = "; ".join(f"{one.name} {_amount(one.amount_minor, row)}" for one in _bars(row))
    return f"{row.span.label}: {parts}."


def _text(x: int, y: int, text: str, *, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" fill="{STAND}"{more}>{escape(text)}</text>'


def _waterfall(row: Row) -> str:
    bars = list(_bars(row))
    top = max(one.high for one in bars)
    heading = _text(LEFT, 30, f"MRR {row.span.label}, {row.currency}", more=' font-size="17"')
    body = "".join(_drawn(one, place, top, row) for place, one in enumerate(bars))
    return f'{heading}{body}<path d="M{LEFT} {FLOOR}H{WIDTH - LEFT}" stroke="{STAND}"/>'


def _bars(row: Row) -> Iterator[_Bar]:
    at = row.opening_minor
    yield _Bar("opening", min(at, 0), max(at, 0), at, STAND)
    for kind in ORDER:
        moved = row.moved.get(kind, 0)
        color = GAIN if moved >= 0 else LOSS
        yield _Bar(kind.value, min(at, at + moved), max(at, at + moved), moved, color)
        at += moved
    end = row.closing_minor
    yield _Bar("closing", min(end, 0), max(end, 0), end, STAND)


def _drawn(one: _Bar, place: int, top: int, row: Row) -> str:
    x = LEFT + place * COLUMN + (COLUMN - BAR) // 2
    y, floor = _y(one.high, top), _y(one.low, top)
    middle, small = x + BAR // 2, f'{MIDDLE} font-size="11"'
    return (
        f'<rect x="{x}" y="{y}" width="{BAR}" height="{max(floor - y, 1)}" fill="{one.color}"/>'
        + _text(middle, y - 6, _amount(one.amount_minor, row), more=small)
        + _text(middle, FLOOR + 22, one.name, more=MIDDLE)
    )


def _y(level: int, top: int) -> int:
    """Return how far from the top a level is drawn, in whole units of the picture."""
    return FLOOR - max(level, 0) * (FLOOR - TOP) // max(top, 1)


def _amount(amount_minor: int, row: Row) -> str:
    return format_money(Money(amount_minor, row.currency))
