"""The supervisor's own process: `solvent up` becomes this (see handoff)."""

import os
import sys

from solvent.app.supervisor.errors import SettingInvalid
from solvent.app.supervisor.handoff import decode
from solvent.app.supervisor.up import EXIT_USAGE, run_up


def main() -> int:
    """Run what the environment says; return the exit status."""
    try:
        settings = decode(os.environ)  # noqa: TID251 - no kit.config here: it would cost 20 MB
    except SettingInvalid as error:
        sys.stderr.write(f"solvent supervisor: {error}\n")
        return EXIT_USAGE
    return run_up(settings)


if __name__ == "__main__":
    sys.exit(main())
