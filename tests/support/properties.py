"""Property tests on shared machines: no clock decides, and nothing is left in the checkout."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

patient = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
