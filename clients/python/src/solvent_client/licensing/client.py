"""May this program run here, and how does it come by its license? All of it without a network."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from solvent_client.licensing import clock, kept, typed
from solvent_client.licensing.desk import Desk, Scene
from solvent_client.licensing.document import Terms, moment, written
from solvent_client.licensing.envelope import (
    MACHINE,
    PROOF,
    REQUEST,
    REVOCATIONS,
    open_envelope,
    write_summed,
)
from solvent_client.licensing.fingerprint import fingerprint_of
from solvent_client.licensing.judging import Program, typed_nonce
from solvent_client.licensing.kept import Held, Memory, Pending
from solvent_client.licensing.license import License, Meter
from solvent_client.licensing.refusal import LicenseRefused, Refusal, refusal
from solvent_client.licensing.surroundings import Surroundings, of_this_machine
from solvent_client.licensing.verdict import Verdict, judge_revocations

_PRODUCT: Final = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_KEY_BYTES: Final = 32
_SECRET_BYTES: Final = 32
_MAX_TEXT: Final = 100
_BY_TIME: Final = frozenset(
    {None, "from_the_future", "file_expired", "license_expired", "revocation_list_too_old"}
)
"""Verdicts that hang on the clock, which is therefore looked at first."""


class Account(NamedTuple):
    """What the publisher's server is told: who asks, and what was used in all.

    `used`: period (the license's last second since 1970, or `never`) -> meter -> total.
    """

    license_key: str
    activation: str
    used: Mapping[str, Mapping[str, int]]


class Licensing:
    """A program's licensing on this machine. Reads no setting and no variable: all is built in.

    Args:
        product: the program's name at the publisher.
        public_keys: the publisher's Ed25519 public keys, 64 hex digits each; several in a rotation.
        version: of this program, say `1.4.0`.
        released_at: when this release came out, RFC 3339; needed where maintenance can end.
        override: a name that stands for the machine, where hosts come and go (Kubernetes). Whoever
            gives it to two machines makes them one, so it is the publisher's to allow.
        key_ring: keep the store's key in the system's key ring, where `keyring` has one.
        surroundings: the machine, clocks and folders; the real ones if not given.

    Raises:
        ValueError: names the argument that cannot be one.
    """

    def __init__(
        self,
        product: str,
        *,
        public_keys: Sequence[str],
        version: str | None = None,
        released_at: str | None = None,
        override: str | None = None,
        key_ring: bool = False,
        surroundings: Surroundings | None = None,
    ) -> None:
        if not _PRODUCT.fullmatch(product):
            raise ValueError("product: expected a name like `mytool`")
        if isinstance(public_keys, str) or not public_keys:
            raise ValueError("public_keys: expected a list of at least one key")
        self.program: Final = Program(
            product=product,
            public_keys=tuple(_public_key(one) for one in public_keys),
            version=version,
            released_at=None if released_at is None else moment(released_at),
        )
        around = surroundings or of_this_machine(product, override=override)
        self.desk: Final = Desk(product, around, ring=product if key_ring else None)

    # ------------------------------------------------------------------------------------- checking

    def check(self) -> License | Refusal:
        """Say whether the program may run: its license, or why not. Never raises."""
        scene = self.desk.scene()
        verdict = self.program.of_scene(scene)
        if verdict.reason in _BY_TIME:
            moved = self.desk.moved(scene, verdict.terms)
            if moved is not None:
                return moved
        self.desk.note(scene)
        if verdict.terms is None or verdict.reason is not None:
            return _refused(verdict)
        return License(verdict.terms, now=scene.now.wall, meter=partial(self._metered))

    def require(self) -> License:
        """Return the license.

        Raises:
            LicenseRefused: the program may not run here now.
        """
        found = self.check()
        if isinstance(found, Refusal):
            raise LicenseRefused(found)
        return found

    # ------------------------------------------------------------------------------------- requests

    def request(
        self, *, license_key: str | None = None, trial: bool = False, name: str | None = None
    ) -> str:
        """Return the text of an activation request, and wait for its answer from now on.

        Args:
            license_key: what the customer received when they bought; None: who hands the request
                in names the license.
            trial: ask for a trial instead, without a license key.
            name: what the customer calls this machine.

        Raises:
            LicenseRefused: a trial was used here already, nothing tells this machine from others,
                or the request cannot be kept.
        """
        kind = "trial" if trial else "activation"
        pending = self._ask(None if trial else license_key, kind, _SECRET_BYTES)
        version = self.program.version
        payload: Mapping[str, object] = {
            "version": 1,
            "kind": kind,
            "product": self.program.product,
            "license_key": pending.license_key,
            "fingerprint": pending.fingerprint,
            "components": pending.components,
            "nonce": pending.nonce,
            "created_at": written(self.desk.scene().now.wall),
            "name": name[:_MAX_TEXT] if name else None,
            "platform": _platform(),
            "tool_version": version[:_MAX_TEXT] if version else None,
        }
        return write_summed(REQUEST, payload)

    def request_code(self, license_key: str) -> list[str]:
        """Return the lines of a request to be typed or read out, and wait for the answer.

        Raises:
            LicenseRefused: see `request`.
        """
        pending = self._ask(license_key, "activation", typed.SECRET_BYTES)
        return typed.request_code(pending.fingerprint, bytes.fromhex(pending.nonce))

    def _ask(self, license_key: str | None, kind: str, secret_bytes: int) -> Pending:
        if license_key is not None and typed.key_has_mistake(license_key):
            raise LicenseRefused(refusal("code_mistyped", "It is in the license key."))
        with self.desk.alone():
            scene = self.desk.scene()
            if scene.machine.is_one_of_many:
                raise LicenseRefused(refusal("fingerprint_unstable"))
            if kind == "trial" and scene.memory.trial_used:
                raise LicenseRefused(refusal("trial_used"))
            pending = Pending(
                secret=os.urandom(secret_bytes).hex(),
                kind=kind,
                license_key=typed.canonical_key(license_key) if license_key else None,
                fingerprint=fingerprint_of(scene.components),
                components=scene.components,
                floor=scene.latest_seen,
            )
            waiting = (*scene.memory.pending, pending)[-kept.MAX_PENDING :]
            self.desk.remember(scene.memory._replace(pending=waiting), scene)
        return pending

    # ------------------------------------------------------------------------------------ responses

    def take(self, text: str | bytes, *, license_key: str | None = None) -> License | int:
        """Import whatever file this is: a license, or a revocation list (then its serial number).

        The very license that this machine holds is taken again, and changes nothing.

        Raises:
            LicenseRefused: says why; nothing is kept then.
        """
        envelope = open_envelope(text)
        if not isinstance(envelope, str) and envelope.kind == REVOCATIONS:
            return self.import_revocations(text)
        if not isinstance(envelope, str) and envelope.kind == REQUEST:
            raise LicenseRefused(refusal("not_a_license_file", "It is the request for one."))
        held = self.desk.scene().memory.held
        if held is not None and _plain(text) == held.text:
            return self.require()
        return self.activate(text, license_key=license_key)

    def activate(self, text: str | bytes, *, license_key: str | None = None) -> License:
        """Verify a license file that came back, and keep it.

        Args:
            text: the file's content.
            license_key: what opens it, where no request of this machine had it.

        Raises:
            LicenseRefused: says why; nothing is kept then.
        """
        with self.desk.alone():
            scene = self.desk.scene()
            self._welcome(scene, *self._offered(scene, _plain(text), license_key))
        return self.require()

    def activate_code(self, lines: Sequence[str]) -> License:
        """Verify the lines of an answer that somebody typed, and keep it.

        Raises:
            LicenseRefused: says why, and in which line if it is one; nothing is kept then.
        """
        try:
            typed.read_response(lines)
        except typed.Mistyped as mistake:
            raise LicenseRefused(refusal("code_mistyped", str(mistake))) from mistake
        with self.desk.alone():
            scene = self.desk.scene()
            for pending in reversed(scene.memory.pending):
                held = _held(pending, "\n".join(lines), is_typed=True)
                verdict = self.program.of_held(held, scene)
                if verdict.terms is not None:
                    self._welcome(scene, held, verdict, pending)
                    return self.require()
        raise LicenseRefused(refusal("response_not_awaited"))

    def _offered(
        self, scene: Scene, text: str, license_key: str | None
    ) -> tuple[Held, Verdict, Pending | None]:
        """Return what a file would be held as, what is to be said of it, and what it answers.

        An encrypted file does not show which request it answers until one opens it.
        """
        given = typed.canonical_key(license_key) if license_key else None
        known = scene.memory.held.license_key if scene.memory.held else None
        stranger = Held(text, False, None, given or known, scene.fingerprint, scene.components)  # noqa: FBT003
        ways = [(stranger, None), *((_held(one, text), one) for one in scene.memory.pending)]
        offered: list[tuple[Held, Verdict, Pending | None]] = []
        for held, pending in ways:
            held = held if held.license_key else held._replace(license_key=given)  # noqa: PLW2901
            verdict = self.program.of_held(held, scene)
            held = held if verdict.kind == MACHINE else held._replace(components={})  # noqa: PLW2901
            offered.append((held, verdict, pending))
            nonce = verdict.terms.ours.nonce if verdict.terms else None
            if pending is not None and nonce == pending.nonce:
                return offered[-1]
        # Nothing is answered: say what was found out by the way that led furthest.
        read = [one for one in offered if one[1].terms is not None]
        opened = [one for one in offered if one[1].reason != "license_key_needed"]
        return (read or opened or offered)[0]

    def _welcome(
        self, scene: Scene, held: Held, verdict: Verdict, answered: Pending | None
    ) -> None:
        """Keep a license that is good and awaited; its request waits no more."""
        terms, memory = verdict.terms, scene.memory
        if terms is None or verdict.reason is not None:
            raise LicenseRefused(_refused(verdict))
        nonce = typed_nonce(held.secret) if held.typed else terms.ours.nonce
        awaited = nonce is None or (answered is not None and answered.nonce.startswith(nonce))
        over = {nonce, terms.activation} & set(memory.ended)
        if self._renews(scene, held.text, terms):
            held = held._replace(secret=memory.held.secret if memory.held else None)
        elif not awaited or over:
            raise LicenseRefused(refusal("response_not_awaited"))
        self._must_know_the_time(scene, terms, answered)
        ended = (*memory.ended, nonce) if nonce else memory.ended
        fresh = Memory(
            generation=memory.generation,
            held=held,
            pending=tuple(one for one in memory.pending if one != answered),
            ended=ended[-kept.MAX_ENDED :],
            seen=scene.now,
            used=memory.used,
            revocations=memory.revocations,
            trial_used=memory.trial_used or terms.ours.trial,
        )
        self.desk.remember(fresh, scene)

    def _renews(self, scene: Scene, text: str, terms: Terms) -> bool:
        """Say whether a file is a newer one of the activation that is held."""
        held = scene.memory.held
        if held is None or held.typed or held.text == text or terms.activation is None:
            return False
        before = self.program.of_held(held, scene).terms
        return (
            before is not None
            and before.activation == terms.activation
            and before.issued <= terms.issued
        )

    def _must_know_the_time(self, scene: Scene, terms: Terms, answered: Pending | None) -> None:
        """Refuse a clock that was set back, unless the answer puts right one that ran ahead.

        A fresh answer is signed evidence of the time. Where the clock once ran ahead, a request
        made since then tells it right again; one that was hoarded from before does not.
        """
        if answered is not None and answered.floor >= scene.latest_seen - clock.TOLERANCE_S:
            return
        moved = self.desk.moved(scene, terms)
        if moved is not None:
            raise LicenseRefused(moved)

    def import_revocations(self, text: str | bytes) -> int:
        """Keep a publisher's revocation list and return its serial number.

        Raises:
            LicenseRefused: it is none, not the publisher's, or older than the one that is kept.
        """
        keys = self.program.public_keys
        fresh = judge_revocations(text, keys)
        if isinstance(fresh, str):
            raise LicenseRefused(refusal(fresh))
        with self.desk.alone():
            scene = self.desk.scene()
            scene.must_be_whole()
            before = judge_revocations(scene.memory.revocations or "", keys)
            if not isinstance(before, str) and fresh.serial < before.serial:
                raise LicenseRefused(refusal("revocation_list_older"))
            plain = text.decode("ascii") if isinstance(text, bytes) else text
            self.desk.remember(scene.memory._replace(revocations=plain), scene)
        return fresh.serial

    # --------------------------------------------------------------------------------- deactivation

    def deactivate(self) -> str:
        """Destroy this machine's license and return the proof of it for the publisher.

        Asked again it returns the same proof: whoever lost the file writes it once more. For a
        license that came in typed codes the proof is lines to type; for one that no publisher
        counts, because it is for any machine, it is empty.

        Raises:
            LicenseRefused: there is none here.
        """
        with self.desk.alone():
            scene = self.desk.scene()
            scene.must_be_whole()
            memory = scene.memory
            if memory.held is None and memory.proof is not None:
                return memory.proof
            if memory.held is None:
                raise LicenseRefused(refusal("not_activated"))
            terms = self.program.of_held(memory.held, scene).terms
            proof = self._proof(memory.held, terms, scene.now.wall)
            over = (terms.activation,) if terms and terms.activation else ()
            ended = (*memory.ended, *over)[-kept.MAX_ENDED :]
            self.desk.remember(memory._replace(held=None, proof=proof, ended=ended), scene)
        return proof

    def _proof(self, held: Held, terms: Terms | None, now: int) -> str:
        if held.typed and held.secret:
            return "\n".join(typed.deactivation_code(bytes.fromhex(held.secret)))
        if terms is None or terms.activation is None or held.secret is None:
            return ""
        payload: Mapping[str, object] = {
            "version": 1,
            "product": self.program.product,
            "activation": terms.activation,
            "nonce": terms.ours.nonce,
            "secret": held.secret,
            "deactivated_at": written(now),
        }
        return write_summed(PROOF, payload)

    # --------------------------------------------------------------------------------------- meters

    def account(self) -> Account | None:
        """Return what a server is told of this machine's license; None where it counts none.

        It counts what was activated with a license key, from a file.
        """
        scene = self.desk.scene()
        held = scene.memory.held
        if held is None or held.typed or held.license_key is None:
            return None
        terms = self.program.of_held(held, scene).terms
        if terms is None or terms.activation is None:
            return None
        used = {"never" if at == "None" else at: of for at, of in scene.memory.used.items()}
        return Account(held.license_key, terms.activation, used)

    def _metered(self, terms: Terms, name: str, quantity: int) -> Meter | None:
        """Return a meter after taking a quantity out of it; None if it does not hold so much."""
        if name not in terms.ours.meters:
            return None
        limit, period = terms.ours.meters[name], str(terms.license_expiry)
        with self.desk.alone():
            scene = self.desk.scene()
            scene.must_be_whole()
            used = scene.memory.used.get(period, {})
            taken = used.get(name, 0) + quantity
            if quantity and limit is not None and taken > limit:
                return None
            if quantity:
                # Earlier periods are over: they are kept until the server has surely been told.
                earlier = {one: of for one, of in scene.memory.used.items() if one != period}
                every = [*earlier.items(), (period, {**used, name: taken})]
                now_used = dict(every[-kept.MAX_PERIODS :])
                self.desk.remember(scene.memory._replace(used=now_used), scene)
        return Meter(name, limit, taken)


def _refused(verdict: Verdict) -> Refusal:
    """Return a verdict's refusal, with the moment that it hangs on."""
    end = verdict.terms.expires_at if verdict.terms else None
    if end is not None and verdict.reason in {"file_expired", "license_expired"}:
        return refusal(verdict.reason, f"Its last moment was {written(end)}.")
    return refusal(verdict.reason or "not_activated")


def _held(pending: Pending, text: str, *, is_typed: bool = False) -> Held:
    return Held(
        text=text,
        typed=is_typed,
        secret=pending.secret,
        license_key=pending.license_key,
        fingerprint=pending.fingerprint,
        components=pending.components,
    )


def _public_key(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != _KEY_BYTES:
        raise ValueError("public_keys: expected keys of 64 hex digits")
    return raw


def _plain(text: str | bytes) -> str:
    return text.decode("ascii", "replace") if isinstance(text, bytes) else text


def _platform() -> str:
    """Return system and processor; the module `platform` asks Windows, which takes long."""
    if sys.platform == "win32":
        told = ("windows", os.environ.get("PROCESSOR_ARCHITECTURE", "unknown"))
    else:
        told = (os.uname().sysname, os.uname().machine)
    return "-".join(told).lower()[:_MAX_TEXT]
