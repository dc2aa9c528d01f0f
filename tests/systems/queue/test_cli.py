"""Can an operator watch, cancel and replay at a terminal, and is every bad argument named?"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable

import pytest
import pytest_asyncio

from solvent.app.testing import Terminal
from solvent.kernel.tenants import service as tenants
from solvent.kit.ctx import OPERATOR
from solvent.kit.jobs.log import Append
from solvent.kit.jobs.record import CHAIN_START, Scaled, Scheduled, Spec, decode, encode
from solvent.kit.testing import eventually
from solvent.systems.queue import ordering
from solvent.systems.queue.model import WantedJob
from solvent.systems.queue.service import submit


@pytest_asyncio.fixture(loop_scope="session")
async def slug(house, tenant_id) -> str:
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        return (await tenants.current(ctx)).slug


@pytest.fixture
def at_terminal(solvent: Terminal) -> Callable:
    """Run `solvent queue …` beside the loop, which the desk answers on."""

    async def run(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(solvent, "queue", *words)

    return run


async def put(yard, space, name: str = "add", **wanted) -> str:
    async with yard.house.edge.open(space, OPERATOR) as ctx:
        order = submit.prepare(
            ctx, [WantedJob(name=name, **wanted)], request_key=yard.house.edge.ids.new("qrq")
        )
    [made] = await ordering.place(yard.jobs, order)
    return made.task_id


async def test_a_job_is_listed_shown_canceled_and_replayed(
    yard, tenant_id, slug, at_terminal, audited
):
    task_id = await put(yard, tenant_id, kwargs={"a": 1})
    await yard.until(tenant_id, task_id, "waiting")
    code, out, err = await at_terminal("ls", "-t", slug)
    assert code == 0, err
    assert task_id in out
    code, out, _ = await at_terminal("show", task_id, "-t", slug)
    assert "submitted" in out
    assert "waiting" in out
    code, out, _ = await at_terminal("cancel", task_id, "-t", slug, "--dry-run")
    assert (code, out) == (0, f"{task_id} was waiting; nothing was changed\n")
    assert (await yard.row(tenant_id, task_id)).state == "waiting"
    code, out, _ = await at_terminal("cancel", task_id, "-t", slug, "--reason", "wrong one")
    assert (code, out) == (0, f"{task_id} was waiting; it is canceled\n")
    await yard.until(tenant_id, task_id, "canceled")
    code, out, err = await at_terminal("cancel", task_id, "-t", slug)
    assert (code, err.strip()) == (1, "solvent: The job has ended, so it cannot be canceled.")
    code, out, _ = await at_terminal("replay", task_id, "-t", slug)
    assert (code, out) == (0, f"{task_id} was canceled; it waits again\n")
    await yard.until(tenant_id, task_id, "waiting")
    assert {"queue.job_canceled", "queue.jobs_replayed"} <= set(await audited(tenant_id))


async def test_the_dead_are_replayed_together_after_a_dry_run(yard, tenant_id, slug, at_terminal):
    async with yard.worker(tenant_id):
        ids = [await put(yard, tenant_id, "die") for _ in range(3)]
        for task_id in ids:
            await yard.until(tenant_id, task_id, "dead")
    code, out, err = await at_terminal("replay", "--dead", "-t", slug, "--dry-run")
    assert code == 0
    assert all(task_id in out for task_id in ids)
    assert "nothing was changed" in err
    assert (await yard.row(tenant_id, ids[0])).state == "dead"
    code, out, _ = await at_terminal("replay", "--dead", "-t", slug, "--json")
    assert sorted(json.loads(out)["replayed"]) == sorted(ids)
    await yard.until(tenant_id, ids[0], "waiting")


async def test_the_state_is_rebuilt_as_it_was_after_a_record(yard, tenant_id, at_terminal):
    task_id = await put(yard, tenant_id)
    await yard.until(tenant_id, task_id, "waiting")
    entry = await yard.jobs.last(f"job.{tenant_id}.{task_id}")
    async with yard.worker(tenant_id):
        await yard.until(tenant_id, task_id, "done")
    code, out, err = await at_terminal("replay", "--until", str(entry.seq), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["record"] == entry.seq
    [job] = [one for one in told["jobs"] if one["task_id"] == task_id]
    assert (job["phase"], job["record"]) == ("waiting", entry.seq)
    _, again, _ = await at_terminal("replay", "--until", str(entry.seq), "--json")
    assert json.loads(again)["state_digest"] == told["state_digest"]
    code, out, _ = await at_terminal("replay", "--until", str(entry.seq - 1), "--json")
    assert task_id not in out


async def test_the_log_is_printed_as_lines_of_json(yard, tenant_id, slug, at_terminal):
    task_id = await put(yard, tenant_id)
    code, out, err = await at_terminal("log", "-t", slug)
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [one["subject"] for one in lines] == [f"job.{tenant_id}.{task_id}"]
    assert (lines[0]["kind"], lines[0]["queue"]) == ("submitted", "default")
    seq = lines[0]["seq"]
    _, out, _ = await at_terminal("log", "--from", str(seq), "--until", str(seq))
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [seq]


async def test_the_log_is_exported_whole(yard, tenant_id, at_terminal, tmp_path):
    task_id = await put(yard, tenant_id)
    path = tmp_path / "log.jsonl"
    code, _, err = await at_terminal("export", str(path))
    assert code == 0, err
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    bounds = await yard.jobs.bounds()
    assert len(lines) <= bounds.last - bounds.first + 1
    last = next(one for one in reversed(lines) if task_id in one["subject"])
    assert decode(base64.b64decode(last["data"])).spec.name == "add"


async def test_replicas_are_verified(yard, tenant_id, at_terminal):
    await put(yard, tenant_id)
    code, out, err = await at_terminal("verify", "--json")
    told = json.loads(out)
    assert told["sound"] is (code == 0)
    assert told["replicas"][0]["records"] > 0, err


async def test_top_shows_everything_at_one_glance(yard, tenant_id, slug, at_terminal):
    scaled = Scaled("queue", "start", "cpu_high", {"space": tenant_id, "cpu_mean": 0.91})
    await yard.jobs.append([Append("scaling.queue", None, encode(scaled))])
    yard.go.clear()
    async with yard.worker(tenant_id) as worker:
        dead = await put(yard, tenant_id, "die")
        live = await put(yard, tenant_id, "wait")
        await yard.until(tenant_id, dead, "dead")
        await yard.until(tenant_id, live, "assigned")
        code, out, err = await at_terminal("top", "--once", "-t", slug)
        assert code == 0, err
        for seen in (tenant_id, "default", worker.name, "told to", "cpu_high", "queues", "scaling"):
            assert seen in out, out

        async def seen_as_json():
            return json.loads((await at_terminal("top", "--once", "--json", "-t", slug))[1])

        # What is counted may be of some moments ago: a busy machine counts seldom.
        told = await eventually(seen_as_json, until=lambda told: told["queues"][0]["dead"] == 1)
        assert [one["task_id"] for one in told["jobs"]] == [live]
        assert [one["task_id"] for one in told["failures"]] == [dead]
        assert told["workers"][0]["name"] == worker.name
        assert told["scaling"][-1]["reason"] == "cpu_high"
        yard.go.set()


async def test_lists_of_nothing_say_what_to_do(yard, slug, at_terminal):
    code, out, _ = await at_terminal("top", "--once", "-t", slug)
    assert code == 0
    assert "solvent queue connect" in out
    for words in (("ls",), ("workers",), ("schedules",), ("scale",)):
        code, out, err = await at_terminal(*words, "-t", slug)
        assert (code, out) == (0, "")
        assert err.strip()


async def test_workers_schedules_and_decisions_are_listed(yard, tenant_id, slug, at_terminal):
    told = Scheduled(CHAIN_START, Spec("report"), "0 9 * * 1", "Europe/Berlin")
    await yard.jobs.append([Append(f"cron.{tenant_id}.weekly", 0, encode(told))])
    scaled = Scaled("queue", "drain", "idle", {"space": tenant_id})
    await yard.jobs.append([Append("scaling.queue", None, encode(scaled))])
    async with yard.worker(tenant_id) as worker:
        await yard.until(tenant_id, await put(yard, tenant_id), "done")
        _, out, _ = await at_terminal("workers", "-t", slug)
        assert worker.name in out
        _, out, _ = await at_terminal("workers", "-t", slug, "--json")
        assert json.loads(out)[0]["space"] == tenant_id
    _, out, _ = await at_terminal("schedules", "-t", slug)
    assert "weekly" in out
    _, out, _ = await at_terminal("scale", "-t", slug)
    assert "idle" in out


async def test_connect_prints_lines_that_a_shell_takes(yard, house, tenant_id, slug, at_terminal):
    code, out, err = await at_terminal("connect", "-t", slug, "--submit-only")
    assert code == 0, err
    lines = dict(line.removeprefix("export ").split("=", 1) for line in out.splitlines())
    assert lines["SOLVENT_QUEUE_URL"] == yard.door_url
    assert lines["SOLVENT_QUEUE_SPACE"] == tenant_id
    async with house.edge.open(tenant_id, OPERATOR) as ctx:
        [newest] = await tenants.list_keys(ctx, limit=1)
    assert newest.scopes == {"queue:submit"}
    assert lines["SOLVENT_QUEUE_KEY"].endswith(newest.last4)


BAD = [
    ("ls", "--state", "odd"),
    ("ls", "--limit", "0"),
    ("ls", "--all", "--house"),
    ("show", "a.b"),
    ("show",),
    ("cancel", "*"),
    ("replay",),
    ("replay", "x", "--dead"),
    ("replay", "--until", "0"),
    ("replay", "--until", "999999999"),
    ("replay", "--dead", "--limit", "100000"),
    ("log", "--follow", "--until", "3"),
    ("log", "--until", "999999999"),
    ("log", "--from", "x"),
    ("top", "--interval", "0"),
    ("export",),
    ("nonsense",),
]


@pytest.mark.parametrize("words", BAD)
async def test_a_bad_argument_is_named_with_exit_2(yard, slug, at_terminal, words):
    takes_tenant = words[0] in {"show", "cancel"}
    code, out, err = await at_terminal(*words, *(("-t", slug) if takes_tenant else ()))
    assert code == 2, (out, err)
    assert err.strip()
    assert "Traceback" not in err


async def test_an_unknown_job_or_tenant_is_told(yard, slug, at_terminal):
    code, _, err = await at_terminal("show", "unknown", "-t", slug)
    assert (code, err.strip()) == (1, "solvent: task_id: There is no such job.")
    code, _, err = await at_terminal("ls", "-t", "no-such-tenant")
    assert code == 1
    assert "no tenant of this name" in err


async def test_solvents_own_jobs_are_shown_and_not_changed(yard, at_terminal):
    code, _, err = await at_terminal("ls", "--house")
    assert code == 0, err
    code, _, err = await at_terminal("cancel", "x", "--house")
    assert code == 2
