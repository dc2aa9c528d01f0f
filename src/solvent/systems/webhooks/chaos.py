"""Does a founder's own handler survive what webhooks do to it?

Each scenario is what really happens: networks repeat, reorder and delay, secrets are rotated, and
strangers forge. A handler survives it if genuine events are accepted (2xx), others refused (4xx),
and each event has one effect, where it tells how many it has applied.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx

from solvent.kit.clock import SystemClock, format_time, monotonic_ms
from solvent.kit.errors import Invalid
from solvent.kit.ids import RandomIds
from solvent.systems.webhooks.limits import SECRET_BYTES, TIMEOUT_S
from solvent.systems.webhooks.model import SignatureScheme
from solvent.systems.webhooks.rules.address import split_url
from solvent.systems.webhooks.rules.signature import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    Key,
    read_shared,
    sign,
)

AT_ONCE = 5
BURST = 20
BIG_CHARS = 200_000
STALE_S = 360
LATE_S = 240
RETRIED_AFTER = timedelta(days=3)
EFFECTS_WAIT_S = 3.0
EFFECTS_STEP_S = 0.1
SLOW_MS = TIMEOUT_S * 750
DRIP_S = 0.05
DRIPS = 8
FOREIGN = Key(SignatureScheme.V1, bytes(range(SECRET_BYTES)))
ODD_SIGNATURE = base64.b64encode(bytes(64)).decode()


class ChaosUrlInvalid(Invalid):
    """A handler and its count of effects are at http(s) URLs."""

    code = "webhooks.chaos_url_invalid"


@dataclass(frozen=True, slots=True)
class Handler:
    """What is put to the test; `effects` answers with the number of events it has applied."""

    url: str
    secret: str = field(repr=False)
    event_type: str
    data: Mapping[str, object]
    effects: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one scenario."""

    name: str
    survived: bool | None
    """None: it cannot be told."""
    told: str

    @property
    def grade(self) -> str:
        """Return it as one word."""
        return {True: "yes", False: "NO", None: "?"}[self.survived]

    def plain(self) -> dict[str, object]:
        """Return it for programs."""
        return {"scenario": self.name, "survived": self.survived, "told": self.told}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes over the wire."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Bench:
    """Makes events of one handler and posts them."""

    handler: Handler
    client: httpx.AsyncClient
    key: Key
    slowest_ms: float = 0

    def event(
        self, *, at: datetime | None = None, keys: Sequence[Key] = (), **other: object
    ) -> Sent:
        """Return a genuine request, signed at a time (now without) by keys (the right one)."""
        return self.signed(self.body(**other), at=at, keys=keys)

    def body(self, **other: object) -> bytes:
        """Return an event's body; `other` replaces members of it."""
        told = {
            "type": self.handler.event_type,
            "timestamp": format_time(SystemClock().now()),
            "data": self.handler.data,
        }
        return json.dumps(told | other, ensure_ascii=False, separators=(",", ":")).encode()

    def signed(self, body: bytes, *, at: datetime | None = None, keys: Sequence[Key] = ()) -> Sent:
        """Return a request with this body under a fresh id."""
        message_id, moment = RandomIds().new("msg"), at or SystemClock().now()
        headers = sign(keys or (self.key,), id=message_id, at=moment, body=body)
        return Sent(headers, body)

    async def post(self, sent: Sent, *, slowly: bool = False) -> int | None:
        """Return the status that a request got, None without an answer."""
        headers = {"content-type": "application/json", **sent.headers}
        content = _drip(sent.body) if slowly else sent.body
        began_ms = monotonic_ms()
        try:
            answer = await self.client.post(self.handler.url, headers=headers, content=content)
        except httpx.HTTPError:
            return None
        self.slowest_ms = max(self.slowest_ms, monotonic_ms() - began_ms)
        return answer.status_code

    async def effects(self) -> int | None:
        """Return how many events the handler says it has applied; None if it does not say."""
        if self.handler.effects is None:
            return None
        try:
            answer = await self.client.get(self.handler.effects)
            return int(answer.text.strip())
        except (httpx.HTTPError, ValueError):
            message = "it must answer with a whole number, and nothing else"
            raise ChaosUrlInvalid(message, field="--effects") from None

    async def effects_since(self, before: int, wanted: int) -> int:
        """Return how many were applied since, when it is as many as wanted or after three seconds.

        Then it waits once more, for one too many.
        """
        for _ in range(int(EFFECTS_WAIT_S / EFFECTS_STEP_S)):
            if (await self.effects() or 0) - before >= wanted:
                break
            await asyncio.sleep(EFFECTS_STEP_S)
        await asyncio.sleep(EFFECTS_STEP_S)
        return (await self.effects() or 0) - before


Posts = Callable[[Bench], Awaitable[list[int | None]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is sent, and what a handler that survives does."""

    name: str
    posts: Posts
    accepted: bool
    effects: int


async def run_chaos(handler: Handler) -> list[Verdict]:
    """Return what a handler survived, scenario by scenario.

    Raises:
        SecretMalformed: the secret is not of Standard Webhooks.
        ChaosUrlInvalid: an address is no URL, or the count of effects is no number.
    """
    for name, url in (("url", handler.url), ("--effects", handler.effects)):
        if url is not None and split_url(url) is None:
            raise ChaosUrlInvalid(field=name, given=url[:200])
    key = read_shared(handler.secret)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
        bench = Bench(handler, client, key)
        verdicts = [await _run(bench, scenario) for scenario in SCENARIOS]
    return [*verdicts, _in_time(bench.slowest_ms)]


def _in_time(slowest_ms: float) -> Verdict:
    """Judge the slowest answer: one near the end of a sender's patience is retried some day."""
    told = f"slowest answer {slowest_ms:.0f} ms; senders give up after {TIMEOUT_S} s"
    return Verdict("answers in time", slowest_ms <= SLOW_MS if slowest_ms else None, told)


async def _run(bench: Bench, scenario: Scenario) -> Verdict:
    before = await bench.effects()
    statuses = await scenario.posts(bench)
    good = all(_is_as_wanted(status, accepted=scenario.accepted) for status in statuses)
    told = f"answered {_spelled(statuses)}; wanted {'2xx' if scenario.accepted else '4xx'}"
    if before is None or not good:
        return Verdict(scenario.name, good, told)
    applied = await bench.effects_since(before, scenario.effects)
    counted = f"{told}; applied {applied}, wanted {scenario.effects}"
    return Verdict(scenario.name, applied == scenario.effects, counted)


def _is_as_wanted(status: int | None, *, accepted: bool) -> bool:
    return status is not None and status // 100 == (2 if accepted else 4)


def _spelled(statuses: Sequence[int | None]) -> str:
    found = dict.fromkeys("nothing" if one is None else str(one) for one in statuses)
    return " ".join(found)


async def _drip(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body in some pieces, with pauses, as a slow network brings it."""
    size = max(1, len(body) // DRIPS)
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(DRIP_S)


def _shifted(seconds: int) -> datetime:
    return SystemClock().now() + timedelta(seconds=seconds)


async def _genuine(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event())]


async def _duplicate(bench: Bench) -> list[int | None]:
    sent = bench.event()
    return [await bench.post(sent), await bench.post(sent)]


async def _retried(bench: Bench) -> list[int | None]:
    """The same id and body, signed anew: what a retry looks like."""
    first = bench.event()
    again = sign([bench.key], id=first.headers[ID], at=_shifted(2), body=first.body)
    return [await bench.post(first), await bench.post(Sent(again, first.body))]


async def _at_once(bench: Bench) -> list[int | None]:
    sent = bench.event()
    return list(await asyncio.gather(*(bench.post(sent) for _ in range(AT_ONCE))))


async def _days_later(bench: Bench) -> list[int | None]:
    then = format_time(SystemClock().now() - RETRIED_AFTER)
    return [await bench.post(bench.event(timestamp=then))]


async def _reordered(bench: Bench) -> list[int | None]:
    made = [bench.event(timestamp=format_time(_shifted(second))) for second in (-3, -2, -1)]
    return [await bench.post(sent) for sent in reversed(made)]


async def _burst(bench: Bench) -> list[int | None]:
    made = [bench.event() for _ in range(BURST)]
    return list(await asyncio.gather(*(bench.post(sent) for sent in made)))


async def _late(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(at=_shifted(-LATE_S)))]


async def _rotated(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(keys=(FOREIGN, bench.key)))]


async def _beside_others(bench: Bench) -> list[int | None]:
    sent = bench.event()
    several = f"v1a,{ODD_SIGNATURE} v9,x {sent.headers[SIGNATURE]}"
    return [await bench.post(Sent({**sent.headers, SIGNATURE: several}, sent.body))]


async def _odd_bytes(bench: Bench) -> list[int | None]:
    """JSON as no library would write it: whoever checks what it has parsed and dumped fails."""
    told = json.loads(bench.body())
    odd = json.dumps({**dict(reversed(told.items())), "name": "Żółw \U0001f422"}, indent=3)
    return [await bench.post(bench.signed(odd.replace("\n", "\r\n").encode()))]


async def _more_fields(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(added_in_a_later_version={"a": [1, None]}))]


async def _unknown_type(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(type="nobody.has_heard_of_this.v1"))]


async def _slow(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(), slowly=True)]


async def _big(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(padding="x" * BIG_CHARS))]


async def _forged(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(keys=(FOREIGN,)))]


async def _changed(bench: Bench) -> list[int | None]:
    sent = bench.event()
    return [await bench.post(Sent(sent.headers, sent.body.replace(b"{", b"{ ", 1)))]


async def _renamed(bench: Bench) -> list[int | None]:
    sent = bench.event()
    return [await bench.post(Sent({**sent.headers, ID: "msg_another"}, sent.body))]


async def _unsigned(bench: Bench) -> list[int | None]:
    sent = bench.event()
    bare = [{name: sent.headers[name] for name in sent.headers if name != gone} for gone in HEADERS]
    return [await bench.post(Sent(headers, sent.body)) for headers in [*bare, {}]]


async def _only_unknown(bench: Bench) -> list[int | None]:
    sent = bench.event()
    raw = sent.headers[SIGNATURE].partition(",")[2]
    return [await bench.post(Sent({**sent.headers, SIGNATURE: f"v0,{raw}"}, sent.body))]


async def _stale(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(at=_shifted(-STALE_S)))]


async def _future(bench: Bench) -> list[int | None]:
    return [await bench.post(bench.event(at=_shifted(STALE_S)))]


async def _moved(bench: Bench) -> list[int | None]:
    """A stale request whose time was set to now, under its old signature."""
    sent = bench.event(at=_shifted(-STALE_S))
    now = str(int(SystemClock().now().timestamp()))
    return [await bench.post(Sent({**sent.headers, TIMESTAMP: now}, sent.body))]


async def _garbage(bench: Bench) -> list[int | None]:
    sent = bench.event()
    odd = (
        {TIMESTAMP: "yesterday"},
        {SIGNATURE: "v1"},
        {SIGNATURE: "v1,===="},
        {TIMESTAMP: "9" * 40},
    )
    return [await bench.post(Sent({**sent.headers, **one}, sent.body)) for one in odd]


HEADERS = (ID, TIMESTAMP, SIGNATURE)
SCENARIOS = (
    Scenario("a genuine event", _genuine, accepted=True, effects=1),
    Scenario("the same request twice", _duplicate, accepted=True, effects=1),
    Scenario("a retry, signed anew", _retried, accepted=True, effects=1),
    Scenario(f"{AT_ONCE} duplicates at once", _at_once, accepted=True, effects=1),
    Scenario("a retry days later", _days_later, accepted=True, effects=1),
    Scenario("3 events in reverse order", _reordered, accepted=True, effects=3),
    Scenario(f"{BURST} events at once", _burst, accepted=True, effects=BURST),
    Scenario("4 minutes on the way", _late, accepted=True, effects=1),
    Scenario("a secret being rotated", _rotated, accepted=True, effects=1),
    Scenario("signatures of other schemes beside", _beside_others, accepted=True, effects=1),
    Scenario("JSON in odd bytes", _odd_bytes, accepted=True, effects=1),
    Scenario("fields of a later version", _more_fields, accepted=True, effects=1),
    Scenario("a type that nobody knows", _unknown_type, accepted=True, effects=0),
    Scenario("a body in slow pieces", _slow, accepted=True, effects=1),
    Scenario("a body of 200 kB", _big, accepted=True, effects=1),
    Scenario("signed by a stranger", _forged, accepted=False, effects=0),
    Scenario("changed after it was signed", _changed, accepted=False, effects=0),
    Scenario("under another id", _renamed, accepted=False, effects=0),
    Scenario("headers missing", _unsigned, accepted=False, effects=0),
    Scenario("of an unknown scheme alone", _only_unknown, accepted=False, effects=0),
    Scenario("6 minutes old", _stale, accepted=False, effects=0),
    Scenario("6 minutes in the future", _future, accepted=False, effects=0),
    Scenario("old, with a new time", _moved, accepted=False, effects=0),
    Scenario("garbage in the headers", _garbage, accepted=False, effects=0),
)
