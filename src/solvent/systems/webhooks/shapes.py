"""How do endpoints, messages, deliveries and attempts look outside?"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from solvent.systems.webhooks.limits import OVERLAP_HOURS
from solvent.systems.webhooks.model import (
    Attempt,
    Delivery,
    Endpoint,
    Message,
    Outcome,
    Replayed,
    SecretInfo,
    SignatureScheme,
    State,
    Which,
)

Id = Annotated[str, Field(min_length=1, max_length=64)]


class Told(BaseModel):
    """What a caller says; a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EndpointBody(Told):
    """An endpoint that is to be made.

    `order_wait_s`: deliver in order, and let a message that fails hold up the others for so many
    seconds; null: in any order. `secret` is one that was agreed elsewhere, instead of a new one.
    """

    url: str
    event_types: Annotated[list[str], Field(max_length=1_000)] = ["*"]
    description: str = ""
    order_wait_s: StrictInt | None = None
    schemes: Annotated[list[SignatureScheme], Field(max_length=8)] = [SignatureScheme.V1]
    secret: str | None = None


class EndpointChange(Told):
    """What of an endpoint is to be another; what is left out stays."""

    url: str = ""
    event_types: Annotated[list[str], Field(max_length=1_000)] = []
    description: str = ""
    order_wait_s: StrictInt | None = None


class RotateBody(Told):
    """Of which scheme to make a new secret, and how long the old ones sign beside it."""

    scheme: SignatureScheme = SignatureScheme.V1
    overlap_hours: StrictInt = OVERLAP_HOURS
    secret: str | None = None


class DisableBody(Told):
    """Why."""

    reason: str = "by hand"


class NoteBody(Told):
    """A word that the test event carries."""

    note: str = ""


class ReplayMessagesBody(Told):
    """The messages of which time to send again: those that never arrived, or all."""

    since: AwareDatetime
    until: AwareDatetime
    which: Which = Which.MISSED
    dry_run: StrictBool = False


class ReplayOneBody(Told):
    """To which endpoint to send a message again."""

    endpoint_id: Id


class WebhookSecretShown(BaseModel):
    """A secret without what is secret in it."""

    id: str
    scheme: SignatureScheme
    public_key: str | None
    created_at: datetime
    not_after: datetime | None


class EndpointShown(BaseModel):
    """An endpoint; `failing_since` is null while the last attempt succeeded."""

    id: str
    url: str
    description: str
    event_types: list[str]
    order_wait_s: int | None
    enabled: bool
    disabled_reason: str | None
    disabled_at: datetime | None
    failing_since: datetime | None
    resume_at: datetime | None
    secrets: list[WebhookSecretShown]
    created_at: datetime
    updated_at: datetime


class EndpointWithSecrets(EndpointShown):
    """An endpoint and what was just made for it, shown this once."""

    new_secrets: list[str]


class EndpointWithCounts(EndpointShown):
    """An endpoint, and how many messages of the last 30 days are in which state."""

    deliveries: dict[State, int]


class DeliveryShown(BaseModel):
    """A message on its way; from `aside_at` on it holds up no other of an ordered endpoint."""

    endpoint_id: str
    message_id: str
    type: str
    state: State
    attempts: int
    created_at: datetime
    next_at: datetime | None
    aside_at: datetime | None
    settled_at: datetime | None


class MessageShown(BaseModel):
    """A message; its id is the `webhook-id` of every attempt."""

    id: str
    event_id: str
    type: str
    occurred_at: datetime
    created_at: datetime


class MessageWhole(MessageShown):
    """A message, what stands in it, and where it goes."""

    body: object
    deliveries: list[DeliveryShown]


class AttemptShown(BaseModel):
    """One request; `told` is the begin of its answer, or why there was none."""

    id: str
    endpoint_id: str
    message_id: str
    number: int
    at: datetime
    duration_ms: int
    outcome: Outcome
    status: int | None
    told: str
    next_at: datetime | None


class MessagesReplayedShown(BaseModel):
    """What a replay sends again, or would."""

    messages: int
    first_id: str | None
    last_id: str | None
    dry_run: bool


class TypesShown(BaseModel):
    """The events that can be asked for."""

    data: list[str]


def show_endpoint(endpoint: Endpoint) -> EndpointShown:
    """Return an endpoint as it is shown."""
    return EndpointShown.model_validate(_plain_endpoint(endpoint))


def show_made(endpoint: Endpoint, secrets: tuple[str, ...]) -> EndpointWithSecrets:
    """Return an endpoint with its new secrets."""
    return EndpointWithSecrets.model_validate(
        _plain_endpoint(endpoint) | {"new_secrets": list(secrets)}
    )


def show_counted(endpoint: Endpoint, states: dict[State, int]) -> EndpointWithCounts:
    """Return an endpoint with how many messages are in which state."""
    return EndpointWithCounts.model_validate(_plain_endpoint(endpoint) | {"deliveries": states})


def show_secret(secret: SecretInfo) -> WebhookSecretShown:
    """Return what may be known of a secret."""
    return WebhookSecretShown.model_validate(secret, from_attributes=True)


def show_message(message: Message) -> MessageShown:
    """Return a message without its body."""
    return MessageShown.model_validate(message, from_attributes=True)


def show_whole(message: Message, deliveries: list[Delivery]) -> MessageWhole:
    """Return a message with all that is known of it."""
    told = show_message(message).model_dump() | {"body": json.loads(message.body)}
    return MessageWhole(**told, deliveries=[show_delivery(one) for one in deliveries])


def show_delivery(delivery: Delivery) -> DeliveryShown:
    """Return a delivery as it is shown."""
    return DeliveryShown.model_validate(delivery, from_attributes=True)


def show_attempt(attempt: Attempt) -> AttemptShown:
    """Return an attempt as it is shown."""
    return AttemptShown.model_validate(attempt, from_attributes=True)


def show_replayed(replayed: Replayed, *, dry_run: bool) -> MessagesReplayedShown:
    """Return what a replay sends, or would."""
    return MessagesReplayedShown(
        messages=replayed.messages,
        first_id=replayed.first_id,
        last_id=replayed.last_id,
        dry_run=dry_run,
    )


def _plain_endpoint(endpoint: Endpoint) -> dict[str, object]:
    names = EndpointShown.model_fields.keys() - {"secrets"}
    plain: dict[str, object] = {name: getattr(endpoint, name) for name in names}
    return plain | {"secrets": [show_secret(one) for one in endpoint.secrets]}
