"""How the probability of the token that follows differs from FP32's, as llama.cpp's perplexity tool shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from benchmarks.instruments.base import Record, metric
from benchmarks.instruments.quality.clusters import mean_interval, quantiles

#: The quantiles that `llama-perplexity --kl-divergence` prints, by name.
LEVELS = {
    "max": 1.0,
    "p99_9": 0.999,
    "p99": 0.99,
    "p95": 0.95,
    "p90": 0.9,
    "median": 0.5,
    "p10": 0.1,
    "p5": 0.05,
    "p1": 0.01,
    "p0_1": 0.001,
    "min": 0.0,
}


@dataclass(frozen=True, kw_only=True)
class ProbabilityRecord(Record):
    """The probability of the token that follows, less what FP32 gives it, over all targets (llama.cpp's Δp / 100)."""

    mean: float = metric(
        "",
        None,
        "mean change of the next token's probability against FP32",
        column="delta_probability_mean",
        interval_of="the mean on text like this",
        low_column="delta_probability_mean_ci95_low",
        high_column="delta_probability_mean_ci95_high",
    )
    mean_ci95_low: float | None = metric(
        "", None, "lower end of its 95% interval", column="delta_probability_mean_ci95_low"
    )
    mean_ci95_high: float | None = metric(
        "", None, "upper end of its 95% interval", column="delta_probability_mean_ci95_high"
    )
    rms: float = metric("", "lower", "root mean square of that change", column="delta_probability_rms", repeat="same")
    rms_ci95_low: float | None
    rms_ci95_high: float | None
    quantiles: Mapping[str, float]


def probability_record(change: torch.Tensor, sample: torch.Tensor) -> ProbabilityRecord:
    """Return the record. `change`: float64 [targets]; `sample`: int64 [targets], the sequence of each."""
    mean, low, high = mean_interval(change, sample)
    mean_square, square_low, square_high = mean_interval(change.square(), sample)
    return ProbabilityRecord(
        mean=mean,
        mean_ci95_low=none_for_nan(low),
        mean_ci95_high=none_for_nan(high),
        rms=math.sqrt(mean_square),
        rms_ci95_low=None if math.isnan(square_low) else math.sqrt(max(square_low, 0.0)),
        rms_ci95_high=None if math.isnan(square_high) else math.sqrt(square_high),
        quantiles=dict(zip(LEVELS, quantiles(change, list(LEVELS.values())), strict=True)),
    )


def none_for_nan(value: float) -> float | None:
    """Return None for what one sequence cannot tell."""
    return None if math.isnan(value) else value
