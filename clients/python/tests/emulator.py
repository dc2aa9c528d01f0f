"""A server that speaks the paywall's protocol over real sockets, and breaks it on demand.

It keeps a truth (records, usage, consumptions) and pushes it as Solvent does. A test can freeze the
pushing without closing, delay every beat, cut all connections, send frames of its own, or make the
check API answer an error, hang or go away.
"""

import contextlib
import copy
import json
import socket
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk_test_emulator"
BEAT_MS = 20
BOUND_MS = 300


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z") if moment is not None else None


def switch(*, on_outage="closed", until=None, product="logs"):
    return {"kind": "switch", "on_outage": on_outage, "until": iso(until), "product": product}


def quota(limit, used="0", *, overage=False, on_outage="open", until=None, product="logs"):
    return {
        "kind": "quota",
        "limit": limit,
        "used": used,
        "overage": overage,
        "on_outage": on_outage,
        "until": iso(until),
        "product": product,
        "resets_at": iso(until),
    }


def record(customer, revision=1, *, until=None, features=None, product="logs", access=True):
    held = [{"product": product, "plan": "pro", "status": "active", "until": iso(until)}]
    return {
        "customer": customer,
        "customer_id": "cus_" + format(abs(hash(customer)), "026x")[-26:],
        "revision": revision,
        "access": held if access else [],
        "features": copy.deepcopy(features or {}),
    }


class Emulator:
    """Start it with `with`; `url` is where it listens."""

    def __init__(self, *, beat_ms=BEAT_MS, bound_ms=BOUND_MS, clock_ahead=timedelta(0)):
        self.beat_ms = beat_ms
        self.bound_ms = bound_ms
        self.clock_ahead = clock_ahead
        self.records = {}
        self.test_now = None
        self.usage = {}
        self.batches = []
        self.consumed = {}
        self.asked = deque()
        self.status = None
        self.hang = threading.Event()
        self.stream_status = None
        self.hello_at = True
        self.streams = []
        self.streams_opened = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.server.emulator = self
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.hang.set()
        self.server.shutdown()
        self.cut()
        self.server.server_close()
        self.thread.join(5)

    # ------------------------------------------------------------------------------------ truth

    def now(self):
        """The emulated database's clock."""
        return datetime.now(UTC) + self.clock_ahead

    def now_ms(self):
        return self.now().timestamp() * 1000

    def put(self, new):
        """Commit a record and push it, as the relay does: the change goes before any later beat."""
        with self.lock:
            self.records[new["customer"]] = new
            for stream in self.streams:
                stream.send("change", new)

    def commit_only(self, new):
        """Commit a record whose push is still under way."""
        with self.lock:
            self.records[new["customer"]] = new

    def set_clock(self, now):
        with self.lock:
            self.test_now = now
            for stream in self.streams:
                stream.send("clock", {"now": iso(now)})

    def push(self, name, data):
        with self.lock:
            for stream in self.streams:
                stream.send(name, data)

    def push_raw(self, frame):
        with self.lock:
            for stream in self.streams:
                stream.send_raw(frame)

    # ----------------------------------------------------------------------------------- faults

    def freeze(self):
        """Stop sending on the streams that are open, without closing them; what is sent waits."""
        with self.lock:
            for stream in self.streams:
                stream.frozen = True

    def thaw(self):
        """Send all that waited, in its order, in one burst."""
        with self.lock:
            for stream in self.streams:
                stream.thaw()

    def stop_beats(self):
        with self.lock:
            for stream in self.streams:
                stream.beating = False

    def cut(self):
        """Break off every open stream."""
        with self.lock:
            for stream in self.streams:
                stream.cut()

    def go_away(self):
        """Refuse new streams and every call, and break off the open streams."""
        self.stream_status = self.status = 503
        self.cut()

    def come_back(self):
        self.stream_status = self.status = None

    # --------------------------------------------------------------------------------- answers

    def check(self, question):
        now = self.test_now or self.now()
        known = self.records.get(question["customer"])
        if known is None or not known["access"]:
            return {"allowed": False, "code": "no_subscription", "reason": "None."}
        feature = question.get("feature")
        held = known["access"][0] if feature is None else known["features"].get(feature)
        if held is None:
            return {"allowed": False, "code": "feature_missing", "reason": "Not in the plan."}
        until = held["until"]
        if until is not None and now >= datetime.fromisoformat(until):
            return {"allowed": False, "code": "expired", "reason": "Over.", "until": until}
        return self._check_quota(held, question, until)

    def _check_quota(self, held, question, until):
        remaining = None
        if held.get("kind") == "quota" and held["limit"] is not None:
            left = Decimal(held["limit"]) - Decimal(held["used"])
            remaining = str(left)
            if Decimal(question.get("quantity", "1")) > left and not held["overage"]:
                return {
                    "allowed": False,
                    "code": "quota_exhausted",
                    "reason": "Used up.",
                    "until": until,
                    "remaining": remaining,
                }
        return {
            "allowed": True,
            "code": "ok",
            "reason": "Fine.",
            "until": until,
            "remaining": remaining,
        }

    def consume(self, question, key):
        if key in self.consumed:
            return {"allowed": True, "code": "ok", "reason": "Before.", "remaining": None}
        answer = self.check(question)
        late = question.get("enforce") is False and answer["code"] == "quota_exhausted"
        if answer["allowed"] or late:
            self.consumed[key] = question
            held = self.records[question["customer"]]["features"][question["feature"]]
            used = Decimal(held["used"]) + Decimal(question.get("quantity", "1"))
            held["used"] = str(used)
        return {**answer, "allowed": answer["allowed"] or late}

    def record_usage(self, events):
        new = [event for event in events if event["id"] not in self.usage]
        self.batches.append(len(events))
        for event in new:
            self.usage[event["id"]] = event
        return {"accepted": len(new), "duplicates": len(events) - len(new)}


class Stream:
    """One open event stream; beats come from a thread of its own."""

    def __init__(self, emulator, connection):
        self.emulator = emulator
        self.connection = connection
        self.frozen = False
        self.beating = True
        self.waiting = []
        self.done = threading.Event()

    def send(self, name, data):
        self.send_raw(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def send_raw(self, frame):
        if self.frozen:
            self.waiting.append(frame)
            return
        with contextlib.suppress(OSError):
            self.connection.sendall(b"%x\r\n%s\r\n" % (len(frame), frame))

    def thaw(self):
        self.frozen = False
        for frame in self.waiting:
            self.send_raw(frame)
        self.waiting = []

    def cut(self):
        self.done.set()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def greet(self):
        emulator = self.emulator
        hello = {
            "protocol": 1,
            "bound_ms": emulator.bound_ms,
            "beat_ms": emulator.beat_ms,
            "tenant": "ten_1",
        }
        if emulator.hello_at:
            hello["at_ms"] = emulator.now_ms()
        self.send("hello", hello)
        self.send("clock", {"now": iso(emulator.test_now)})
        records = list(emulator.records.values())
        for start in range(0, len(records), 2):
            self.send("snapshot", {"customers": records[start : start + 2]})
        self.send("ready", {})

    def beat(self):
        while not self.done.wait(self.emulator.beat_ms / 1000):
            with self.emulator.lock:
                if self.beating:
                    self.send("beat", {"at_ms": self.emulator.now_ms()})


class QuietServer(ThreadingHTTPServer):
    """A server to which a client that hangs up is nothing special."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection from what its emulator holds."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    @property
    def emulator(self):
        return self.server.emulator

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path != "/v1/entitlements/stream":
            self._answer(404, {"code": "kit.not_found", "detail": "No such page."})
        elif self.headers["Authorization"] != f"Bearer {KEY}":
            self._answer(401, {"code": "tenants.key_unknown", "detail": "Unknown key."})
        elif self.emulator.stream_status:
            self._answer(self.emulator.stream_status, {"code": "kit.down", "detail": "Down."})
        else:
            self._stream()

    def _stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        stream = Stream(self.emulator, self.connection)
        with self.emulator.lock:
            self.emulator.streams_opened += 1
            stream.greet()
            self.emulator.streams.append(stream)
        stream.beat()
        with self.emulator.lock:
            self.emulator.streams.remove(stream)
        self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.emulator.asked.append((self.path, body, dict(self.headers)))
        if self.emulator.status == "hang":
            self.emulator.hang.wait(30)
        if self.emulator.closing.is_set():
            self.close_connection = True
            return
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self._answer(401, {"code": "tenants.key_unknown", "detail": "Unknown key."})
            return
        if isinstance(self.emulator.status, int):
            self._answer(self.emulator.status, {"code": "kit.down", "detail": "Down."})
            return
        self._act(json.loads(body))

    def _act(self, body):
        if self.path == "/v1/entitlements/check":
            self._answer(200, self.emulator.check(body))
        elif self.path == "/v1/entitlements/consume":
            self._answer(200, self.emulator.consume(body, self.headers["Idempotency-Key"]))
        elif self.path == "/v1/usage":
            bad = [event for event in body["events"] if event["meter"] == "bad"]
            if bad:
                self._answer(400, {"code": "metering.meter_unknown", "detail": "No meter."})
            else:
                self._answer(200, self.emulator.record_usage(body["events"]))
        else:
            self._answer(404, {"code": "kit.not_found", "detail": "No such page."})

    def _answer(self, status, body):
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def eventually(condition, *, within_s=60.0):
    """Wait until the condition holds and return what it gave; fail if it never does."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("it never came true")
        time.sleep(0.005)
