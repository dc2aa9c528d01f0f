"""Is each refusal told in the words of the vendor whose client asks?"""

from __future__ import annotations

import pytest

from solvent.kernel.metering.errors import MeterNotFound
from solvent.kit.ctx import ScopeMissing
from solvent.kit.db import DatabaseAway
from solvent.kit.errors import Unauthenticated
from solvent.kit.http.gate import TooManyRequests
from solvent.kit.http.idempotency import IdempotencyKeyReused
from solvent.kit.http.problems import Bug
from solvent.systems.doors import errors
from solvent.systems.doors.told import as_lago, as_stripe

STRIPE = [
    (Unauthenticated(), 401, "invalid_request_error", "api_key_invalid"),
    (ScopeMissing(scope="metering:read"), 403, "invalid_request_error", "kit_scope_missing"),
    (TooManyRequests(retry_after_s=2), 429, "invalid_request_error", "rate_limit"),
    (errors.LettersFull(), 429, "invalid_request_error", "doors_letters_full"),
    (IdempotencyKeyReused(), 400, "idempotency_error", "kit_idempotency_key_reused"),
    (errors.EventExists(), 400, "invalid_request_error", "resource_already_exists"),
    (errors.ParameterMissing(field="x"), 400, "invalid_request_error", "parameter_missing"),
    (errors.NotOffered(), 400, "invalid_request_error", "feature_not_supported"),
    (MeterNotFound(), 404, "invalid_request_error", "metering_meter_not_found"),
    (DatabaseAway(), 503, "api_error", "api_error"),
    (Bug(), 500, "api_error", "solvent_internal"),
]


@pytest.mark.parametrize("error, status, kind, code", STRIPE, ids=lambda one: type(one).__name__)
def test_stripes_clients_are_told_in_their_words(error, status, kind, code):
    told, body = as_stripe(error)
    assert (told, body["error"]["type"], body["error"]["code"]) == (status, kind, code)
    assert body["error"]["message"]


LAGO = [
    (Unauthenticated(), {"status": 401, "error": "Unauthorized"}),
    (errors.EventExists(field="transaction_id"), {"status": 422, "code": "validation_errors"}),
    (errors.EventMalformed(field="timestamp"), {"status": 422, "code": "validation_errors"}),
    (errors.EventNotFound(), {"status": 404, "code": "event_not_found"}),
    (errors.BodyTooLarge(), {"status": 413, "code": "body_too_large"}),
    (TooManyRequests(retry_after_s=2), {"status": 429, "retry_after": 2}),
    (DatabaseAway(), {"status": 503, "code": "database_away"}),
]


@pytest.mark.parametrize("error, told", LAGO, ids=lambda one: type(one).__name__)
def test_lagos_clients_are_told_in_their_words(error, told):
    status, body = as_lago(error)
    assert status == told["status"]
    assert {name: body[name] for name in told} == told
