"""What stands in for API, worker and migrations where only their supervision is tested?"""

import http.server
import os
import signal
import sys
from pathlib import Path

from solvent.app.supervisor.access import FILE_VARIABLE, read_access, wait_for_access


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers every GET with 200 and the address of NATS that this process was told."""

    address = b""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.address)

    def log_message(self, *_):
        return


def main(role, *arguments):
    file = Path(os.environ[FILE_VARIABLE])
    if role == "http":
        Ready.address = wait_for_access(file).nats.url.encode()
        http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments[0])), Ready).serve_forever()
    elif role == "http_from_environment":
        main("http", os.environ["SOLVENT_HTTP__PORT"])
    elif role == "worker":
        print(wait_for_access(file).postgres.app_dsn, flush=True)
        signal.pause()
    elif role == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        while True:
            signal.pause()
    elif role == "migrate":
        print(read_access(file).postgres.owner_dsn)
    elif role == "sign_in":
        print("http://localhost/sign-in?once=1")
    else:
        print("no such table: nothing")
        sys.exit(3)


main(*sys.argv[1:])
