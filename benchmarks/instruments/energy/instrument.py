"""The instrument that meters energy, as the option --energy says."""

from __future__ import annotations

from benchmarks.instruments.base import Instrument, Record
from benchmarks.instruments.energy.measurement import measure_energy, unavailable
from benchmarks.run import BenchmarkRun


class EnergyRequiredError(Exception):
    """The energy of a benchmark could not be measured, and --energy require says that it must be."""


class Energy(Instrument):
    """Meters the forward that was timed, in a loop of its own."""

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the energy record; raise `EnergyRequiredError` where --energy require has to fail."""
        settings = run.settings
        if settings.energy == "off":
            return {"energy": unavailable("switched off with --energy off", "OFF") | {"status": "off"}}
        with run.phase("energy"):
            energy = measure_energy(
                run.loop.run_pipelined,
                run.dataset.batch_size,
                run.dataset.text_tokens_per_batch,
                settings.device,
                self.policies.energy,
            )
        if settings.energy == "require" and energy["energy_per_sample_mj"] is None:
            raise EnergyRequiredError(f"--energy require: the energy of {run.name} is not known ({energy['reason']}).")
        return {"energy": energy}
