"""How is what comes after a job written down, and what is submitted when its turn comes?

A job's `then` holds the links that follow it, in MessagePack: `["t", spec, …]` for one task,
`["g", members, callback]` for a group. The worker that finishes a job submits the next link in the
same atomic batch, under an id that follows from the job's own, so it is submitted once.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from solvent_client.tasks.errors import PayloadTooLarge
from solvent_client.tasks.log import Entry
from solvent_client.tasks.payload import pack_args, unpack_args
from solvent_client.tasks.record import (
    CHAIN_START,
    Grouped,
    Record,
    Spec,
    Submitted,
    encode,
    subject_of,
)

LINK_IDS: Final = uuid.UUID("0f3b3b8a-8a3f-5c1b-9d53-6f9a3f1c2e77")
"""The namespace of ids of links (RFC 9562, version 5)."""
MAX_THEN_BYTES: Final = 256 * 1024


class TaskLink(msgspec.Struct, array_like=True, tag="t", frozen=True):
    """One task to submit.

    Its times are relative: the moment from which they count comes when the link's turn does.
    """

    spec: Spec
    immutable: bool = False
    """It takes its own arguments only, not the result before it."""
    delay_ns: int = 0
    life_ns: int = 0


class GroupLink(msgspec.Struct, array_like=True, tag="g", frozen=True):
    """Tasks to submit side by side.

    With a callback each member is one link; without, each may be a chain of its own.
    """

    members: list[list[TaskLink]]
    callback: TaskLink | None = None


class AloneLink(msgspec.Struct, array_like=True, tag="a", frozen=True):
    """Said first: the job itself, a group's callback, takes no results of the members."""


Link: TypeAlias = TaskLink | GroupLink

_LINKS: Final = msgspec.msgpack.Decoder(list[TaskLink | GroupLink | AloneLink])
_ENCODER: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Start:
    """From where and when links are submitted.

    Args:
        space: whose jobs they are.
        now_ns: the time by the log's clock, from which delays count.
        by: who submits.
        root: what they came from.
        fresh: the ids are new, so nobody else can have written on them.
        accept_pickle: pickled arguments may be opened to put a result before them.
    """

    space: str
    now_ns: int
    by: str = ""
    root: str = ""
    fresh: bool = False
    accept_pickle: bool = False


@dataclass(frozen=True, slots=True)
class Before:
    """What the job before a link returned."""

    value: object


def pack_links(links: list[Link], *, alone: bool = False) -> bytes:
    """Return the bytes of the links that follow a job; `alone`: see AloneLink.

    Raises:
        PayloadTooLarge: they are more than `MAX_THEN_BYTES`.
    """
    if not links and not alone:
        return b""
    packed = _ENCODER.encode([*([AloneLink()] if alone else []), *links])
    if len(packed) > MAX_THEN_BYTES:
        raise PayloadTooLarge("the rest of a chain", size=len(packed), limit=MAX_THEN_BYTES)
    return packed


def unpack_links(data: bytes) -> tuple[list[Link], bool]:
    """Return what `pack_links` was given. Raises msgspec.DecodeError."""
    if not data:
        return [], False
    read = _LINKS.decode(data)
    links: list[Link] = [link for link in read if not isinstance(link, AloneLink)]
    return links, len(links) < len(read)


def next_id(task_id: str) -> str:
    """Return the id of the job that follows a job."""
    return str(uuid.uuid5(LINK_IDS, f"{task_id}/next"))


def member_id(group_id: str, index: int) -> str:
    """Return the id of a group's member."""
    return f"{group_id}-{index}"


def submit_link(
    link: Link, rest: list[Link], task_id: str, *, start: Start, before: Before | None
) -> list[Entry]:
    """Return the records that submit a link, with the links that follow it.

    Raises:
        PayloadInvalid: with the result before it, the arguments cannot be written down.
    """
    if isinstance(link, TaskLink):
        spec = _spec(link, start, before, then=rest)
        return [_entry(start, task_id, Submitted(prev=CHAIN_START, spec=spec, by=start.by))]
    entries: list[Entry] = []
    if link.callback is not None:
        entries.append(_entry(start, task_id, _header(link, link.callback, rest, start)))
    group = task_id if link.callback is not None else ""
    for index, member in enumerate(link.members):
        spec = _spec(member[0], start, before, then=list(member[1:]), group=group)
        made = Submitted(prev=CHAIN_START, spec=spec, by=start.by)
        entries.append(_entry(start, member_id(task_id, index), made))
    return entries


def _header(link: GroupLink, callback: TaskLink, rest: list[Link], start: Start) -> Grouped:
    spec = _spec(callback, start, None, then=rest, alone=callback.immutable)
    return Grouped(prev=CHAIN_START, size=len(link.members), callback=spec, by=start.by)


def _entry(start: Start, task_id: str, record: Record) -> Entry:
    return Entry(subject_of(start.space, task_id), 0, encode(record), fresh=start.fresh)


def _spec(
    link: TaskLink,
    start: Start,
    before: Before | None,
    *,
    then: list[Link],
    group: str = "",
    alone: bool = False,
) -> Spec:
    spec = link.spec
    args = spec.args
    if before is not None and not link.immutable:
        given, named = unpack_args(args, codec=spec.codec, pickle_allowed=start.accept_pickle)
        args = pack_args((before.value, *given), named, codec=spec.codec)
    return msgspec.structs.replace(
        spec,
        args=args,
        not_before_ns=start.now_ns + link.delay_ns if link.delay_ns else spec.not_before_ns,
        expires_ns=start.now_ns + link.life_ns if link.life_ns else spec.expires_ns,
        then=pack_links(then, alone=alone) or spec.then,
        group=group,
        keep_result=spec.keep_result or bool(group),
        root=start.root or spec.root,
    )
