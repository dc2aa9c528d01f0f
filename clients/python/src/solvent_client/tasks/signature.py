"""How is a call written down without making it, and put into chains and groups?"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Unpack

from solvent_client.tasks.errors import OptionInvalid
from solvent_client.tasks.links import (
    GroupLink,
    Link,
    Start,
    TaskLink,
    member_id,
    next_id,
    submit_link,
)
from solvent_client.tasks.log import MAX_UNIT, Entry
from solvent_client.tasks.options import CallSaid

if TYPE_CHECKING:
    from solvent_client.tasks.handle import GroupHandle, Handle
    from solvent_client.tasks.task import Task

MAX_MEMBERS: Final = 100_000


class _Composed:
    """What signatures, chains and groups have in common: `a | b`, `.delay()`, `.submit()`."""

    __slots__ = ()

    def __or__(self, after: Node) -> Chain | Chord:
        """Return the chain in which `after` takes what this returns."""
        return chain(self, after)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Signature(_Composed):
    """A call of a task that has not been made: `task.s(1, 2)`.

    Args:
        task: the task.
        args: positional arguments; those of `delay` come before them, and so does a result.
        kwargs: named arguments.
        options: of the call, as `apply_async` takes them.
        immutable: take no result before: `task.si(1, 2)`.
    """

    task: Task[..., Any]
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict[str, object])
    options: CallSaid = field(default_factory=CallSaid)
    immutable: bool = False

    def set(self, **options: Unpack[CallSaid]) -> Signature:
        """Return this call with options: `countdown`, `queue`, `priority`, …."""
        said = self.options.copy()
        said.update(options)
        return replace(self, options=said)

    def clone(
        self, args: Iterable[object] = (), kwargs: Mapping[str, object] | None = None
    ) -> Signature:
        """Return this call with arguments put before its own, and named ones added."""
        if self.immutable:
            return self
        return replace(self, args=(*args, *self.args), kwargs={**self.kwargs, **(kwargs or {})})

    def delay(self, *args: object, **kwargs: object) -> Handle:
        """Submit it; arguments given here come first."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Iterable[object] = (),
        kwargs: Mapping[str, object] | None = None,
        **options: Unpack[CallSaid],
    ) -> Handle:
        """Submit it with options said anew."""
        call = self.clone(tuple(args), kwargs).set(**options)
        return call.task.apply_async(call.args, call.kwargs, **call.options)

    async def adelay(self, *args: object, **kwargs: object) -> Handle:
        """Submit it from asyncio."""
        call = self.clone(args, kwargs)
        return await call.task.aapply_async(call.args, call.kwargs, **call.options)

    def link(self) -> TaskLink:
        """Return it as it stands in a chain or a group."""
        return self.task.link_of(self)


@dataclass(frozen=True, slots=True)
class Chain(_Composed):
    """Calls one after the other, each taking what the one before returned."""

    steps: tuple[Signature | Group | Chord, ...]

    def links(self) -> list[Link]:
        """Return the steps as they stand in the log."""
        return [_link_of(step) for step in self.steps]

    def delay(self, *args: object, **kwargs: object) -> Handle | GroupHandle:
        """Submit it; the arguments are put before those of the first step."""
        return _app_of(self).submit(_with_arguments(self, args, kwargs))

    apply_async = delay

    async def adelay(self, *args: object, **kwargs: object) -> Handle | GroupHandle:
        """Submit it from asyncio."""
        return await _app_of(self).asubmit(_with_arguments(self, args, kwargs))


@dataclass(frozen=True, slots=True)
class Group(_Composed):
    """Calls side by side; each may be a chain."""

    members: tuple[Signature | Chain, ...]

    def __post_init__(self) -> None:
        if len(self.members) > MAX_MEMBERS:
            raise OptionInvalid(f"group: expected at most {MAX_MEMBERS:,} members")

    def link(self) -> GroupLink:
        """Return it as it stands in the log."""
        return GroupLink([_member(one) for one in self.members])

    def delay(self, *args: object, **kwargs: object) -> GroupHandle:
        """Submit all; the arguments are put before each member's own."""
        return _app_of(self).submit(_with_arguments(self, args, kwargs))

    apply_async = delay

    async def adelay(self, *args: object, **kwargs: object) -> GroupHandle:
        """Submit all from asyncio."""
        return await _app_of(self).asubmit(_with_arguments(self, args, kwargs))


@dataclass(frozen=True, slots=True)
class Chord(_Composed):
    """A group, and a call that takes the list of all its results once every member is done."""

    header: Group
    body: Signature

    def __post_init__(self) -> None:
        if any(not isinstance(one, Signature) for one in self.header.members):
            raise OptionInvalid(
                "chord: a member is one task; put its steps into one task, or chain after the chord"
            )

    def link(self) -> GroupLink:
        """Return it as it stands in the log."""
        return GroupLink([_member(one) for one in self.header.members], self.body.link())

    def delay(self, *args: object, **kwargs: object) -> Handle:
        """Submit it; the arguments are put before each member's own."""
        return _app_of(self).submit(_with_arguments(self, args, kwargs))

    apply_async = delay

    async def adelay(self, *args: object, **kwargs: object) -> Handle:
        """Submit it from asyncio."""
        return await _app_of(self).asubmit(_with_arguments(self, args, kwargs))


Node: TypeAlias = Signature | Chain | Group | Chord


def chain(*steps: Node | Iterable[Node]) -> Chain | Chord:
    """Return the chain of the steps; a group followed by a task is a chord.

    Raises:
        OptionInvalid: there is no step, or a group would have to hand its results to a group.
    """
    done: list[Signature | Group | Chord] = []
    for step in _flat(steps):
        before = done[-1] if done else None
        if not isinstance(before, Group):
            done.append(step)
        elif isinstance(step, Signature):
            done[-1] = Chord(before, step)
        else:
            raise OptionInvalid("chain: expected a single task after a group")
    if not done:
        raise OptionInvalid("chain: expected at least one step")
    if len(done) == 1 and isinstance(done[0], Chord):
        return done[0]
    return Chain(tuple(done))


def _flat(steps: Iterable[Node | Iterable[Node]]) -> list[Signature | Group | Chord]:
    flat: list[Signature | Group | Chord] = []
    for step in steps:
        if isinstance(step, Chain):
            flat += step.steps
        elif isinstance(step, Signature | Group | Chord):
            flat.append(step)
        else:
            flat += _flat(step)
    return flat


def group(*members: Signature | Chain | Iterable[Signature | Chain]) -> Group:
    """Return the group of the members, given one by one or as one iterable."""
    flat: list[Signature | Chain] = []
    for member in members:
        if isinstance(member, Signature | Chain):
            flat.append(member)
        else:
            flat += member
    others: list[object] = [one for one in flat if type(one) not in {Signature, Chain}]
    if others:
        raise OptionInvalid(f"group: expected tasks and chains as members, got {others[0]!r:.80}")
    return Group(tuple(flat))


def chord(
    header: Group | Iterable[Signature | Chain], body: Signature | Chain | None = None
) -> Any:  # noqa: ANN401 - chord(header)(body) is how Celery spells it, too
    """Return the chord of a header and a body; `chord(header)(body)` submits it at once."""
    members = header if isinstance(header, Group) else group(*header)
    if body is None:
        return lambda body: _chord(members, body).delay()  # type: ignore[no-any-return]
    return _chord(members, body)


def _chord(members: Group, body: Signature | Chain) -> Chain | Chord:
    return chain(members, body)


def _member(member: Signature | Chain) -> list[TaskLink]:
    if isinstance(member, Signature):
        return [member.link()]
    links = member.links()
    singles = [link for link in links if isinstance(link, TaskLink)]
    if len(singles) != len(links):
        raise OptionInvalid("group: a chain within a group is of single tasks")
    return singles


def _link_of(step: Signature | Group | Chord) -> Link:
    return step.link()


def _with_arguments(node: Any, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Any:  # noqa: ANN401
    """Put arguments before those of the calls that begin the node."""
    if not args and not kwargs:
        return node
    match node:
        case Signature():
            return node.clone(args, kwargs)
        case Chain():
            return replace(
                node, steps=(_with_arguments(node.steps[0], args, kwargs), *node.steps[1:])
            )
        case Group():
            return Group(tuple(_with_arguments(one, args, kwargs) for one in node.members))
        case _:
            return replace(node, header=_with_arguments(node.header, args, kwargs))


def _app_of(node: Node) -> Any:  # noqa: ANN401 - Tasks: it imports this module
    """Return the application of the first task of a node."""
    match node:
        case Signature():
            return node.task.app
        case Chain():
            return _app_of(node.steps[0])
        case Chord():
            return _app_of(node.body)
        case Group() if node.members:
            return _app_of(node.members[0])
        case _:
            raise OptionInvalid("group: expected at least one member to submit")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written to submit a node, and the ids of what will come of it."""

    units: list[list[Entry]]
    """In this order; each stands or falls as one."""
    chain_ids: list[str]
    """The ids of the steps, in their order; the last one's result is the node's."""
    member_ids: list[list[str]]
    """Of a node that ends in a group without a callback: the ids of each member's steps."""


def plan(node: Node, *, start: Start, task_id: str = "") -> Plan:
    """Write a node down under a fresh id.

    Raises:
        PayloadInvalid: an argument cannot be written.
        OptionInvalid: an option is not one.
    """
    links = _links(node)
    first = task_id or str(uuid.uuid4())
    ids = [first]
    for _ in links[1:]:
        ids.append(next_id(ids[-1]))
    entries = submit_link(links[0], links[1:], first, start=replace(start, root=first), before=None)
    # Whoever stops in between leaves a group whose header waits for members: the header goes first,
    # with as many members as fit, and the others follow.
    units = [entries[at : at + MAX_UNIT] for at in range(0, len(entries), MAX_UNIT)]
    return Plan(units, ids, _member_ids(links[-1], ids[-1]))


def _links(node: Node) -> list[Link]:
    if isinstance(node, Chain):
        return node.links()
    return [node.link()]


def _member_ids(last: Link, group_id: str) -> list[list[str]]:
    if not isinstance(last, GroupLink) or last.callback is not None:
        return []
    found: list[list[str]] = []
    for index, member in enumerate(last.members):
        ids = [member_id(group_id, index)]
        for _ in member[1:]:
            ids.append(next_id(ids[-1]))
        found.append(ids)
    return found
