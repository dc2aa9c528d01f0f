"""Does the WSGI middleware let through, refuse and pass on as it says?"""

import json
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from emulator import record, switch

from solvent_client import PaymentRequired, Rule
from solvent_client.wsgi import PaywallMiddleware


def customer_of(environ):
    return environ.get("HTTP_X_CUSTOMER")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"one ", b"two"])


@pytest.fixture
def guarded(solvent, open_paywall):
    solvent.put(record("alice", features={"export": switch()}))
    paywall = open_paywall(upgrade_url="/plans")
    assert paywall.wait_live()
    return PaywallMiddleware(
        application,
        paywall,
        customer=customer_of,
        rules=[Rule("/export", feature="export"), Rule("/über", feature="über")],
        exempt=["/health"],
    )


def ask(app, path="/", *, customer="alice", method="GET"):
    """Ask through wsgiref's validator and return status, headers and body."""
    environ = {"PATH_INFO": path.encode().decode("latin-1"), "REQUEST_METHOD": method}
    environ["SCRIPT_NAME"] = ""
    setup_testing_defaults(environ)
    environ["QUERY_STRING"] = ""
    if customer:
        environ["HTTP_X_CUSTOMER"] = customer
    said = []

    def start_response(status, headers, exc_info=None):
        said.extend([status, dict(headers)])
        return lambda _: None

    pieces = validator(app)(environ, start_response)
    body = b"".join(pieces)
    pieces.close()
    return said[0], said[1], body


def test_who_has_access_gets_through_to_the_streamed_answer(guarded):
    assert ask(guarded) == ("200 OK", {"Content-Type": "text/plain"}, b"one two")


def test_a_generator_is_passed_on_untouched(guarded):
    stream = iter([b"x"])
    guarded._app = lambda environ, start_response: stream
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "GET", "HTTP_X_CUSTOMER": "alice"}
    assert guarded(environ, None) is stream
    assert environ["solvent.decision"].allowed


@pytest.mark.parametrize(
    "customer, reason", [("bob", "no_subscription"), (None, "unknown_customer")]
)
def test_who_has_none_is_told_to_pay(guarded, customer, reason):
    status, headers, body = ask(guarded, customer=customer)
    assert status == "402 Payment Required"
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(body)["reason_code"] == reason
    assert json.loads(body)["upgrade_url"] == "/plans"


def test_a_head_request_is_refused_without_a_body(guarded):
    status, headers, body = ask(guarded, customer="bob", method="HEAD")
    assert status == "402 Payment Required"
    assert int(headers["Content-Length"]) > 0
    assert body == b""


@pytest.mark.parametrize(
    "path, status",
    [
        ("/health", 200),
        ("/healthy", 402),
        ("/export", 402),
        ("/health/../export", 402),
    ],
)
def test_rules_and_exemptions(guarded, path, status):
    assert ask(guarded, path, customer=None)[0].startswith(str(status))


def test_paths_are_matched_as_text(guarded):
    _, _, body = ask(guarded, "/über/alles")
    assert json.loads(body)["reason_code"] == "feature_missing"


def test_a_guard_inside_answers_through_the_middleware(guarded):
    @guarded._paywall.required(feature="bulk", customer=customer_of)
    def inner(environ):
        raise AssertionError("it must not run")

    guarded._app = lambda environ, start_response: inner(environ)
    status, _, body = ask(guarded)
    assert status == "402 Payment Required"
    assert json.loads(body)["reason_code"] == "feature_missing"


def test_other_errors_pass_through(guarded):
    def fail(environ, start_response):
        raise KeyError("mine")

    guarded._app = fail
    with pytest.raises(KeyError):
        ask(guarded)


def test_an_outage_is_not_told_as_a_bill(solvent, open_paywall):
    solvent.go_away()
    guarded = PaywallMiddleware(application, open_paywall(), customer=customer_of)
    status, headers, _ = ask(guarded)
    assert status == "503 Service Unavailable"
    assert headers["Retry-After"] == "1"


# -------------------------------------------------------------------------------------- decorator


def test_a_guarded_function_keeps_its_name_and_signature(paywall):
    @paywall.required(customer="customer")
    def export(customer: str, *, size: int = 1) -> str:
        """Say how much."""
        return f"{customer}:{size}"

    assert export.__name__ == "export"
    assert export.__doc__ == "Say how much."


def test_a_guarded_function_runs_for_who_may_pass(solvent, paywall):
    solvent.put(record("alice"))

    @paywall.required(customer="customer")
    def export(size, customer="nobody"):
        return size

    assert export(1, "alice") == 1
    assert export(2, customer="alice") == 2
    with pytest.raises(PaymentRequired) as refusal:
        export(3)
    assert refusal.value.decision.code == "no_subscription"


async def test_a_guarded_coroutine_stays_one(solvent, paywall):
    import inspect

    solvent.put(record("alice"))

    @paywall.required(customer=lambda who: who)
    async def export(who):
        return who

    assert inspect.iscoroutinefunction(export)
    assert await export("alice") == "alice"
    with pytest.raises(PaymentRequired):
        await export("bob")


def test_a_parameter_that_is_not_there_is_said_at_once(paywall):
    with pytest.raises(ValueError, match="no parameter 'customer'"):

        @paywall.required(customer="customer")
        def export(who):
            pass
