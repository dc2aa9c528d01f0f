"""How many usage events a second become durable, counted once, and how soon does a check see one?

One JSON object a line. Ours is the whole of `solvent up`: authentication, validation, a row an
event with its id unique for ever, hourly roll-ups, an outbox row a batch, and the worker that tells
guards. The peers are `ingest_parts/peer.py` on the same PostgreSQL: the same promises kept in the
plain way, and, doing less, rows only. All are one HTTP process and get the same batches of 100 over
keep-alive connections from a load process of its own; a tenth of the batches are sent twice.

`--door lago` (or openmeter, stripe) sends the same events in that vendor's words through its door,
beside our own API; `--meters-only` measures 100 meters beside one and nothing else.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
from ingest_parts.doors import PATHS, body_of, name_meters

from solvent.app.supervisor.probe import LOOPBACK, free_port, http_ok

GOAL_PER_S, GOAL_VISIBLE_MS = 10_000, 1_000
METERS, GOAL_METERS_RATIO = 100, 0.9
BATCH, CONNECTIONS, CUSTOMERS = 100, 12, 1_000
BACKGROUND_PER_S, PROBES, PROBE_EVERY_S = 5_000, 150, 0.05
PATIENCE_S = 120.0
SOLVENT = Path(sys.executable).with_name("solvent")
PEERS = {
    "kept": "the same promises in FastAPI, a statement an event",
    "bare": "only INSERTs in FastAPI: no keys, conflicts, roll-ups or events",
}


# -------------------------------------------------------------------------------------------- load


def meter_keys(meters):
    """The meter of the bench, and others where there is to be more than one."""
    return ["ingest", *[f"ingest_{number}" for number in range(1, meters)]]


def batches(count, salt, *, meters=1, door=None):
    """Bodies of a hundred events each over a thousand customers; every tenth body comes twice."""
    keys = meter_keys(meters)
    at, bodies = datetime.now(UTC) - timedelta(minutes=5), []
    for number in range(count):
        events = [
            {
                "id": f"{salt}-{number}-{place}",
                "meter": keys[(number + place) % meters],
                "customer": f"customer-{(number * 37 + place * 11) % CUSTOMERS}",
                "at": (at + timedelta(milliseconds=place)).isoformat(timespec="milliseconds"),
                "value": f"0.{place + 1:03}",
            }
            for place in range(BATCH)
        ]
        body = json.dumps({"events": events}).encode()
        bodies.append(body_of(door, events) if door else body)
        if number % 10 == 9:
            bodies.append(bodies[-1])
    return bodies


def request(path, body, key):
    """One request as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answer(reader):
    """Read one answer; return its JSON. Any status but 200 and 204 ends the run."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
    body = await reader.readexactly(length)
    if int(head[9:12]) not in {200, 204}:
        raise SystemExit(f"bench: answered {head[:80]!r} {body[:300]!r}")
    return json.loads(body or b"{}")


async def flat_out(port, requests):
    """Send everything over the connections as fast as answers come; return new events a second."""
    waiting, accepted = iter(requests), 0

    async def connection():
        nonlocal accepted
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        for one in waiting:
            writer.write(one)
            told = await answer(reader)
            accepted += told.get("accepted", 0)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*[connection() for _ in range(CONNECTIONS)])
    seconds = time.perf_counter() - began
    return {"accepted": accepted, "per_s": accepted / seconds, "seconds": seconds}


async def at_rate(port, requests, per_s):
    """Send batches at an even rate for as long as there are any."""
    free = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(LOOPBACK, port))
    began = time.perf_counter()

    async def send(one):
        reader, writer = await free.get()
        writer.write(one)
        await answer(reader)
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(requests):
            due = began + number * BATCH / per_s
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            group.create_task(send(one))
    return {"per_s": len(requests) * BATCH / (time.perf_counter() - began)}


def load(options):
    """Be the load process: make all bodies, then send, then print what was measured."""
    import uvloop

    bodies = batches(options.count, options.salt, meters=options.meters, door=options.door)
    requests = [request(options.path, body, options.key) for body in bodies]
    if options.per_s:
        told = uvloop.run(at_rate(options.port, requests, options.per_s))
    else:
        told = uvloop.run(flat_out(options.port, requests))
    print(json.dumps(told))


def load_command(where, *, count, salt, per_s=0, meters=1, door=None):
    """Return the command of a load process."""
    port, path, key = where
    words = ["--port", str(port), "--path", PATHS.get(door, path), "--key", key]
    words += ["--count", str(count), "--meters", str(meters)]
    words += ["--door", door] if door else []
    return [sys.executable, __file__, "--load", *words, "--salt", salt, "--per-s", str(per_s)]


def measure(where, **how):
    """Run a load process against a server and return what it measured."""
    done = subprocess.run(load_command(where, **how), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


# -------------------------------------------------------------------------------------------- ours


@contextmanager
def ours(data):
    """The whole product with one tenant; yields ((port, path, key), owner's URL)."""
    port = free_port()
    os.environ["SOLVENT_DATA_DIR"] = str(data)
    command = [SOLVENT, "--data", data, "up", "--port", str(port)]
    with (data.parent / "solvent.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait(lambda: http_ok(LOOPBACK, port, "/readyz"), process)
            key = asyncio.run(furnish())
            yield (port, "/v1/usage", key), owner_url(data)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


async def furnish():
    """Make the tenant, a plan with a quota on the meter, and subscribers of it; return a key."""
    from solvent.app.door import open_engines
    from solvent.kernel.catalogue import model
    from solvent.kernel.catalogue import service as catalogue
    from solvent.kernel.metering.model import Aggregation, MeterSpec
    from solvent.kernel.subscriptions import service as subscriptions
    from solvent.kernel.tenants import service as tenants
    from solvent.kernel.tenants.model import CustomerDetails
    from solvent.kit.ctx import OPERATOR

    nothing_told = CustomerDetails()
    quota = model.Feature(
        "ingest", model.FeatureKind.QUOTA, limit=Decimal(10**9), meter_key="ingest"
    )
    terms = model.Terms(
        product_key="logs",
        name="Pro",
        currency="USD",
        interval=model.Interval.MONTH,
        interval_count=1,
        prices=(),
        features=(quota,),
    )
    meters = [
        MeterSpec(key=key, name="Logs", aggregation=Aggregation.SUM, unit="GB")
        for key in meter_keys(METERS)
    ]
    sold = model.CatalogueSpec(
        tuple(meters), (model.Product("logs", "Logs"),), (model.PlanSpec("pro", terms),)
    )
    async with open_engines() as edge:
        made = await tenants.create_business(edge, name="Bench", slug="bench")
        async with edge.open(made.live.id, OPERATOR) as ctx:
            await catalogue.apply(ctx, sold)
            everybody = {f"customer-{number}": nothing_told for number in range(CUSTOMERS)}
            await tenants.ensure_customers(ctx, everybody)
            await name_meters(ctx, meter_keys(METERS))
            for number in range(CUSTOMERS // 10):
                found = await tenants.ensure_customer(ctx, f"customer-{number}")
                await subscriptions.create(ctx, found.id, "pro")
            probe = await tenants.ensure_customer(ctx, "probe")
            await subscriptions.create(ctx, probe.id, "pro")
            return (await tenants.issue_key(ctx, name="bench")).text


def owner_url(data):
    """Return the owner's URL of the running PostgreSQL."""
    return json.loads((data / "run" / "engines.json").read_text())["postgres"]["owner_dsn"]


def wait(condition, process):
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"bench: not ready (exit status {process.poll()})")
        time.sleep(0.02)


async def settle(url):
    """Wait until the relay has carried everything, and then some for the worker."""
    connection = await asyncpg.connect(url)
    try:
        end = time.monotonic() + PATIENCE_S
        while await connection.fetchval("select count(*) from kit_outbox"):
            if time.monotonic() > end:
                sys.exit("bench: the outbox does not drain")
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
    finally:
        await connection.close()


# ---------------------------------------------------------------------------------------- freshness


async def probe(where):
    """Send single events one after the other; return how long each took to be seen, two ways.

    Seen by a check: from before the event is sent until a check has answered that counts it.
    Seen by a guard: until the entitlement stream has told of it.
    """
    import httpx

    port, path, key = where
    headers = {"authorization": f"Bearer {key}"}
    pushed, sent_at = {}, {}
    async with httpx.AsyncClient(
        base_url=f"http://{LOOPBACK}:{port}", headers=headers, timeout=30
    ) as client:
        ready = asyncio.Event()
        listening = asyncio.create_task(_listen(client, ready, pushed))
        await asyncio.wait_for(ready.wait(), 30)
        checked = []
        for number in range(1, PROBES + 1):
            event = {"id": f"probe-{number}", "meter": "ingest", "customer": "probe", "value": 1}
            began = sent_at[number] = time.perf_counter()
            body = event | {"at": datetime.now(UTC).isoformat()}
            (await client.post(path, json=body)).raise_for_status()
            await _until_counted(client, number)
            checked.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PROBE_EVERY_S)
        for _ in range(200):
            if pushed and max(pushed) >= PROBES:
                break
            await asyncio.sleep(0.05)
        listening.cancel()
    return checked, [_first_at(pushed, n) - sent_at[n] for n in sorted(sent_at)]


async def _until_counted(client, number):
    """Ask until the check counts so many events."""
    ask = {"customer": "probe", "feature": "ingest"}
    while True:
        told = (await client.post("/v1/entitlements/check", json=ask)).json()
        if int(told["remaining"]) <= 10**9 - number:
            return


async def _listen(client, ready, pushed):
    """Note when the stream first told of each quantity used by the probe."""
    async with client.stream("GET", "/v1/entitlements/stream", timeout=None) as response:
        async for line in response.aiter_lines():
            if line == "event: ready":
                ready.set()
            elif line.startswith("data: ") and '"customer":"probe"' in line:
                told = json.loads(line[6:])
                if "revision" in told:
                    used = int(told["features"]["ingest"]["used"])
                    pushed.setdefault(used, time.perf_counter())


def _first_at(pushed, number):
    """Return when at least this quantity was told: several events may come in one change."""
    return min((at for used, at in pushed.items() if used >= number), default=float("inf"))


# -------------------------------------------------------------------------------------------- peer


@contextmanager
def peer(url):
    """The peers' process; yields (port, path, key) of each."""
    port = free_port()
    command = [sys.executable, __file__, "--peer", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | {"BENCH_URL": url})
    try:
        wait(lambda: http_ok(LOOPBACK, port, "/readyz"), process)
        yield {name: (port, f"/{name}", "peer") for name in PEERS}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


# --------------------------------------------------------------------------------------------- run


def show(figure, value, unit, *, peer=None, peer_value=None, goal):
    """Print one figure."""
    ratio = round(value / peer_value, 2) if peer_value else None
    known = round(peer_value, 1) if peer_value else None
    line = {"figure": figure, "value": round(value, 1), "unit": unit, "peer": peer}
    print(json.dumps(line | {"peer_value": known, "ratio": ratio, "goal": goal}), flush=True)


def p99(values):
    """Return the value that one in a hundred exceeds."""
    return sorted(values)[int(len(values) * 0.99)]


def run(options):
    """Measure both in turns, several times, then freshness under load; print the figures."""
    rates = {name: [] for name in ("ours", *PEERS)}
    with tempfile.TemporaryDirectory(prefix="solvent-bench-") as place:
        Path(place).chmod(0o755)
        with ours(Path(place) / "data") as (mine, url), peer(url) as theirs:
            sides = {"ours": mine, **theirs}
            for side, where in sides.items():
                measure(where, count=50, salt=f"warm-{side}")
            for number in range(options.runs):
                for side, where in sides.items():
                    asyncio.run(settle(url))
                    count = options.count if side == "ours" else options.count // 3
                    told = measure(where, count=count, salt=f"{side}-{number}")
                    if told["accepted"] != count * BATCH:
                        sys.exit(f"bench: {told['accepted']} of {count * BATCH} were kept")
                    rates[side].append(told["per_s"])
                    print(f"{side} {number}: {told}", file=sys.stderr)
            asyncio.run(settle(url))
            many = beside(mine, url, options, "meters", meters=METERS)
            asyncio.run(settle(url))
            checked, pushed = under_load(mine)
    middle = {side: statistics.median(values) for side, values in rates.items()}
    figure = "usage events durable and deduplicated a second"
    for name, told in PEERS.items():
        both = {"peer": told, "peer_value": middle[name]}
        show(figure, middle["ours"], "1/s", **both, goal=f">= {GOAL_PER_S}")
    show_beside("ingest_100_meters", many, "one meter", goal=f">= {GOAL_METERS_RATIO} of it")
    goal, load = f"< {GOAL_VISIBLE_MS}", f"at {BACKGROUND_PER_S} events/s"
    show(f"usage visible to a check p50 {load}", statistics.median(checked), "ms", goal=None)
    show(f"usage visible to a check p99 {load}", p99(checked), "ms", goal=goal)
    show(f"usage pushed to a guard p99 {load}", p99(pushed) * 1000, "ms", goal=goal)


def beside(mine, url, options, salt, **other):
    """Measure ours as it is and in another way, in turns; return the middle rates of both."""
    rates = {"plain": [], "other": []}
    for number in range(options.runs):
        for side, how in (("plain", {}), ("other", other)):
            asyncio.run(settle(url))
            name = f"{salt}-{side}-{number}"
            told = measure(mine, count=options.count, salt=name, **how)
            kept = asyncio.run(count_events(url, name))
            if kept != options.count * BATCH:
                sys.exit(f"bench: {kept} of {options.count * BATCH} were kept")
            rates[side].append(kept / told["seconds"])
            print(f"{name}: {rates[side][-1]:.0f}/s", file=sys.stderr)
    return {side: statistics.median(values) for side, values in rates.items()}


async def count_events(url, salt):
    """Return how many events of a run are in the database."""
    connection = await asyncpg.connect(url)
    try:
        sql = "select count(*) from metering_event where id like '%' || $1 || '-%'"
        return await connection.fetchval(sql, salt)
    finally:
        await connection.close()


def show_beside(figure, rates, peer, *, goal):
    """Print the rate of another way beside that of ours as it is."""
    show(figure, rates["other"], "1/s", peer=peer, peer_value=rates["plain"], goal=goal)


def run_beside(options):
    """Measure one door, or 100 meters, beside our own API with one meter; print the figure."""
    with tempfile.TemporaryDirectory(prefix="solvent-bench-") as place:
        Path(place).chmod(0o755)
        with ours(Path(place) / "data") as (mine, url):
            measure(mine, count=50, salt="warm")
            if options.door:
                rates = beside(mine, url, options, options.door, door=options.door)
                show_beside(f"ingest_door_{options.door}", rates, "our own API", goal=None)
            else:
                rates = beside(mine, url, options, "meters", meters=METERS)
                goal = f">= {GOAL_METERS_RATIO} of it"
                show_beside("ingest_100_meters", rates, "one meter", goal=goal)


def under_load(where):
    """Probe while a load process keeps up its rate; return the two lists of times."""
    seconds = PROBES * PROBE_EVERY_S * 3
    count = int(seconds * BACKGROUND_PER_S / BATCH)
    command = load_command(where, count=count, salt="even", per_s=BACKGROUND_PER_S)
    background = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    try:
        return asyncio.run(probe(where))
    finally:
        background.kill()
        background.communicate()


def main():
    """Read the options and be the bench, the load, or the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=900, help="batches of 100 a run")
    parser.add_argument("--door", choices=[*PATHS], help="measure this door only")
    parser.add_argument("--meters-only", action="store_true", help="measure 100 meters only")
    parser.add_argument("--meters", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    parser.add_argument("--key", default="", help=argparse.SUPPRESS)
    parser.add_argument("--salt", default="", help=argparse.SUPPRESS)
    parser.add_argument("--per-s", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        load(options)
    elif options.peer:
        import uvicorn
        from ingest_parts.peer import peer_app

        app = peer_app(os.environ["BENCH_URL"])
        uvicorn.run(app, host=LOOPBACK, port=options.port, log_level="error", access_log=False)
    elif options.door or options.meters_only:
        run_beside(options)
    else:
        run(options)


if __name__ == "__main__":
    main()
