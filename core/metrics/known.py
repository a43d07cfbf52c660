"""What is known of columns where a run does not describe them: which are read by name, and how repeats differ."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from core.metrics.columns import SAME
from core.metrics.ranges import (
    CHANGE_OF_SHARE,
    DIVERGENCE,
    FROM_ONE,
    NOT_NEGATIVE,
    POSITIVE,
    RELATIVE_CHANGE,
    SHARE,
    Range,
)

#: Columns that the analysis reads by name, those of `core.tasks.UNDESCRIBED_TASK` among them, and whether their values
#: are numbers; the others are text, true or false. A table has all of them, empty where a run does not describe them.
READ_BY_NAME: Mapping[str, bool] = {
    "median_latency_ms": True,
    "fast_latency_ms": True,
    "throughput": True,
    "energy_per_sample_mj": True,
    "tokens_per_joule": True,
    "energy_reason": False,
    "energy_marks": False,
    "model_size_mb": True,
    "peak_memory_mb": True,
    "kernel_time_ms": True,
    "temperature_c": True,
    "perplexity": True,
    "delta_perplexity_rel": True,
    "quality_verdict": False,
    "quality_meaningful": False,
    "quality_reason": False,
    "kl_vs_fp32_nats": True,
    "top1_agreement_vs_fp32": True,
    "top1_strict_vs_fp32": True,
    "timed_kl_vs_fp32_nats": True,
    "timed_top1_agreement_vs_fp32": True,
    "timed_top1_strict_vs_fp32": True,
    "native": False,
    "stand_in": False,
    "quick": False,
    "fallback_base": False,
    "fallback_checked": False,
    "longest_kernel": False,
    "longest_kernel_share": True,
    "slower_than_base": True,
}
#: Stands for the headlines of a table's tasks.
HEADLINE = "headline"
#: The order in which tables begin; every other column follows in the order of the catalogue.
LEADING_COLUMNS = (
    "name",
    "mean_latency_ms",
    "std_latency_ms",
    "speedup_vs_fp32",
    "throughput",
    "tokens_per_sec",
    HEADLINE,
    "mean_power_w",
    "energy_per_sample_mj",
    "energy_reduction_vs_fp32",
    "model_size_mb",
    "size_reduction_vs_fp32",
)
#: The 5% quantile of rounds, of which runs say nothing that were measured by the first estimator.
FAST_LATENCY: Mapping[str, Any] = MappingProxyType(
    {
        "unit": "ms",
        "better": "lower",
        "description": "time of a fast forward: the 5% quantiles of full and padded rounds, weighted like the median",
        "within": POSITIVE,
        "column": "fast_latency_ms",
        "repeat": "fast latency",
        "heading": "fast ms",
        "form": ".3f",
        "place": 105,
    }
)
#: How the figure of another session may differ (`Column.repeat`), for runs whose metrics do not say it.
REPEATS: Mapping[str, str] = {
    "median_latency_ms": "latency",
    "fast_latency_ms": "fast latency",
    "energy_per_sample_mj": "energy",
    "model_size_mb": SAME,
    "peak_memory_mb": SAME,
    "perplexity": SAME,
    "strided_perplexity": SAME,
    "strided_word_perplexity": SAME,
    "delta_perplexity_vs_fp32": SAME,
    "delta_perplexity_rel": SAME,
    "kl_vs_fp32_nats": SAME,
    "kl_vs_fp32_p99_nats": SAME,
    "kl_vs_fp32_max_nats": SAME,
    "top1_agreement_vs_fp32": SAME,
    "nonfinite_logits": SAME,
    "avg_loss_nats": SAME,
}
#: Where columns stand (`Metric.place`), for runs whose metrics do not say it: the order that tables have had since.
_COLUMNS_BY_PLACE: Mapping[float, str] = {
    100: "median_latency_ms",
    110: "mean_latency_ms std_latency_ms throughput tokens_per_sec",
    200: "perplexity accuracy",
    210: (
        "kl_vs_fp32_ci95_low_nats kl_vs_fp32_ci95_high_nats top1_agreement_ci95_low top1_agreement_ci95_high "
        "scored_vs_timed_kl_nats kl_vs_fp32_median_nats delta_probability_mean delta_probability_mean_ci95_low "
        "delta_probability_mean_ci95_high delta_probability_rms top1_tied_share accuracy_ci95_low "
        "accuracy_ci95_high error_rate correct delta_accuracy_points delta_accuracy_ci95_low_points "
        "delta_accuracy_ci95_high_points flips_to_wrong flips_to_right mcnemar_p"
    ),
    300: "mean_power_w energy_per_sample_mj",
    310: "model_size_mb",
    400: (
        "median_ci95_low_ms median_ci95_high_ms p95_latency_ms p99_latency_ms rounds warmup_rounds converged "
        "noise_rel outlier_share"
    ),
    410: "preparation_s",
    420: "kernel_time_ms kernels roofline_fraction limit_ms",
    430: "casts",
    440: "sm_clock_mhz temperature_c",
    500: "strided_perplexity strided_word_perplexity",
    510: "delta_perplexity_vs_fp32 delta_perplexity_ci95_low delta_perplexity_ci95_high delta_perplexity_rel",
    520: "quality_verdict kl_vs_fp32_nats",
    530: "kl_vs_fp32_p99_nats",
    540: "kl_vs_fp32_max_nats top1_agreement_vs_fp32",
    560: "nonfinite_logits",
    570: "avg_loss_nats",
    580: "targets",
    590: "quality_meaningful",
    600: "quality_reason",
    700: "energy_method energy_rel_u95 energy_status",
    710: "energy_net_mj",
    720: "idle_power_w",
    730: "samples_per_joule tokens_per_joule energy_delay_product_mj_ms cross_check_rel energy_reason",
    800: "checkpoint_size_mb peak_memory_mb",
    810: "device",
    820: "native",
    830: "stand_in",
    900: "full_median_ms padded_median_ms full_share",
    910: "energy_marks energy_per_token_mj energy_net_ci95_low_mj energy_net_ci95_high_mj loop_ms loop_gap_share",
    920: "cpu_steal_share",
    930: (
        "generated_same_as_eager same_text_as_fp32 same_text_ci95_low same_text_ci95_high first_difference "
        "decode_kl_vs_fp32_nats decode_top1_vs_fp32"
    ),
    940: "compilation_s",
}
PLACES: Mapping[str, float] = {column: place for place, names in _COLUMNS_BY_PLACE.items() for column in names.split()}
#: Which values columns can have (`Column.within`), for runs whose metrics do not say it: as declared since. No run says
#: anything else of those that are read by name.
_COLUMNS_BY_RANGE: Mapping[Range, str] = {
    POSITIVE: (
        "median_latency_ms fast_latency_ms mean_latency_ms p95_latency_ms p99_latency_ms full_median_ms "
        "padded_median_ms loop_ms model_size_mb slower_than_base"
    ),
    NOT_NEGATIVE: (
        "std_latency_ms throughput tokens_per_sec bits_per_byte mean_power_w energy_per_sample_mj rounds warmup_rounds "
        "noise_rel kernel_time_ms kernels roofline_fraction limit_ms casts sm_clock_mhz nonfinite_logits avg_loss_nats "
        "targets energy_rel_u95 energy_net_mj idle_power_w samples_per_joule tokens_per_joule "
        "energy_delay_product_mj_ms checkpoint_size_mb peak_memory_mb energy_per_token_mj first_difference correct "
        "flips_to_wrong flips_to_right preparation_s compilation_s"
    ),
    FROM_ONE: "perplexity strided_perplexity strided_word_perplexity",
    SHARE: (
        "top1_agreement_vs_fp32 top1_strict_vs_fp32 timed_top1_agreement_vs_fp32 timed_top1_strict_vs_fp32 "
        "top1_tied_share delta_probability_rms outlier_share quantized_share longest_kernel_share full_share "
        "cpu_steal_share generated_same_as_eager same_text_as_fp32 decode_top1_vs_fp32 accuracy error_rate mcnemar_p"
    ),
    DIVERGENCE: (
        "kl_vs_fp32_nats kl_vs_fp32_median_nats kl_vs_fp32_p99_nats kl_vs_fp32_max_nats scored_vs_timed_kl_nats "
        "timed_kl_vs_fp32_nats decode_kl_vs_fp32_nats"
    ),
    CHANGE_OF_SHARE: "delta_probability_mean loop_gap_share",
    RELATIVE_CHANGE: "delta_perplexity_rel cross_check_rel",
}
RANGES: Mapping[str, Range] = {
    column: within for within, names in _COLUMNS_BY_RANGE.items() for column in names.split()
}
