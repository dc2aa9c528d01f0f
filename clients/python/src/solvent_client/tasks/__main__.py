"""What runs a worker: `python -m solvent_client.tasks shop.tasks:app`."""

import sys

from solvent_client.tasks.worker.main import main

if __name__ == "__main__":
    sys.exit(main())
