"""The tables of the page: results, how they were measured, their validity, every metric, and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.comparison.comparability import COMMAND_KEY
from analysis.report.detectable import with_smallest_change
from analysis.report.labels import label
from analysis.report.missing_cases import MISSING_KEY
from analysis.report.summary import RunSummary
from analysis.report.text_tables import number, terminal_table
from analysis.runs.saved import SECONDS_KEY
from analysis.runs.validity import judgements
from core.executions import EXECUTIONS_KEY
from core.guards import finite_number
from core.metrics import CATALOGUE_KEY, lookup
from core.paths import without_folders

#: What of a CPU's description a reader needs; its flags are hundreds.
CPU_KEYS = ("brand_raw", "arch", "count")
#: What of a machine's description the page leaves out.
OMITTED_KEYS = (
    *("node", "cpu", "python_build"),
    *(CATALOGUE_KEY, EXECUTIONS_KEY, SECONDS_KEY, MISSING_KEY, COMMAND_KEY),
)
#: How a benchmark was measured: column, and its path in `extra_info`.
PROCEDURE_PATHS = {
    "rounds": "latency.rounds",
    "full batches": "latency.full_share",
    "full rounds ms": "latency.full_median_ms",
    "padded rounds ms": "latency.padded_median_ms",
    "warm-up rounds": "latency.warmup_rounds",
    "median within 1%": "latency.converged",
    "energy meter": "energy.method",
    "energy of": "energy.scope",
    "windows": "energy.windows",
    "metered s": "energy.window_s",
    "energy ± (95%, of this session's centre)": "energy.rel_u95",
    "targets scored": "quality.targets",
    "parameters in": "numerics.parameter_dtypes",
    "logits in": "numerics.logits_dtype",
    "casts a forward": "numerics.casts",
    "difference from eager": "numerics.difference_from_eager",
    "KL scored vs timed": "quality.scored_vs_timed.kl_nats",
}
#: What the GPU's counters show of a benchmark.
ACTIVITY_PATHS = {
    "SMs busy": "activity.sm_share",
    "tensor pipes busy": "activity.tensor_share",
    "pipes": "activity.pipes",
    "pipe of the format": "activity.tensor_pipe",
    "of it in a large product": "activity.tensor_of_peak",
    "memory GB/s": "activity.memory_gb_per_s",
    "of reading alone": "activity.memory_of_read",
    "reading alone GB/s": "activity.read_gb_per_s",
    "memory W": "activity.memory_power_w",
    "GPU W": "activity.gpu_power_w",
    "why not": "activity.reason",
}
VALIDITY_PATHS = {
    "SM clock MHz": "validity.sm_clock_mhz",
    "temperature C": "validity.temperature_c",
    "other processes": "validity.other_processes",
}


def results_table(run: RunSummary) -> pd.DataFrame:
    """Return the short table, each verdict "equal" with what the run could have seen."""
    table = terminal_table(run.frame, run.catalogue, run.dominated)
    heading = run.catalogue["quality_verdict"].heading
    if heading in table:
        tasks = [run.tasks[name] for name in run.frame["task"]]
        table[heading] = with_smallest_change(table[heading].tolist(), run.benchmarks, run.catalogue, tasks)
    return table


def seconds_table(seconds: object, report_s: float | None) -> pd.DataFrame:
    """Return where the time of a session went, with its tables and pictures; empty where nobody knows."""
    known = {name: finite_number(value) for name, value in seconds.items()} if isinstance(seconds, Mapping) else {}
    rows = {name: value for name, value in known.items() if value is not None}
    if rows and report_s is not None:
        rows["report"] = report_s  # of what is written before this page
    total = rows.get("total", 0.0)
    cells = [(name, f"{value:.1f}", f"{value / total:.0%}" if total > 0 else "-") for name, value in rows.items()]
    table: pd.DataFrame = pd.DataFrame(cells, columns=["phase", "seconds", "of the session"])
    return table


def table_of_paths(run: RunSummary, paths: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each benchmark and a column for each path of its `extra_info`."""
    rows = []
    for name, benchmark in zip(run.frame["name"], run.benchmarks, strict=True):
        values = {column: value_text(lookup(benchmark["extra_info"], path)) for column, path in paths.items()}
        rows.append({"benchmark": name, **values})
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def activity_table(run: RunSummary) -> pd.DataFrame:
    """Return what the GPU's counters show of each benchmark; empty where they show nothing of any."""
    table = table_of_paths(run, ACTIVITY_PATHS)
    has_any = any(finite_number(lookup(item["extra_info"], "activity.sm_share")) is not None for item in run.benchmarks)
    return table if has_any else table.iloc[:0]


def validity_table(run: RunSummary) -> pd.DataFrame:
    """Return each benchmark's validity, the reasons, and what could not be read."""
    table = table_of_paths(run, VALIDITY_PATHS)
    judged = judgements(run.benchmarks)
    reasons, unreadable = [], []
    for benchmark, judgement in zip(run.benchmarks, judged, strict=True):
        unknown = distinct_texts(lookup(benchmark["extra_info"], "validity.unknown"))
        reasons.append("; ".join([*judgement.reasons, *unknown]) or "-")
        lacking = lookup(benchmark["extra_info"], "validity.unreadable")
        unreadable.append(", ".join(map(str, lacking)) if isinstance(lacking, dict) and lacking else "-")
    table.insert(1, "validity", [judgement.status for judgement in judged])
    table["drift"] = [number(judgement.drift and judgement.drift.change_rel, "{:+.1%}") for judgement in judged]
    table["why"] = reasons
    table["not readable here"] = unreadable
    return table


def distinct_texts(value: object) -> list[str]:
    """Return the entries of a list, or the values of a dict, as text and without repetition."""
    if isinstance(value, dict):
        return list(dict.fromkeys(map(str, value.values())))
    if isinstance(value, list):
        return list(dict.fromkeys(map(str, value)))
    return []


def metric_table(run: RunSummary) -> pd.DataFrame:
    """Return a row for each metric of the catalogue that any benchmark has, and a column for each benchmark."""
    rows = []
    for metric in run.catalogue:
        values = [value_text(value) for value in run.frame[metric.column]]
        if any(value != "-" for value in values):
            names = {"metric": label(metric), "description": metric.description, "unit": metric.unit}
            described = names | {"column of the CSV": metric.column}
            rows.append(described | dict(zip(run.frame["name"], values, strict=True)))
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def key_value_table(value: object, columns: tuple[str, str] = ("key", "value")) -> pd.DataFrame:
    """Return a dict as a table of two columns, empty where `value` is not a dict."""
    entries = value.items() if isinstance(value, Mapping) else ()
    table: pd.DataFrame = pd.DataFrame([(key, value_text(part)) for key, part in entries], columns=list(columns))
    return table


def flat_environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader needs of a machine's description, one level deep."""
    flat: dict[str, Any] = {}
    cpu = environment.get("cpu")
    if isinstance(cpu, Mapping):
        flat |= {f"cpu {key}": cpu.get(key) for key in CPU_KEYS}
    for name, value in environment.items():
        if name in OMITTED_KEYS:
            continue
        if isinstance(value, Mapping):
            flat |= {f"{name} {key}": part for key, part in value.items()}
        else:
            flat[name] = value
    return flat


def value_text(value: Any) -> str:  # noqa: ANN401
    """Return any value of a run as text; a missing one is a dash."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {value_text(part)}" for key, part in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(value_text, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value, "{:.7g}")
    return "-" if value is None or pd.isna(value) else without_folders(str(value))
