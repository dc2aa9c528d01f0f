"""Is a floating seat taken, kept, given back, and lost when it must be?"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from publisher import KEY, NOW, VALUES, Computer, Publisher, opened

from solvent_client.licensing import LicenseRefused
from solvent_client.licensing.lease import Floating

SEATS = 10
TTL_S = 300


class Server(ThreadingHTTPServer):
    """A license server with ten seats, whose clock the test sets."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.publisher = Publisher()
        self.now = NOW
        self.leases = {}  # activation -> (request, until)
        self.renewals = threading.Semaphore(0)
        self.broken = False
        self.ended = set()
        self.one_at_a_time = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def taken(self):
        return [one for one, (_, until) in self.leases.items() if until >= self.now]

    def answer(self, request, **more):
        text = self.publisher.answer(
            request, issued=self.now, ttl_s=TTL_S, heartbeat_s=1, encrypted=True, **more
        )
        return text, f"act_{self.publisher.count}"

    def activations(self, body):
        if len(self.taken()) >= SEATS:
            return 429, {"code": "licensing.slots_taken", "detail": "All are taken."}
        text, activation = self.answer(body["request"])
        self.leases[activation] = (body["request"], self.now + TTL_S)
        return 201, {"activation": activation, "text": text}

    def renewals_of(self, body):
        activation = body["activation"]
        if activation in self.ended or activation not in self.leases:
            return 409, {"code": "licensing.lease_lost", "detail": "Ended."}
        request, _ = self.leases[activation]
        text, _ = self.answer(request, activation=activation)
        self.leases[activation] = (request, self.now + TTL_S)
        return 200, {"activation": activation, "text": text}

    def deactivations(self, body):
        del self.leases[opened(body["proof"])["activation"]]
        return 200, {}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.removeprefix("/v1/t/acme/licensing/")
        doing = {"activations": self.server.activations, "renewals": self.server.renewals_of}
        act = doing.get(path, self.server.deactivations)
        with self.server.one_at_a_time:
            status, told = (503, {}) if self.server.broken else act(body)
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        if path == "renewals":
            self.server.renewals.release()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def machine(tmp_path, number):
    values = {**VALUES, "machine_id": f"m{number}", "disk": f"d{number}", "mac": f"a{number}"}
    return Computer(tmp_path / f"machine-{number}", values=values)


def seat(server, computer, **options):
    return Floating(computer.licensing(), server.url, "acme", KEY, **options)


def test_a_seat_is_taken_kept_and_given_back(server, computer):
    with seat(server, computer) as mine:
        assert mine.is_held()
        assert mine.check().allows("export")
        for _ in range(2):  # past the end of the first file
            computer.later(200)
            server.now += 200
            while server.renewals.acquire(blocking=False):
                pass
            assert server.renewals.acquire(timeout=5)
            assert server.renewals.acquire(timeout=5), "the first may have been under way"
            assert mine.is_held()
        assert len(server.taken()) == 1
    assert server.taken() == []
    assert computer.reason() == "deactivated"


def test_the_eleventh_of_ten_is_refused_and_a_crash_frees_its_seat(server, tmp_path):
    machines = [machine(tmp_path, number) for number in range(SEATS + 1)]
    seats = [seat(server, one) for one in machines[:SEATS]]
    for one in seats:
        one.__enter__()
    late = seat(server, machines[SEATS])
    with pytest.raises(LicenseRefused) as caught:
        late.__enter__()
    assert caught.value.reason == "no_seat_free"
    seats[3]._closed.set()  # as after a kill: nobody renews, nobody gives it back
    seats[3]._renewer.join()
    for one in machines:
        one.later(TTL_S // 2)
    server.now += TTL_S // 2
    for one in (*seats[:3], *seats[4:]):
        assert one._renew_once() is None
    machines[SEATS].later(TTL_S // 2 + 1)
    server.now += TTL_S // 2 + 1
    assert len(server.taken()) == SEATS - 1
    with late as mine:
        assert mine._activation in server.taken()
    for one in seats:
        one._closed.set()
        one._renewer.join()


def test_while_the_server_is_away_the_seat_is_held_to_its_end(server, computer):
    with seat(server, computer) as mine:
        server.broken = True
        assert server.renewals.acquire(timeout=5)
        computer.later(TTL_S)
        assert mine.is_held()
        computer.later(1)
        assert mine.check().reason == "lease_lost"
        server.now = computer.now
        server.broken = False
        deadline = time.monotonic() + 5
        while not mine.is_held() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert mine.is_held(), "it is taken up again"
    assert server.taken() == []


def test_a_seat_that_was_taken_away_is_lost(server, computer):
    with seat(server, computer) as mine:
        server.ended.add(mine._activation)
        assert server.renewals.acquire(timeout=5)
        mine._renewer.join(5)
        assert mine.check().reason == "lease_lost"


def test_a_server_that_is_not_there_is_told(server, computer):
    server.broken = True
    for url in (server.url, "http://127.0.0.1:1"):
        with pytest.raises(LicenseRefused) as caught:
            Floating(computer.licensing(), url, "acme", KEY).__enter__()
        assert caught.value.reason == "server_unreachable"
    with pytest.raises(ValueError, match="url"):
        Floating(computer.licensing(), "billing.example.com", "acme", KEY)
