"""Saved runs: made-up benchmarks, runs of them, and what a run holds of one benchmark."""

from __future__ import annotations

import json
import math
from pathlib import Path

from analysis.report.summary import RunSummary
from analysis.uncertainty.chosen_floors import FLOORS_KEY, Floors
from analysis.uncertainty.figures import FIGURES
from analysis.uncertainty.noise_floor import Floor, Key
from core.case import Case
from tests.support.described import described


def benchmark(
    precision: str, median_ms: float | None, energy_mj: float | None = None, execution: str = "eager", **more: object
) -> dict:
    """A benchmark as a saved run holds it, measured in one piece; `more` replaces sections."""
    return {
        "name": f"{precision}-{execution}",
        "extra_info": {
            "case": Case(precision, execution).as_json(),
            "procedure": 1,
            "provenance": {
                "model": "m",
                "parameters": 1,
                "weights_sha256": "a" * 64,
                "dataset": "d",
                "dataset_sha256": "b" * 64,
                "num_samples": 3,
                "stand_in": False,
            },
            "latency": {"median_ms": median_ms, "mean_ms": median_ms, "rounds": 100, "warmup_rounds": 10},
            "energy": {"energy_per_sample_mj": energy_mj, "reason": None if energy_mj else "no meter"},
            "quality": {"perplexity": 30.0, "meaningful": True, "reason": None},
            "validity": {"native": True, "status": "valid"},
            **more,
        },
    }


def in_visits(item: dict, scatter: float = 0.0) -> dict:
    """A benchmark measured in five visits around its figures, in steps of `scatter` in logarithms."""
    latency, energy = item["extra_info"]["latency"], item["extra_info"]["energy"]
    item["extra_info"]["visits"] = [
        {
            "number": number,
            "started_s": float(number),
            "median_ms": latency["median_ms"] and latency["median_ms"] * math.exp(scatter * step),
            "energy_mj": energy["energy_per_sample_mj"] and energy["energy_per_sample_mj"] * math.exp(scatter * step),
            "error": None,
        }
        for number, step in enumerate((1, -1, 0, -1, 1), start=1)
    ]
    return item


def with_floor(half_width: float, execution: str = "eager") -> dict:
    """The environment of a run whose repeats differ by so much at most, in logarithms, 19 times in 20."""
    session = half_width / math.sqrt(2) / 1.959963984540054
    floor = Floor(session, None, 1e9, "a floor of the test")
    return {FLOORS_KEY: Floors({Key(execution, figure, ""): floor for figure in FIGURES}).as_json()}


def floors_of_both(eager: float, graph: float) -> dict:
    """The same with two executions."""
    of_eager, of_graph = with_floor(eager), with_floor(graph, "graph")
    return {FLOORS_KEY: {"spreads": of_eager[FLOORS_KEY]["spreads"] + of_graph[FLOORS_KEY]["spreads"]}}


#: Repeats differ by 5% at most.
FIVE_PERCENT = floors_of_both(math.log(1.05), math.log(1.05))


def measured(
    precision: str, execution: str, median_ms: float, energy_mj: float | None = None, **changes: object
) -> dict:
    """A benchmark whose quality is equal and whose measurement is valid, unless told otherwise."""
    made = in_visits(benchmark(precision, median_ms, energy_mj, execution))
    info = made["extra_info"]
    info["size"] = {"model_size_mb": changes.get("size", 500.0)}
    info["validity"] = {"native": True, "status": changes.get("status", "valid")}
    info["provenance"]["stand_in"] = changes.get("stand_in", False)
    info["quality"].update(verdict=changes.get("verdict", "equal"), delta_perplexity_rel=0.02)
    return made


def save(folder: Path, number: int, *benchmarks: dict, **machine: object) -> Path:
    """Save a run in a folder as pytest-benchmark does, under its number; `machine` is added to its `machine_info`."""
    path = folder / f"{number:04}_run.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine_info": described({"torch": "2"}) | machine, "benchmarks": benchmarks}))
    return path


def extra_info(saved: dict, name: str) -> dict:
    """What a saved run holds of the case of this name."""
    (found,) = [item["extra_info"] for item in saved["benchmarks"] if item["param"] == name]
    return found


def summary_of(*benchmarks: dict) -> RunSummary:
    """A run that measured these and left nothing out."""
    return RunSummary(benchmarks, described({"torch": "2", "torch_threads": 2}), {})


def whole_run(**more: object) -> RunSummary:
    """A run of FP32 and FP16 with everything that a picture shows."""
    figures = {"throughput_samples_per_s": 200.0, "ci95_low_ms": 2.0, "ci95_high_ms": 6.0, "series_ms": [5.0, 5.1, 5.0]}
    made = [in_visits(benchmark("fp32", 5.0, 400.0, **more)), in_visits(benchmark("fp16", 2.5, 100.0, **more))]
    for item in made:
        item["extra_info"]["latency"].update(figures)
        item["extra_info"]["energy"] |= {"rel_u95": 0.02, "power_series": [[0.2, 100.0], [1.0, 260.0]]}
        item["extra_info"]["size"] = {"model_size_mb": 497.76}
        item["extra_info"]["breakdown"] = {
            "groups": [
                {"name": "matrix products", "ms": 1.5, "share": 0.75, "count": 48.0},
                {"name": "gaps", "ms": 0.5, "share": 0.25, "count": 1.0},
            ]
        }
        item["extra_info"]["quality"]["kl_vs_fp32_nats"] = 1e-6
    return summary_of(*made)
