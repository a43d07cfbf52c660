"""The benchmark: one forward of a whole batch, in each case of the session, in several visits.

`test_forward[CASE]` is a case's first visit and owns its benchmark; `test_visit[CASE-vN]` adds the rounds of visit N,
and `test_after_visits[CASE]` measures what would disturb a visit. benchmarks/plugins/ordering.py says when each runs.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.timers import default_timer

from benchmarks.cache_proofs import CacheProofs
from benchmarks.loop import ForwardLoop
from benchmarks.measured_case import MeasuredCase
from benchmarks.plugins.session import OWNERS, POSITIONS, SESSION, makes_visits
from benchmarks.refusals import CLOSING, LOADING, PROOF_ERRORS
from benchmarks.session import Session
from benchmarks.tracing import tracing_off
from core.case import Case
from fixtures.dataset.batches import TokenizedDataset
from fixtures.executions import EXECUTIONS, UnequalRoundsError
from fixtures.models.checkpoint import Checkpoint
from fixtures.models.resident import Models
from fixtures.precisions import PRECISIONS, unavailable_reason
from fixtures.settings import Settings
from fixtures.tasks import TASKS
from fixtures.workloads import WORKLOADS

# A library's deprecation must not cost a user the measurement; the project's own tests do turn warnings into errors.
pytestmark = pytest.mark.filterwarnings("default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a first visit for each case, and the rest for each that can be measured: one test says why it cannot."""
    session = metafunc.config.stash[SESSION]
    if "case" in metafunc.fixturenames:
        chosen = dict(session.cases)
        if metafunc.function is not test_forward and not makes_visits(metafunc.config):
            chosen = {}
        elif metafunc.function is not test_forward:
            chosen = {name: case for name, case in chosen.items() if why_skipped(case, session.settings) is None}
        if metafunc.function is test_visit and session.settings.visits == 1:
            chosen = {}
        if metafunc.function is test_compilation:
            chosen = {name: case for name, case in chosen.items() if EXECUTIONS[case.execution].compiles}
        metafunc.parametrize("case", list(chosen), indirect=True, ids=list(chosen))
    if "number" in metafunc.fixturenames:
        numbers = range(2, session.settings.visits + 1)
        metafunc.parametrize("number", numbers, ids=[f"v{number}" for number in numbers])


@pytest.fixture
def session(pytestconfig: pytest.Config) -> Session:
    """The session that holds what is measured."""
    return pytestconfig.stash[SESSION]


@pytest.fixture
def case(request: pytest.FixtureRequest, settings: Settings, session: Session) -> Case:
    """The case under test; skips what this machine cannot run, or would only emulate, unless --allow-emulated."""
    chosen = session.cases[request.param]
    reason = why_skipped(chosen, settings)
    if reason is not None:
        pytest.skip(reason)
    return chosen


def why_skipped(case: Case, settings: Settings) -> str | None:
    """Return why a case cannot be measured on this machine, or None."""
    reason = unavailable_reason(PRECISIONS[case.precision], settings.device, settings.allow_emulated)
    return reason or EXECUTIONS[case.execution].unavailable_reason(settings.device)


@pytest.fixture(scope="session")
def cache_proofs(
    pytestconfig: pytest.Config,
    settings: Settings,
    datasets: Mapping[str, TokenizedDataset],
    checkpoints: Mapping[str, Checkpoint],
    models: Mapping[str, Models],
) -> CacheProofs:
    """What cannot be measured with a cache, told of every case that is to run before the first of them is prepared."""
    session = pytestconfig.stash[SESSION]
    cases = (session.cases[name] for name in session.planned_visits)
    proofs = CacheProofs(settings.device, datasets, checkpoints, models)
    proofs.tell(case for case in cases if why_skipped(case, settings) is None)
    return proofs


@pytest.fixture
def measured(
    case: Case,
    session: Session,
    settings: Settings,
    datasets: Mapping[str, TokenizedDataset],
    checkpoints: Mapping[str, Checkpoint],
    models: Mapping[str, Models],
    cache_proofs: CacheProofs,
) -> MeasuredCase:
    """The case under test on its data, ready to run; the same one in every visit."""
    if case.id not in session.measured:
        workload, traits = WORKLOADS[case.workload], EXECUTIONS[case.execution].traits
        unavailable = workload.unavailable_reason(checkpoints[case.task], case) or workload.unfit_reason(case, traits)
        unavailable = unavailable or cache_proofs.reason(case)
        if unavailable is not None:
            pytest.skip(unavailable)
        session.measured[case.id] = MeasuredCase(
            settings,
            session.policies.timing[settings.device.type],
            case,
            session.planned_visits.get(case.id, 1),
            TASKS[case.task],
            checkpoints[case.task],
            datasets[case.task],
            models[case.task],
            session_start_s=session.start_s,
            tuning_policy=session.policies.tuning,
            uncached=cache_proofs.uncached,
        )
    with session.refusals.noted(case.id, LOADING):
        session.measured[case.id].load()
    return session.measured[case.id]


def test_compilation(measured: MeasuredCase) -> None:
    """Choose options of the compiler and compile the forward before anything is timed."""
    with measured.precision.running(measured.settings.device):
        measured.tune()
        with measured.phase("compilation"):
            measured.compile()


@pytest.mark.benchmark(disable_gc=True, timer=default_timer)  # as rounds are timed, whatever --benchmark-timer says
def test_forward(
    measured: MeasuredCase, session: Session, benchmark: BenchmarkFixture, pytestconfig: pytest.Config
) -> None:
    """Make the first visit. pytest-benchmark's one round is the end of the warm-up; the visit's rounds replace it."""
    benchmark.group = measured.case.setting
    if measured.compilation_error is not None:
        pytest.skip("it could not be compiled, which has failed already")
    owners = pytestconfig.stash[OWNERS]
    if measured.case.id in owners:  # this test is run again
        retire(owners[measured.case.id])

    def one_round(loop: ForwardLoop) -> None:
        with tracing_off():  # pytest-benchmark cannot put cProfile back
            benchmark.pedantic(loop.forward_and_wait, setup=loop.place_next)

    with measured.precision.running(measured.settings.device):
        try:
            if benchmark.disabled:  # --benchmark-disable: runs once, nothing to report
                with measured.loop() as loop:
                    one_round(loop)
                return
            position = pytestconfig.stash[POSITIONS].get((measured.case.id, 1), 1)
            session.visit(measured, 1, position, timed=one_round)
        except BaseException:
            retire(benchmark)  # pytest-benchmark would save what it has timed
            session.drop(measured)
            raise
    benchmark.extra_info = benchmark.stats.extra_info = session.extra_info[measured.case.id]
    owners[measured.case.id] = benchmark
    set_rounds(benchmark, measured)


def test_visit(measured: MeasuredCase, number: int, session: Session, pytestconfig: pytest.Config) -> None:
    """Make a further visit and add its rounds to the benchmark."""
    benchmark = owner_of(measured, pytestconfig)
    with measured.precision.running(measured.settings.device):
        position = pytestconfig.stash[POSITIONS].get((measured.case.id, number), number)
        try:
            session.visit(measured, number, position, timed=lambda _: None)
        except UnequalRoundsError:  # nor is it known what the rounds of other visits were
            retire(benchmark)
            session.drop(measured)
            raise
        finally:
            if not benchmark.has_error:
                set_rounds(benchmark, measured)


def test_after_visits(measured: MeasuredCase, session: Session, pytestconfig: pytest.Config) -> None:
    """When every case has had its last visit, measure what would have disturbed one."""
    session.refusals.require_none(measured.case.id, CLOSING)
    benchmark = owner_of(measured, pytestconfig)
    with measured.precision.running(measured.settings.device):
        try:
            session.close(measured)
        except PROOF_ERRORS:
            retire(benchmark)  # what was timed is not what it says, or not what was required
            session.drop(measured)
            raise


def owner_of(measured: MeasuredCase, config: pytest.Config) -> BenchmarkFixture:
    """Return the benchmark of the case's first visit; skips where there is none, or where a visit was refused."""
    owner = config.stash[OWNERS].get(measured.case.id)
    if owner is None:
        pytest.skip("the first visit of this case, which owns its benchmark, was not made")
    if owner.has_error:
        pytest.skip("an earlier visit of this case has failed, and none of its figures stands")
    return owner


def retire(benchmark: BenchmarkFixture) -> None:
    """Have pytest-benchmark neither save nor show a benchmark whose figures do not stand."""
    benchmark.has_error = True
    if benchmark.stats is not None:
        benchmark.stats.stats.data.clear()


def set_rounds(benchmark: BenchmarkFixture, measured: MeasuredCase) -> None:
    """Give pytest-benchmark the rounds of all visits: its figures, computed when first read, are not read yet."""
    rounds = benchmark.stats.stats
    rounds.data.clear()
    for duration_s in (duration_s for visit in measured.done for duration_s in visit.timed.durations_s):
        rounds.update(duration_s)
