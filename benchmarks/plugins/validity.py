"""Writes whether the machine let the measurement be one, and whether it has changed by the end of the session."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.instruments.latency.noise import drift
from benchmarks.instruments.machine.validity import Snapshot, invalidate, snapshot, validity
from benchmarks.run import ForwardRun
from fixtures.precisions import emulation_reason


class ValidityPlugin:
    """Keeps each benchmark's first timing, and what was written of it, for the sentinel at the end."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None
        self._timings: dict[str, list[float]] = {}
        self._written: dict[str, list[dict[str, Any]]] = {}

    @pytest.hookimpl(tryfirst=True)  # before a model is loaded for it
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a sentinel that has nothing to be compared with."""
        if isinstance(item, pytest.Function) and item.originalname == "test_drift":
            name = item.callspec.id
            if name not in self._timings:
                pytest.skip(f"{name} was not timed in this session")

    @pytest.hookimpl(trylast=True)  # directly before the warm-up rounds
    def pytest_forward_prepared(self, run: ForwardRun) -> None:
        """Read the machine's state."""
        self._before = snapshot(run.settings.device)

    @pytest.hookimpl(tryfirst=True)  # directly after the timed rounds
    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Read it again and judge."""
        if self._before is None:
            return
        judged = validity(
            self._before, snapshot(run.settings.device), emulation_reason(run.precision, run.settings.device)
        )
        run.extra_info["validity"] = judged | {"drift": None, "drift_reason": "the sentinel has not run"}
        self._timings[run.name] = list(run.durations_s)
        self._written.setdefault(run.execution, []).append(run.extra_info["validity"])

    def pytest_forward_timed_again(self, run: ForwardRun) -> None:
        """Mark every benchmark of an execution whose sentinel says that the machine has drifted."""
        found = drift(self._timings[run.name], run.durations_s)
        for written in self._written[run.execution]:
            written.update(drift={"sentinel": run.name, **found}, drift_reason=found["reason"])
            if found["drifted"]:
                invalidate(
                    written,
                    f"drifted: {run.name} changed by {found['change_rel']:+.1%} ({found['change_ci95_low']:+.1%} to "
                    f"{found['change_ci95_high']:+.1%}) from its first timing to the end of the session; let the "
                    "machine settle and run again",
                )


def pytest_configure(config: pytest.Config) -> None:
    """Watch over the session."""
    config.pluginmanager.register(ValidityPlugin(), "forward-validity")
