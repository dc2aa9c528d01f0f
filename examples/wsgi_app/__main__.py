"""Run the example on its own port: `python -m examples.wsgi_app`."""

import os
from wsgiref.simple_server import make_server

from examples.wsgi_app.main import app

if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8002")), app) as server:
        server.serve_forever()
