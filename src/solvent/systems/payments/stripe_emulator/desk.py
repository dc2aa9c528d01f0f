"""What is answered to a request: known key, good parameters, and a transaction of its own?"""

from __future__ import annotations

import base64
import re
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from solvent.systems.payments.loopback import HELD_S, Answer, Call
from solvent.systems.payments.stripe_emulator.controls import PREFIX
from solvent.systems.payments.stripe_emulator.expand import expand, render
from solvent.systems.payments.stripe_emulator.fault import CardDeclined, StripeFault, invalid
from solvent.systems.payments.stripe_emulator.form import read_form
from solvent.systems.payments.stripe_emulator.idempotency import Keys
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.routes import find_route
from solvent.systems.payments.stripe_emulator.shapes import read_params, version
from solvent.systems.payments.stripe_emulator.world import Request, Route, World

Made = tuple[int, Json]

OLDEST_VERSION = "2025-03-31"
"""Since then invoices and subscriptions have the shapes that are made here."""
_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(?:\.[a-z]+)?(?:;.*)?\Z")


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass(slots=True)
class Desk:
    """Answers the requests to one account; any number of threads may ask."""

    world: World
    api_key: str
    deliver: Callable[[list[Json]], None]
    told: Callable[[Call, Answer], None] | None = None
    """Is called with each request and what was answered."""
    calls: list[Call] = field(default_factory=list[Call])
    failures: list[Made] = field(default_factory=list[Made])
    working: threading.Event = field(default_factory=_set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _keys: Keys = field(init=False)

    def __post_init__(self) -> None:
        """Remember which keys were used."""
        self._keys = Keys(self.world)

    def answer(self, call: Call) -> Answer:
        """Return what Stripe would answer."""
        request = self.world.new_id("req")
        key = call.headers.get("idempotency-key", "") if call.method == "POST" else ""
        headers = {"Request-Id": request} | ({"Idempotency-Key": key} if key else {})
        with self.lock:
            self.calls.append(call)
        try:
            if not call.path.startswith(PREFIX):
                headers["Stripe-Version"] = self._admit(call)
            told = self._answer(call, key, request)
        except StripeFault as fault:
            told = Answer(fault.status, render(fault.body))
        except Exception:  # noqa: BLE001 - a bug of ours is told as Stripe tells one of theirs
            traceback.print_exc(file=sys.stderr)
            word = "The emulator failed; its own error stands in its output."
            told = Answer(500, {"error": {"type": "api_error", "message": word}})
        answer = Answer(told.status, told.body, headers | dict(told.headers))
        if self.told:
            self.told(call, answer)
        return answer

    def is_busy(self, key: str) -> bool:
        """Return whether a request is under way with this idempotency key."""
        return self._keys.is_busy(key)

    def _admit(self, call: Call) -> str:
        """Return the version that the request speaks; refuse a wrong key and old shapes."""
        key = _api_key(call.headers.get("authorization", ""))
        if not key:
            word = "You did not provide an API key: Authorization: Bearer sk_test_…"
            raise StripeFault(401, "invalid_request_error", word)
        if key != self.api_key:
            word = f"Invalid API Key provided: {key[:8]}****{key[-4:]}"
            raise StripeFault(401, "invalid_request_error", word)
        told = call.headers.get("stripe-version") or version()
        found = _VERSION.match(told)
        if not found:
            raise invalid(f"Invalid Stripe API version: {told[:40]}")
        if found[1] < OLDEST_VERSION:
            raise invalid(
                f"Stripe API version {told} is not emulated: the shapes are those of"
                f" {OLDEST_VERSION} and later."
            )
        return told

    def _answer(self, call: Call, key: str, request: str) -> Answer:
        found = find_route(call.method, call.path)
        if found is None:
            word = f"Unrecognized request URL ({call.method}: {call.path}) of the emulator."
            raise StripeFault(404, "invalid_request_error", word)
        given = read_form(call.text)
        if not key:
            return self._perform(found, given, Request(request, None, call.path))
        with self.lock:
            saved = self._keys.take(key, path=call.path, params=given)
        if saved:
            return saved
        try:
            return self._perform(found, given, Request(request, key, call.path))
        finally:
            self._keys.release(key)

    def _perform(
        self, found: tuple[Route, tuple[str, ...]], given: Json, request: Request
    ) -> Answer:
        route, ids = found
        params = read_params(route.params, given) if route.params else given
        self.working.wait(HELD_S)
        with self.lock:
            self.world.request, self.world.told = request, []
            answer = self._execute(route, ids, params, given)
            told, self.world.told = self.world.told, []
            self.world.request = Request()
        self.deliver(told)
        return answer

    def _execute(self, route: Route, ids: tuple[str, ...], params: Json, given: Json) -> Answer:
        """Run the handler: all of what it changed is kept with its answer, or nothing of it."""
        try:
            with self.world.store.together():
                answer = self._outcome(route, ids, params)
                self._save(answer, given)
        except StripeFault as fault:
            self.world.told = []
            answer = Answer(fault.status, render(fault.body))
            with self.world.store.together():
                self._save(answer, given)
        return answer

    def _outcome(self, route: Route, ids: tuple[str, ...], params: Json) -> Answer:
        if self.failures:
            return Answer(*self.failures.pop(0))
        try:
            made = route.run(self.world, params, *ids)
        except CardDeclined as declined:
            return Answer(declined.status, render(declined.body))
        return Answer(200, render(expand(self.world.store, made, params.get("expand") or [])))

    def _save(self, answer: Answer, given: Json) -> None:
        request = self.world.request
        if request.idempotency_key and request.id:
            self._keys.save(
                request.idempotency_key,
                path=request.path,
                params=given,
                answer=answer,
                request=request.id,
            )


def _api_key(header: str) -> str:
    """Return the key of `Bearer KEY`, or of `Basic` with the key as the user."""
    scheme, _, told = header.partition(" ")
    if scheme.lower() == "bearer":
        return told.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(told).decode().partition(":")[0]
        except ValueError:
            return ""
    return ""
