"""The benchmark: one forward of a whole sequence, in each precision and execution."""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.forward_run import ForwardRun
from benchmarks.measure.timing import ForwardLoop
from fixtures.checkpoint import Checkpoint
from fixtures.dataset import TokenizedDataset
from fixtures.executions import EXECUTIONS
from fixtures.precisions import Precision
from fixtures.settings import SETTINGS, Settings

# A library's deprecation must not cost a user the measurement; the project's own tests do turn warnings into errors.
pytestmark = pytest.mark.filterwarnings("default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one benchmark for each chosen precision and execution."""
    settings = metafunc.config.stash[SETTINGS]
    metafunc.parametrize("precision", settings.precisions, indirect=True, scope="session")
    metafunc.parametrize("execution", settings.executions)


@pytest.fixture
def run(
    benchmark: BenchmarkFixture,
    settings: Settings,
    precision: Precision,
    execution: str,
    dataset: TokenizedDataset,
    checkpoint: Checkpoint,
    model: torch.nn.Module,
) -> ForwardRun:
    """Everything one benchmark consists of, ready to run."""
    forward = EXECUTIONS[execution].prepare(model)
    loop = ForwardLoop(forward, dataset.batches, settings.device)
    benchmark.group = execution
    return ForwardRun(settings, precision, execution, model, checkpoint, dataset, loop, benchmark.extra_info)


@pytest.mark.benchmark(disable_gc=True)
def test_forward(benchmark: BenchmarkFixture, run: ForwardRun, pytestconfig: pytest.Config) -> None:
    """Time the forward, then let each plugin measure what it is for."""
    settings = run.settings
    with run.precision.running(settings.device):
        try:
            run.precision.verify(run.model, run.loop.run_one())
            pytestconfig.hook.pytest_forward_prepared(run=run)
            # Round 0 reads batch 0; Python's modulo lets the warm-up rounds count up to it from below.
            run.loop.next_index = -settings.warmup_rounds
            benchmark.pedantic(
                run.loop.forward_and_wait,
                setup=run.loop.next_arguments,
                rounds=settings.rounds,
                warmup_rounds=settings.warmup_rounds,
            )
            if benchmark.stats is None:  # --benchmark-disable: ran once, nothing to report
                return
            run.durations_s = list(benchmark.stats.stats.data)
            pytestconfig.hook.pytest_forward_timed(run=run)
        except BaseException:
            # pytest-benchmark would save a benchmark that failed after its timing as if it were whole.
            benchmark.has_error = True
            raise
