"""What is recorded of energy: a visit's window, and a case's figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.metrics.figures import NOT_MEASURED, Figure, Interval, Reason
from core.metrics.ranges import CHANGE_OF_SHARE, NOT_NEGATIVE, POSITIVE, RELATIVE_CHANGE
from core.metrics.records import Record, figure, metric

NO_ENERGY = Reason("reason", column="energy_reason", words="why there is no energy", after="cross_check_rel")


@dataclass(frozen=True, kw_only=True)
class VisitEnergy(Record):
    """One visit's window: energy of a sample, and the loop in it. Without a window, the loop over all rounds."""

    energy_mj: Figure[float] = figure(reason=Reason("energy_reason"), default=NOT_MEASURED)
    energy_code: str | None = None
    loop_ms: float
    gap_share: float
    power_w: float | None = None
    window_s: float | None = None
    window_middle_s: float | None = None
    window_rounds: float | None = None
    window_rel_u: float | None = None
    ticks: int | None = None


@dataclass(frozen=True, kw_only=True)
class EnergyRecord(Record):
    """Energy over the visits. Where it could not be measured all figures are null, with the reason and its `code`."""

    section: ClassVar[str] = "energy"
    mean_power_w: float | None = metric(
        "W",
        None,
        "mean power while the loop ran",
        within=NOT_NEGATIVE,
        heading="power W",
        form=".0f",
        place=300,
        default=None,
    )
    energy_per_sample_mj: Figure[float] = metric(
        "mJ",
        "lower",
        "energy of one sample, idle included: geometric mean of the visits",
        within=NOT_NEGATIVE,
        reason=NO_ENERGY,
        says_why=True,
        repeat="energy",
        heading="energy mJ",
        in_terminal=True,
        form=".1f",
        default=NOT_MEASURED,
    )
    method: str = metric("", None, "what measured the energy", column="energy_method", place=700, default="none")
    rel_u95: float | None = metric(
        "",
        None,
        "relative 95% uncertainty of this session's centre",
        within=NOT_NEGATIVE,
        column="energy_rel_u95",
        default=None,
    )
    status: str = metric("", None, "ok, marked, disputed, unavailable or off", column="energy_status")
    marks: str | None = metric(
        "", None, "what must be known of the energy to read it", column="energy_marks", place=910, default=None
    )
    energy_per_token_mj: float | None = metric(
        "mJ", "lower", "energy of one token, for workloads that count tokens", within=NOT_NEGATIVE, default=None
    )
    energy_per_sample_net_mj: Figure[float] = metric(
        "mJ",
        "lower",
        "energy of one sample above idle",
        within=NOT_NEGATIVE,
        column="energy_net_mj",
        interval=Interval(
            of="the mean of this session's visits, with the change of idle power",
            stem="net",
            column_stem="energy_net",
            place=910,
        ),
        reason=Reason("net_reason"),
        heading="net energy mJ",
        place=710,
        form=".1f",
        default=NOT_MEASURED,
    )
    idle_power_w: float | None = metric(
        "W", None, "power with the models loaded and no loop running", within=NOT_NEGATIVE, place=720, default=None
    )
    idle_power_before_w: float | None = None
    idle_power_after_w: float | None = None
    idle_temperature_c: int | None = None
    loop_ms: float | None = metric(
        "ms",
        "lower",
        "time from one round to the next while energy was metered",
        within=POSITIVE,
        column="loop_ms",
        place=910,
        default=None,
    )
    gap_share: float | None = metric(
        "",
        "lower",
        "share of that time in which no forward ran",
        within=CHANGE_OF_SHARE,
        column="loop_gap_share",
        default=None,
    )
    samples_per_joule: float | None = metric(
        "samples/J", "higher", "samples for one joule", within=NOT_NEGATIVE, place=730, default=None
    )
    tokens_per_joule: float | None = metric(
        "tokens/J", "higher", "text tokens for one joule", within=NOT_NEGATIVE, default=None
    )
    energy_delay_product_mj_ms: float | None = metric(
        "mJ ms", "lower", "energy times time", within=NOT_NEGATIVE, default=None
    )
    cross_check_rel: Figure[float] = metric(
        "",
        None,
        "integrated power against the counter",
        within=RELATIVE_CHANGE,
        reason=Reason("cross_check_reason"),
        default=NOT_MEASURED,
    )
    code: str | None = None
    scope: str | None = None
    passed_over: str | None = None
    windows: int = 0
    window_s: float | None = None
    power_series: Sequence[tuple[float, float]] = ()
    forwards: float | None = None
    ticks: int | None = None
    tick_period_ms: float | None = None
    read_cost_ms: float | None = None
    drift_rel: float | None = None
    drift_u95_rel: float | None = None
    sensor_rel_error: float | None = None
