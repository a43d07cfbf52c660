"""The catalogue of metrics: everything that a table shows is listed here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Metric:
    """One figure of a benchmark.

    `column` is its name in tables, `path` where it lies in `extra_info`, `better` which way is better, None where the
    figure is a condition and no merit.
    """

    column: str
    path: tuple[str, ...]
    unit: str
    better: Literal["lower", "higher"] | None
    description: str

    def value(self, extra_info: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return this metric of a benchmark, or None where it is missing."""
        found: Any = extra_info
        for key in self.path:
            if not isinstance(found, dict):
                return None
            found = found.get(key)
        return found


@dataclass(frozen=True)
class Ratio:
    """A figure against FP32 in the same execution, derived here and never stored.

    `gain` is baseline / value (how many times better); `saving` is 1 - value / baseline (the share that is saved).
    """

    column: str
    of: str
    form: Literal["gain", "saving"]
    description: str


def metric(column: str, path: str, unit: str, better: Literal["lower", "higher"] | None, description: str) -> Metric:
    """Return a metric; `path` is dotted."""
    return Metric(column, tuple(path.split(".")), unit, better, description)


METRICS = (
    metric("mean_latency_ms", "latency.mean_ms", "ms", "lower", "mean time of a forward"),
    metric("std_latency_ms", "latency.std_ms", "ms", "lower", "standard deviation of the rounds"),
    metric("throughput", "latency.throughput_samples_per_s", "samples/s", "higher", "samples a second of forward"),
    metric("tokens_per_sec", "latency.tokens_per_s", "tokens/s", "higher", "text tokens a second, padding not counted"),
    metric("perplexity", "quality.perplexity", "", "lower", "exp of the mean loss over text targets"),
    metric("mean_power_w", "energy.mean_power_w", "W", None, "mean power while the loop ran"),
    metric("energy_per_sample_mj", "energy.energy_per_sample_mj", "mJ", "lower", "energy of one sample, idle included"),
    metric(
        "model_size_mb", "size.model_size_mb", "MB", "lower", "parameters and buffers, tied ones once; MB = 10^6 bytes"
    ),
    metric("median_latency_ms", "latency.median_ms", "ms", "lower", "median time of a forward"),
    metric("median_ci95_low_ms", "latency.ci95_low_ms", "ms", None, "lower end of the median's 95% interval"),
    metric("median_ci95_high_ms", "latency.ci95_high_ms", "ms", None, "upper end of the median's 95% interval"),
    metric("p95_latency_ms", "latency.p95_ms", "ms", "lower", "95th percentile of the rounds"),
    metric("p99_latency_ms", "latency.p99_ms", "ms", "lower", "99th percentile of the rounds"),
    metric("rounds", "latency.rounds", "", None, "timed rounds"),
    metric("warmup_rounds", "latency.warmup_rounds", "", None, "rounds before them"),
    metric("converged", "latency.converged", "", None, "whether the median's interval is within 1% of it"),
    metric("noise_rel", "latency.noise_rel", "", "lower", "standard deviation of block medians over their mean"),
    metric("outlier_share", "latency.outlier_share", "", "lower", "rounds far outside the others (5 MAD)"),
    metric("preparation_s", "latency.preparation_s", "s", "lower", "capture or compilation, and the first forward"),
    metric("kernel_time_ms", "latency.kernel_time_ms", "ms", "lower", "summed time of the kernels of one forward"),
    metric("kernels", "latency.kernels", "", None, "kernels of one forward"),
    metric("launch_bound_share", "latency.launch_bound_share", "", "lower", "1 - graph / eager"),
    metric("roofline_fraction", "latency.roofline_fraction", "", "higher", "the device's own limit over the latency"),
    metric("limit_ms", "latency.limit_ms", "ms", None, "least time the device needs for the work"),
    metric("casts", "proof.casts", "", None, "conversions between floating-point dtypes in one forward"),
    metric("validity", "validity.status", "", None, "valid, invalid or unknown"),
    metric("sm_clock_mhz", "validity.sm_clock_mhz", "MHz", None, "SM clock after the rounds"),
    metric("temperature_c", "validity.temperature_c", "C", None, "GPU temperature after the rounds"),
    metric("avg_loss_nats", "quality.avg_loss_nats", "nats", "lower", "mean loss over text targets"),
    metric("targets", "quality.targets", "", None, "text targets scored"),
    metric("quality_meaningful", "quality.meaningful", "", None, "false with generated text or seeded weights"),
    metric("quality_reason", "quality.reason", "", None, "why there is no perplexity"),
    metric("energy_method", "energy.method", "", None, "what measured the energy"),
    metric("energy_rel_u95", "energy.rel_u95", "", None, "relative 95% uncertainty of the energy"),
    metric("energy_status", "energy.status", "", None, "ok, disputed, unavailable or off"),
    metric("energy_net_mj", "energy.energy_per_sample_net_mj", "mJ", "lower", "energy of one sample above idle"),
    metric("idle_power_w", "energy.idle_power_w", "W", None, "power with the model loaded and the loop stopped"),
    metric("samples_per_joule", "energy.samples_per_joule", "samples/J", "higher", "samples for one joule"),
    metric("tokens_per_joule", "energy.tokens_per_joule", "tokens/J", "higher", "text tokens for one joule"),
    metric("energy_delay_product_mj_ms", "energy.energy_delay_product_mj_ms", "mJ ms", "lower", "energy times time"),
    metric("cross_check_rel", "energy.cross_check_rel", "", None, "integrated power against the counter"),
    metric("energy_reason", "energy.reason", "", None, "why there is no energy"),
    metric("checkpoint_size_mb", "size.checkpoint_size_mb", "MB", None, "weight files on disk"),
    metric("peak_memory_mb", "size.peak_memory_mb", "MB", "lower", "most memory PyTorch held during the rounds"),
    metric("batch_size", "batch_size", "", None, "sequences a forward"),
    metric("device", "device", "", None, "where it ran"),
    metric("native", "validity.native", "", None, "false where the hardware emulates the precision"),
    metric("stand_in", "workload.stand_in", "", None, "true with generated text or seeded weights"),
)

RATIOS = (
    Ratio("speedup_vs_fp32", "median_latency_ms", "gain", "median latency of FP32 over this one's, same execution"),
    Ratio("energy_reduction_vs_fp32", "energy_per_sample_mj", "saving", "share of FP32's energy that is saved"),
    Ratio("size_reduction_vs_fp32", "model_size_mb", "saving", "share of FP32's size that is saved"),
)

#: The order in which tables begin; every other column follows in the order of METRICS.
LEADING_COLUMNS = (
    "name",
    "mean_latency_ms",
    "std_latency_ms",
    "speedup_vs_fp32",
    "throughput",
    "tokens_per_sec",
    "perplexity",
    "mean_power_w",
    "energy_per_sample_mj",
    "energy_reduction_vs_fp32",
    "model_size_mb",
    "size_reduction_vs_fp32",
)
