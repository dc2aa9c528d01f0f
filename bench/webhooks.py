"""How many webhooks a second become verified, deduplicated and durable, and how long does one wait?

One JSON object a line. Ours is the whole of `solvent up`, its worker applying the events meanwhile.
The peer is the plain design on the same PostgreSQL: a FastAPI route that calls the official
`stripe.Webhook.construct_event` and inserts each event with a commit of its own on an asyncpg pool.
Both are one HTTP process and get the same signed events over keep-alive connections from a load
process of its own; a tenth of them are sent twice. Each run begins with nothing left to do, and in
the end everything that was sent must have been applied, once.
"""

import argparse
import asyncio
import itertools
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
from pathlib import Path
from typing import Annotated

import asyncpg
import httpx

from solvent.app.supervisor.probe import LOOPBACK, free_port, http_ok
from solvent.systems.payments.model import Provider
from solvent.systems.payments.testing import StripePurchase, deliver

GOAL_PER_S, GOAL_P99_MS = 1_500, 20
CONNECTIONS, STEADY_PER_S, STEADY_S, WARM = 48, 500, 8, 500
PATIENCE_S = 120.0
SECRET = "whsec_bench_0123456789abcdef"
SOLVENT = Path(sys.executable).with_name("solvent")
CATALOGUE = Path(__file__).parents[1] / "examples" / "catalogue.toml"
PRICE = "price_demo_pro_monthly"
PEER = "FastAPI, stripe.Webhook.construct_event, one commit an event"


# -------------------------------------------------------------------------------------------- load


def events(count, salt):
    """Bodies of the main events of as many whole purchases as it takes; a tenth comes twice."""
    at = datetime.now(UTC) - timedelta(days=1)
    bodies, numbers = [], itertools.count()
    while len(bodies) < count:
        number = next(numbers)
        name = f"{salt}_{number}"
        buy = StripePurchase(name, PRICE, at, f"sub_{name}", f"cus_{name}")
        bodies += [buy.created(), buy.paid(), buy.updated(), buy.checkout()]
        bodies += bodies[-1:] if number % 5 in {1, 3} else []
    return bodies


def request(path, body):
    """One signed delivery as it goes over the wire."""
    sent = deliver(Provider.STRIPE, body, secret=SECRET, at=datetime.now(UTC))
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
    return head.encode() + b"\r\n" + body


async def answer(reader):
    """Read one answer; return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def flat_out(port, requests):
    """Send everything over the connections as fast as answers come; return events a second."""
    waiting = iter(requests)

    async def connection():
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        for one in waiting:
            writer.write(one)
            must_be_200(await answer(reader))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*[connection() for _ in range(CONNECTIONS)])
    return {"per_s": len(requests) / (time.perf_counter() - began)}


async def steady(port, requests, per_s):
    """Send at an even rate, whatever the answers do; return how long they took since due."""
    took, free = [], asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(LOOPBACK, port))
    began = time.perf_counter()

    async def send(due, one):
        reader, writer = await free.get()
        writer.write(one)
        must_be_200(await answer(reader))
        took.append((time.perf_counter() - due) * 1000)
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(requests):
            due = began + number / per_s
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            group.create_task(send(due, one))
    took.sort()
    return {"p50_ms": statistics.median(took), "p99_ms": took[int(len(took) * 0.99)]}


def must_be_200(status):
    """Stop the run at any other answer: a figure of refusals would be none."""
    if status != 200:
        raise SystemExit(f"bench: answered {status}")


def load(options):
    """Be the load process: make and sign, then send, then print what was measured."""
    try:
        import uvloop as runner
    except ImportError:
        runner = asyncio
    bodies = events(options.count, options.salt)
    requests = [request(options.path, body) for body in bodies]
    if options.per_s:
        told = runner.run(steady(options.port, requests, options.per_s))
    else:
        told = runner.run(flat_out(options.port, requests))
    print(json.dumps(told))


def measure(port, path, *, count, salt, per_s=0):
    """Run the load process against a server and return what it measured."""
    command = [sys.executable, __file__, "--load", "--port", str(port), "--path", path]
    command += ["--count", str(count), "--salt", salt, "--per-s", str(per_s)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# -------------------------------------------------------------------------------------------- ours


@contextmanager
def ours(data):
    """The whole product with one tenant that sells one plan; yields (port, path)."""
    port = free_port()
    command = [SOLVENT, "--data", data, "up", "--port", str(port)]
    with (data.parent / "solvent.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait(lambda: http_ok(LOOPBACK, port, "/readyz"), process)
            furnish(data)
            yield port, "/v1/t/bench-test/webhooks/stripe"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def furnish(data):
    """Make the tenant, its catalogue and its provider account as an operator would."""
    for words in (
        ("tenant", "create", "Bench", "--slug", "bench"),
        ("catalogue", "apply", str(CATALOGUE), "--tenant", "bench-test"),
        ("payments", "connect", "stripe", "--webhook-secret", SECRET, "--tenant", "bench-test"),
    ):
        command = [SOLVENT, "--data", data, *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


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


async def unapplied(url):
    """Return how many events wait for the worker to apply them, or to be published."""
    connection = await asyncpg.connect(url)
    sql = (
        "select (select count(*) from payments_event where state = 'received')"
        " + (select count(*) from kit_outbox)"
    )
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def unheard(data):
    """Return how many events the handlers of all systems have still to hear."""
    access = json.loads((data / "run" / "engines.json").read_text())["nats"]
    told = httpx.get(f"{access['monitor_url']}/jsz", params={"consumers": 1, "accounts": 1})
    accounts = told.json()["account_details"]
    streams = (stream for one in accounts for stream in one.get("stream_detail") or ())
    readers = (reader for one in streams for reader in one.get("consumer_detail") or ())
    return sum(one["num_pending"] + one["num_ack_pending"] for one in readers)


def rest(data):
    """Wait until nothing is left to do for what came in, so that each run begins at rest."""
    end = time.monotonic() + PATIENCE_S
    while left := asyncio.run(unapplied(owner_url(data))) + unheard(data):
        if time.monotonic() > end:
            raise SystemExit(f"bench: {left} events are still not done with")
        time.sleep(0.2)


async def applied(url):
    """Return how many events, subscriptions and booked payments there are of how many purchases."""
    connection = await asyncpg.connect(url)
    sql = (
        "select (select count(*) from payments_event where state = 'applied') / 4.0,"
        " (select count(*) from payments_event) / 4.0,"
        " (select count(*) from subscriptions_subscription where current),"
        " (select count(*) from ledger_payment),"
        " (select count(*) from audit_record where action = 'ledger.payment_recorded'),"
        " (select count(*) from entitlements_record where access <> '[]')"
    )
    try:
        return [float(count) for count in await connection.fetchrow(sql)]
    finally:
        await connection.close()


def prove(data, counts):
    """Stop with an error unless each purchase of these runs has had its whole effect once."""
    rest(data)
    purchases = sum(len(set(events(count, "x"))) // 4 for count in counts)
    found = asyncio.run(applied(owner_url(data)))
    if set(found) != {purchases}:
        raise SystemExit(f"bench: {purchases} purchases were sent, and there are {found}")
    print(f"{purchases} purchases applied once each", file=sys.stderr)


# -------------------------------------------------------------------------------------------- peer


def peer_app(url):
    """The plain design, as the provider's own guide has it, made durable by an insert."""
    import contextlib

    import stripe
    from fastapi import FastAPI, Header, HTTPException, Request

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.pool = await asyncpg.create_pool(url, min_size=16, max_size=16)
        await app.state.pool.execute(
            "create table if not exists bench_peer_event (id text primary key, type text not null,"
            " created bigint not null, body bytea not null, received_at timestamptz default now())"
        )
        yield
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def ready():
        return {}

    @app.post("/webhook")
    async def webhook(request: Request, stripe_signature: Annotated[str, Header()]):
        body = await request.body()
        try:
            event = stripe.Webhook.construct_event(body, stripe_signature, SECRET)
        except (ValueError, stripe.SignatureVerificationError):
            raise HTTPException(400) from None
        await app.state.pool.execute(
            "insert into bench_peer_event (id, type, created, body) values ($1, $2, $3, $4)"
            " on conflict do nothing",
            event.id,
            event.type,
            event.created,
            body,
        )
        return {"received": True}

    return app


@contextmanager
def peer(url):
    """The peer's process; yields (port, path)."""
    port = free_port()
    command = [sys.executable, __file__, "--peer", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | {"BENCH_URL": url})
    try:
        wait(lambda: http_ok(LOOPBACK, port, "/readyz"), process)
        yield port, "/webhook"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


# --------------------------------------------------------------------------------------------- run


def show(figure, value, unit, peer_value, *, goal, better):
    """Print one figure."""
    ratio = value / peer_value if better == "higher" else peer_value / value
    line = {"figure": figure, "value": round(value, 1), "unit": unit, "peer": PEER}
    line |= {"peer_value": round(peer_value, 1), "ratio": round(ratio, 2), "goal": goal}
    print(json.dumps(line), flush=True)


def run(options):
    """Measure both in turns, several times, and print the medians."""
    told = {"ours": [], "peer": []}
    count, paced = options.count, STEADY_PER_S * STEADY_S
    with tempfile.TemporaryDirectory(prefix="solvent-bench-") as place:
        Path(place).chmod(0o755)
        data = Path(place) / "data"
        with ours(data) as (port, path), peer(owner_url(data)) as (peer_port, peer_path):
            sides = {"ours": (port, path), "peer": (peer_port, peer_path)}
            for side, where in sides.items():
                measure(*where, count=WARM, salt=f"warm_{side}")
            for number in range(options.runs):
                for side, where in sides.items():
                    rest(data)
                    fast = measure(*where, count=count, salt=f"fast_{number}")
                    rest(data)
                    even = measure(*where, count=paced, salt=f"even_{number}", per_s=STEADY_PER_S)
                    told[side].append(fast | even)
                    load = os.getloadavg()[0]
                    print(f"{side} {number}: {fast | even} load={load:.1f}", file=sys.stderr)
            prove(data, [WARM, *[count, paced] * options.runs])
    middle = {
        side: {name: statistics.median(one[name] for one in runs) for name in runs[0]}
        for side, runs in told.items()
    }
    mine, theirs = middle["ours"], middle["peer"]
    rate = (mine["per_s"], "1/s", theirs["per_s"])
    show("webhooks durable a second", *rate, goal=f">= {GOAL_PER_S}", better="higher")
    for name, goal in (("p50_ms", None), ("p99_ms", f"< {GOAL_P99_MS}")):
        figure = f"webhook {name[:3]} at {STEADY_PER_S}/s"
        show(figure, mine[name], "ms", theirs[name], goal=goal, better="lower")


def main():
    """Read the options and be the bench, the load, or the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--count", type=int, default=5_000)
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    parser.add_argument("--salt", default="", help=argparse.SUPPRESS)
    parser.add_argument("--per-s", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        load(options)
    elif options.peer:
        import uvicorn

        app = peer_app(os.environ["BENCH_URL"])
        uvicorn.run(app, host=LOOPBACK, port=options.port, log_level="error", access_log=False)
    else:
        run(options)


if __name__ == "__main__":
    main()
