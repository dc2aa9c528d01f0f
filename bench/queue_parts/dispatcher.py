"""What runs one dispatcher by itself? Give it URL, user, password, replicas and monitors."""

import sys

import uvloop

from solvent.kit.bus.stream import NatsLogin
from solvent.kit.jobs.dispatch.run import run_dispatcher

if __name__ == "__main__":
    url, user, password, replicas, monitors = sys.argv[1:]
    uvloop.run(
        run_dispatcher(
            NatsLogin(url, user, password), replicas=int(replicas), monitor_urls=monitors.split(",")
        )
    )
