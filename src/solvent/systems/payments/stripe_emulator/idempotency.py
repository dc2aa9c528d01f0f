"""Was this key used before, and what was answered then?

As Stripe documents it: the outcome of the first request under a key is saved for 24 hours, errors
included, once its execution began; a request that failed validation, or met another under way with
its key, saves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from solvent.systems.payments.loopback import Answer
from solvent.systems.payments.stripe_emulator.fault import StripeFault, invalid
from solvent.systems.payments.stripe_emulator.plain import Json
from solvent.systems.payments.stripe_emulator.world import World

KEY_CHARS_MAX = 255
KEPT_S = 24 * 3600
_KIND = "_saved"


@dataclass(slots=True)
class Keys:
    """The keys of one account."""

    world: World
    _busy: set[str] = field(default_factory=set[str])

    def take(self, key: str, *, path: str, params: Json) -> Answer | None:
        """Return what is saved under a key; without that, mark it as being worked on.

        Raises:
            StripeFault: 400 where the key stands for another request, 409 where that one is still
                under way.
        """
        if len(key) > KEY_CHARS_MAX:
            raise invalid(f"Idempotency keys must be at most {KEY_CHARS_MAX} characters.")
        saved = self._saved(key)
        if saved:
            _must_be_the_same(saved, key, path=path, params=params)
            return Answer(saved["status"], saved["body"], _replayed(saved))
        if key in self._busy:
            raise _in_use(key)
        self._busy.add(key)
        return None

    def is_busy(self, key: str) -> bool:
        """Return whether a request is under way with this key."""
        return key in self._busy

    def release(self, key: str) -> None:
        """Nothing works under this key any more."""
        self._busy.discard(key)

    def save(self, key: str, *, path: str, params: Json, answer: Answer, request: str) -> None:
        """Keep an outcome under its key."""
        self.world.store.save(
            {
                "id": f"key:{key}",
                "object": _KIND,
                "created": int(self.world.clock.now().timestamp()),
                "path": path,
                "params": params,
                "status": answer.status,
                "body": answer.body,
                "request": request,
            }
        )

    def _saved(self, key: str) -> Json | None:
        found = self.world.store.find(f"key:{key}")
        now = int(self.world.clock.now().timestamp())
        return found if found and now - found["created"] < KEPT_S else None


def _must_be_the_same(saved: Json, key: str, *, path: str, params: Json) -> None:
    if saved["path"] != path:
        raise StripeFault(
            400,
            "idempotency_error",
            "Keys for idempotent requests can only be used for the same endpoint they were first"
            f" used for ('{path}' vs '{saved['path']}'). Try using a key other than '{key}' if you"
            " meant to execute a different request.",
        )
    if saved["params"] != params:
        raise StripeFault(
            400,
            "idempotency_error",
            "Keys for idempotent requests can only be used with the same parameters they were"
            f" first used with. Try using a key other than '{key}' if you meant to execute a"
            " different request.",
        )


def _in_use(key: str) -> StripeFault:
    return StripeFault(
        409,
        "idempotency_error",
        "There is currently another in-progress request using this Idempotent Key (that probably"
        f" means you submitted twice, and the other request is still going through): {key}. Please"
        " try again later.",
        code="idempotency_key_in_use",
    )


def _replayed(saved: Json) -> dict[str, str]:
    return {"Idempotent-Replayed": "true", "Original-Request": saved["request"]}
