"""In which ways can a door refuse?"""

from __future__ import annotations

from solvent.kit.errors import Conflict, Invalid, LimitReached, NotFound


class BodyUnreadable(Invalid):
    """The body is not what this address takes."""

    code = "doors.body_unreadable"


class BodyTooLarge(Invalid):
    """The body is larger than this address takes, once it is unpacked."""

    code = "doors.body_too_large"
    status = 413
    title = "Body too large"


class EncodingUnknown(Invalid):
    """A body comes as it is, or with `Content-Encoding: gzip`."""

    code = "doors.encoding_unknown"
    status = 415
    title = "Unknown encoding"


class BatchTooLarge(Invalid):
    """A request holds 1 to 1000 events."""

    code = "doors.batch_too_large"


class EventMalformed(Invalid):
    """The event is not written as this vendor's events are."""

    code = "doors.event_malformed"


class ParameterMissing(EventMalformed):
    """This must be given."""

    code = "doors.parameter_missing"


class ParameterUnknown(EventMalformed):
    """There is no such parameter."""

    code = "doors.parameter_unknown"


class CustomerUnknown(Invalid):
    """No customer has this name; make the customer, or say whose name it is."""

    code = "doors.customer_unknown"


class EventExists(Conflict):
    """An event of this id was recorded before with other content."""

    code = "doors.event_exists"


class EventNotFound(NotFound):
    """There is no such event."""

    code = "doors.event_not_found"


class NotOffered(Invalid):
    """This server does not do that."""

    code = "doors.not_offered"
    status = 422
    title = "Not offered"


class NameMalformed(Invalid):
    """A foreign name cannot be kept so."""

    code = "doors.name_malformed"


class NameNotFound(NotFound):
    """There is no such name."""

    code = "doors.name_not_found"


class NamesTooMany(LimitReached):
    """As many foreign names as a tenant can have are there."""

    code = "doors.names_too_many"


class LetterNotFound(NotFound):
    """There is no such dead letter."""

    code = "doors.letter_not_found"


class LetterCut(Conflict):
    """The event was too large to be kept whole, so it cannot be replayed; send it again."""

    code = "doors.letter_cut"


class LettersFull(LimitReached):
    """The dead letters are full; replay or discard some, then send this again."""

    code = "doors.letters_full"


class QueryTooLarge(Invalid):
    """That are more rows than one query returns; ask for a shorter time or a larger window."""

    code = "doors.query_too_large"
