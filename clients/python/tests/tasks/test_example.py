"""Do the example and the commands of the guides do what their pages say?"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from solvent_client import tasks

ROOT = Path(__file__).resolve().parents[4]
PAGES = ("write-tasks", "from-celery", "from-dramatiq-and-rq")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_example_runs_as_its_page_says(queue, space):
    environ = {**os.environ, "SOLVENT_QUEUE_URL": queue.url, "SOLVENT_QUEUE_SPACE": space}
    worker = subprocess.Popen(
        [sys.executable, "-m", "solvent_client.tasks", "examples.tasks_app.tasks:app"],
        cwd=ROOT,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "is ready" in worker.stderr.readline()
        done = subprocess.run(
            [sys.executable, "-m", "examples.tasks_app"],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        worker.terminate()
        worker.wait(30)
        worker.stderr.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the same job: True",
        "receipt for ord_1: 12.00 EUR",
        "3 orders, 62.65 EUR",
        "dead letter: no such order: ord_9",
    ]


@pytest.mark.parametrize("page", PAGES)
def test_each_python_block_of_the_guides_parses(page):
    text = (ROOT / "docs" / "howto" / f"{page}.md").read_text("utf-8")
    blocks = PYTHON.findall(text)
    assert blocks
    for block in blocks:
        ast.parse(block)


def test_the_tasks_of_the_guides_are_as_the_guides_show_them(app):
    """The decorators and calls that the page shows are taken as they stand there."""
    known = {**vars(tasks), "app": app}
    for page in ("write-tasks", "from-dramatiq-and-rq"):
        text = (ROOT / "docs" / "howto" / f"{page}.md").read_text("utf-8")
        for block in PYTHON.findall(text):
            if "@app.task" in block:
                tree = ast.parse(block)
                tree.body = [
                    one
                    for one in tree.body
                    if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
                for one in tree.body:
                    one.decorator_list = one.decorator_list[:1]
                exec(compile(tree, page, "exec"), dict(known))  # noqa: S102 - our own page
    assert {name.rpartition(".")[2] for name in app.tasks} >= {
        "send_receipt",
        "build_report",
        "charge",
        "send",
    }


def test_the_guide_tells_of_every_option():
    from dataclasses import fields

    from solvent_client.tasks.options import Options

    text = (ROOT / "docs" / "howto" / "write-tasks.md").read_text("utf-8")
    missing = [one.name for one in fields(Options) if f"{one.name}" not in text]
    assert missing == []
