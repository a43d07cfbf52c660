"""The catalogue of metrics: everything that a table shows is listed here, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.records import lookup
from data_prep.untrusted import finite_number

#: Figures within this share of each other are called the same, on one run as between runs.
SAME_REL = 0.01


@dataclass(frozen=True)
class Metric:
    """One figure of a benchmark.

    `column` is its name in tables, `path` its dotted path in `extra_info`, `better` the direction of improvement, None
    where the figure is a condition and not a merit.
    """

    column: str
    path: str
    unit: str
    better: Literal["lower", "higher"] | None
    description: str
    #: Whether the value is a number; otherwise it is text, true or false.
    is_number: bool = True
    #: The column that says why the figure is missing.
    reason_column: str | None = None

    def value(self, extra_info: dict[str, Any]) -> Any:  # noqa: ANN401
        """Return this metric of a benchmark, or None where the value is missing or of another type."""
        value = lookup(extra_info, self.path)
        if self.is_number:
            return finite_number(value)
        return value if isinstance(value, (str, bool)) else None


@dataclass(frozen=True)
class Ratio:
    """A figure against FP32 in the same execution, derived here and never stored.

    `gain` is baseline / value (how many times better); `saving` is 1 - value / baseline (the share that is saved).
    """

    column: str
    of: str
    form: Literal["gain", "saving"]
    description: str
    unit: str = ""
    better: Literal["lower", "higher"] = "higher"
    reason_column: str | None = None

    @property
    def end_columns(self) -> tuple[str, str]:
        """The columns with the ends of the ratio's 95% interval, where its figure has one."""
        return f"{self.column}_ci95_low", f"{self.column}_ci95_high"


METRICS = (
    Metric("mean_latency_ms", "latency.mean_ms", "ms", "lower", "mean time of a forward"),
    Metric("std_latency_ms", "latency.std_ms", "ms", "lower", "standard deviation of the rounds"),
    Metric("throughput", "latency.throughput_samples_per_s", "samples/s", "higher", "samples a second of forward"),
    Metric("tokens_per_sec", "latency.tokens_per_s", "tokens/s", "higher", "text tokens a second, padding not counted"),
    Metric(
        "perplexity",
        "quality.perplexity",
        "",
        "lower",
        "exp of the mean loss over text targets",
        reason_column="quality_reason",
    ),
    Metric("mean_power_w", "energy.mean_power_w", "W", None, "mean power while the loop ran"),
    Metric(
        "energy_per_sample_mj",
        "energy.energy_per_sample_mj",
        "mJ",
        "lower",
        "energy of one sample, idle included",
        reason_column="energy_reason",
    ),
    Metric("model_size_mb", "size.model_size_mb", "MB", "lower", "parameters and buffers, tied ones once"),
    Metric("median_latency_ms", "latency.median_ms", "ms", "lower", "median time of a forward"),
    Metric("median_ci95_low_ms", "latency.ci95_low_ms", "ms", None, "lower end of the median's 95% interval"),
    Metric("median_ci95_high_ms", "latency.ci95_high_ms", "ms", None, "upper end of the median's 95% interval"),
    Metric("p95_latency_ms", "latency.p95_ms", "ms", "lower", "95th percentile of the rounds"),
    Metric("p99_latency_ms", "latency.p99_ms", "ms", "lower", "99th percentile of the rounds"),
    Metric("rounds", "latency.rounds", "", None, "timed rounds"),
    Metric("warmup_rounds", "latency.warmup_rounds", "", None, "untimed rounds before the first of them"),
    Metric(
        "converged", "latency.converged", "", None, "whether the median's interval is within 1% of it", is_number=False
    ),
    Metric("noise_rel", "latency.noise_rel", "", "lower", "standard deviation of block medians over their mean"),
    Metric("outlier_share", "latency.outlier_share", "", "lower", "rounds far outside the others (5 MAD)"),
    Metric("preparation_s", "seconds.preparation", "s", "lower", "capture or compilation, and the first forward"),
    Metric("kernel_time_ms", "latency.kernel_time_ms", "ms", "lower", "summed time of the kernels of one forward"),
    Metric("kernels", "latency.kernels", "", None, "kernels of one forward"),
    Metric("launch_bound_share", "latency.launch_bound_share", "", "lower", "1 - graph / eager"),
    Metric("roofline_fraction", "latency.roofline_fraction", "", "higher", "the device's own limit over the latency"),
    Metric("limit_ms", "latency.limit_ms", "ms", None, "shortest time in which the device could do the work"),
    Metric("casts", "numerics.casts", "", None, "conversions between floating-point dtypes in one forward"),
    Metric("validity", "validity.status", "", None, "valid, invalid or unknown", is_number=False),
    Metric("sm_clock_mhz", "validity.sm_clock_mhz", "MHz", None, "SM clock after the rounds"),
    Metric("temperature_c", "validity.temperature_c", "C", None, "GPU temperature after the rounds"),
    Metric(
        "strided_perplexity", "quality.strided.perplexity", "", "lower", "of the whole text, by the published protocol"
    ),
    Metric("strided_word_perplexity", "quality.strided.word_perplexity", "", "lower", "the same for each word"),
    Metric("delta_perplexity_vs_fp32", "quality.delta_perplexity_vs_fp32", "", "lower", "perplexity minus FP32's"),
    Metric("delta_perplexity_ci95_low", "quality.delta_perplexity_ci95_low", "", None, "lower end of its 95% interval"),
    Metric("delta_perplexity_ci95_high", "quality.delta_perplexity_ci95_high", "", None, "upper end of its interval"),
    Metric("delta_perplexity_rel", "quality.delta_perplexity_rel", "", "lower", "the same, as a share of FP32's"),
    Metric(
        "quality_verdict", "quality.verdict", "", None, "equal within 0.1%, worse, better or undecided", is_number=False
    ),
    Metric("kl_vs_fp32_nats", "quality.kl_vs_fp32_nats", "nats", "lower", "mean divergence from FP32 a token"),
    Metric("kl_vs_fp32_p99_nats", "quality.kl_vs_fp32_p99_nats", "nats", "lower", "its 99th percentile"),
    Metric("kl_vs_fp32_max_nats", "quality.kl_vs_fp32_max_nats", "nats", "lower", "the largest"),
    Metric("top1_agreement_vs_fp32", "quality.top1_agreement_vs_fp32", "", "higher", "same most likely token as FP32"),
    Metric("nonfinite_logits", "quality.nonfinite_logits", "", "lower", "logits that are NaN or infinite"),
    Metric("avg_loss_nats", "quality.avg_loss_nats", "nats", "lower", "mean loss over text targets"),
    Metric("targets", "quality.targets", "", None, "text targets scored"),
    Metric(
        "quality_meaningful",
        "quality.meaningful",
        "",
        None,
        "false with generated text or seeded weights",
        is_number=False,
    ),
    Metric("quality_reason", "quality.reason", "", None, "why there is no perplexity", is_number=False),
    Metric("energy_method", "energy.method", "", None, "what measured the energy", is_number=False),
    Metric("energy_rel_u95", "energy.rel_u95", "", None, "relative 95% uncertainty of the energy"),
    Metric("energy_status", "energy.status", "", None, "ok, disputed, unavailable or off", is_number=False),
    Metric("energy_net_mj", "energy.energy_per_sample_net_mj", "mJ", "lower", "energy of one sample above idle"),
    Metric("idle_power_w", "energy.idle_power_w", "W", None, "power with the model loaded and the loop stopped"),
    Metric("samples_per_joule", "energy.samples_per_joule", "samples/J", "higher", "samples for one joule"),
    Metric("tokens_per_joule", "energy.tokens_per_joule", "tokens/J", "higher", "text tokens for one joule"),
    Metric("energy_delay_product_mj_ms", "energy.energy_delay_product_mj_ms", "mJ ms", "lower", "energy times time"),
    Metric("cross_check_rel", "energy.cross_check_rel", "", None, "integrated power against the counter"),
    Metric("energy_reason", "energy.reason", "", None, "why there is no energy", is_number=False),
    Metric("checkpoint_size_mb", "size.checkpoint_size_mb", "MB", None, "weight files on disk"),
    Metric("peak_memory_mb", "size.peak_memory_mb", "MB", "lower", "most memory PyTorch held during the rounds"),
    Metric("batch_size", "batch_size", "", None, "sequences a forward"),
    Metric("device", "device", "", None, "where it ran", is_number=False),
    Metric("native", "validity.native", "", None, "false where the hardware emulates the precision", is_number=False),
    Metric("stand_in", "provenance.stand_in", "", None, "true with generated text or seeded weights", is_number=False),
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


#: Every metric and ratio by its column.
CATALOGUE: Mapping[str, Metric | Ratio] = {entry.column: entry for entry in (*METRICS, *RATIOS)}
#: Those that can get better and worse, in the order of the catalogue.
COMPARED: tuple[Metric | Ratio, ...] = tuple(entry for entry in CATALOGUE.values() if entry.better)
