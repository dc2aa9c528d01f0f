"""How does an application define tasks, submit calls of them, and look at what became of them?"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, Unpack, overload

from solvent_client.tasks.engine import Engine, Link, awaited, waited
from solvent_client.tasks.errors import LogConflict, OptionInvalid, OutcomeUnknown
from solvent_client.tasks.handle import GroupHandle, Handle
from solvent_client.tasks.links import Start
from solvent_client.tasks.log import GIVE_UP_S, MAX_BATCH, Entry
from solvent_client.tasks.options import Options, Said
from solvent_client.tasks.place import place_of
from solvent_client.tasks.record import (
    CHAIN_START,
    Canceled,
    Carried,
    Dead,
    Done,
    Spec,
    Submitted,
    chain_hash,
    decode,
    encode,
    read_carriage,
    subject_of,
)
from solvent_client.tasks.schedule import CatchUp, Schedule, declare, withdraw
from solvent_client.tasks.signature import Chain, Chord, Group, Node, Plan, Signature, plan
from solvent_client.tasks.task import Call, Task, name_of

P = ParamSpec("P")
R = TypeVar("R")
Made: TypeAlias = Handle | GroupHandle
Hook: TypeAlias = Callable[[], Any]

_TRIES: Final = 5


class Tasks:
    """The tasks of an application, and its way to the queue.

    Any thread may use it, and any event loop; a forked web worker opens a connection of its own.
    Nothing is opened before the first use.

    Args:
        url: where the log is, `nats://host:4222`, several with commas; else SOLVENT_QUEUE_URL.
        space: whose jobs, a tenant's id; else SOLVENT_QUEUE_SPACE.
        key: an API key with `queue:submit`, and `queue:work` for workers; else SOLVENT_QUEUE_KEY.
        accept_pickle: open pickled arguments and results. Whoever may submit can then run any code
            here.
        submit_timeout: how many seconds a submission waits for the log.
        by: what stands in the log as the submitter.
        options: what holds for all tasks: see `Options`.

    Raises:
        OptionInvalid: an argument is not what was expected.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        space: str | None = None,
        key: str | None = None,
        accept_pickle: bool = False,
        submit_timeout: float = GIVE_UP_S,
        by: str = "client",
        **options: Unpack[Said],
    ) -> None:
        self.place = place_of(url, space, key)
        self.engine = Engine(self.place, give_up_s=submit_timeout)
        self.accept_pickle = accept_pickle
        self.by = by
        self.options = Options().changed(**options)
        self.tasks: dict[str, Task[..., Any]] = {}
        self.schedules: dict[str, Schedule] = {}
        self.starting: list[Hook] = []
        self.stopping: list[Hook] = []

    @property
    def space(self) -> str:
        """Whose jobs."""
        return self.place.space

    def now_ns(self) -> int:
        """Return nanoseconds since 1970 by the log's clock, as far as it is known here."""
        return self.engine.clock.now_ns()

    # ---------------------------------------------------------------------------------- defining

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        bind: bool = False,
        cron: str | None = None,
        tz: str = "UTC",
        catch_up: CatchUp = "one",
        **options: Unpack[Said],
    ) -> Callable[[Callable[..., R]], Task[..., R]]: ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        bind: bool = False,
        cron: str | None = None,
        tz: str = "UTC",
        catch_up: CatchUp = "one",
        **options: Unpack[Said],
    ) -> Any:
        """Make a task of a function, plain or async: `@app.task` or `@app.task(queue="mail")`.

        Args:
            function: the function.
            name: its name in the log; else its module's name and its own.
            bind: it takes the task first, as `self`.
            cron: when it is submitted by itself: five fields, or `@every 90s`.
            tz: the time zone of these, an IANA name.
            catch_up: which ticks that an outage swallowed are made up for: the last (`one`), `all`
                or `none`.
            options: see `Options`.

        Raises:
            OptionInvalid: an option is not one, or there is another task of this name.
        """

        def make(function: Callable[..., Any]) -> Task[..., Any]:
            made = Task(
                self,
                function,
                name=name or name_of(function),
                options=self.options.changed(**options),
                bind=bind,
            )
            self._register(made)
            if cron is not None:
                self.schedule(made.s(), cron, name=made.name, tz=tz, catch_up=catch_up)
            return made

        return make(function) if function is not None else make

    def _register(self, task: Task[..., Any]) -> None:
        known = self.tasks.get(task.name)
        if known is not None and known.function.__qualname__ != task.function.__qualname__:
            raise OptionInvalid(f"name: there are two tasks called {task.name}")
        self.tasks[task.name] = task

    def on_start(self, hook: Hook) -> Hook:
        """Have a worker call a function, plain or async, before its first task."""
        self.starting.append(hook)
        return hook

    def on_stop(self, hook: Hook) -> Hook:
        """Have a worker call a function, plain or async, after its last task."""
        self.stopping.append(hook)
        return hook

    # --------------------------------------------------------------------------------- schedules

    def schedule(
        self,
        call: Signature,
        cron: str,
        *,
        name: str | None = None,
        tz: str = "UTC",
        catch_up: CatchUp = "one",
    ) -> Schedule:
        """Have a call submitted at the times of a cron expression, once workers have started.

        Raises:
            OptionInvalid: the expression or the time zone cannot be one.
        """
        made = Schedule.of(call, cron, name=name or call.task.name, tz=tz, catch_up=catch_up)
        self.schedules[made.name] = made
        return made

    def declare_schedules(self) -> int:
        """Write the schedules to the log now, as workers do when they start; return how many.

        Raises:
            QueueUnreachable: the log cannot be reached.
        """
        made = list(self.schedules.values())
        for one in made:
            waited(
                self.engine.run(lambda link, one=one: declare(link, self.space, one, by=self.by))
            )
        return len(made)

    def unschedule(self, name: str) -> bool:
        """End a schedule; False if the log has none of this name."""
        self.schedules.pop(name, None)
        return waited(self.engine.run(lambda link: withdraw(link, self.space, name, by=self.by)))

    # -------------------------------------------------------------------------------- submitting

    @overload
    def submit(self, node: Signature | Chord) -> Handle: ...
    @overload
    def submit(self, node: Group) -> GroupHandle: ...
    @overload
    def submit(self, node: Chain) -> Made: ...
    def submit(self, node: Node) -> Made:
        """Submit a call, a chain, a group or a chord; raises as `Task.delay` does."""
        if isinstance(node, Signature):
            return node.apply_async()
        made = self.plan(node)
        first, *rest = made.units
        waited(self.engine.append(first))  # a group's header stands before its members
        for future in [self.engine.append(unit) for unit in rest]:
            waited(future)
        return self._handle_of(made)

    @overload
    async def asubmit(self, node: Signature | Chord) -> Handle: ...
    @overload
    async def asubmit(self, node: Group) -> GroupHandle: ...
    @overload
    async def asubmit(self, node: Chain) -> Made: ...
    async def asubmit(self, node: Node) -> Made:
        """Submit the same from asyncio."""
        if isinstance(node, Signature):
            return await node.adelay()
        made = self.plan(node)
        first, *rest = made.units
        await awaited(self.engine.append(first))
        for future in [self.engine.append(unit) for unit in rest]:
            await awaited(future)
        return self._handle_of(made)

    def submit_many(self, calls: Iterable[Signature]) -> list[Handle]:
        """Submit many calls in large batches; return their handles in order.

        It returns once the log has all. Where it raises, some may have been submitted.

        Raises:
            OptionInvalid: one of the calls is unique or has its own id; submit those one by one.
        """
        handles, futures = self._append_many(calls)
        for future in futures:
            waited(future)
        return handles

    async def asubmit_many(self, calls: Iterable[Signature]) -> list[Handle]:
        """Submit many calls from asyncio."""
        handles, futures = self._append_many(calls)
        for future in futures:
            await awaited(future)
        return handles

    def submit_call(self, call: Call) -> Handle:
        """Submit a call that is ready to be written."""
        if call.task_id:
            return waited(self._submit_once(call))
        entry = self._entry(call.spec, str(uuid.uuid4()))
        waited(self.engine.append([entry]))
        return self.handle(_id_in(entry))

    async def asubmit_call(self, call: Call) -> Handle:
        """Submit a call that is ready to be written, from asyncio."""
        if call.task_id:
            return await awaited(self._submit_once(call))
        entry = self._entry(call.spec, str(uuid.uuid4()))
        await awaited(self.engine.append([entry]))
        return self.handle(_id_in(entry))

    def submit_known(self, calls: Iterable[Call]) -> Future[None]:
        """Submit calls that have their ids, each once; what is there already stays as it is."""
        made = [(call, self._entry(call.spec, call.task_id, fresh=False)) for call in calls]

        async def work(link: Link) -> None:
            await asyncio.gather(*(self._put_once(link, entry, call) for call, entry in made))

        return self.engine.run(work)

    def handle(self, task_id: str) -> Handle:
        """Return the handle of a job by its id."""
        return Handle(self.engine, task_id, accept_pickle=self.accept_pickle)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self.engine.close()

    # ---------------------------------------------------------------------------------- the bytes

    def _entry(self, spec: Spec, task_id: str, *, fresh: bool = True) -> Entry:
        data = encode(Submitted(prev=CHAIN_START, spec=spec, by=self.by))
        return Entry(subject_of(self.space, task_id), 0, data, fresh=fresh)

    def plan(self, node: Node) -> Plan:
        """Return what is to be written to submit a node. Raises PayloadInvalid, OptionInvalid."""
        start = Start(
            self.space,
            now_ns=self.now_ns(),
            by=self.by,
            fresh=True,
            accept_pickle=self.accept_pickle,
        )
        return plan(node, start=start)

    def _append_many(self, calls: Iterable[Signature]) -> tuple[list[Handle], list[Future[None]]]:
        handles: list[Handle] = []
        futures: list[Future[None]] = []
        unit: list[Entry] = []
        size = 0
        for signature in calls:
            call = signature.task.call(signature.args, signature.kwargs, **signature.options)
            if call.task_id:
                raise OptionInvalid(f"{call.spec.name}: unique jobs are submitted one by one")
            entry = self._entry(call.spec, str(uuid.uuid4()))
            unit.append(entry)
            size += len(entry.data)
            handles.append(self.handle(_id_in(entry)))
            if len(unit) == MAX_BATCH or size > _UNIT_BYTES:
                futures.append(self.engine.append(unit))
                unit, size = [], 0
        if unit:
            futures.append(self.engine.append(unit))
        return handles, futures

    def _handle_of(self, made: Plan) -> Made:
        *before, last = made.chain_ids
        if not made.member_ids:
            return replace(self.handle(last), steps_before=tuple(before))
        members = [
            replace(self.handle(ids[-1]), steps_before=(*before, *ids[:-1]))
            for ids in made.member_ids
        ]
        return GroupHandle(self.engine, last, tuple(members))

    # --------------------------------------------------------------------------------- only once

    def _submit_once(self, call: Call) -> Future[Handle]:
        """Submit under an id that may be there already; where it is, return that job's handle."""
        entry = self._entry(call.spec, call.task_id, fresh=False)
        handle = self.handle(call.task_id)

        async def work(link: Link) -> Handle:
            return replace(handle, existed=not await self._put_once(link, entry, call))

        return self.engine.run(work)

    async def _put_once(self, link: Link, entry: Entry, call: Call) -> bool:
        """Write a call that may be there already; False if it is."""
        for _ in range(_TRIES):
            try:
                await link.appender.put([entry], give_up_s=self.engine.give_up_s)
            except LogConflict:
                if not await self._follow_ended(link, entry, call):
                    return False
            except OutcomeUnknown as error:
                raise OutcomeUnknown(str(error), task_id=call.task_id) from error
            else:
                return True
        return False  # others were faster each time

    async def _follow_ended(self, link: Link, entry: Entry, call: Call) -> bool:
        """Let the entry follow the life that has ended; False if there is one that has not."""
        last = await link.reader.last(entry.subject)
        if last is None:
            entry.expected = 0
            return True
        if not call.unique or not _has_ended(last.data):
            return False
        entry.expected = last.seq
        entry.data = encode(Submitted(prev=chain_hash(last.data), spec=call.spec, by=self.by))
        return True


_UNIT_BYTES: Final = 2 * 1024 * 1024


def _id_in(entry: Entry) -> str:
    return entry.subject.rpartition(".")[2]


def _has_ended(data: bytes) -> bool:
    record = decode(data)
    if isinstance(record, Carried):
        carried = read_carriage(record)
        return carried is None or carried.phase in {"done", "dead", "canceled"}
    return isinstance(record, Done | Dead | Canceled)
