"""How is the queue used over HTTP?

Who asks the log or the desk does it as an errand: no transaction of the database waits for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from solvent.kit.ctx import Ctx, Edge
from solvent.kit.http import CursorMalformed, Errand, Page, PageQuery, RequestCtx, Router
from solvent.kit.http.page import PageRequest, encode_cursor
from solvent.kit.jobs.desk.messages import JobPage, StateName
from solvent.kit.jobs.link import JobsLink
from solvent.systems.queue import change, look, ordering, shapes
from solvent.systems.queue.look import Filter
from solvent.systems.queue.model import SubmittedJob
from solvent.systems.queue.ordering import Order
from solvent.systems.queue.service import permit, submit
from solvent.systems.queue.service.limits import LimitsBook
from solvent.systems.queue.settings import QueueSection

T = TypeVar("T")
SEQ_DIGITS_MAX = 18

States = Annotated[list[StateName] | None, Query(alias="state")]


def router(settings: QueueSection, book: LimitsBook) -> Router:
    """Return the routes."""
    routes = Router(tags=["queue"])
    _mount_submit(routes, book)
    _mount_jobs(routes)
    _mount_changes(routes)
    _mount_looks(routes)
    _mount_connection(routes, settings)
    return routes


def _mount_submit(routes: Router, book: LimitsBook) -> None:
    @routes.post("/queue/jobs", status_code=201, response_model=shapes.SubmittedShown)
    async def submit_job(request: Request, ctx: RequestCtx, body: shapes.NewJobBody) -> Response:
        """Submit a job; a repeat under the same idempotency key is the same job."""
        order = submit.prepare(ctx, [body.wanted()], request_key=_key(request, ctx), path="")

        def show(made: list[SubmittedJob]) -> shapes.SubmittedShown:
            return _submitted(made[0])

        return _submission(request, book, order, show)

    @routes.post("/queue/jobs/batch", status_code=201, response_model=shapes.SubmittedMany)
    async def submit_jobs(request: Request, ctx: RequestCtx, body: shapes.NewJobsBody) -> Response:
        """Submit up to 1000 jobs, in atomic batches of 500."""
        wanted = [one.wanted() for one in body.jobs]
        order = submit.prepare(ctx, wanted, request_key=_key(request, ctx))

        def show(made: list[SubmittedJob]) -> shapes.SubmittedMany:
            shown = [
                shapes.SubmittedShown(task_id=one.task_id, created=one.created) for one in made
            ]
            return shapes.SubmittedMany(jobs=shown)

        return _submission(request, book, order, show)

    del submit_job, submit_jobs


def _submitted(one: SubmittedJob) -> shapes.SubmittedShown:
    return shapes.SubmittedShown(task_id=one.task_id, created=one.created)


def _submission(
    request: Request,
    book: LimitsBook,
    order: Order,
    show: Callable[[list[SubmittedJob]], BaseModel],
) -> Response:
    link, edge = _link(request), _edge(request)

    async def ask() -> list[SubmittedJob]:
        await ordering.check_limits(link, order, await book.of(edge, order.space))
        return await ordering.place(await link.log(), order)

    async def conclude(ctx: Ctx, made: list[SubmittedJob]) -> Response:
        submit.note(ctx, order, made)
        return _json(show(made), status=201)

    return Errand(ask, conclude=conclude, fail=_nothing)


def _mount_jobs(routes: Router) -> None:
    @routes.get("/queue/jobs", response_model=Page[shapes.JobShown])
    async def list_jobs(
        request: Request,
        ctx: RequestCtx,
        page: PageQuery,
        *,
        state: States = None,
        queue: str = "",
        name: str = "",
    ) -> Response:
        """List jobs, the latest submitted first; `state=dead` are the dead letters."""
        space, which = permit.may_look(ctx), Filter(tuple(state or ()), queue, name)
        before, link = _before(page), _link(request)

        async def ask() -> BaseModel:
            found = await look.find_jobs(link, space, which, before=before, limit=page.limit)
            return _page(found)

        return _looked(ask)

    @routes.get("/queue/jobs/{task_id}", response_model=shapes.JobStoryShown)
    async def read_job(request: Request, ctx: RequestCtx, task_id: str) -> Response:
        """Show a job with its whole history."""
        space, link = permit.may_look(ctx), _link(request)

        async def ask() -> BaseModel:
            return shapes.show_story(await look.tell_job(link, space, task_id))

        return _looked(ask)

    del list_jobs, read_job


def _mount_changes(routes: Router) -> None:
    @routes.post("/queue/jobs/{task_id}/cancel", response_model=shapes.JobStoryShown)
    async def cancel_job(
        request: Request, ctx: RequestCtx, task_id: str, body: shapes.CancelJobBody | None = None
    ) -> Response:
        """Call a job off, before its run or during it."""
        allowed, link = permit.may_change(ctx), _link(request)
        reason = body.reason if body else ""

        async def ask() -> look.JobStory:
            await change.cancel(await link.log(), allowed, task_id, reason=reason)
            return await look.tell_job(link, allowed.space, task_id)

        async def conclude(ctx: Ctx, story: look.JobStory) -> Response:
            permit.note_canceled(ctx, task_id, reason=reason)
            return _json(shapes.show_story(story))

        return Errand(ask, conclude=conclude, fail=_nothing)

    @routes.post("/queue/jobs/{task_id}/replay", response_model=shapes.JobStoryShown)
    async def replay_job(request: Request, ctx: RequestCtx, task_id: str) -> Response:
        """Let a dead or canceled job run again from its first attempt."""
        allowed, link = permit.may_change(ctx), _link(request)

        async def ask() -> look.JobStory:
            await change.replay(await link.log(), allowed, task_id)
            return await look.tell_job(link, allowed.space, task_id)

        async def conclude(ctx: Ctx, story: look.JobStory) -> Response:
            permit.note_replayed(ctx, (task_id,))
            return _json(shapes.show_story(story))

        return Errand(ask, conclude=conclude, fail=_nothing)

    @routes.post("/queue/replays", response_model=shapes.JobsReplayedShown)
    async def replay_jobs(
        request: Request, ctx: RequestCtx, body: shapes.ReplayJobsBody
    ) -> Response:
        """Let all dead or canceled jobs of a filter run again; `dry_run` only shows them."""
        allowed, link = permit.may_change(ctx), _link(request)
        which = Filter(tuple(body.state), body.queue, body.name)

        async def ask() -> change.Replay:
            return await change.replay_all(
                link, allowed, which, limit=body.limit, dry_run=body.dry_run
            )

        async def conclude(ctx: Ctx, made: change.Replay) -> Response:
            permit.note_replayed(ctx, made.replayed)
            return _json(_replay(made, dry_run=body.dry_run))

        return Errand(ask, conclude=conclude, fail=_nothing)

    del cancel_job, replay_job, replay_jobs


def _mount_looks(routes: Router) -> None:
    @routes.get("/queue/queues", response_model=list[shapes.QueueShown])
    async def list_queues(request: Request, ctx: RequestCtx) -> Response:
        """Show every queue with its counts."""
        space, link = permit.may_look(ctx), _link(request)
        return _listed(lambda: look.queues(link, space), shapes.show_queue)

    @routes.get("/queue/workers", response_model=list[shapes.WorkerShown])
    async def list_workers(request: Request, ctx: RequestCtx) -> Response:
        """Show the workers that are heard, with what they run."""
        space, link = permit.may_look(ctx), _link(request)
        return _listed(lambda: look.workers(link, space), shapes.show_worker)

    @routes.get("/queue/schedules", response_model=list[shapes.ScheduleShown])
    async def list_schedules(request: Request, ctx: RequestCtx) -> Response:
        """Show the schedules in force and when they tick next."""
        space, link = permit.may_look(ctx), _link(request)
        return _listed(lambda: look.schedules(link, space), shapes.show_schedule)

    @routes.get("/queue/scaling", response_model=list[shapes.ScalingShown])
    async def list_decisions(request: Request, ctx: RequestCtx) -> Response:
        """Show the decisions about workers, the earliest first, each with its inputs."""
        space, link = permit.may_look(ctx), _link(request)
        return _listed(lambda: look.decisions(link, space), shapes.show_scaling)

    del list_queues, list_workers, list_schedules, list_decisions


def _mount_connection(routes: Router, settings: QueueSection) -> None:
    @routes.get("/queue/connection", response_model=shapes.ConnectionShown)
    async def read_connection(request: Request, ctx: RequestCtx) -> Response:
        """Show where workers and submitters connect; their key is an API key with queue scopes."""
        space, link = permit.may_look(ctx), _link(request)

        async def ask() -> BaseModel:
            return shapes.ConnectionShown(url=await look.door_url(link, settings), space=space)

        return _looked(ask)

    del read_connection


def _link(request: Request) -> JobsLink:
    return request.app.state.jobs


def _edge(request: Request) -> Edge:
    return request.app.state.edge


def _key(request: Request, ctx: Ctx) -> str:
    """Return what the ids of a request's jobs follow from."""
    return request.headers.get("idempotency-key") or ctx.ids.new("qrq")


def _looked(ask: Callable[[], Awaitable[BaseModel]]) -> Response:
    async def conclude(ctx: Ctx, found: BaseModel) -> Response:
        del ctx
        return _json(found)

    return Errand(ask, conclude=conclude, fail=_nothing)


def _listed(ask: Callable[[], Awaitable[object]], show: Callable[[T], BaseModel]) -> Response:
    async def conclude(ctx: Ctx, rows: list[T]) -> Response:
        del ctx
        body = ",".join(show(row).model_dump_json() for row in rows)
        return Response(f"[{body}]", media_type="application/json")

    return Errand(ask, conclude=conclude, fail=_nothing)  # pyright: ignore[reportArgumentType] - rows of one kind


async def _nothing(ctx: Ctx, fault: Exception) -> None:
    """Nothing was written, so nothing is to be undone."""
    del ctx, fault


def _json(body: BaseModel, *, status: int = 200) -> Response:
    return Response(body.model_dump_json(), status, media_type="application/json")


def _before(page: PageRequest) -> int:
    if page.after is None:
        return 0
    if not page.after.isdecimal() or len(page.after) > SEQ_DIGITS_MAX:
        raise CursorMalformed(field="cursor")
    return int(page.after)


def _page(found: JobPage) -> Page[shapes.JobShown]:
    last = str(found.rows[-1].submitted_seq) if found.more and found.rows else ""
    data = [shapes.show_job(row) for row in found.rows]
    return Page(data=data, next_cursor=encode_cursor(last) if last else None)


def _replay(made: change.Replay, *, dry_run: bool) -> shapes.JobsReplayedShown:
    return shapes.JobsReplayedShown(
        matched=[row.task_id for row in made.matched],
        replayed=list(made.replayed),
        more=made.more,
        dry_run=dry_run,
    )
