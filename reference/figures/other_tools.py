"""What results.md and variance.md say of other tools, measured beside this suite: a function a block."""

from __future__ import annotations

import re
import statistics
from functools import cache

from core.case import case_of
from reference.runs import command_seconds, details, grid, paragraph, saved, span, values
from reference.variance.coverage import REFERENCE

#: A figure of a tool's output with its unit; where a line gives several energies, the first is the GPU's.
FIGURE = re.compile(r"([\d.]+) (ms|mJ|s)\b")
DTYPES = {"fp32": "float32", "fp16": "float16"}


@cache
def printed(tool: str) -> dict[str, dict[str, list[float]]]:
    """Return what a tool printed: by the beginning of its lines, without the repeat's number, figures by their unit.

    A line is as `Zeus fp32 graph 1: 2.959 ms, 893.3 mJ, 2.0 s`.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for line in (REFERENCE / "other_tools" / f"{tool}.txt").read_text(encoding="utf-8").splitlines():
        beginning, _, rest = line.partition(": ")
        figures = found.setdefault(re.sub(r" \d+$", "", beginning), {})
        units = {unit: float(value) for value, unit in reversed(FIGURE.findall(rest))}
        perplexity = re.search(r"perplexity ([\d.]+)", rest)
        for unit, value in (units | ({"perplexity": float(perplexity[1])} if perplexity else {})).items():
            figures.setdefault(unit, []).append(value)
    return found


def row(words: str, of: list[dict[str, list[float]]], *last: str) -> list[str]:
    """Return a row with times and energies of both precisions."""
    both = [(one.get(unit, []), form) for unit, form in (("ms", "{:#.3g}"), ("mJ", "{:.0f}")) for one in of]
    return [words, *(span(found, form) for found, form in both), *last]


def of_tool(tool: str, name: str) -> list[dict[str, list[float]]]:
    """Return a tool's figures of both precisions; `name` is a line's beginning with a place for the precision."""
    return [printed(tool)[name.format(precision)] for precision in DTYPES]


def of_optimum(part: str) -> list[dict[str, list[float]]]:
    """Return optimum-benchmark's figures of both precisions."""
    return [printed("optimum")[f"optimum-benchmark {dtype} {part}"] for dtype in DTYPES.values()]


def of_suite(series: str, name: str, energy: str = "energy_per_sample_mj") -> list[dict[str, list[float]]]:
    """Return this suite's figures of both precisions."""
    return [
        {
            unit: values(f"other_tools/{series}", name.format(precision), column)
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


def forward() -> str:
    """A forward of batch 1 by every tool, lowest to highest of three repeats."""
    notebook, harness = of_tool("notebook", "notebook {}"), of_tool("harness", "lm-evaluation-harness {}")
    zeus_eager, zeus_graph = (of_tool("zeus", f"Zeus {{}} {execution}") for execution in ("eager", "graph"))
    optimum = of_optimum("forward")
    eager, graph = (of_suite("default", f"{{}}-{execution}") for execution in ("eager", "graph"))
    everything = span(command_seconds("other_tools/default"), "{:.0f}")
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
    return grid(head, rows)


def tokens() -> str:
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
    return grid(["", "FP32 ms", "FP16 ms", "FP32 mJ", "FP16 mJ"], rows)


def bare_loop() -> str:
    """The suite's round against one written by hand."""
    lines = (REFERENCE / "other_tools" / "bare_loop.txt").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    rows = [
        [name, *(found[f"{name}-{execution}"].partition(" over ")[0] for execution in ("eager", "graph"))]
        for name in ("fp32", "fp16", "mixed")
    ]
    return grid(["precision", "eager", "graph"], rows)


def differences() -> str:
    """What the tables show of the tools: how they repeat, and where they agree."""
    decode, notebook = of_optimum("decode"), of_tool("notebook", "notebook {}")
    repeat = [max(of["ms"]) / min(of["ms"]) - 1 for of in (decode[0], notebook[0])]
    zeus = of_tool("zeus", "Zeus {} graph")
    padded = [details("other_tools/default", f"{name}-graph", "latency.padded_median_ms") for name in DTYPES]
    beside = [max(of["ms"]) / min(ours) - 1 for of, ours in zip(zeus, padded, strict=True)]
    first = [1 - of["mJ"][0] / statistics.fmean(of["mJ"][1:]) for of in zeus]
    gain = values("other_tools/default", "fp16-graph", "speedup_vs_fp32")
    eager = [
        item["extra_info"]["energy"]["reason"]
        for series in ("default", "generation")
        for run in saved(f"other_tools/{series}")
        for item in run.benchmarks
        if case_of(item).execution == "eager"
    ]
    reasons = [reason.partition(". ")[0] for reason in eager if reason]
    items = (
        f"- **Eager figures do not repeat.** Those of one tool differ by up to {repeat[0]:.0%} (optimum-benchmark's "
        f"decode; {repeat[1]:.0%} the notebook's FP32, the first of which is not warmed up), and which precision is "
        f"faster changes with them. In this suite's graph a forward is {span(gain, '{:.2f}')} times as fast in FP16.",
        "- **Zeus's graph is of a row without padding, but still computes an attention mask**, because it is captured "
        f"by hand, as this suite's graph of padded rows does: {span(padded[0], '{:.2f}')} and "
        f"{span(padded[1], '{:.2f}')} ms, within {max(beside):.0%} of Zeus's. This suite's median is of both kinds of "
        f"rows. Zeus's first window of a graph took {span(first, '{:.0%}')} less energy than the mean of the next two.",
        "- **Perplexity is the harness's** in FP32, to seven digits. The notebook's procedure scores padding.",
        "- optimum-benchmark's forward has no output layer, which takes 31% of the multiplications. It, Zeus and the "
        f"notebook print no interval. This suite left out {len(reasons)} of {len(eager)} eager energies, each with its "
        f'reason, such as "{reasons[0]}".',
    )
    return "\n".join(paragraph(item, "  ") for item in items)


def without_meter() -> str:
    """What each tool says where there is no energy meter."""
    found = printed("without_meter")
    text = (REFERENCE / "other_tools" / "without_meter.txt").read_text(encoding="utf-8")
    assumed = [float(value) for value in re.findall(r"float32 forward .* CPU ([\d.]+) mJ", text)]
    of_gpu = span(found["optimum-benchmark float32 forward"]["mJ"], "{:.1f}")
    zeus, notebook = (span(found[name]["mJ"], "{:.1f}") for name in ("Zeus fp32 eager", "notebook fp32"))
    (reason,) = {item["extra_info"]["energy"]["reason"] for run in saved("cpu/default") for item in run.benchmarks}
    return paragraph(
        "**Without an energy meter**, on two CPU cores of a virtual machine, three repeats: optimum-benchmark 0.6.0 "
        f"reports {of_gpu} mJ of the GPU for a forward and {span(assumed, '{:.0f}')} mJ of the CPU, which CodeCarbon "
        f"3.3.2 assumes and nothing measured; Zeus 0.16 reports {zeus} mJ, the notebook's procedure {notebook} mJ. "
        f'This suite reports `null` and "{reason}".'
    )
