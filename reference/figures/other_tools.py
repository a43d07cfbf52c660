"""What results.md and variance.md take of other tools, measured beside this suite: a function a part."""

from __future__ import annotations

import re
import statistics
from functools import cache

from core.case import case_of
from reference import series
from reference.figures.pages import Figures
from reference.runs import command_seconds, details, saved, text, values
from reference.series import SIDE_BY_SIDE
from reference.texts import Count, grid, span

#: A figure of a tool's output with its unit; where a line gives several energies, the first is the GPU's.
FIGURE = re.compile(r"([\d.]+) (ms|mJ|s)\b")
DTYPES = {"fp32": "float32", "fp16": "float16"}
#: By the beginning of its lines, what a tool printed: figures by their unit.
Printed = dict[str, dict[str, list[float]]]


def printed(lines: str) -> Printed:
    """Return what a tool printed: by the beginning of its lines, without the repeat's number, figures by their unit.

    A line is as `Zeus fp32 graph 1: 2.959 ms, 893.3 mJ, 2.0 s`.
    """
    found: Printed = {}
    for line in lines.splitlines():
        beginning, _, rest = line.partition(": ")
        figures = found.setdefault(re.sub(r" \d+$", "", beginning), {})
        units = {unit: float(value) for value, unit in reversed(FIGURE.findall(rest))}
        perplexity = re.search(r"perplexity ([\d.]+)", rest)
        for unit, value in (units | ({"perplexity": float(perplexity[1])} if perplexity else {})).items():
            figures.setdefault(unit, []).append(value)
    return found


@cache
def beside(tool: str) -> Printed:
    """Return what a tool printed beside this suite's sessions."""
    return printed(text(f"{SIDE_BY_SIDE}/other_tools/{tool}.txt"))


def row(words: str, of: list[dict[str, list[float]]], *last: str) -> list[str]:
    """Return a row with times and energies of both precisions."""
    both = [(one.get(unit, []), form) for unit, form in (("ms", "{:#.3g}"), ("mJ", "{:.0f}")) for one in of]
    return [words, *(span(found, form) for found, form in both), *last]


def of_tool(tool: str, name: str) -> list[dict[str, list[float]]]:
    """Return a tool's figures of both precisions; `name` is a line's beginning with a place for the precision."""
    return [beside(tool)[name.format(precision)] for precision in DTYPES]


def of_optimum(part: str) -> list[dict[str, list[float]]]:
    """Return optimum-benchmark's figures of both precisions."""
    return [beside("optimum")[f"optimum-benchmark {dtype} {part}"] for dtype in DTYPES.values()]


def of_suite(sessions: str, name: str, energy: str = "energy_per_sample_mj") -> list[dict[str, list[float]]]:
    """Return this suite's figures of both precisions."""
    return [
        {
            unit: values(f"{SIDE_BY_SIDE}/{sessions}", name.format(precision), column)
            for unit, column in (("ms", "median_latency_ms"), ("mJ", energy), ("perplexity", "perplexity"))
        }
        for precision in DTYPES
    ]


def perplexity(of: list[dict[str, list[float]]]) -> str:
    """Return FP32's perplexity of all repeats."""
    return span(of[0]["perplexity"], "{:,.2f}")


def seconds(of: list[dict[str, list[float]]], words: str) -> str:
    """Return what a repeat of one precision took."""
    return f"{span([one for precision in of for one in precision['s']], '{:.1f}')} {words}"


def forward() -> Figures:
    """A forward of batch 1 by every tool, lowest to highest of three repeats."""
    notebook, harness = of_tool("notebook", "notebook {}"), of_tool("harness", "lm-evaluation-harness {}")
    zeus_eager, zeus_graph = (of_tool("zeus", f"Zeus {{}} {execution}") for execution in ("eager", "graph"))
    optimum = of_optimum("forward")
    eager, graph = (of_suite("default", f"{{}}-{execution}") for execution in ("eager", "graph"))
    everything = span(command_seconds(f"{SIDE_BY_SIDE}/default"), "{:.0f}")
    rows = [
        row("the notebook's procedure, imitated", notebook, perplexity(notebook), seconds(notebook, "a precision")),
        row("optimum-benchmark 0.6.0, no output layer", optimum, "-", seconds(optimum, "a precision")),
        row("Zeus 0.16 around a bare loop, eager", zeus_eager, "-", seconds(zeus_eager, "a window")),
        row("this suite, eager", eager, perplexity(eager), f"{everything}, everything"),
        row("Zeus 0.16 around a bare loop, graph", zeus_graph, "-", seconds(zeus_graph, "a window")),
        row("this suite, graph", graph, perplexity(graph), "the same run"),
        row("lm-evaluation-harness 0.4.13", harness, perplexity(harness), seconds(harness, "a precision")),
    ]
    head = ["", "FP32 ms", "FP16 ms", "FP32 mJ", "FP16 mJ", "FP32 perplexity", "seconds"]
    return {"table": grid(head, rows)}


def tokens() -> Figures:
    """Prefill and decode by optimum-benchmark and by this suite, lowest to highest of three repeats."""
    rows = []
    for words, part, energy in (
        ("prefill of 128 tokens", "prefill", "energy_per_sample_mj"),
        ("decode, a token", "decode", "energy_per_token_mj"),
    ):
        rows.append(row(f"{words}: optimum-benchmark", of_optimum(part)))
        for execution in ("eager", "graph"):
            of = of_suite("generation", f"{{}}-{part}-{execution}", energy)
            rows.append(row(f"{words}: this suite, {execution}", of))
    return {"table": grid(["", "FP32 ms", "FP16 ms", "FP32 mJ", "FP16 mJ"], rows)}


def bare_loop() -> Figures:
    """The suite's round against one written by hand."""
    found = dict(line.split(": ", 1) for line in text(f"{SIDE_BY_SIDE}/other_tools/bare_loop.txt").splitlines())
    rows = [
        [name, *(found[f"{name}-{execution}"].partition(" over ")[0] for execution in ("eager", "graph"))]
        for name in ("fp32", "fp16", "mixed")
    ]
    return {"table": grid(["precision", "eager", "graph"], rows)}


def differences() -> Figures:
    """How tools repeat, how far Zeus's graph is from this suite's of padded rows, and which energies are left out."""
    repeats = {
        tool: f"{max(of['ms']) / min(of['ms']) - 1:.0%}"
        for tool, of in (("optimum", of_optimum("decode")[0]), ("notebook", of_tool("notebook", "notebook {}")[0]))
    }
    zeus = of_tool("zeus", "Zeus {} graph")
    padded = {name: details(f"{SIDE_BY_SIDE}/default", f"{name}-graph", "latency.padded_median_ms") for name in DTYPES}
    apart = max(max(of["ms"]) / min(ours) - 1 for of, ours in zip(zeus, padded.values(), strict=True))
    reasons = energy_reasons()
    given = [reason.partition(". ")[0] for reason in reasons if reason]
    return {
        "repeats": repeats,
        "speedup": span(values(f"{SIDE_BY_SIDE}/default", "fp16-graph", "speedup_vs_fp32"), "{:.2f}"),
        "padded": {name: span(of, "{:.2f}") for name, of in padded.items()},
        "zeus_apart": f"{apart:.0%}",
        "zeus_first": span([1 - of["mJ"][0] / statistics.fmean(of["mJ"][1:]) for of in zeus], "{:.0%}"),
        "left_out": Count(len(given), len(reasons)),
        "reason": given[0],
    }


def energy_reasons() -> list[str | None]:
    """Return why each eager energy was left out in this suite's sessions beside other tools; None where it was not."""
    return [
        item["extra_info"]["energy"]["reason"]
        for sessions in ("default", "generation")
        for run in saved(f"{SIDE_BY_SIDE}/{sessions}")
        for item in run.benchmarks
        if case_of(item).execution == "eager"
    ]


def without_meter() -> Figures:
    """What each tool says where there is no energy meter."""
    lines = text(series.WITHOUT_METER)
    found = printed(lines)
    assumed = [float(value) for value in re.findall(r"float32 forward .* CPU ([\d.]+) mJ", lines)]
    names = {"optimum": "optimum-benchmark float32 forward", "zeus": "Zeus fp32 eager", "notebook": "notebook fp32"}
    (reason,) = {item["extra_info"]["energy"]["reason"] for run in saved(series.CPU_DEFAULT) for item in run.benchmarks}
    return {
        **{tool: span(found[name]["mJ"], "{:.1f}") for tool, name in names.items()},
        "assumed": span(assumed, "{:.0f}"),
        "reason": reason,
    }
