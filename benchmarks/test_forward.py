"""The benchmark: one forward of a whole sequence, in each precision and execution."""

from __future__ import annotations

import pytest
import transformers
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.loop import require_positive
from benchmarks.run import ForwardRun
from benchmarks.steady_state import enough_rounds, next_look
from fixtures.dataset.batches import TokenizedDataset
from fixtures.dataset.whole_text import WholeText
from fixtures.executions import EXECUTIONS
from fixtures.model.checkpoint import Checkpoint
from fixtures.precisions import Precision
from fixtures.settings import SETTINGS, Settings

# A library's deprecation must not cost a user the measurement; the project's own tests do turn warnings into errors.
pytestmark = pytest.mark.filterwarnings("default")

#: Rounds and seconds, at least, of the sentinel that tells whether the machine has drifted since the beginning.
SENTINEL_ROUNDS, SENTINEL_S = 40, 0.5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one benchmark for each chosen precision and execution; benchmarks/plugins/ordering.py orders them."""
    settings = metafunc.config.stash[SETTINGS]
    metafunc.parametrize("precision", settings.precisions, indirect=True, scope="session")
    metafunc.parametrize("execution", settings.executions)


@pytest.fixture
def run(
    settings: Settings,
    precision: Precision,
    execution: str,
    dataset: TokenizedDataset,
    checkpoint: Checkpoint,
    model: transformers.PreTrainedModel,
    whole_text: WholeText | None,
) -> ForwardRun:
    """Everything one benchmark consists of, ready to run."""
    reason = EXECUTIONS[execution].unavailable_reason(settings.device)
    if reason is not None:
        pytest.skip(reason)
    if whole_text is not None:
        shorter = "have a shorter window with --quality-context {positions}."
        checkpoint.require_room_for(int(whole_text.ids.max()), settings.quality_context, shorter)
    return ForwardRun(settings, precision, execution, model, checkpoint, dataset, whole_text, extra_info={})


@pytest.mark.benchmark(disable_gc=True)
def test_forward(run: ForwardRun, benchmark: BenchmarkFixture, pytestconfig: pytest.Config) -> None:
    """Time the forward, then let each plugin measure what it is for."""
    settings = run.settings
    benchmark.group, run.extra_info = run.execution, benchmark.extra_info
    with run.precision.running(settings.device):
        try:
            pytestconfig.hook.pytest_forward_starting(run=run)
            with run.phase("preparation"):
                run.prepare()
            pytestconfig.hook.pytest_forward_prepared(run=run)
            with run.phase("warm_up"):
                run.settle()
            with run.phase("rounds"):
                time_rounds(run, benchmark)
            if benchmark.stats is None:  # --benchmark-disable: ran once, nothing to report
                return
            pytestconfig.hook.pytest_forward_timed(run=run)
        except BaseException:
            # pytest-benchmark would save a benchmark that failed after its timing as if it were whole.
            benchmark.has_error = True
            raise


def time_rounds(run: ForwardRun, benchmark: BenchmarkFixture) -> None:
    """Have pytest-benchmark time its rounds, and add more, timed as it times its own, until there are enough."""
    run.loop.next_index = 0
    benchmark.pedantic(run.loop.forward_and_wait, setup=run.loop.place_next, rounds=run.settings.rounds)
    if benchmark.stats is None:
        return
    run.durations_s = benchmark.stats.stats.data
    while not enough_rounds(run.durations_s):
        for _ in range(next_look(len(run.durations_s))):
            benchmark.stats.update(run.loop.timed_round())
    for duration_s in run.durations_s:
        require_positive(duration_s)


def test_drift(run: ForwardRun, pytestconfig: pytest.Config) -> None:
    """At the end, time the first benchmark of each execution once more, to see whether the machine has changed."""
    with run.precision.running(run.settings.device):
        run.prepare()
        run.settle()
        run.loop.next_index = 0
        while len(run.durations_s) < SENTINEL_ROUNDS or sum(run.durations_s) < SENTINEL_S:
            run.durations_s.append(run.loop.timed_round())
    pytestconfig.hook.pytest_forward_timed_again(run=run)
