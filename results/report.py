"""The files that a run leaves behind for people: a CSV with everything, a Markdown summary of what matters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from results.diagnosis import explanations, warnings
from results.recommendation import dominated, recommendation
from results.table import table

CSV_NAME = "gpt2_quantization_benchmark_results.csv"
SUMMARY_NAME = "gpt2_benchmark_summary.md"
STAND_IN_NOTICE = (
    "STAND-IN: generated text or seeded weights. Latency, energy and size are real; perplexity means nothing."
)

HOW_TO_GET_THE_REAL_THING = (
    "For the real thing: on a machine that reaches the hub run `python -m data_prep --stand-in never`, or use "
    "`python -m data_prep --text-file wiki.test.raw --tokenizer FOLDER` and `pytest benchmarks --model FOLDER`."
)


def write_report(
    folder: Path, benchmarks: Sequence[dict[str, Any]], environment: Mapping[str, Any], missing: Mapping[str, str]
) -> list[Path]:
    """Write the CSV and the summary of one run and return their paths.

    `benchmarks` as in a pytest-benchmark file, `environment` as in its `machine_info`, `missing` maps a benchmark's
    name to what became of it instead of a measurement. Raises `OSError` where the folder cannot be written.
    """
    frame = table(benchmarks)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write(folder / CSV_NAME, frame.to_csv(index=False)),
        write(folder / SUMMARY_NAME, summary(frame, benchmarks, environment, missing)),
    ]


def write(path: Path, text: str) -> Path:
    """Write a file under another name and rename it, so that nobody ever reads half of it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def summary(
    frame: pd.DataFrame,
    benchmarks: Sequence[dict[str, Any]],
    environment: Mapping[str, Any],
    missing: Mapping[str, str],
) -> str:
    """Return the Markdown summary: conditions, one table, notes on every figure that is missing."""
    parts = ["# GPT-2 precision benchmark"]
    if frame["stand_in"].any():
        parts.append(f"> **{STAND_IN_NOTICE}**")
    parts.append("\n".join(f"- {line}" for line in conditions(benchmarks, environment)))
    parts.append(compact(frame).to_markdown(index=False, disable_numparse=True))
    parts.extend(advice(frame))
    notes = [
        *warnings(benchmarks),
        *missing_figures(frame),
        *(f"{name} {fate}{'' if fate.endswith('.') else '.'}" for name, fate in missing.items()),
    ]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def advice(frame: pd.DataFrame) -> list[str]:
    """Return the sentences that say what the table means."""
    recommended = recommendation(frame)
    return [*([recommended] if recommended else []), *explanations(frame)]


def conditions(benchmarks: Sequence[dict[str, Any]], environment: Mapping[str, Any]) -> list[str]:
    """Return what every figure of the run depends on, a line each."""
    extra_info = benchmarks[0]["extra_info"]
    workload, gpu = extra_info["workload"], environment.get("gpu")
    where = f"{gpu['name']}, driver {gpu['driver']}" if gpu else f"CPU, {environment.get('torch_threads')} threads"
    return [
        f"{where}; PyTorch {environment.get('torch')}, transformers {environment.get('transformers')}",
        f"model {workload['model']} ({workload['parameters']:,} parameters, "
        f"weights sha256 {workload['weights_sha256'][:12]}…)",
        f"text {workload['dataset']} ({workload['num_samples']:,} x {extra_info['sequence_length']} tokens, "
        f"sha256 {workload['dataset_sha256'][:12]}…), batch {extra_info['batch_size']}",
        "median of the timed rounds with its 95% interval; speedup is the ratio of medians in the same execution",
    ]


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table that people read: formatted, with intervals, and with marks on rows that need one."""
    beaten = dominated(frame)
    shown: pd.DataFrame = pd.DataFrame([compact_row(item, beaten.get(item["name"])) for _, item in frame.iterrows()])
    return shown


def compact_row(item: pd.Series[Any], beaten_by: str | None) -> dict[str, str]:
    """Return one benchmark as text."""
    marks = [
        *(["stand-in"] if item["stand_in"] else []),
        *(["emulated"] if item["native"] in (False, 0) else []),
        *([item["validity"]] if item["validity"] in ("invalid", "unknown") else []),
        *([f"dominated by {beaten_by}"] if beaten_by else []),
    ]
    low, high = (number(item[f"median_ci95_{end}_ms"], "{:.3f}") for end in ("low", "high"))
    interval = "no interval" if low == "-" else f"{low} to {high}"
    uncertainty = "" if pd.isna(item["energy_rel_u95"]) else f" ± {item['energy_rel_u95']:.1%}"
    meaning = "" if item["quality_meaningful"] else " (means nothing)"
    return {
        "benchmark": item["name"] + (f" ({', '.join(marks)})" if marks else ""),
        "median ms (95% interval)": f"{number(item['median_latency_ms'], '{:.3f}')} ({interval})",
        "mean ± std ms": f"{number(item['mean_latency_ms'], '{:.3f}')} ± {number(item['std_latency_ms'], '{:.3f}')}",
        "speedup vs FP32": number(item["speedup_vs_fp32"], "{:.2f}x"),
        "samples/s": number(item["throughput"], "{:.1f}"),
        "tokens/s": number(item["tokens_per_sec"], "{:,.0f}"),
        "perplexity": number(item["perplexity"], "{:.3f}") + meaning,
        "perplexity vs FP32 (95%)": quality_change(item),
        "energy mJ": number(item["energy_per_sample_mj"], "{:.1f}") + uncertainty,
        "power W": number(item["mean_power_w"], "{:.0f}"),
        "size MB": number(item["model_size_mb"], "{:.2f}"),
    }


def quality_change(item: pd.Series[Any]) -> str:
    """Return by how much perplexity differs from FP32's, with its interval and verdict."""
    if pd.isna(item["delta_perplexity_vs_fp32"]):
        return "-"
    low, high = item["delta_perplexity_ci95_low"], item["delta_perplexity_ci95_high"]
    return f"{item['delta_perplexity_vs_fp32']:+.4f} ({low:+.4f} to {high:+.4f}), {item['quality_verdict']}"


def number(
    value: Any,  # noqa: ANN401
    form: str,
) -> str:
    """Return a figure as text; a missing one is a dash, never 0."""
    return "-" if value is None or pd.isna(value) else form.format(value)


def missing_figures(frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each figure that could not be had."""
    notes = []
    for figure in ("energy", "quality"):
        for reason, group in frame.groupby(f"{figure}_reason"):
            notes.append(f"no {figure} for {', '.join(group['name'])}: {reason}.")
    return notes
