"""Command-line options, the list of plugins, and what `pytest-benchmark compare` asks for; nothing else.

`pytest-benchmark compare` imports this file outside pytest: nothing heavy is imported here.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from core import options
from core.errors import DeclarationError, InputError
from core.tasks import DEFAULT_TASK
from data_prep.endpoint import require_endpoint
from data_prep.protocol import LONGEST_SEQUENCE

#: What they measure is ordered by ORDER (benchmarks/instruments), not here. Later ones stand around earlier ones
#: at the end of the session: the report is written when the run has been saved.
PLUGINS = (
    "benchmarks.plugins.options",  # before those that import PyTorch
    "fixtures.plugin",
    "benchmarks.plugins.session",
    "benchmarks.plugins.other_plugins",
    "benchmarks.plugins.ordering",
    "benchmarks.plugins.failures",
    "benchmarks.plugins.comparison",
    "benchmarks.plugins.journal",
    "benchmarks.plugins.header",
    "benchmarks.plugins.progress",
    "benchmarks.plugins.saving",
    "benchmarks.plugins.reports",
    "benchmarks.plugins.termination",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options. Those that only PyTorch can judge are judged in fixtures/options.py."""
    group = parser.getgroup("gpt2-precision", "precision benchmark")
    add = group.addoption
    add(
        "--list",
        dest="list_kinds",
        action="store_true",
        help="print every precision, workload, execution, task, dataset, model family, instrument, meter, picture and "
        "metric, and whether this machine can run it, and stop",
    )
    add(
        "--task",
        dest="tasks",
        type=options.names,
        default=(DEFAULT_TASK,),
        metavar="NAMES",
        choices=options.NAMES["--task"],
        help=f"comma-separated: %(choices)s (default: {DEFAULT_TASK})",
    )
    add(
        "--dataset-dir",
        dest="dataset_dirs",
        type=options.of_tasks("the path of a folder"),
        default=(),
        metavar="DIR",
        help="tokenized dataset, of several tasks TASK=DIR,… (default: prepared on first use, in the model's own "
        "tokens)",
    )
    add(
        "--model",
        dest="models",
        type=options.of_tasks("a name or a folder"),
        default=(),
        metavar="ID_OR_DIR",
        help="name on the hub, folder or GGUF file; of several tasks TASK=…,TASK=… (default: GPT-2 small, DistilBERT)",
    )
    add(
        "--tokenizer",
        dest="tokenizers",
        type=options.of_tasks("a name or a folder"),
        default=(),
        metavar="ID_OR_DIR",
        help="the model's tokenizer, of several tasks TASK=ID_OR_DIR,… (default: the one beside the model)",
    )
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    add(
        "--precisions",
        type=options.names,
        default=(options.AUTO,),
        metavar="NAMES",
        choices=options.NAMES["--precisions"],
        help="comma-separated: %(choices)s, or all that are native (default: auto; on CUDA fp32,fp16,mixed, on a CPU "
        "fp32 and those of fp16,mixed,bf16,int8 that are native)",
    )
    add(
        "--executions",
        type=options.names,
        metavar="NAMES",
        choices=options.NAMES["--executions"],
        help="comma-separated: %(choices)s (default: on CUDA eager,graph, and graph,compiled where a precision is "
        "quantized; on a CPU eager)",
    )
    add(
        "--workloads",
        type=options.names,
        default=(options.DEFAULT_WORKLOAD,),
        metavar="NAMES",
        choices=options.NAMES["--workloads"],
        help="comma-separated: %(choices)s (default: forward)",
    )
    # Sequences of one batch: the logits of more fit no device.
    add(
        "--batch-size",
        dest="batch_sizes",
        type=options.whole_numbers(1, 65_536),
        default=(1,),
        metavar="N,…",
        help="sequences in a forward; each with each sequence length (default: 1)",
    )
    add(
        "--sequence-length",
        dest="sequence_lengths",
        type=options.whole_numbers(2, LONGEST_SEQUENCE),
        metavar="N,…",
        help="tokens of a sequence, the first of the dataset's (default: all of them, 128 as published)",
    )
    add(
        "--quick",
        action="store_true",
        help="a first look in half a minute: two precisions, two visits, few rounds and rows; marked in every output, "
        "and part of no noise floor and no history",
    )
    add(
        "--visits",
        type=options.whole_number(1),
        metavar="N",
        help="times that each case is measured, in changing order (default: 5, with --quick 2)",
    )
    add(
        "--rounds",
        type=options.whole_number(1),
        metavar="N",
        help="timed rounds of a case, at least, all visits together (default: 100, with --quick 6)",
    )
    add(
        "--warmup-rounds",
        type=options.whole_number(0),
        metavar="N",
        help="rounds before those of a visit, at least (default: 10 on CUDA, 2 on a CPU)",
    )
    add("--allow-emulated", action="store_true", help="run precisions that the hardware lacks, marked")
    add(
        "--stand-in",
        choices=get_args(options.StandInMode),
        default="auto",
        help="generated text and seeded weights (default: %(default)s: where the hub cannot be reached)",
    )
    add(
        "--quality-samples",
        type=options.whole_number_or_all(1),
        metavar="all|N",
        help="rows scored (default: all on CUDA, 64 on a CPU, with --quick 4)",
    )
    add(
        "--quality-protocol",
        choices=get_args(options.QualityProtocol),
        default="padded",
        help="strided: score the whole text as well, as published figures do (default: %(default)s)",
    )
    add("--quality-context", type=options.whole_number(2), default=1024, metavar="N", help="its window, in tokens")
    add("--quality-stride", type=options.whole_number(1), default=512, metavar="N", help="its step, in tokens")
    add("--quality-text", type=Path, metavar="FILE", help="its wiki.test.raw (default: from the hub or its cache)")
    add(
        "--metric-fail",
        action="append",
        default=[],
        metavar="METRIC:PERCENT%",
        help="with --benchmark-compare: fail where the interval of a metric's worsening lies beyond, such as "
        "perplexity:0.5%% (repeatable)",
    )
    add("--energy", choices=get_args(options.EnergyMode), default="auto", help="default: %(default)s")
    add("--order-seed", type=options.whole_number(0), metavar="N", help="of the order of visits (default: drawn)")
    add("--results-dir", type=options.folder, default=Path("results"), metavar="DIR", help="default: %(default)s")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print what there is where that is asked for; measure nothing then."""
    if not config.option.list_kinds:
        return None
    with as_usage_errors():
        print(importlib.import_module("benchmarks.listing").listing(config.option.device))
    return 0


@contextmanager
def as_usage_errors() -> Iterator[None]:
    """Turn what is wrong with options, with the installation or with something that was added into one sentence."""
    try:
        yield
    except (InputError, DeclarationError) as error:
        raise pytest.UsageError(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name is None or Path(__file__).with_name(error.name.partition(".")[0]).exists():
            raise
        raise pytest.UsageError(
            f"The package {error.name} is not installed for {sys.executable}; install all that the suite needs with "
            "`python -m pip install -c constraints.txt -e '.[dev,quantization]'`."
        ) from error


def pytest_configure(config: pytest.Config) -> None:
    """Load the plugins: not by `pytest_plugins`, which `pytest-benchmark compare` would load too, and torch with it."""
    collecting = gc.isenabled()
    gc.disable()  # imports leave hardly any garbage, and looking for it takes a fifth of their time
    try:
        with as_usage_errors():
            require_endpoint()
            for name in PLUGINS:
                config.pluginmanager.register(importlib.import_module(name), name)
        if not gc.get_freeze_count():  # of one session in a process: what an earlier one has left must be collected
            gc.freeze()  # a million objects of libraries, which every later collection would go through
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
        from analysis.runs.saved import from_pytest_benchmark

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
