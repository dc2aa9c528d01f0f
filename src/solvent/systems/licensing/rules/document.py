"""What does a license or machine file say, and how is it written? Keygen's JSON:API document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from solvent.kit.clock import format_time
from solvent.systems.licensing.model import (
    Contents,
    Extra,
    Feature,
    Machine,
    Match,
    RevocationList,
    Revoked,
)
from solvent.systems.licensing.rules.envelope import unreadable
from solvent.systems.licensing.rules.reason import Reason
from solvent.systems.licensing.rules.tree import Odd, Tree, parse

VERSION = 1
_SECOND = timedelta(seconds=1)
Plain = Mapping[str, object]
_NONE: Plain = {}

# ----------------------------------------------------------------------------------------- writing


def write(said: Contents) -> bytes:
    """Return the payload of a license file, or of a machine file where there is a machine."""
    held = _license(said)
    included = [_entitlement(code, value) for code, value in sorted(said.entitlements.items())]
    if said.machine is not None:
        return dump(
            {
                "data": _machine(said, said.machine),
                "included": [held, *included],
                "meta": _meta(said),
            }
        )
    return dump({"data": held, "included": included, "meta": _meta(said)})


def write_list(told: RevocationList) -> bytes:
    """Return the payload of a revocation list."""
    return dump(
        {
            "version": VERSION,
            "kid": told.kid,
            "key": told.key,
            "serial": told.serial,
            "issued": format_time(told.issued),
            "expiry": _moment(told.expiry),
            "revoked": [
                {"id": one.id, "at": format_time(one.at), "reason": one.reason}
                for one in sorted(told.revoked, key=lambda one: one.id)
            ],
        }
    )


def dump(value: object) -> bytes:
    """Return JSON as files hold it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _license(said: Contents) -> Plain:
    attributes: Plain = {
        "name": said.name,
        "key": None,
        "expiry": _moment(said.license_expiry),
        "status": said.status,
        "created": _moment(said.created),
        "updated": _moment(said.issued),
        "metadata": _NONE,
    }
    return {"type": "licenses", "id": said.license_id, "attributes": attributes}


def _machine(said: Contents, machine: Machine) -> Plain:
    attributes: Plain = {
        "fingerprint": machine.fingerprint,
        "name": machine.name,
        "platform": machine.platform,
        "created": _moment(said.issued),
        "updated": _moment(said.issued),
        "metadata": _NONE,
    }
    belongs = {"license": {"data": {"type": "licenses", "id": said.license_id}}}
    return {
        "type": "machines",
        "id": said.machine_id,
        "attributes": attributes,
        "relationships": belongs,
    }


def _entitlement(code: str, value: Feature) -> Plain:
    attributes = {"name": code, "code": code, "metadata": {"value": value}}
    return {"type": "entitlements", "id": code, "attributes": attributes}


def _meta(said: Contents) -> Plain:
    expiry = said.file_expiry
    ttl = None if expiry is None else (expiry - said.issued) // _SECOND
    meta = {"issued": format_time(said.issued), "expiry": _moment(expiry), "ttl": ttl}
    return meta if said.extra is None else meta | {"solvent": _extra(said.extra)}


def _extra(extra: Extra) -> Plain:
    return {
        "version": VERSION,
        "kid": extra.kid,
        "key": extra.key,
        "product": extra.product,
        "activation": extra.activation_id,
        "nonce": extra.nonce,
        "match": extra.match.value,
        "components": dict(sorted(extra.components.items())),
        "trial": extra.trial,
        "maintenance_expiry": _moment(extra.maintenance_expiry),
        "fallback_version": extra.fallback_version,
        "meters": {name: {"limit": limit} for name, limit in sorted(extra.meters.items())},
        "heartbeat_s": extra.heartbeat_s,
        "revocation_max_age_s": extra.revocation_max_age_s,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


# ----------------------------------------------------------------------------------------- reading


def read(payload: bytes) -> Contents:
    """Return what the payload of a license or machine file says; Keygen's own are read as well.

    Raises:
        FileUnreadable: it is not such a document, or of a newer format.
    """
    try:
        return _contents(parse(payload))
    except Odd:
        raise unreadable(Reason.PAYLOAD_MALFORMED) from None


def read_list(payload: bytes) -> RevocationList:
    """Return what the payload of a revocation list says; raises FileUnreadable."""
    try:
        tree = parse(payload)
        check_version(tree)
        return RevocationList(
            serial=tree.whole("serial"),
            kid=tree.text("kid"),
            key=tree.text("key"),
            issued=tree.moment("issued"),
            expiry=tree.maybe_moment("expiry"),
            revoked=tuple(
                Revoked(id=one.text("id"), at=one.moment("at"), reason=one.text("reason"))
                for one in tree.trees("revoked")
            ),
        )
    except Odd:
        raise unreadable(Reason.PAYLOAD_MALFORMED) from None


def _contents(tree: Tree) -> Contents:
    data, meta = tree.tree("data"), tree.tree("meta")
    included = list(tree.trees("included"))
    is_machine = data.text("type") == "machines"
    held = next((one for one in included if one.text("type") == "licenses"), None)
    about = (held if is_machine else data) or Tree({})
    told = about.maybe_tree("attributes") or Tree({})
    solvent = meta.maybe_tree("solvent")
    return Contents(
        license_id=about.maybe_text("id") or _license_named(data),
        issued=meta.moment("issued"),
        file_expiry=meta.maybe_moment("expiry"),
        status=told.maybe_text("status") or "ACTIVE",
        name=told.maybe_text("name"),
        created=told.maybe_moment("created"),
        license_expiry=told.maybe_moment("expiry"),
        entitlements=_entitlements(included),
        machine=_read_machine(data.tree("attributes"), solvent) if is_machine else None,
        machine_id=data.text("id") if is_machine else None,
        extra=_read_extra(solvent) if solvent else None,
    )


def _license_named(machine: Tree) -> str:
    """Return the id of the license that a machine belongs to, where it is not included."""
    return machine.tree("relationships").tree("license").tree("data").text("id")


def _entitlements(included: Iterable[Tree]) -> dict[str, Feature]:
    found: dict[str, Feature] = {}
    for one in included:
        if one.text("type") == "entitlements":
            told = one.tree("attributes")
            metadata = told.maybe_tree("metadata")
            value = metadata.members.get("value") if metadata else None
            found[told.text("code")] = value if isinstance(value, bool | int | str) else True
    return found


def _read_machine(told: Tree, solvent: Tree | None) -> Machine:
    return Machine(
        fingerprint=told.text("fingerprint"),
        components=texts(solvent.maybe_tree("components")) if solvent else {},
        name=told.maybe_text("name"),
        platform=told.maybe_text("platform"),
    )


def _read_extra(told: Tree) -> Extra:
    check_version(told)
    meters = told.maybe_tree("meters")
    return Extra(
        kid=told.text("kid"),
        key=told.text("key"),
        product=told.text("product"),
        match=_match(told.text("match")),
        activation_id=told.maybe_text("activation"),
        nonce=told.maybe_text("nonce"),
        components=texts(told.maybe_tree("components")),
        trial=told.is_true("trial"),
        maintenance_expiry=told.maybe_moment("maintenance_expiry"),
        fallback_version=told.maybe_text("fallback_version"),
        meters={name: meters.tree(name).maybe_whole("limit") for name in meters.members}
        if meters
        else {},
        heartbeat_s=told.maybe_whole("heartbeat_s"),
        revocation_max_age_s=told.maybe_whole("revocation_max_age_s"),
    )


def check_version(tree: Tree) -> None:
    """Let no newer format pass.

    Raises:
        Odd: there is no version.
        FileUnreadable: it is greater than ours.
    """
    if tree.whole("version") > VERSION:
        raise unreadable(Reason.VERSION_NOT_SUPPORTED)


def texts(tree: Tree | None) -> dict[str, str]:
    """Return the members of an object of texts; raises Odd."""
    return {} if tree is None else {name: tree.text(name) for name in tree.members}


def _match(text: str) -> Match:
    try:
        return Match(text)
    except ValueError:
        raise Odd("match: expected any, two, most or all") from None
