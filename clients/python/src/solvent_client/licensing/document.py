"""What does the payload of a license or machine file grant, to whom, and until when?"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar, cast

T = TypeVar("T")

VERSION: Final = 1

Json = Mapping[str, object]
Value = bool | int | str


class Ours(NamedTuple):
    """What stands under `meta.solvent`, with what holds in Keygen's own files, which lack it."""

    version: int
    key: str | None
    product: str | None
    nonce: str | None
    match: str
    components: Mapping[str, str]
    trial: bool
    maintenance_expiry: int | None
    fallback_version: str | None
    meters: Mapping[str, int | None]
    heartbeat_s: int | None
    revocation_max_age_s: int | None


class Terms(NamedTuple):
    """What the publisher signed. Moments are whole seconds since 1970; None is never or none."""

    license_id: str
    license_name: str | None
    status: str
    license_expiry: int | None
    issued: int
    file_expiry: int | None
    activation: str | None
    fingerprint: str | None
    features: Mapping[str, Value]
    ours: Ours

    @property
    def expires_at(self) -> int | None:
        """Return the last second in which the file is good; None: for good."""
        ends = [end for end in (self.file_expiry, self.license_expiry) if end is not None]
        return min(ends, default=None)


class NotTheDocument(Exception):
    """The payload is not the document of docs/reference/license-file.md."""


def read_terms(payload: object) -> Terms:
    """Return what a payload says.

    Raises:
        NotTheDocument: it is something else.
    """
    document = _object(payload)
    data, meta = _object(document.get("data")), _object(document.get("meta"))
    included = [_object(one) for one in _list(document.get("included", []))]
    machine = data if data.get("type") == "machines" else None
    license_ = data if machine is None else _license_of(machine, included)
    if license_.get("type") != "licenses":
        raise NotTheDocument
    told = _object(license_.get("attributes"))
    about = _object(data.get("attributes"))
    fingerprint = None if machine is None else _text(about.get("fingerprint"))
    return Terms(
        license_id=_text(license_.get("id")),
        license_name=_or_none(_text, told.get("name")),
        status=_text(told.get("status", "ACTIVE")),
        license_expiry=_or_none(moment, told.get("expiry")),
        issued=moment(meta.get("issued")),
        file_expiry=_or_none(moment, meta.get("expiry")),
        activation=None if machine is None else _text(machine.get("id")),
        fingerprint=fingerprint,
        features=_features(included),
        ours=_ours(_object(meta.get("solvent") or {})),
    )


def _license_of(machine: Json, included: list[Json]) -> Json:
    """Return the license that a machine is of: included, or at least its id."""
    relationships = _object(machine.get("relationships", {}))
    related = _object(_object(relationships.get("license", {})).get("data", {}))
    found = [
        one
        for one in included
        if one.get("type") == "licenses" and one.get("id") == related.get("id", one.get("id"))
    ]
    if found:
        return found[0]
    return {"type": "licenses", "id": related.get("id"), "attributes": {}}


def _features(included: list[Json]) -> dict[str, Value]:
    features: dict[str, Value] = {}
    for one in included:
        if one.get("type") == "entitlements":
            about = _object(one.get("attributes"))
            value = _object(about.get("metadata", {})).get("value", True)
            if not isinstance(value, bool | int | str):
                raise NotTheDocument
            features[_text(about.get("code"))] = value
    return features


def _ours(ours: Json) -> Ours:
    match = _text(ours.get("match", "any"))
    if match not in {"any", "two", "most", "all"}:
        raise NotTheDocument
    return Ours(
        version=_whole(ours.get("version", VERSION)),
        key=_or_none(_text, ours.get("key")),
        product=_or_none(_text, ours.get("product")),
        nonce=_or_none(_text, ours.get("nonce")),
        match=match,
        components={name: _text(v) for name, v in _object(ours.get("components") or {}).items()},
        trial=ours.get("trial") is True,
        maintenance_expiry=_or_none(moment, ours.get("maintenance_expiry")),
        fallback_version=_or_none(_text, ours.get("fallback_version")),
        meters={
            name: _or_none(_whole, _object(meter).get("limit"))
            for name, meter in _object(ours.get("meters") or {}).items()
        },
        heartbeat_s=_or_none(_whole, ours.get("heartbeat_s")),
        revocation_max_age_s=_or_none(_whole, ours.get("revocation_max_age_s")),
    )


class Revocations(NamedTuple):
    """A publisher's list of what is believed no more: id -> reason."""

    serial: int
    issued: int
    expiry: int | None
    revoked: Mapping[str, str]


def read_revocations(payload: object) -> Revocations:
    """Return what a revocation list says.

    Raises:
        NotTheDocument: it is something else, or of a later version.
    """
    told = _object(payload)
    if _whole(told.get("version")) > VERSION:
        raise NotTheDocument
    entries = [_object(one) for one in _list(told.get("revoked"))]
    return Revocations(
        serial=_whole(told.get("serial")),
        issued=moment(told.get("issued")),
        expiry=_or_none(moment, told.get("expiry")),
        revoked={_text(one.get("id")): str(one.get("reason") or "revoked") for one in entries},
    )


def moment(value: object) -> int:
    """Return RFC 3339 as whole seconds since 1970, cut, not rounded.

    Raises:
        NotTheDocument: it is no moment with an offset.
    """
    try:
        found = datetime.fromisoformat(_text(value))
        if found.tzinfo is None:
            raise NotTheDocument
        return int(found.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError) as error:
        raise NotTheDocument from error


def written(second: int) -> str:
    """Return a moment as the files have it: `2026-01-15T10:00:00Z`."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _or_none(parse: Callable[[object], T], value: object) -> T | None:
    return None if value is None else parse(value)


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise NotTheDocument
    return cast("Json", value)


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise NotTheDocument
    return cast("list[object]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotTheDocument
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotTheDocument
    return value
