"""How does an application call Solvent's API? A thin typed client of the calls it needs."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from types import TracebackType
from typing import Final, Self, TypedDict, cast
from urllib.parse import quote, urlencode

from solvent_client.decision import Decision, Quantity, plain
from solvent_client.errors import Unreachable
from solvent_client.host import fresh_id, jitter, wall_clock
from solvent_client.parse import as_int, as_list, as_object, as_text, parse_answer, parse_object
from solvent_client.usage import MAX_BATCH, UsageEvent

_TRIES: Final = 4
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys: Solvent's id and the application's own reference."""

    id: str
    external_ref: str
    email: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Metered:
    """How many usage events were new, and how many had been counted before."""

    accepted: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class CheckoutLink:
    """Where a customer pays."""

    url: str
    id: str


class Consumption(TypedDict):
    """What an outage let through, as it waits to be taken."""

    customer: str
    feature: str
    quantity: str
    key: str


class Solvent:
    """Calls one Solvent with one key, from any thread.

    Every call that changes something carries an `Idempotency-Key`, so a repeated one is done once.

    Args:
        url: the API's address.
        key: a secret API key.
        timeout_s: how long one try may wait for the next bytes.

    Raises:
        Refused: (every call) Solvent says no: see `code` and `field`.
        Unreachable: (every call) Solvent did not answer in several tries.
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = 10.0) -> None:
        from solvent_client.transport import Transport  # http.client and ssl take 25 ms to import

        self.transport: Final = Transport(url, key, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the connections that are kept for later."""
        self.transport.forget_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ----------------------------------------------------------------------------------- customers

    def ensure_customer(
        self, external_ref: str, *, email: str | None = None, name: str | None = None
    ) -> Customer:
        """Return the customer with this reference, made or brought up to date."""
        body = _without_nulls({"email": email, "name": name})
        path = f"/v1/customers/{_segment(external_ref)}"
        return _customer(self._try("PUT", path, body, {}, tries=_TRIES))

    def customer(self, ref_or_id: str) -> Customer:
        """Return a customer by reference or id; Refused (404) if there is none."""
        return _customer(self._get(f"/v1/customers/{_segment(ref_or_id)}"))

    def customers(self, *, limit: int = 100, cursor: str | None = None) -> "CustomerPage":
        """Return one page of customers and the cursor of the next."""
        query = urlencode(_without_nulls({"limit": limit, "cursor": cursor}))
        page = parse_object(self._get(f"/v1/customers?{query}"))
        found = [_customer_of(as_object(each, "data")) for each in as_list(page["data"], "data")]
        following = page.get("next_cursor")
        return CustomerPage(
            data=tuple(found),
            next_cursor=as_text(following, "next_cursor") if following is not None else None,
        )

    # ---------------------------------------------------------------------------------- checkout

    def checkout_link(
        self, customer: str, plan: str, *, success_url: str, cancel_url: str | None = None
    ) -> CheckoutLink:
        """Return where this customer can pay for this plan."""
        body = {
            "customer": customer,
            "plan": plan,
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        fields = parse_object(self._post("/v1/checkout-sessions", _without_nulls(body)))
        return CheckoutLink(url=_text_of(fields, "url"), id=_text_of(fields, "id"))

    def portal_link(self, customer: str, *, return_url: str | None = None) -> str:
        """Return where this customer manages what they bought."""
        body = _without_nulls({"customer": customer, "return_url": return_url})
        return _text_of(parse_object(self._post("/v1/portal-links", body)), "url")

    # ------------------------------------------------------------------------------- entitlements

    def check(
        self,
        customer: str,
        *,
        feature: str | None = None,
        product: str | None = None,
        quantity: Quantity = 1,
    ) -> Decision:
        """Ask the database whether the customer may pass. One try: the caller has a fail mode."""
        body = _question(customer, feature=feature, product=product, quantity=quantity)
        return parse_answer(self.transport.call("POST", "/v1/entitlements/check", body=body).body)

    def consume(
        self, customer: str, *, feature: str, quantity: Quantity = 1, key: str | None = None
    ) -> Decision:
        """Take a quantity out of a quota, or nothing where it does not hold so much. One try.

        The same key consumes once.
        """
        question = _question(customer, feature=feature, product=None, quantity=quantity)
        return self._consume(question, key=key or fresh_id("use"))

    def consume_late(self, use: Consumption) -> None:
        """Take what was used while nobody could be asked, past the limit too, and only once.

        The first question is repeated under its key: it may have been carried out although its
        answer was lost. Only where it is refused the quantity is taken past the limit.
        """
        question = _question(
            use["customer"],
            feature=use["feature"],
            product=None,
            quantity=Decimal(use["quantity"]),
        )
        if self._consume(question, key=use["key"]).code == "quota_exhausted":
            self._consume({**question, "enforce": False}, key=f"{use['key']}.late")

    def _consume(self, question: Mapping[str, object], *, key: str) -> Decision:
        answer = self.transport.call(
            "POST",
            "/v1/entitlements/consume",
            body=question,
            headers={"Idempotency-Key": key},
        )
        return parse_answer(answer.body)

    # -------------------------------------------------------------------------------------- usage

    def meter(self, events: Iterable[UsageEvent], *, now: datetime | None = None) -> Metered:
        """Send events in batches, each with some tries, and count what was new.

        Args:
            events: what was used; send the same events again if this raises.
            now: the time of events that carry none; None is this host's.
        """
        now = now or wall_clock()
        remaining = iter(events)
        accepted = duplicates = 0
        while batch := [event.to_json(now=now) for event in islice(remaining, MAX_BATCH)]:
            sent = self._send_batch(batch, tries=_TRIES)
            accepted += sent.accepted
            duplicates += sent.duplicates
        return Metered(accepted=accepted, duplicates=duplicates)

    def send_usage(self, batch: Sequence[Mapping[str, object]]) -> None:
        """Hand one batch over, in one try: the buffer behind `track` tries again itself.

        An entry is a usage event, or under `consume` a consumption that an outage let through.
        """
        events = [entry for entry in batch if "consume" not in entry]
        if events:
            self._send_batch(events, tries=1)
        for entry in batch:
            if "consume" in entry:
                self.consume_late(cast("Consumption", entry["consume"]))

    def _send_batch(self, batch: Sequence[Mapping[str, object]], *, tries: int) -> Metered:
        body = {"events": list(batch)}  # each has its id, so there is no Idempotency-Key to keep
        fields = parse_object(self._try("POST", "/v1/usage", body, {}, tries=tries))
        return Metered(
            accepted=as_int(fields.get("accepted"), "accepted"),
            duplicates=as_int(fields.get("duplicates"), "duplicates"),
        )

    # ------------------------------------------------------------------------------------ requests

    def _get(self, path: str) -> bytes:
        return self._try("GET", path, None, {}, tries=_TRIES)

    def _post(self, path: str, body: object) -> bytes:
        headers = {"Idempotency-Key": fresh_id("req")}
        return self._try("POST", path, body, headers, tries=_TRIES)

    def _try(
        self, method: str, path: str, body: object, headers: Mapping[str, str], *, tries: int
    ) -> bytes:
        """Send a request until it is answered, with the same Idempotency-Key each time."""
        for attempt in range(1, tries + 1):
            try:
                return self.transport.call(method, path, body=body, headers=headers).body
            except Unreachable as error:
                if attempt == tries:
                    raise
                threading.Event().wait(_wait_s(attempt, error.retry_after_s))
        raise AssertionError("unreachable: the last try returns or raises")


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """Some customers, and where the next ones begin (None: these were the last)."""

    data: tuple[Customer, ...]
    next_cursor: str | None


def _segment(text: str) -> str:
    """Return the text as one segment of a path.

    Raises:
        ValueError: servers and proxies would take it for several, or for a way up.
    """
    if "/" in text or text in {"", ".", ".."}:
        raise ValueError("customer: a reference with / cannot stand in an address, take the id")
    return quote(text, safe="")


def _wait_s(attempt: int, asked_s: float | None) -> float:
    longest_s = min(_FIRST_WAIT_S * 2 ** (attempt - 1), _LONGEST_WAIT_S)
    wait_s = longest_s * (0.5 + jitter() / 2)
    return max(wait_s, min(asked_s or 0.0, _LONGEST_WAIT_S))


def _question(
    customer: str, *, feature: str | None, product: str | None, quantity: Quantity
) -> dict[str, object]:
    body: dict[str, object] = {"customer": customer, "feature": feature, "product": product}
    if quantity != 1:
        body["quantity"] = plain(quantity)
    return _without_nulls(body)


def _without_nulls(body: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in body.items() if value is not None}


def _customer(body: bytes) -> Customer:
    return _customer_of(parse_object(body))


def _customer_of(fields: Mapping[str, object]) -> Customer:
    email, name = fields.get("email"), fields.get("name")
    return Customer(
        id=_text_of(fields, "id"),
        external_ref=_text_of(fields, "external_ref"),
        email=as_text(email, "email") if email is not None else None,
        name=as_text(name, "name") if name is not None else None,
    )


def _text_of(fields: Mapping[str, object], name: str) -> str:
    return as_text(fields.get(name), name)
