"""Is what this machine holds, or is offered, good for this program?"""

from typing import NamedTuple

from solvent_client.licensing import typed
from solvent_client.licensing.desk import Scene
from solvent_client.licensing.document import Ours, Terms
from solvent_client.licensing.kept import Held
from solvent_client.licensing.verdict import (
    Here,
    Verdict,
    judge,
    judge_revocations,
    unfit,
    untimely,
)


class Program(NamedTuple):
    """What is built into a program: who may sign for it and which release it is."""

    product: str
    public_keys: tuple[bytes, ...]
    version: str | None
    released_at: int | None

    def of_scene(self, scene: Scene) -> Verdict:
        """Return what is to be said of the license that is held."""
        if scene.recalled.problem is not None:
            return Verdict(scene.recalled.problem)
        held = scene.memory.held
        if held is None:
            return Verdict("not_activated" if scene.memory.proof is None else "deactivated")
        if scene.machine.is_one_of_many and held.components:
            return Verdict("fingerprint_unstable")
        return self.of_held(held, scene)

    def of_held(self, held: Held, scene: Scene) -> Verdict:
        """Return what is to be said of a file or of typed lines."""
        here = self._here(scene, held)
        if held.typed:
            return self._of_lines(held, here)
        return judge(held.text, self.public_keys, here)

    def _here(self, scene: Scene, held: Held) -> Here:
        listed = judge_revocations(scene.memory.revocations or "", self.public_keys)
        return Here(
            now=scene.now.wall,
            components=scene.components,
            fingerprint=held.fingerprint,
            license_key=held.license_key,
            product=self.product,
            released_at=self.released_at,
            version=self.version,
            revocations=None if isinstance(listed, str) else listed,
        )

    def _of_lines(self, held: Held, here: Here) -> Verdict:
        try:
            response = typed.read_response(held.text.splitlines())
        except typed.Mistyped:
            return Verdict("store_damaged")
        good = typed.is_answer(
            response,
            self.public_keys,
            product=self.product,
            license_key=held.license_key or "",
            request=(held.fingerprint, bytes.fromhex(typed_nonce(held.secret))),
        )
        if not good:
            return Verdict("signature_invalid")
        terms = _terms_of(response, held)
        return Verdict(unfit(terms, here) or untimely(terms, here), terms)


def typed_nonce(secret: str | None) -> str:
    """Return the nonce of a typed request's secret, as codes have it."""
    return typed.nonce_of(bytes.fromhex(secret or ""))[: typed.NONCE_BYTES].hex()


def _terms_of(response: typed.Response, held: Held) -> Terms:
    """Return what typed lines grant: what can be typed in a minute, and nothing else."""
    return Terms(
        license_id="",
        license_name=None,
        status="ACTIVE",
        license_expiry=response.expiry,
        issued=response.issued,
        file_expiry=None,
        activation=None,
        fingerprint=held.fingerprint,
        features=dict.fromkeys(response.features, True),
        ours=Ours(
            version=1,
            key=None,
            product=None,
            nonce=None,
            match="most",
            components=held.components,
            trial=response.trial,
            maintenance_expiry=None,
            fallback_version=None,
            meters={},
            heartbeat_s=None,
            revocation_max_age_s=None,
        ),
    )
