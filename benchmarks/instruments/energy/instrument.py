"""The instrument that meters energy, as the option --energy says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.instruments.base import InVisit, Record, metric
from benchmarks.instruments.energy.measurement import measure_energy, unavailable
from benchmarks.run import BenchmarkRun


class EnergyRequiredError(Exception):
    """The energy of a benchmark could not be measured, and --energy require says that it must be."""


@dataclass(frozen=True, kw_only=True)
class EnergyRecord(Record):
    """Energy of the metered windows. Where it could not be measured all figures are null, with `reason` and `code`."""

    section: ClassVar[str] = "energy"
    mean_power_w: float | None = metric("W", None, "mean power while the loop ran", heading="power W", form=".0f")
    energy_per_sample_mj: float | None = metric(
        "mJ",
        "lower",
        "energy of one sample, idle included",
        reason_column="energy_reason",
        interval_of="the mean of this run's windows",
        relative_column="energy_rel_u95",
        heading="energy mJ",
        in_terminal=True,
        form=".1f",
    )
    method: str = metric("", None, "what measured the energy", column="energy_method")
    rel_u95: float | None = metric("", None, "relative 95% uncertainty of the energy", column="energy_rel_u95")
    status: str = metric("", None, "ok, disputed, unavailable or off", column="energy_status")
    energy_per_sample_net_mj: float | None = metric(
        "mJ", "lower", "energy of one sample above idle", column="energy_net_mj", heading="net energy mJ", form=".1f"
    )
    net_reason: str | None = None
    idle_power_w: float | None = metric("W", None, "power with the model loaded and the loop stopped")
    idle_power_before_w: float | None
    idle_power_after_w: float | None
    samples_per_joule: float | None = metric("samples/J", "higher", "samples for one joule")
    tokens_per_joule: float | None = metric("tokens/J", "higher", "text tokens for one joule")
    energy_delay_product_mj_ms: float | None = metric("mJ ms", "lower", "energy times time")
    cross_check_rel: float | None = metric("", None, "integrated power against the counter")
    cross_check_reason: str | None = None
    reason: str | None = metric("", None, "why there is no energy", column="energy_reason")
    code: str | None
    scope: str | None = None
    windows: int
    window_s: float | None
    window_energies_mj: Sequence[float] = ()
    power_series: Sequence[tuple[float, float]] = ()
    forwards: float | None = None
    ticks: int | None = None
    tick_period_ms: float | None
    read_cost_ms: float | None
    power_cap_share: float | None = None
    drift_rel: float | None = None
    drift_u95_rel: float | None = None
    sensor_rel_error: float | None = None


class Energy(InVisit):
    """Meters the forward that was timed, in a loop of its own."""

    record = EnergyRecord

    def measure(self, run: BenchmarkRun) -> Record:
        """Return the energy record; raise `EnergyRequiredError` where --energy require has to fail."""
        settings = run.settings
        if settings.energy == "off":
            return EnergyRecord(**unavailable("switched off with --energy off", "OFF") | {"status": "off"})
        with run.phase("energy"):
            energy = measure_energy(
                run.loop.run_pipelined,
                run.case.batch_size,
                run.data.text_tokens_per_batch,
                settings.device,
                self.policies.energy,
            )
        if settings.energy == "require" and energy["energy_per_sample_mj"] is None:
            raise EnergyRequiredError(
                f"--energy require: the energy of {run.case.id} is not known ({energy['reason']})."
            )
        return EnergyRecord(**energy)
