"""The benchmark: one forward of a whole sequence, in each precision and execution."""

from __future__ import annotations

import pytest
import transformers
from pytest_benchmark.fixture import BenchmarkFixture

from analysis.records import benchmark_name
from benchmarks.loop import require_positive
from benchmarks.plugins.session import SESSION
from benchmarks.run import BenchmarkRun
from benchmarks.session import Session
from benchmarks.steady_state import enough_rounds, rounds_before_next_check
from fixtures.dataset.batches import TokenizedDataset
from fixtures.dataset.whole_text import WholeText
from fixtures.executions import EXECUTIONS
from fixtures.model.checkpoint import Checkpoint
from fixtures.plugin import SETTINGS
from fixtures.precisions import Precision
from fixtures.settings import Settings

# A library's deprecation must not cost a user the measurement; the project's own tests do turn warnings into errors.
pytestmark = pytest.mark.filterwarnings("default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one benchmark for each chosen precision and execution; benchmarks/plugins/ordering.py orders them."""
    settings = metafunc.config.stash[SETTINGS]
    pairs = [(precision, execution) for precision in settings.precisions for execution in settings.executions]
    metafunc.parametrize(
        ("precision", "execution"),
        pairs,
        indirect=["precision"],
        scope="session",
        ids=[benchmark_name(*pair) for pair in pairs],
    )


@pytest.fixture
def run(
    settings: Settings,
    precision: Precision,
    execution: str,
    dataset: TokenizedDataset,
    checkpoint: Checkpoint,
    model: transformers.PreTrainedModel,
    whole_text: WholeText | None,
    pytestconfig: pytest.Config,
) -> BenchmarkRun:
    """Everything one benchmark consists of, ready to run."""
    reason = EXECUTIONS[execution].unavailable_reason(settings.device)
    if reason is not None:
        pytest.skip(reason)
    if whole_text is not None:
        shorter = "have a shorter window with --quality-context {positions}."
        checkpoint.require_room_for(int(whole_text.ids.max()), settings.quality_context, shorter)
    session = pytestconfig.stash[SESSION]
    return BenchmarkRun(
        settings,
        session.policies.timing,
        precision,
        execution,
        model,
        checkpoint,
        dataset,
        whole_text,
        session.finished,
        extra_info={},
    )


@pytest.mark.benchmark(disable_gc=True)
def test_forward(run: BenchmarkRun, benchmark: BenchmarkFixture, pytestconfig: pytest.Config) -> None:
    """Time the forward, then let each instrument measure, in the order of INSTRUMENTS."""
    session: Session = pytestconfig.stash[SESSION]
    benchmark.group, run.extra_info = run.execution, benchmark.extra_info
    with run.precision.running(run.settings.device):
        try:
            session.start(run)
            with run.phase("preparation"):
                run.prepare()
            session.prepared(run)
            with run.phase("warm_up"):
                run.settle()
            with run.phase("rounds"):
                time_rounds(run, benchmark)
            if benchmark.stats is None:  # --benchmark-disable: ran once, nothing to report
                return
            session.measure(run)
        except BaseException:
            # pytest-benchmark would save a benchmark that failed after its timing as if it were complete.
            benchmark.has_error = True
            raise


def time_rounds(run: BenchmarkRun, benchmark: BenchmarkFixture) -> None:
    """Have pytest-benchmark time its rounds, and add more, timed as it times its own, until there are enough."""
    run.loop.next_index = 0
    benchmark.pedantic(run.loop.forward_and_wait, setup=run.loop.place_next, rounds=run.settings.rounds)
    if benchmark.stats is None:
        return
    run.durations_s = benchmark.stats.stats.data
    while not enough_rounds(run.durations_s, run.timing):
        for _ in range(rounds_before_next_check(len(run.durations_s))):
            benchmark.stats.update(run.loop.timed_round())
    for duration_s in run.durations_s:
        require_positive(duration_s)


def test_drift(run: BenchmarkRun, pytestconfig: pytest.Config) -> None:
    """At the end, time the first benchmark of each execution once more, to see whether the machine has changed."""
    with run.precision.running(run.settings.device):
        run.prepare()
        run.settle()
        run.loop.next_index = 0
        while len(run.durations_s) < run.timing.sentinel_rounds or sum(run.durations_s) < run.timing.sentinel_s:
            run.durations_s.append(run.loop.timed_round())
    pytestconfig.stash[SESSION].compare_with_first_timing(run)
