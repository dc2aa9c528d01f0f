"""May this line of a tenant's connection be passed on to the NATS server?

The server checks the subjects of its users but not the reply subjects that they name, and its
streams answer there in their own right (seen on 2.15.1): through a reply subject a stored record
could be sent on to another tenant's workers. So each operation is read strictly here, in the one
spelling that clients use, and what comes out differently in any other reader is refused.
Source: the client protocol of NATS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from solvent.kit.errors import Invalid
from solvent.kit.jobs import record
from solvent.kit.jobs.access.check import TASK_ID, check_spec
from solvent.kit.jobs.access.grant import PAYLOAD_BYTES_MAX, Grant

LINE_BYTES_MAX = 4_096
BATCH_BYTES_MAX = 33_554_432
BATCH_MESSAGES_MAX = 1_000
"""As many as the server takes."""
LIMIT_REACHED = 42_900
"""The error of a submission beyond what was bought; those of the server are 10,000 and on."""
HEAD = b"NATS/1.0"
_TOKENS = rb"[^\s\x00-\x1f\x7f]{1,512}"
_SIZE = rb"(0|[1-9]\d{0,7})"
_PUB = re.compile(rb"PUB (%s)(?: (%s)?)? %s\Z" % (_TOKENS, _TOKENS, _SIZE))
_HPUB = re.compile(rb"HPUB (%s)(?: (%s)?)? %s %s\Z" % (_TOKENS, _TOKENS, _SIZE, _SIZE))
_PLAIN = re.compile(
    rb"(?:SUB %s(?: (?:%s)?)? [A-Za-z0-9]{1,20}|UNSUB [A-Za-z0-9]{1,20}(?: \d{0,9})?|PING|PONG)\Z"
    % (_TOKENS, _TOKENS)
)
_NAME = re.compile(rb"[A-Za-z-]{1,64}\Z")
_VALUE = re.compile(rb"[ -~]{0,256}\Z")

BATCH_ID = b"nats-batch-id"
BATCH_COMMIT = b"nats-batch-commit"
HEADERS = frozenset(
    {
        BATCH_ID,
        BATCH_COMMIT,
        b"nats-batch-sequence",
        b"nats-expected-last-subject-sequence",
        b"nats-expected-stream",
        b"nats-required-api-level",
    }
)
"""All else could reach past the subject: a roll-up, a time to live, another message's id."""

SUBMITTER = (record.Submitted, record.Grouped, record.Canceled, record.Replayed)
WORKER = (record.Submitted, record.Grouped, record.Done, record.Failed, record.Dead)
HANDED_BACK = frozenset({"drained", "refused"})


class NotAllowed(Exception):
    """The connection asks for what it may not have; it is told why and closed."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Which atomic batch a message is of, and whether it is the last of it."""

    id: bytes
    commit: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """A message whose line has been read and whose body follows."""

    subject: str
    reply: str
    head_bytes: int
    size: int


@dataclass(frozen=True, slots=True)
class Checked:
    """A whole message that may be passed on: of which batch, and what it asks of the space."""

    reply: str
    batch: Batch | None
    wants: Wants | None = None


@dataclass(frozen=True, slots=True)
class Wants:
    """How many jobs a record brings, and for which queue.

    A schedule brings none yet; a group's header its callback in the end, if it has one.
    """

    jobs: int
    queue: str | None


Judge: TypeAlias = Callable[[str, int, frozenset[str]], str]
"""Says why a space may not submit so many jobs more to these queues now; empty: it may."""


def read_line(line: bytes, grant: Grant) -> Publish | None:
    """Return the publication that a line begins, None for a line that stands alone.

    Raises:
        NotAllowed: any other spelling, or a reply subject that is not the space's own inbox.
    """
    if _PLAIN.match(line):
        return None
    found = _PUB.match(line)
    if found:
        subject, reply, size = found.groups()
        head = b"0"
    else:
        found = _HPUB.match(line)
        if not found:
            raise NotAllowed("Unknown Protocol Operation")
        subject, reply, head, size = found.groups()
    told = (reply or b"").decode(errors="replace")
    made = Publish(subject.decode(errors="replace"), told, int(head), int(size))
    if made.size > PAYLOAD_BYTES_MAX or made.head_bytes > made.size:
        raise NotAllowed("Maximum Payload Violation")
    if told and not _is_inbox(told, grant):
        raise NotAllowed("Permissions Violation for the reply subject")
    return made


def check_message(publish: Publish, message: bytes, grant: Grant) -> Checked:
    """Return what a whole message is, if it may be passed on.

    Raises:
        NotAllowed: a header that reaches past the subject, or a record not theirs to write.
    """
    batch = _check_headers(message[: publish.head_bytes]) if publish.head_bytes else None
    root = publish.subject.partition(".")[0]
    if root in {"job", "cron"}:
        told = _check_record(publish.subject, message[publish.head_bytes :], grant)
        return Checked(publish.reply, batch, _wants_of(told))
    if batch:
        raise NotAllowed("Permissions Violation for a batch of anything but records")
    return Checked(publish.reply, None)


def let_in(space: str, jobs: int, queues: frozenset[str]) -> str:
    """Judge where nothing is sold: everybody may submit everything."""
    del space, jobs, queues
    return ""


@dataclass(slots=True)
class Gate:
    """Reads what one connection sends and lets whole, allowed operations through.

    An atomic batch is held back until its last message is there, so that it goes to the server
    whole or not at all. What the judge refuses is left out: a lone submission, or a batch that
    begins with one. The result of a run with what follows from it begins otherwise.
    """

    grant: Grant
    judge: Judge = let_in
    open_batch: bytes = b""
    """The id of the atomic batch that has begun and is not committed."""
    refused: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Reply subjects of what was left out, and why; whoever answers there empties it."""
    _held: bytearray = field(default_factory=bytearray)
    """The messages of the open batch."""
    _wanted: list[Wants | None] = field(default_factory=list["Wants | None"])
    """What each of them wants."""

    def take(self, buffer: bytearray) -> bytes:
        """Take whole operations from the beginning; return those that are to be passed on.

        Raises:
            NotAllowed: one of them may not, so none of these bytes is passed on.
        """
        used, passed = 0, bytearray()
        while found := self._next(buffer, used):
            after, told = found
            operation = buffer[used:after]
            passed += operation if told is None else self._sort(told, operation)
            used = after
        del buffer[:used]
        return bytes(passed)

    def _next(self, buffer: bytearray, begin: int) -> tuple[int, Checked | None] | None:
        """Return where the next operation ends, and the message it is; None: it is not whole."""
        end = buffer.find(b"\r\n", begin)
        if end < 0:
            if len(buffer) - begin > LINE_BYTES_MAX:
                raise NotAllowed("Maximum Control Line Exceeded")
            return None
        publish = read_line(bytes(buffer[begin:end]), self.grant)
        if publish is None:
            return end + 2, None
        after = end + 2 + publish.size + 2
        if len(buffer) < after:
            return None
        if not buffer.startswith(b"\r\n", after - 2):
            raise NotAllowed("Unknown Protocol Operation")
        body = bytes(buffer[end + 2 : after - 2])
        return after, check_message(publish, body, self.grant)

    def _sort(self, told: Checked, operation: bytearray) -> bytearray:
        """Return what goes on now that this message is there."""
        if told.batch is None:
            return operation if self._passes(told, [told.wants]) else bytearray()
        if self.open_batch and self.open_batch != told.batch.id:
            raise NotAllowed("One Batch at a Time")
        self.open_batch = told.batch.id
        self._held += operation
        self._wanted.append(told.wants)
        if len(self._held) > BATCH_BYTES_MAX or len(self._wanted) > BATCH_MESSAGES_MAX:
            raise NotAllowed("Maximum Batch Exceeded")
        if not told.batch.commit:
            return bytearray()
        whole, wanted = self._held, self._wanted
        self.open_batch, self._held, self._wanted = b"", bytearray(), []
        return whole if self._passes(told, wanted) else bytearray()

    def _passes(self, last: Checked, wanted: Sequence[Wants | None]) -> bool:
        """Ask the judge about submissions; note where the refusal is to be told."""
        if wanted[0] is None:
            return True
        asked = [one for one in wanted if one is not None]
        queues = frozenset(one.queue for one in asked if one.queue is not None)
        reason = self.judge(self.grant.space, sum(one.jobs for one in asked), queues)
        if reason and last.reply:
            self.refused.append((last.reply, reason))
        return not reason


def answer_of(reason: str) -> bytes:
    """Return what a submission is answered that was left out, as the server writes its errors."""
    error = {"code": 429, "err_code": LIMIT_REACHED, "description": reason}
    return msgspec.json.encode({"error": error, "stream": "JOBS", "seq": 0})


def refusal(reason: str) -> bytes:
    """Return the line that tells a client why it is let go."""
    return f"-ERR '{reason}'\r\n".encode()


def _is_inbox(reply: str, grant: Grant) -> bool:
    return reply.startswith(grant.inbox) and "*" not in reply and ">" not in reply


def _check_headers(head: bytes) -> Batch | None:
    first, *lines = head.split(b"\r\n")
    if first != HEAD or lines[-2:] != [b"", b""]:
        raise NotAllowed("Malformed Headers")
    pairs = [_header(line) for line in lines[:-2]]
    named = dict(pairs)
    if len(named) != len(pairs):
        raise NotAllowed("Malformed Headers")
    return Batch(named[BATCH_ID], BATCH_COMMIT in named) if BATCH_ID in named else None


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    known = name.lower()
    if not colon or not _NAME.match(name) or not _VALUE.match(value):
        raise NotAllowed("Malformed Headers")
    if known not in HEADERS:
        raise NotAllowed(f"Permissions Violation for the header {name.decode()}")
    return known, value.strip()


def _check_record(subject: str, body: bytes, grant: Grant) -> record.Record:
    """Hold to the records that the grant's scopes write; dispatchers' are never a tenant's."""
    root, _, rest = subject.partition(".")
    space, _, name = rest.partition(".")
    if space != grant.space or not TASK_ID.match(name):
        raise NotAllowed(f"Permissions Violation for Publish to {subject[:100]}")
    try:
        told = record.decode(body)
        spec = _spec_of(told)
        if spec:
            check_spec(spec)
    except (msgspec.DecodeError, Invalid) as odd:
        raise NotAllowed(f"Malformed Record: {str(odd)[:200]}") from None
    if not (_may_schedule(told, grant) if root == "cron" else _may_write(told, grant)):
        raise NotAllowed(f"Permissions Violation for a record of {type(told).__name__.lower()}")
    return told


def _may_write(told: record.Record, grant: Grant) -> bool:
    if isinstance(told, record.Expired):
        return grant.work and told.cause in HANDED_BACK
    kinds = (*(SUBMITTER if grant.submit else ()), *(WORKER if grant.work else ()))
    return isinstance(told, kinds)


def _may_schedule(told: record.Record, grant: Grant) -> bool:
    return grant.submit and isinstance(told, (record.Scheduled, record.Canceled))


def _wants_of(told: record.Record) -> Wants | None:
    if isinstance(told, record.Submitted):
        return Wants(1, told.spec.queue)
    if isinstance(told, record.Grouped):
        return Wants(1, told.callback.queue) if told.callback else Wants(0, None)
    return Wants(0, told.spec.queue) if isinstance(told, record.Scheduled) else None


def _spec_of(told: record.Record) -> record.Spec | None:
    if isinstance(told, (record.Submitted, record.Scheduled)):
        return told.spec
    return told.callback if isinstance(told, record.Grouped) else None
