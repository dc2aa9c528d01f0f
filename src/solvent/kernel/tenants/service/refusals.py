"""What is kept of a request that was refused?"""

from __future__ import annotations

from dataclasses import dataclass, field

from solvent.kernel.audit import service as audit
from solvent.kernel.tenants.errors import KeyRefused
from solvent.kit.clock import monotonic_ms
from solvent.kit.ctx import Edge, Principal
from solvent.kit.errors import SolventError, Unavailable
from solvent.kit.log import get_logger

log = get_logger(__name__)

EACH_MAX = 5
WINDOW_S = 60
WINDOWS_MAX = 10_000

_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Window:
    began_ms: float
    recorded: int = 0
    passed_over: int = 0


@dataclass(slots=True)
class RefusedRequests:
    """Records what known callers were refused; implements `kit.http.RefusalLog`; one a process.

    A record stays for ever, so a revoked key that somebody goes on using must not write one each
    time: the same caller's same refusals are recorded five times a minute, and how many were passed
    over is told with the next.
    """

    window_s: float = WINDOW_S
    _windows: dict[_Key, _Window] = field(default_factory=dict[_Key, _Window])

    async def __call__(
        self, edge: Edge, refused: SolventError, *, by: Principal | None, asked: str
    ) -> None:
        """Record it, or count it.

        A key that is revoked or expired is known, a wrong one belongs to nobody's log. The refusal
        stands where the record cannot be written: the operator's log then holds it.
        """
        who = refused.whose if isinstance(refused, KeyRefused) else by
        if who is None:
            return
        passed_over = self._admit((who.tenant_id, str(who.actor), refused.code, asked))
        if passed_over is not None:
            await _record(edge, refused, by=who, asked=asked, passed_over=passed_over)

    def _admit(self, key: _Key) -> int | None:
        """Return how many like it were passed over before; None to pass over this one too."""
        now_ms = monotonic_ms()
        if len(self._windows) >= WINDOWS_MAX:
            self._windows.clear()
        window = self._windows.get(key)
        before = window.passed_over if window else 0
        if window is None or now_ms - window.began_ms >= self.window_s * 1000:
            window = self._windows[key] = _Window(now_ms)
        if window.recorded >= EACH_MAX:
            window.passed_over += 1
            return None
        window.recorded += 1
        return before


async def _record(
    edge: Edge, refused: SolventError, *, by: Principal, asked: str, passed_over: int
) -> None:
    scope = refused.detail.get("scope")
    facts: dict[str, str | int | None] = {
        "code": refused.code,
        "scope": scope if isinstance(scope, str) else None,
    }
    if passed_over:
        facts["passed_over"] = passed_over
    try:
        await audit.record_refusal(
            edge,
            by.tenant_id,
            actor=by.actor,
            action="tenants.request_refused",
            subject=asked,
            data=facts,
        )
    except Unavailable:
        log.warning("refusal_not_recorded", tenant_id=by.tenant_id, asked=asked, code=refused.code)
