"""May this line of a tenant's connection be passed on to the NATS server?

The server checks the subjects of its users but not the reply subjects that they name, and its
streams answer there in their own right (seen on 2.15.1): through a reply subject a stored record
could be sent on to another tenant's workers. So each operation is read strictly here, in the one
spelling that clients use, and what comes out differently in any other reader is refused.
Source: the client protocol of NATS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from solvent.kit.errors import Invalid
from solvent.kit.jobs import record
from solvent.kit.jobs.access.check import TASK_ID, check_spec
from solvent.kit.jobs.access.grant import PAYLOAD_BYTES_MAX, Grant

LINE_BYTES_MAX = 4_096
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
    head_bytes: int
    size: int


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
    made = Publish(subject.decode(errors="replace"), int(head), int(size))
    if made.size > PAYLOAD_BYTES_MAX or made.head_bytes > made.size:
        raise NotAllowed("Maximum Payload Violation")
    if reply and not _is_inbox(reply.decode(errors="replace"), grant):
        raise NotAllowed("Permissions Violation for the reply subject")
    return made


def check_message(publish: Publish, message: bytes, grant: Grant) -> Batch | None:
    """Return the batch that a whole message is of, if it may be passed on.

    Raises:
        NotAllowed: a header that reaches past the subject, or a record not theirs to write.
    """
    batch = _check_headers(message[: publish.head_bytes]) if publish.head_bytes else None
    root = publish.subject.partition(".")[0]
    if root in {"job", "cron"}:
        _check_record(publish.subject, message[publish.head_bytes :], grant)
    elif batch:
        raise NotAllowed("Permissions Violation for a batch of anything but records")
    return batch


@dataclass(slots=True)
class Gate:
    """Reads what one connection sends and lets whole, allowed operations through."""

    grant: Grant
    open_batch: bytes = b""
    """The id of the atomic batch that has begun and is not committed."""

    def take(self, buffer: bytearray) -> int:
        """Return how many bytes from the beginning are whole operations that may be passed on.

        Raises:
            NotAllowed: one of them may not, so none of these bytes is passed on.
        """
        used = 0
        while (end := buffer.find(b"\r\n", used)) >= 0:
            publish = read_line(bytes(buffer[used:end]), self.grant)
            after = end + 2
            if publish:
                after += publish.size + 2
                if len(buffer) < after:
                    return used
                if not buffer.startswith(b"\r\n", after - 2):
                    raise NotAllowed("Unknown Protocol Operation")
                body = bytes(buffer[end + 2 : after - 2])
                self._follow(check_message(publish, body, self.grant))
            used = after
        if len(buffer) - used > LINE_BYTES_MAX:
            raise NotAllowed("Maximum Control Line Exceeded")
        return used

    def _follow(self, batch: Batch | None) -> None:
        if batch is None:
            return
        if self.open_batch and self.open_batch != batch.id:
            raise NotAllowed("One Batch at a Time")
        self.open_batch = b"" if batch.commit else batch.id


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


def _check_record(subject: str, body: bytes, grant: Grant) -> None:
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


def _may_write(told: record.Record, grant: Grant) -> bool:
    if isinstance(told, record.Expired):
        return grant.work and told.cause in HANDED_BACK
    kinds = (*(SUBMITTER if grant.submit else ()), *(WORKER if grant.work else ()))
    return isinstance(told, kinds)


def _may_schedule(told: record.Record, grant: Grant) -> bool:
    return grant.submit and isinstance(told, (record.Scheduled, record.Canceled))


def _spec_of(told: record.Record) -> record.Spec | None:
    if isinstance(told, (record.Submitted, record.Scheduled)):
        return told.spec
    return told.callback if isinstance(told, record.Grouped) else None
