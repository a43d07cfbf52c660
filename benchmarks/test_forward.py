"""The benchmark: one forward of a whole batch, in each case of the session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from analysis.case import Case
from benchmarks.loop import require_positive
from benchmarks.plugins.session import SESSION
from benchmarks.run import BenchmarkRun
from benchmarks.session import Session
from benchmarks.steady_state import enough_rounds, rounds_before_next_check
from fixtures.dataset.batches import TokenizedDataset
from fixtures.dataset.whole_text import WholeText
from fixtures.executions import EXECUTIONS
from fixtures.model.checkpoint import Checkpoint
from fixtures.model.resident import Models
from fixtures.precisions import PRECISIONS, unavailable_reason
from fixtures.settings import Settings

# A library's deprecation must not cost a user the measurement; the project's own tests do turn warnings into errors.
pytestmark = pytest.mark.filterwarnings("default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one benchmark for each case, and one sentinel for each execution."""
    session = metafunc.config.stash[SESSION]
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", list(session.cases), indirect=True)
    if "execution" in metafunc.fixturenames:
        metafunc.parametrize("execution", session.settings.executions)


@pytest.fixture
def case(request: pytest.FixtureRequest, settings: Settings) -> Case:
    """The case under test; skips what this machine cannot run, or would only emulate, unless --allow-emulated."""
    chosen = request.config.stash[SESSION].cases[request.param]
    reason = unavailable_reason(PRECISIONS[chosen.precision], settings.device, settings.allow_emulated)
    reason = reason or EXECUTIONS[chosen.execution].unavailable_reason(settings.device)
    if reason is not None:
        pytest.skip(reason)
    return chosen


@pytest.fixture
def make_run(
    settings: Settings,
    dataset: TokenizedDataset,
    checkpoint: Checkpoint,
    models: Models,
    whole_text: WholeText | None,
    pytestconfig: pytest.Config,
) -> Callable[[Case], BenchmarkRun]:
    """Makes everything that the benchmark of a case consists of, ready to run."""
    if whole_text is not None:
        shorter = "have a shorter window with --quality-context {positions}."
        checkpoint.require_room_for(int(whole_text.ids.max()), settings.quality_context, shorter)

    def make(case: Case) -> BenchmarkRun:
        timing = pytestconfig.stash[SESSION].policies.timing
        run = BenchmarkRun(settings, timing, case, checkpoint, dataset, models, whole_text)
        _ = run.resident, run.data  # loaded now, not in a phase that is timed
        return run

    return make


@pytest.fixture
def run(case: Case, make_run: Callable[[Case], BenchmarkRun]) -> BenchmarkRun:
    """The benchmark of the case under test."""
    return make_run(case)


@pytest.mark.benchmark(disable_gc=True)
def test_forward(run: BenchmarkRun, benchmark: BenchmarkFixture, pytestconfig: pytest.Config) -> None:
    """Time the forward, then let each instrument measure, in the order of INSTRUMENTS."""
    session: Session = pytestconfig.stash[SESSION]
    benchmark.group = run.case.setting
    with run.precision.running(run.settings.device):
        try:
            with run.phase("preparation"):
                run.prepare()
            session.prepared(run)
            with run.phase("warm_up"):
                run.settle()
            with run.phase("rounds"):
                time_rounds(run, benchmark)
            if benchmark.stats is None:  # --benchmark-disable: ran once, nothing to report
                return
            session.measure(run, benchmark.extra_info)
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


def test_drift(execution: str, make_run: Callable[[Case], BenchmarkRun], pytestconfig: pytest.Config) -> None:
    """At the end, time the first case of each execution once more, to see whether the machine has changed."""
    session: Session = pytestconfig.stash[SESSION]
    run = make_run(session.first_timed[execution])
    with run.precision.running(run.settings.device):
        run.prepare()
        run.settle()
        run.loop.next_index = 0
        while len(run.durations_s) < run.timing.sentinel_rounds or sum(run.durations_s) < run.timing.sentinel_s:
            run.durations_s.append(run.loop.timed_round())
    session.keep_second_timing(run)
