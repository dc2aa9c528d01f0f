"""Does the ASGI middleware let through, refuse and pass on as it says?"""

import json

import pytest
from emulator import eventually, record, switch

from solvent_client import PaymentRequired, PaywallMiddleware, Rule, payment_required_handler
from solvent_client.rules import RuleBook


def customer_of(scope):
    return dict(scope["headers"]).get(b"x-customer", b"").decode() or None


class App:
    """Answers in two pieces and remembers what it was asked."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one ", "more_body": True})
            await send({"type": "http.response.body", "body": b"two"})


class Exchange:
    """One ASGI connection and what was sent on it."""

    def __init__(self, path="/", *, customer="alice", kind="http", **scope):
        headers = [(b"x-customer", customer.encode())] if customer else []
        self.scope = {"type": kind, "path": path, "headers": headers, "method": "GET", **scope}
        self.sent = []
        self.to_receive = [{"type": f"{kind}.connect"}]

    async def receive(self):
        return self.to_receive.pop(0)

    async def send(self, message):
        self.sent.append(message)

    async def through(self, app):
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def problem(self):
        return json.loads(self.sent[1]["body"])


@pytest.fixture
def guarded(solvent, open_paywall):
    solvent.put(record("alice", features={"export": switch()}))
    paywall = open_paywall(upgrade_url="/plans")
    assert paywall.wait_live()
    return PaywallMiddleware(
        App(),
        paywall,
        customer=customer_of,
        rules=[Rule("/export", feature="export"), Rule("/export/bulk", feature="bulk")],
        exempt=["/health"],
    )


async def test_who_has_access_gets_through_to_the_streamed_answer(guarded):
    exchange = await Exchange().through(guarded)
    assert [message.get("body") for message in exchange.sent] == [None, b"one ", b"two"]
    assert exchange.scope["solvent.decision"].allowed


async def test_who_has_none_is_told_to_pay(guarded):
    exchange = await Exchange(customer="mallory").through(guarded)
    assert exchange.status == 402
    assert exchange.headers[b"content-type"] == b"application/problem+json"
    assert exchange.headers[b"cache-control"] == b"no-store"
    assert exchange.headers[b"content-length"] == str(len(exchange.sent[1]["body"])).encode()
    assert exchange.problem == {
        "type": "/problems/payment_required",
        "title": "Payment required",
        "status": 402,
        "code": "payment_required",
        "reason_code": "no_subscription",
        "detail": "The customer has no current subscription.",
        "upgrade_url": "/plans",
    }
    assert not guarded._app.scopes


async def test_a_request_without_a_customer_is_told_so(guarded):
    exchange = await Exchange(customer=None).through(guarded)
    assert exchange.status == 402
    assert exchange.problem["reason_code"] == "unknown_customer"


@pytest.mark.parametrize(
    "path, reason_code",
    [
        ("/", None),
        ("/exports", None),
        ("/export", None),
        ("/export/", None),
        ("/export/pdf", None),
        ("/export/bulk", "feature_missing"),
        ("/export/bulk/", "feature_missing"),
        ("/export/bulk/all", "feature_missing"),
        ("//export/bulk", "feature_missing"),
        ("/export//bulk", "feature_missing"),
        ("/export/./bulk", "feature_missing"),
        ("/health/../export/bulk", "feature_missing"),
    ],
)
async def test_the_longest_rule_holds_however_the_path_is_written(guarded, path, reason_code):
    exchange = await Exchange(path).through(guarded)
    assert (exchange.status == 200) is (reason_code is None)
    if reason_code:
        assert exchange.problem["reason_code"] == reason_code


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/deep"])
async def test_exempt_paths_need_nothing(guarded, path):
    assert (await Exchange(path, customer=None).through(guarded)).status == 200


@pytest.mark.parametrize(
    "path", ["/healthy", "/health/../export", "//health", "/health//x", "/./health", "/Health"]
)
async def test_only_exempt_paths_are_exempt(guarded, path):
    assert (await Exchange(path, customer=None).through(guarded)).status == 402


async def test_rules_are_matched_below_the_mount(guarded):
    mounted = Exchange("/api/health", customer=None, root_path="/api")
    assert (await mounted.through(guarded)).status == 200
    elsewhere = Exchange("/health/api", customer=None, root_path="/health")
    assert (await elsewhere.through(guarded)).status == 402


async def test_a_customer_can_be_found_by_an_async_function(solvent, open_paywall):
    solvent.put(record("alice"))

    async def find(scope):
        return customer_of(scope)

    guarded = PaywallMiddleware(App(), open_paywall(), customer=find)
    assert (await Exchange().through(guarded)).status == 200
    assert (await Exchange(customer=None).through(guarded)).status == 402


async def test_an_outage_is_not_told_as_a_bill(solvent, open_paywall):
    solvent.go_away()
    guarded = PaywallMiddleware(
        App(), open_paywall(upgrade_url="/plans"), customer=customer_of, feature="export"
    )
    exchange = await Exchange().through(guarded)
    assert exchange.status == 503
    assert exchange.headers[b"retry-after"] == b"1"
    assert exchange.problem["code"] == "entitlements_unavailable"
    assert exchange.problem["reason_code"] == "outage"
    assert "upgrade_url" not in exchange.problem


async def test_a_websocket_is_refused_in_its_handshake(guarded):
    exchange = await Exchange(customer="mallory", kind="websocket").through(guarded)
    assert exchange.sent == [{"type": "websocket.close", "code": 1008, "reason": "402"}]
    assert not exchange.to_receive


async def test_a_websocket_is_refused_with_the_problem_where_the_server_can(guarded):
    exchange = await Exchange(
        customer="mallory", kind="websocket", extensions={"websocket.http.response": {}}
    ).through(guarded)
    start, body = exchange.sent
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 402)
    assert json.loads(body["body"])["code"] == "payment_required"


async def test_a_websocket_of_a_payer_is_accepted(guarded):
    exchange = await Exchange(kind="websocket").through(guarded)
    assert exchange.sent == [{"type": "websocket.accept"}]


async def test_the_lifespan_passes_through_and_opens_and_ends_the_stream(solvent, open_paywall):
    paywall = open_paywall()
    live_inside = []

    class Slow(App):
        async def __call__(self, scope, receive, send):
            live_inside.append(paywall._stream is not None)
            await super().__call__(scope, receive, send)

    exchange = Exchange(kind="lifespan")
    exchange.to_receive = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    await exchange.through(PaywallMiddleware(Slow(), paywall, customer=customer_of))
    assert [message["type"] for message in exchange.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert live_inside == [True]
    assert paywall._stream is None


async def test_unknown_scopes_pass_through(guarded):
    with pytest.raises(KeyError):  # the application's own failure, not ours
        await Exchange(kind="http.later").through(_KeyErrorApp(guarded))


def _KeyErrorApp(guarded):  # noqa: N802
    async def fail(scope, receive, send):
        raise KeyError(scope["type"])

    guarded._app = fail
    return guarded


async def test_a_guard_inside_answers_through_the_middleware(guarded):
    paywall = guarded._paywall

    @paywall.required(feature="bulk", customer="customer")
    async def inner(customer):
        raise AssertionError("it must not run")

    async def app(scope, receive, send):
        await inner(customer_of(scope))

    guarded._app = app
    exchange = await Exchange().through(guarded)
    assert exchange.status == 402
    assert exchange.problem["reason_code"] == "feature_missing"


@pytest.mark.parametrize(
    "customer",
    ["a\r\nX-Evil: 1", "alice\x00", "<script>alert(1)</script>", "cus_" + "0" * 26, "客"],
)
async def test_nothing_of_the_request_gets_into_a_header(guarded, customer):
    exchange = await Exchange(customer=customer).through(guarded)
    assert exchange.status == 402
    whole = b"".join(name + value for name, value in exchange.sent[0]["headers"])
    assert customer.encode() not in whole
    assert b"\r" not in whole
    assert b"\n" not in whole


async def test_behind_real_starlette_and_its_exception_handler(solvent, open_paywall):
    httpx = pytest.importorskip("httpx")
    fastapi = pytest.importorskip("fastapi")
    solvent.put(record("alice", features={"export": switch()}))
    paywall = open_paywall(upgrade_url="https://shop.example.com/plans")
    app = fastapi.FastAPI()
    app.add_exception_handler(PaymentRequired, payment_required_handler)

    @app.get("/export/{customer}")
    @paywall.required(feature="export", customer="customer")
    async def export(customer: str, size: int = 1) -> dict[str, int]:
        return {"size": size}

    @app.get("/sync/{customer}")
    @paywall.required(feature="bulk", customer=lambda **arguments: arguments["customer"])
    def sync(customer: str) -> None:
        raise AssertionError("it must not run")

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/export/alice?size=3")).json() == {"size": 3}
        refused = await client.get("/export/bob")
        assert refused.status_code == 402
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["upgrade_url"] == "https://shop.example.com/plans"
        assert (await client.get("/sync/alice")).json()["reason_code"] == "feature_missing"


async def test_the_snapshot_answers_once_it_is_live(solvent, guarded):
    asked = len(solvent.asked)
    for _ in range(50):
        await Exchange().through(guarded)
    assert len(solvent.asked) == asked
    solvent.put(record("alice", 2, access=False))

    def refused():
        return not guarded._paywall.check("alice")

    eventually(refused)
    assert (await Exchange().through(guarded)).status == 402


@pytest.mark.parametrize("prefix", ["export", "", "/a/../b", "//", "/a//b"])
def test_a_prefix_that_matches_nothing_sane_is_refused(prefix):
    with pytest.raises(ValueError, match="prefix"):
        Rule(prefix)


def test_the_root_as_a_rule_matches_everything():
    book = RuleBook(Rule("/"), [Rule("/", feature="all")], [])
    assert book.needs("/anything").feature == "all"
    assert book.needs("/").feature == "all"
