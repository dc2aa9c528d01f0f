"""Is what was used counted once, and billed with lines that explain themselves?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from solvent.app.demo.cast import Founder, days_of_month, soon
from solvent.app.demo.getin import CUSTOMER
from solvent.app.demo.stage import Stage
from solvent.app.demo.told import Teller, check
from solvent.kit.clock import format_time
from solvent.kit.money import Money, format_money

LOG_PLACES = (Path("/var/log"),)
LOG_FILES_MAX = 400
BATCH = 100
PAGE = 500
CHUNK_BYTES = 64 * 1024
BYTES_PER_GB = 1_000_000_000
METER = "logs_gb"
ALERTS_METER, ALERTS = "alerts", 250
MODELS = 3
OWN_LOG_BYTES = 96_000_000


def meter_logs(teller: Teller, stage: Stage, founder: Founder) -> None:
    """Send the size of every piece of real log files as usage, in batches, some of them twice."""
    with teller.step(f"the founder's service writes {OWN_LOG_BYTES // 10**6} MB of access logs"):
        own_log = stage.data_dir.parent / "service-logs" / "access.log"
        _write_log(own_log, OWN_LOG_BYTES)
    places = (*LOG_PLACES, stage.data_dir / "log", own_log.parent)
    events = list(_pieces(places, founder.began_at + timedelta(hours=1)))
    batches = [events[i : i + BATCH] for i in range(0, len(events), BATCH)]
    twice = batches[::2]
    with stage.api(founder.key) as api:
        text = f"{len(events)} usage events from real log files, {len(twice)} batches sent twice"
        with teller.step(text) as notes:
            accepted = sum(_send(api, batch)["accepted"] for batch in batches)
            again = [_send(api, batch) for batch in twice]
            check(accepted == len(events), f"{accepted} of {len(events)} were accepted")
            counted_twice = sum(one["accepted"] for one in again)
            check(counted_twice == 0, f"{counted_twice} were counted twice")
            notes.append(f"{sum(float(e['value']) for e in events):.6f} GB, each counted once")
        with teller.step(f"{ALERTS} alerts, which are sold in packs of 100"):
            alerts = [_send(api, batch)["accepted"] for batch in _alerts(founder.began_at)]
            check(sum(alerts) == ALERTS, f"{sum(alerts)} of {ALERTS} were accepted")


def _alerts(at: datetime) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of events that each say an alert was sent."""
    events = [
        {
            "id": f"alert-{number}",
            "customer": CUSTOMER,
            "meter": ALERTS_METER,
            "at": format_time(at + timedelta(hours=2, seconds=number)),
        }
        for number in range(ALERTS)
    ]
    for place in range(0, ALERTS, BATCH):
        yield events[place : place + BATCH]


def _write_log(path: Path, size_bytes: int) -> None:
    """Write an access log of at least this size, in whole lines."""
    path.parent.mkdir(parents=True)
    lines = [
        f'203.0.113.{n % 250} - ada "GET /search?q={n} HTTP/1.1" 200 {n * 37 % 9000}\n'
        for n in range(20_000)
    ]
    block = "".join(lines).encode()
    with path.open("wb") as log:
        while log.tell() < size_bytes:
            log.write(block)


def _pieces(places: Iterable[Path], at: datetime) -> Iterator[dict[str, Any]]:
    """Yield a usage event for each 64 KiB of the log files in these places."""
    files = [path for place in places for path in sorted(place.rglob("*log*")) if path.is_file()]
    for number, path in enumerate(files[:LOG_FILES_MAX]):
        try:
            size = path.stat().st_size
        except OSError:
            continue
        for start in range(0, size, CHUNK_BYTES):
            name = hashlib.sha256(f"{path}:{start}".encode()).hexdigest()[:24]
            piece = min(CHUNK_BYTES, size - start)
            yield {
                "id": f"log-{name}",
                "customer": CUSTOMER,
                "meter": METER,
                "at": format_time(at + timedelta(seconds=number)),
                "value": f"{piece / BYTES_PER_GB:.9f}",
            }


def _send(api: httpx.Client, events: list[dict[str, Any]]) -> dict[str, int]:
    answer = api.post("/v1/usage", json={"events": events})
    check(answer.is_success, f"usage was answered {answer.status_code} {answer.text[:300]}")
    return answer.json()


def close_the_month(teller: Teller, stage: Stage, founder: Founder, output: Path) -> Path:
    """Move the test clock to the period's end; see the invoice drawn, explained and printed."""
    with stage.api(founder.key) as api:
        days = days_of_month(founder.began_at)
        end = founder.began_at + timedelta(days=days)
        with teller.step(f"the test clock moves {days} days: an invoice is drawn") as notes:
            moved = api.post("/v1/test-clock", json={"now": format_time(end)})
            check(moved.is_success, f"the clock was not moved: {moved.text[:300]}")
            soon(lambda: bool(_invoices(api)), "no invoice was drawn")
            check(len(_invoices(api)) == 1, f"{len(_invoices(api))} invoices were drawn")
            invoice = _invoices(api)[0]
            notes.append(_headline(invoice))
        _explain(teller, api, invoice)
        return _print_invoice(teller, api, invoice, output)


def _invoices(api: httpx.Client) -> list[dict[str, Any]]:
    return api.get("/v1/invoices").raise_for_status().json()["data"]


def _headline(invoice: dict[str, Any]) -> str:
    total = format_money(Money(invoice["total_minor"], invoice["currency"]))
    due = format_money(Money(invoice["due_minor"], invoice["currency"]))
    return f"invoice {invoice['reference']}: {total}, of which {due} is still due"


def _explain(teller: Teller, api: httpx.Client, invoice: dict[str, Any]) -> None:
    with teller.step("every line explains itself: events, price version, seconds") as notes:
        answer = api.get(f"/v1/invoices/{invoice['id']}/explain").raise_for_status().json()
        lines: list[dict[str, Any]] = answer["lines"]
        total = sum(line["amount_minor"] for line in lines)
        check(total == invoice["net_minor"], "the lines do not sum to the invoice")
        usage = [line for line in lines if line["evidence"]]
        check(bool(usage), "no line counts events")
        check(any(len(line["tiers"]) > 1 for line in usage), "no line has several tiers")
        models = {line["price_model"] for line in lines if line["amount_minor"]}
        check(len(models) >= MODELS, f"only {', '.join(sorted(models))} were charged")
        notes.append(f"three charge models: {', '.join(sorted(models))}")
        for line in lines:
            notes += [f"{line['description']}:", *(f"  {text}" for text in line["sentences"])]
    with teller.step("each event that a line charges is listed by its id") as notes:
        for place, line in enumerate(lines, 1):
            if line["evidence"]:
                notes.append(
                    f"{line['description']}: {_list_events(api, invoice['id'], place, line)}"
                )


def _list_events(api: httpx.Client, invoice_id: str, place: int, line: dict[str, Any]) -> str:
    """Read the events of a line, page by page; see that they are those that it counts."""
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
        url = f"/v1/invoices/{invoice_id}/lines/{place}/events"
        page = api.get(url, params=asked).raise_for_status().json()
        ids += [one["event_id"] for one in page["data"]]
        cursor = page["next_cursor"]
    digest = hashlib.sha256("".join(f"{one}\n" for one in sorted(ids)).encode()).hexdigest()
    check(digest == line["evidence"]["digest"], "the events are others than the line counts")
    return f"{len(ids)} events, {ids[0]} to {ids[-1]}"


def _print_invoice(
    teller: Teller, api: httpx.Client, invoice: dict[str, Any], output: Path
) -> Path:
    with teller.step("the invoice as a PDF that opens") as notes:
        answer = api.get(f"/v1/invoices/{invoice['id']}.pdf").raise_for_status()
        path = output / f"invoice-{invoice['reference']}.pdf"
        path.write_bytes(answer.content)
        _see_that_it_opens(path, invoice["reference"])
        notes.append(f"{path} ({len(answer.content)} bytes)")
    return path


def _see_that_it_opens(path: Path, reference: str) -> None:
    """Read the first page's text with another's reader, where there is one."""
    data = path.read_bytes()
    check(data.startswith(b"%PDF-") and b"%%EOF" in data[-1024:], "it is no whole PDF")
    try:
        from pypdf import PdfReader
    except ImportError:
        return
    text = PdfReader(path).pages[0].extract_text()
    check(reference in text, "its number is not on the first page")
