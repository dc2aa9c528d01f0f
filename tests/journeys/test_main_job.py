"""Does the whole story come true: pay, get in, use, be billed, cancel, prove?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.journey


def test_the_demo_sees_every_step_to_be_true(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "solvent.app.cli", "demo", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    verdict, _, made = done.stdout.rstrip().rpartition("\n")[2].partition(": ok ")
    invoice_pdf, audit_proof = (Path(name) for name in made.split())
    assert (
        verdict,
        invoice_pdf.read_bytes().startswith(b"%PDF-"),
        audit_proof.stat().st_size > 0,
    ) == ("demo", True, True)
