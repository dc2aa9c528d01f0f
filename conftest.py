"""What holds for every test, ours and the client's?"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test asserts on wall-clock time: neither does Hypothesis, on a machine that is busy or small.
settings.register_profile(
    "solvent", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("solvent")
