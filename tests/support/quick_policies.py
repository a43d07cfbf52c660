"""How long a session of a test measures."""

from __future__ import annotations

import pytest

from benchmarks.plugins.session import POLICIES
from benchmarks.policies import CeilingPolicy, Policies, TimingPolicy, TuningPolicy


class QuickPolicies:
    """A plugin that has a session measure for no longer than the rounds asked for take."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Put the policies where the session looks for them."""
        config.stash[POLICIES] = Policies(
            timing=dict.fromkeys(("cpu", "cuda"), TimingPolicy(warm_up_stretch_s=0, warm_up_cap_s=0, shortest_s=0)),
            ceilings=CeilingPolicy(matrix_side={"cpu": 32, "cuda": 32}, copied_bytes=1024, timed_s=0.001),
            tuning=TuningPolicy(repeats=3, block_s=0.01),
            lock_timeout_s=0.1,
        )
