"""How does a worker process notice that whoever started it is gone, however that ended?

Its parent holds one end of a pipe and never writes to it; the other end is the child's. The system
closes the parent's end even after SIGKILL, and the child reads the end of the file.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger("solvent_client.tasks")

VARIABLE: Final = "SOLVENT_WORKER_LIFELINE"
"""Names the file descriptor of the child's end."""
GRACE_S: Final = 10.0
"""What a process gets beyond its time to drain before it is killed."""
ORPHANED: Final = 70
"""The exit code of an orphan that did not end by itself: EX_SOFTWARE of sysexits.h."""


def watch(stop: Callable[[], None], *, patience_s: float) -> bool:
    """Call `stop`, in a thread, once the parent is gone; return whether there is one to watch.

    A process that is still there `patience_s` later is ended: nobody else would.
    """
    told = os.environ.pop(VARIABLE, "")
    if not told:
        return False
    if not _is_pipe(told):  # something between the two closed it
        log.warning("%s=%s is no open pipe: the parent is not watched", VARIABLE, told)
        return False
    descriptor = int(told)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - its own signature
    arguments = (descriptor, stop, patience_s)
    threading.Thread(target=_wait, args=arguments, name="solvent-lifeline", daemon=True).start()
    return True


def _is_pipe(told: str) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(int(told)).st_mode)
    except (ValueError, OverflowError, OSError):
        return False


def _wait(descriptor: int, stop: Callable[[], None], patience_s: float) -> None:
    while os.read(descriptor, 1):
        pass
    log.warning("the process that started this one is gone: it drains")
    stop()
    time.sleep(patience_s)
    log.error("it did not drain in %.0f s: it is ended", patience_s)
    os._exit(ORPHANED)
