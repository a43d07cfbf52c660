"""What is known of columns where a run does not describe them: which are read by name, and how repeats differ."""

from __future__ import annotations

from collections.abc import Mapping

from core.metrics.columns import SAME

#: Columns that the analysis reads by name, those of `core.tasks.UNDESCRIBED_TASK` among them, and whether their values
#: are numbers; the others are text, true or false. A table has all of them, empty where a run does not describe them.
READ_BY_NAME: Mapping[str, bool] = {
    "median_latency_ms": True,
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
    "native": False,
    "stand_in": False,
}
#: How the figure of another session may differ (`Column.repeat`), for runs whose metrics do not say it.
REPEATS: Mapping[str, str] = {
    "median_latency_ms": "latency",
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
