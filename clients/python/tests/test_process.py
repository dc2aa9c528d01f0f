"""Does a fork stay fresh, is the import small, does nothing outlive its owner?"""

import os
import subprocess
import sys
import traceback

import pytest
from emulator import BOUND_MS, KEY, eventually, record, switch

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def in_child(work):
    """Run `work` in a forked child and return whether it came through."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 -- whatever it is, the parent hears of it by the exit code
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_a_stream_of_its_own(solvent, paywall):
    solvent.put(record("alice", features={"export": switch()}))
    assert paywall.wait_live()
    opened = solvent.streams_opened

    def child():
        assert not paywall.live  # nobody renews the parent's snapshot here
        assert paywall.check("alice", "export").source == "database"
        eventually(lambda: paywall.live)
        assert paywall.check("alice", "export").source == "snapshot"

    assert in_child(child)
    assert solvent.streams_opened == opened + 1
    assert paywall.wait_live()
    assert paywall.check("alice").source == "snapshot"


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_before_the_start_works_too(solvent, paywall):
    solvent.put(record("alice"))
    assert in_child(lambda: paywall.wait_live() or pytest.fail("never live"))


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_does_not_send_its_parents_usage(solvent, paywall):
    with paywall._usage._sending:
        paywall.track("alice", "bytes", id="parents")

        def child():
            assert len(paywall._usage) == 0
            paywall.track("alice", "bytes", id="childs")
            assert paywall.flush() == 0

        assert in_child(child)
    assert paywall.flush() == 0
    assert sorted(solvent.usage) == ["childs", "parents"]


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_under_a_held_lock_does_not_hang(solvent, paywall):
    solvent.put(record("alice"))
    with paywall._lock, paywall._usage._lock:
        assert in_child(lambda: paywall.wait_live() or pytest.fail("never live"))


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_is_never_served_past_the_bound_by_its_parents_snapshot(solvent, paywall):
    solvent.put(record("alice"))
    assert paywall.wait_live()

    def child():
        solvent.stream_status = 503
        assert paywall.check("alice").source in {"database", "fail_closed"}

    assert in_child(child)
    assert BOUND_MS < 1000


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_import_pulls_in_no_framework_and_no_network():
    """What keeps `import solvent_client` under 100 ms: none of these is needed to define names."""
    heavy = [
        "asyncio",
        "ssl",
        "http.client",
        "fastapi",
        "starlette",
        "httpx",
        "pydantic",
        "solvent",
    ]
    done = run(f"import sys, solvent_client; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_a_program_that_forgets_to_close_ends_and_loses_no_usage(solvent):
    done = run(
        f"""
from solvent_client import Paywall
paywall = Paywall({solvent.url!r}, {KEY!r})
assert paywall.wait_live()
paywall.track("alice", "bytes", 5, id="last-words")
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(solvent.usage) == ["last-words"]


def test_a_program_ends_while_solvent_hangs(solvent):
    solvent.status = "hang"
    done = run(
        f"""
from solvent_client import Paywall
paywall = Paywall({solvent.url!r}, {KEY!r}, timeout_s=0.2)
paywall.track("alice", "bytes")
"""
    )
    assert done.returncode == 0, done.stderr
