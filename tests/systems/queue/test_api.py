"""Does the API submit, show, cancel and replay jobs, for whoever may and for nobody else?"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from solvent.kit.jobs.log import Append
from solvent.kit.jobs.record import CHAIN_START, Scaled, Scheduled, Spec, encode
from solvent.kit.testing import eventually

counter = itertools.count()


async def submit(client, **body) -> str:
    answer = await client.post("/jobs", json={"name": "add", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()["task_id"]


async def read(client, task_id: str) -> dict:
    answer = await client.get(f"/jobs/{task_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client, **query) -> list[str]:
    answer = await client.get("/jobs", params=query)
    assert answer.status_code == 200, answer.text
    return [one["task_id"] for one in answer.json()["data"]]


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_job_is_submitted_run_and_told(yard, people):
    task_id = await submit(people.bob, args=[1, 2], kwargs={"note": "x"}, priority=7)
    row = await yard.until(people.space, task_id, "waiting")
    assert (row.priority, row.queue, row.name) == (7, "default", "add")
    async with yard.worker(people.space):
        await yard.until(people.space, task_id, "done")
    told = await read(people.bob, task_id)
    assert told["job"]["state"] == "done"
    assert told["job"]["ended_at"] is not None
    assert [one["kind"] for one in told["history"]] == ["submitted", "assigned", "done"]
    assert told["history"][0]["facts"]["args"] == [[1, 2], {"note": "x"}]
    assert told["history"][0]["facts"]["by"].startswith("api_key:key_")
    assert told["history"][-1]["facts"]["result"] == {"sum": 3}


async def test_the_same_request_makes_the_same_job(yard, people):
    headers = {"idempotency-key": f"order-{next(counter)}"}
    answers = [
        await people.bob.post("/jobs", json={"name": "add"}, headers=headers) for _ in range(2)
    ]
    assert {one.json()["task_id"] for one in answers} == {answers[0].json()["task_id"]}
    assert answers[1].headers["idempotency-replayed"] == "true"
    # And where the first answer was lost before it was kept: the log has the job.
    from solvent.systems.queue import ordering
    from solvent.systems.queue.service import submit as service

    async with yard.house.edge.open(people.space, _actor()) as ctx:
        order = service.prepare(ctx, [_wanted()], request_key=headers["idempotency-key"])
    [made] = await ordering.place(yard.jobs, order)
    assert (made.task_id, made.created) == (answers[0].json()["task_id"], False)


def _actor():
    from solvent.kit.ctx import OPERATOR

    return OPERATOR


def _wanted():
    from solvent.systems.queue.model import WantedJob

    return WantedJob(name="add")


async def test_a_unique_job_lives_once(yard, people):
    body = {"name": "add", "unique_key": f"customer-{next(counter)}"}
    first = (await people.bob.post("/jobs", json=body)).json()
    again = (await people.bob.post("/jobs", json=body)).json()
    assert (first["created"], again["created"]) == (True, False)
    assert first["task_id"] == again["task_id"]
    async with yard.worker(people.space):
        await yard.until(people.space, first["task_id"], "done")
    next_life = (await people.bob.post("/jobs", json=body)).json()
    assert next_life == {"task_id": first["task_id"], "created": True}
    other = (await people.mallory.post("/jobs", json=body)).json()
    assert other["task_id"] != first["task_id"]


async def test_a_batch_is_submitted_in_its_order(yard, people):
    jobs = [{"name": f"n{place}"} for place in range(700)]
    answer = await people.bob.post("/jobs/batch", json={"jobs": jobs})
    assert answer.status_code == 201
    made = answer.json()["jobs"]
    assert len({one["task_id"] for one in made}) == 700
    await yard.until(people.space, made[-1]["task_id"], "waiting")
    last = await read(people.bob, made[-1]["task_id"])
    assert last["job"]["name"] == "n699"


async def test_moments_are_of_the_logs_clock(yard, people):
    """The tenant's test clock stands in January; the job is due by the real time."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    delayed = await submit(people.bob, delay_s=3600)
    at = await submit(people.bob, at=soon.isoformat())
    for task_id in (delayed, at):
        row = await yard.until(people.space, task_id, "delayed")
        assert abs(row.due_ns / 1e9 - soon.timestamp()) < 60


BAD_JOBS = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\u0000b"}, "name"),
    ({"name": "add", "queue": "a.b"}, "queue"),
    ({"name": "add", "queue": ""}, "queue"),
    ({"name": "add", "queue": ">"}, "queue"),
    ({"name": "add", "priority": 10}, "priority"),
    ({"name": "add", "priority": -1}, "priority"),
    ({"name": "add", "max_attempts": 0}, "max_attempts"),
    ({"name": "add", "timeout_s": 0}, "timeout_s"),
    ({"name": "add", "timeout_s": 8 * 86400}, "timeout"),
    ({"name": "add", "delay_s": -1}, "delay_s"),
    ({"name": "add", "delay_s": 1e12}, "delay_s"),
    ({"name": "add", "delay_s": 1, "at": "2030-01-01T00:00:00Z"}, "delay_s"),
    ({"name": "add", "at": "2030-01-01T00:00:00"}, "at"),
    ({"name": "add", "concurrency": 0}, "concurrency"),
    ({"name": "add", "concurrency_key": "a\nb"}, "key"),
    ({"name": "add", "args": {"a": 1}}, "args"),
    ({"name": "add", "args": ["x" * 600_000]}, "args"),
    ({"name": "add", "colour": "blue"}, "colour"),
]


@pytest.mark.parametrize("body, field", BAD_JOBS)
async def test_what_is_wrong_with_a_job_is_named_and_nothing_is_written(
    yard, people, body: dict, field: str
):
    before = (await yard.jobs.bounds()).last
    answer = await people.bob.post("/jobs", json=body)
    assert answer.status_code == 400, answer.text
    assert field in answer.json()["field"]
    assert (await yard.jobs.bounds()).last == before


@pytest.mark.parametrize("jobs", [[], [{"name": "x"}] * 1001])
async def test_a_batch_has_its_bounds(people, jobs: list):
    answer = await people.bob.post("/jobs/batch", json={"jobs": jobs})
    assert answer.status_code == 400


async def test_two_of_one_unique_key_in_a_batch_are_refused(people):
    jobs = [{"name": "add", "unique_key": "k"}] * 2
    answer = await people.bob.post("/jobs/batch", json={"jobs": jobs})
    assert code(answer) == (400, "queue.batch_malformed")


async def test_lists_come_in_pages_by_state_queue_and_name(yard, people):
    queue = f"q{next(counter)}"
    ids = [await submit(people.bob, queue=queue, name=f"n{place % 2}") for place in range(5)]
    await yard.until(people.space, ids[-1], "waiting")
    assert await listed(people.bob, queue=queue) == ids[::-1]
    assert await listed(people.bob, queue=queue, name="n1") == [ids[3], ids[1]]
    assert await listed(people.bob, queue=queue, state="dead") == []
    seen, cursor = [], None
    while True:
        query = {"queue": queue, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await people.bob.get("/jobs", params=query)).json()
        seen += [one["task_id"] for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=YWJj", "limit=0", "limit=501", "state=odd"])
async def test_an_odd_page_is_refused(people, query: str):
    assert (await people.bob.get(f"/jobs?{query}")).status_code == 400


async def test_a_waiting_job_is_canceled_and_replayed(yard, people, audited):
    task_id = await submit(people.alice)
    await yard.until(people.space, task_id, "waiting")
    answer = await people.alice.post(f"/jobs/{task_id}/cancel", json={"reason": "a mistake"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["history"][-1]["text"] == "a mistake"
    await yard.until(people.space, task_id, "canceled")
    again = await people.alice.post(f"/jobs/{task_id}/cancel")
    assert code(again) == (409, "queue.job_ended")
    assert (await people.alice.post(f"/jobs/{task_id}/replay")).status_code == 200
    async with yard.worker(people.space):
        await yard.until(people.space, task_id, "done")
    assert code(await people.alice.post(f"/jobs/{task_id}/replay")) == (
        409,
        "queue.job_not_replayable",
    )
    actions = await audited(people.space)
    assert {"queue.jobs_submitted", "queue.job_canceled", "queue.jobs_replayed"} <= set(actions)


async def test_what_is_done_is_audited(people, audited):
    await submit(people.bob)
    assert "queue.jobs_submitted" in await audited(people.space)
    assert "queue.jobs_submitted" not in await audited(people.mallorys)


async def test_a_running_job_is_canceled(yard, people):
    yard.go.clear()
    task_id = await submit(people.alice, name="wait")
    async with yard.worker(people.space):
        await yard.until(people.space, task_id, "assigned")
        assert (await people.alice.post(f"/jobs/{task_id}/cancel")).status_code == 200
        await yard.until(people.space, task_id, "canceled")
    yard.go.set()
    assert (await yard.row(people.space, task_id)).state == "canceled"


async def test_a_dry_run_changes_nothing(yard, people):
    queue = f"q{next(counter)}"
    async with yard.worker(people.space, queue):
        ids = [await submit(people.alice, name="die", queue=queue) for _ in range(3)]
        for task_id in ids:
            row = await yard.until(people.space, task_id, "dead")
            assert row.error == "told to"
    before = (await yard.jobs.bounds()).last
    dry = await people.alice.post("/replays", json={"queue": queue, "dry_run": True})
    assert dry.json() == {"matched": ids[::-1], "replayed": [], "more": False, "dry_run": True}
    assert (await yard.jobs.bounds()).last == before
    some = await people.alice.post("/replays", json={"queue": queue, "limit": 2})
    assert some.json()["replayed"] == ids[:0:-1]
    assert some.json()["more"] is True
    await yard.until(people.space, ids[-1], "waiting")
    rest = await people.alice.post("/replays", json={"queue": queue})
    assert rest.json()["replayed"] == [ids[0]]
    await yard.until(people.space, ids[0], "waiting")
    none = await people.alice.post("/replays", json={"queue": queue})
    assert none.json()["matched"] == []


async def test_only_the_dead_and_canceled_are_replayed_together(people):
    answer = await people.alice.post("/replays", json={"state": ["done"]})
    assert code(answer) == (409, "queue.job_not_replayable")


async def test_queues_workers_schedules_and_decisions_are_shown(yard, people):
    queue = f"q{next(counter)}"
    task_id = await submit(people.bob, queue=queue)
    await yard.until(people.space, task_id, "waiting")

    async def counts() -> dict[str, int]:
        rows = (await people.bob.get("/queues")).json()
        return {row["queue"]: row["waiting"] for row in rows}

    await eventually(counts, until=lambda seen: seen.get(queue) == 1)
    async with yard.worker(people.space, "idle") as worker:

        async def names() -> list[str]:
            return [one["name"] for one in (await people.bob.get("/workers")).json()]

        await eventually(names, until=lambda seen: worker.name in seen)
        assert (await people.mallory.get("/workers")).json() == []
    told = Scheduled(CHAIN_START, Spec("report"), "0 9 * * 1", "Europe/Berlin")
    name = f"s{next(counter)}"
    await yard.jobs.append([Append(f"cron.{people.space}.{name}", 0, encode(told))])

    async def schedules() -> list[str]:
        return [one["name"] for one in (await people.bob.get("/schedules")).json()]

    await eventually(schedules, until=lambda seen: name in seen)
    assert (await people.mallory.get("/schedules")).json() == []
    scaled = Scaled("queue", "start", "cpu_high", {"space": people.space, "cpu_mean": 0.9})
    await yard.jobs.append([Append("scaling.queue", None, encode(scaled))])
    [decision] = (await people.bob.get("/scaling")).json()
    assert (decision["decision"], decision["inputs"]["cpu_mean"]) == ("start", 0.9)
    assert (await people.mallory.get("/scaling")).json() == []
    where = (await people.bob.get("/connection")).json()
    assert where == {"url": yard.door_url, "space": people.space}


# ------------------------------------------------------------------------------------ who may

READS = ["/jobs", "/queues", "/workers", "/schedules", "/scaling", "/connection", "/jobs/x"]
WRITES = [("/jobs/x/cancel", None), ("/jobs/x/replay", None), ("/replays", {})]


@pytest.mark.parametrize("path", READS)
async def test_who_may_look(people, path: str):
    assert (await people.alice.get(path)).status_code in {200, 404}
    assert (await people.viewer.get(path)).status_code in {200, 404}
    assert code(await people.nobody.get(path)) == (403, "kit.scope_missing")
    assert (await people.charlie.get(path)).status_code == 401


@pytest.mark.parametrize("path, body", WRITES)
async def test_who_may_change(people, path: str, body: dict | None):
    assert (await people.alice.post(path, json=body)).status_code in {200, 404}
    for who in (people.bob, people.viewer, people.nobody):
        assert code(await who.post(path, json=body)) == (403, "kit.scope_missing")
    assert (await people.charlie.post(path, json=body)).status_code == 401


async def test_who_may_submit(people):
    for who in (people.viewer, people.nobody):
        answer = await who.post("/jobs", json={"name": "add"})
        assert code(answer) == (403, "kit.scope_missing")
    assert (await people.charlie.post("/jobs", json={"name": "add"})).status_code == 401


@pytest.mark.parametrize("odd", ["*", ">", "a.b", "x" * 65, "%00", "a b"])
async def test_an_odd_id_is_refused(people, odd: str):
    assert (await people.alice.get(f"/jobs/{odd}")).status_code in {400, 404}
    assert (await people.alice.post(f"/jobs/{odd}/cancel")).status_code in {400, 404}


async def test_mallory_reaches_no_other_space(yard, people):
    task_id = await submit(people.alice, queue="secret")
    await yard.until(people.space, task_id, "waiting")
    before = (await yard.jobs.bounds()).last
    for path in (f"/jobs/{task_id}", f"/jobs/{people.space}.{task_id}"):
        assert (await people.mallory.get(path)).status_code in {400, 404}
    for verb in ("cancel", "replay"):
        answer = await people.mallory.post(f"/jobs/{task_id}/{verb}")
        assert code(answer) == (404, "queue.job_unknown")
    assert task_id not in await listed(people.mallory)
    assert await listed(people.mallory, queue="secret") == []
    assert "secret" not in (await people.mallory.get("/queues")).text
    answer = await people.mallory.post("/replays", json={"state": ["dead", "canceled"]})
    assert answer.json()["matched"] == []
    assert (await yard.jobs.bounds()).last == before


async def test_while_no_desk_answers_lists_say_so(app, house, people):
    from solvent.kit.jobs import link as module
    from solvent.kit.jobs.link import JobsLink

    class Elsewhere(JobsLink):
        async def ask(self, question, kind):
            raise module.DeskAway

    kept, app.state.jobs = app.state.jobs, Elsewhere()
    app.state.jobs.connect(house.log_place.login, house.bus)
    try:
        assert code(await people.alice.get("/queues")) == (503, "kit.desk_away")
        assert (await people.alice.post("/jobs", json={"name": "add"})).status_code == 201
    finally:
        await app.state.jobs.close()
        app.state.jobs = kept
