"""Writes the energy of forwards in a loop of their own, after the timed rounds."""

from __future__ import annotations

import pytest

from benchmarks.instruments.energy.measurement import measure_energy, unavailable
from benchmarks.run import ForwardRun


def pytest_forward_timed(run: ForwardRun) -> None:
    """Meter the forward that was timed.

    With --energy require, a figure that cannot be had fails the benchmark.
    """
    settings = run.settings
    if settings.energy == "off":
        run.extra_info["energy"] = unavailable("switched off with --energy off", "OFF") | {"status": "off"}
        return
    with run.phase("energy"):
        energy = measure_energy(
            run.loop.run_ahead, run.dataset.batch_size, run.dataset.text_tokens_per_batch, settings.device
        )
    run.extra_info["energy"] = energy
    if settings.energy == "require" and energy["energy_per_sample_mj"] is None:
        pytest.fail(f"--energy require: the energy of {run.name} is not known ({energy['reason']}).", pytrace=False)
