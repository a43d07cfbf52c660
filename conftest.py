"""Command-line options, the list of plugins, and what `pytest-benchmark compare` asks for; nothing else.

`pytest-benchmark compare` imports this file outside pytest: nothing heavy is imported here.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from analysis.report.notices import TITLE
from data_prep.endpoint import require_endpoint
from data_prep.errors import InputError

PLUGINS = (
    "fixtures.settings",
    "fixtures.dataset.batches",
    "fixtures.dataset.whole_text",
    "fixtures.model.loading",
    "benchmarks.plugins.hooks",
    "benchmarks.plugins.ordering",
    "benchmarks.plugins.failures",
    "benchmarks.plugins.workload",
    "benchmarks.plugins.energy",
    "benchmarks.plugins.size",
    "benchmarks.plugins.latency",
    "benchmarks.plugins.limits",
    "benchmarks.plugins.quality",
    "benchmarks.plugins.environment",
    "benchmarks.plugins.validity",
    "benchmarks.plugins.comparison",
    "benchmarks.plugins.journal",
    "benchmarks.plugins.header",
    "benchmarks.plugins.reports",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options; fixtures/settings.py checks their values."""
    group = parser.getgroup("gpt2-precision", TITLE)
    group.addoption("--dataset-dir", metavar="DIR", help="tokenized dataset (default: prepared on first use)")
    group.addoption("--model", metavar="ID_OR_DIR", default="openai-community/gpt2", help="default: %(default)s")
    group.addoption("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    group.addoption("--precisions", default="fp32,fp16,mixed", help="comma-separated (default: %(default)s)")
    group.addoption(
        "--executions", help="comma-separated: eager, graph, compiled (default: eager,graph on CUDA, eager on a CPU)"
    )
    group.addoption("--batch-size", default="1", metavar="N", help="sequences a forward (default: %(default)s)")
    group.addoption("--rounds", default="100", metavar="N", help="timed rounds (default: %(default)s)")
    group.addoption("--warmup-rounds", default="10", metavar="N", help="at least so many (default: %(default)s)")
    group.addoption("--allow-emulated", action="store_true", help="run precisions that the hardware lacks, marked")
    group.addoption("--stand-in", default="auto", metavar="auto|always|never", help="generated text and seeded weights")
    group.addoption("--quality-samples", metavar="all|N", help="rows scored (default: all on CUDA, 64 on a CPU)")
    group.addoption(
        "--quality-protocol", default="padded", metavar="padded|strided", help="strided: the whole text too"
    )
    group.addoption("--quality-context", default="1024", metavar="N", help="its window (default: %(default)s tokens)")
    group.addoption("--quality-stride", default="512", metavar="N", help="its step (default: %(default)s tokens)")
    group.addoption("--quality-text", metavar="FILE", help="its wiki.test.raw (default: from the hub or its cache)")
    group.addoption(
        "--metric-fail",
        action="append",
        default=[],
        metavar="METRIC:PERCENT%",
        help="with --benchmark-compare: fail where a metric got worse by more, such as perplexity:0.5%% (repeatable)",
    )
    group.addoption("--energy", default="auto", metavar="auto|require|off", help="default: %(default)s")
    group.addoption("--order-seed", metavar="N", help="shuffle the order of the benchmarks by this seed")
    group.addoption("--results-dir", default="results", metavar="DIR", help="where tables go (default: %(default)s)")


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugins: not by `pytest_plugins`, which `pytest-benchmark compare` would load too, and torch with it."""
    try:
        require_endpoint()
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    collecting = gc.isenabled()
    gc.disable()  # imports leave hardly any garbage, and looking for it takes a fifth of their time
    try:
        for name in PLUGINS:
            config.pluginmanager.register(importlib.import_module(name), name)
    except ModuleNotFoundError as error:
        if error.name is None or Path(__file__).with_name(error.name.partition(".")[0]).exists():
            raise
        raise pytest.UsageError(
            f"The package {error.name} is not installed for {sys.executable}; install all that the suite needs with "
            "`python -m pip install -c constraints.txt -e '.[dev]'`."
        ) from error
    finally:
        if collecting:
            gc.enable()


def pytest_benchmark_group_stats(
    config: pytest.Config | None, benchmarks: Iterable[dict[str, Any]], group_by: str
) -> list[tuple[str | None, list[dict[str, Any]]]]:
    """Group as pytest-benchmark does; on its command line, show first what is not time, and what makes runs differ."""
    from pytest_benchmark.plugin import pytest_benchmark_group_stats as group

    listed = list(benchmarks)
    if config is None:
        from analysis.comparison.comparability import differences
        from analysis.comparison.side_by_side import side_by_side
        from analysis.storage.runs import from_pytest_benchmark

        try:
            listed = from_pytest_benchmark(listed)
        except InputError as error:
            sys.exit(f"error: {error}")
        shown = side_by_side(listed)
        if shown is not None:
            print(f"{shown}\n")
        for line in differences((item["source"], item.get("extra_info", {})) for item in listed):
            print(f"warning: {line}")
    grouped: list[tuple[str | None, list[dict[str, Any]]]] = group(config, listed, group_by)
    return grouped
