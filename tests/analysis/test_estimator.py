"""Saved runs of an earlier estimator, derived from their rounds: what they gain, what stays, how they are compared."""

from __future__ import annotations

import io
import math
import statistics
from dataclasses import asdict, replace

import numpy as np
import pytest

from analysis.comparison.change import MISSING, NO_VERDICT
from analysis.comparison.changes import OTHER_ESTIMATOR, changes
from analysis.comparison.gates import Gate, judge
from analysis.runs.estimator import ESTIMATOR, derived, estimator_of, is_current
from analysis.runs.saved import Run
from core.executions import EXECUTIONS_KEY
from core.metrics import lookup
from core.statistics.rounds import NOT_REPLAYED
from tests.support.derived_runs import archive_of, arrays, as_derived, as_saved, of_case, rounds_of
from tests.support.described import described
from tests.support.saved_runs import floors_of_both, measured

OF_ROUNDS = {"median_latency_ms", "fast_latency_ms", "speedup_vs_fp32", "speedup_fast"}


def of_execution(run: Run, execution: str) -> list[dict]:
    """What a run holds of the three cases of an execution."""
    found = [item["extra_info"] for item in run.benchmarks if item["extra_info"]["execution"] == execution]
    assert len(found) == 3
    return found


def without_fast(item: dict) -> dict:
    """What a benchmark holds beside what the estimator adds."""
    info = {key: value for key, value in item["extra_info"].items() if key != "estimator"}
    parts = [info["latency"], *info["visits"]]
    latency, *visits = [{key: value for key, value in part.items() if not key.startswith("fast_")} for part in parts]
    return item | {"extra_info": info | {"latency": latency, "visits": visits}}


def by_hand(case: str, number: int, full_share: float) -> float:
    """The fast latency of a visit in ms: the rounds at the ranks around 0.05 (n + 1), a straight line between them."""
    parts, found = arrays(), 0.0
    for full, share in ((True, full_share), (False, 1 - full_share)):
        of_visit = (parts[f"{case}/visit"] == number) & (parts[f"{case}/full"] == full)
        ordered = np.sort(parts[f"{case}/seconds"][of_visit])
        below, between = divmod(0.05 * (len(ordered) + 1), 1)
        first, second = ordered[int(below) - 1 : int(below) + 1]
        found += 1000 * share * (first + between * (second - first))
    return found


def test_a_run_of_the_first_estimator_has_no_fast_latency_as_it_was_saved():
    for item in as_saved().benchmarks:
        assert (estimator_of(item["extra_info"]), is_current(item)) == (1, False)
        assert "fast_ms" not in item["extra_info"]["latency"]
        assert not [visit for visit in item["extra_info"]["visits"] if "fast_ms" in visit]


def test_the_fast_latency_of_a_replayed_visit_is_that_of_its_rounds():
    for info in of_execution(as_derived(), "graph"):
        name, share = f"{info['precision']}-graph", info["latency"]["full_share"]
        expected = [by_hand(name, visit["number"], share) for visit in info["visits"]]
        assert [visit["fast_ms"] for visit in info["visits"]] == pytest.approx(expected, rel=1e-12)
        assert info["latency"]["fast_ms"] == pytest.approx(math.exp(statistics.fmean(map(math.log, expected))))
        assert all(visit["fast_ms"] < visit["median_ms"] for visit in info["visits"])


def test_what_is_not_replayed_is_derived_and_has_no_fast_latency_however_many_rounds_it_has():
    traits = {name: asdict(traits) | {"is_replayed": False} for name, traits in as_saved().executions.items()}
    run = replace(as_saved(), environment=as_saved().environment | {EXECUTIONS_KEY: traits})
    found = derived(run, io.BytesIO(rounds_of()))
    for info in (*of_execution(as_derived(), "eager"), *of_execution(found, "graph")):
        assert info["estimator"] == ESTIMATOR == 2
        assert {info["latency"]["fast_ms"], *(visit["fast_ms"] for visit in info["visits"])} == {None}


def test_a_derived_run_says_why_it_has_no_fast_latency():
    eager, graph = (of_case(as_derived(), name)["extra_info"]["latency"] for name in ("fp32-eager", "fp32-graph"))
    assert (eager["fast_ms"], eager["fast_reason"]) == (None, NOT_REPLAYED)
    assert graph["fast_reason"] is None
    assert graph["fast_ci95_low_ms"] < graph["fast_ms"] < graph["fast_ci95_high_ms"]


def test_everything_else_of_a_run_stays_as_it_was_saved():
    assert [without_fast(item) for item in as_derived().benchmarks] == list(as_saved().benchmarks)
    of_saved, of_derived = ({**run.environment, "metrics": None} for run in (as_saved(), as_derived()))
    assert of_derived == of_saved


def test_the_catalogue_gains_the_fast_latency_once_and_a_derived_run_stays_as_it_is():
    assert "fast_latency_ms" not in {metric.column for metric in as_saved().catalogue.metrics}
    once = as_derived()
    twice = derived(once, io.BytesIO(rounds_of()))
    for run in (once, twice):
        (found,) = [metric for metric in run.catalogue.metrics if metric.column == "fast_latency_ms"]
        values = [found.value(item["extra_info"]) for item in run.benchmarks]
        assert values == [lookup(item["extra_info"], "latency.fast_ms") for item in once.benchmarks]
    assert twice == once


def test_a_visit_of_too_few_rounds_leaves_its_case_without_a_fast_latency():
    item, parts = of_case(as_saved(), "fp32-graph"), arrays()
    info, visit = item["extra_info"], parts["fp32-graph/visit"]
    full, padded = (np.flatnonzero((visit == 1) & (parts["fp32-graph/full"] == is_full)) for is_full in (True, False))
    kept = [*full[:40], *padded[:39], *np.flatnonzero(visit != 1)]
    shorter = {key: part[kept] if key.startswith("fp32-graph/") else part for key, part in parts.items()}
    medians = [1000 * float(np.median(parts["fp32-graph/seconds"][of])) for of in (full[:40], padded[:39])]
    share = info["latency"]["full_share"]
    first = info["visits"][0] | {"median_ms": share * medians[0] + (1 - share) * medians[1]}
    item = item | {"extra_info": info | {"visits": [first, *info["visits"][1:]]}}
    (found,) = derived(replace(as_saved(), benchmarks=(item,)), archive_of(shorter)).benchmarks
    assert found["extra_info"]["visits"][0]["fast_ms"] is None
    assert found["extra_info"]["visits"][1]["fast_ms"] > 0
    assert found["extra_info"]["latency"]["fast_ms"] is None


def test_a_visit_that_failed_is_passed_over():
    item = of_case(as_saved(), "fp32-graph")
    failed = {"number": 2, "position": 9, "error": "the sky fell"}
    visits = [failed if visit["number"] == 2 else visit for visit in item["extra_info"]["visits"]]
    item = item | {"extra_info": item["extra_info"] | {"visits": visits}}
    (found,) = derived(replace(as_saved(), benchmarks=(item,)), io.BytesIO(rounds_of())).benchmarks
    known = [visit["fast_ms"] for visit in found["extra_info"]["visits"] if visit != failed]
    assert failed in found["extra_info"]["visits"]
    assert found["extra_info"]["latency"]["fast_ms"] == pytest.approx(statistics.geometric_mean(known))
    assert len(known) == len(visits) - 1


def compared(before: Run, after: Run, execution: str) -> dict[str, list]:
    """The changes of the cases of an execution by their metric."""
    found: dict[str, list] = {}
    for one in changes([before], [after]):
        if one.benchmark.endswith(execution):
            found.setdefault(one.metric, []).append(one)
    return found


def test_replayed_latencies_of_two_estimators_get_no_verdict():
    for sides in ((as_derived(0), as_saved(1)), (as_saved(0), as_derived(1))):
        found = compared(*sides, "graph")
        for metric in ("median_latency_ms", "speedup_vs_fp32"):
            assert {(one.verdict, one.reason) for one in found[metric]} == {(NO_VERDICT, OTHER_ESTIMATOR)}, metric


@pytest.mark.parametrize("metric", ["fast_latency_ms", "speedup_fast"])
def test_a_fast_latency_that_one_estimator_does_not_make_is_said_to_be_of_the_other(metric):
    found = compared(as_derived(0), as_saved(1), "graph")[metric]
    assert {one.verdict for one in found} <= {NO_VERDICT, MISSING}
    assert {one.reason for one in found} == {OTHER_ESTIMATOR}


def test_energy_and_size_of_two_estimators_are_compared():
    found = compared(as_derived(0), as_saved(1), "graph")
    for metric in ("energy_per_sample_mj", "energy_reduction_vs_fp32", "model_size_mb"):
        assert not [one for one in found[metric] if one.verdict in (NO_VERDICT, MISSING) or one.reason]


def test_eager_figures_of_two_estimators_are_compared():
    found = compared(as_derived(0), as_saved(1), "eager")
    assert "fast_latency_ms" not in found
    assert not [one for of in found.values() for one in of if one.reason == OTHER_ESTIMATOR]
    assert not [one for one in found["speedup_vs_fp32"] if one.verdict == NO_VERDICT]

    def made(estimator: int, median_ms: float) -> Run:
        items = [measured("fp16", execution, median_ms) for execution in ("eager", "graph")]
        for item in items:
            item["extra_info"] |= {"estimator": estimator, "device": "cuda:0"}
        return Run(as_saved().path, tuple(items), described(floors_of_both(0.01, 0.01)))

    for execution, verdict in (("eager", "worse"), ("graph", NO_VERDICT)):
        (one,) = compared(made(1, 2.0), made(2, 3.0), execution)["median_latency_ms"]
        assert one.verdict == verdict


def test_runs_of_one_estimator_are_compared_in_full():
    found = compared(as_derived(0), as_derived(1), "graph")
    assert not [one for metric in OF_ROUNDS for one in found[metric] if one.verdict in (NO_VERDICT, MISSING)]
    found = compared(as_saved(0), as_saved(1), "graph")
    assert "fast_latency_ms" not in found
    assert not [one for one in found["median_latency_ms"] if one.verdict in (NO_VERDICT, MISSING)]


def twice_as_slow(run: Run) -> Run:
    """A run whose medians are twice as long."""
    items = []
    for item in run.benchmarks:
        info = item["extra_info"]
        visits = [visit | {"median_ms": 2 * visit["median_ms"]} for visit in info["visits"]]
        latency = info["latency"] | {"median_ms": 2 * info["latency"]["median_ms"]}
        items.append(item | {"extra_info": info | {"visits": visits, "latency": latency}})
    return replace(run, benchmarks=tuple(items))


def test_a_limit_on_a_latency_of_two_estimators_is_undecided_however_much_slower_it_is():
    gate, slower = [Gate("median_latency_ms", 0.03)], twice_as_slow(as_saved(1))
    outcome = judge(compared(as_derived(0), slower, "graph")["median_latency_ms"], gate)
    assert (len(outcome.failed), len(outcome.undecided)) == (0, 3)
    assert all(OTHER_ESTIMATOR in line for line in outcome.undecided)
    assert len(judge(compared(as_saved(0), slower, "graph")["median_latency_ms"], gate).failed) == 3


def test_a_limit_on_a_fast_latency_of_two_estimators_is_undecided():
    gate = [Gate("fast_latency_ms", 0.03)]
    outcome = judge(compared(as_derived(0), as_saved(1), "graph")["fast_latency_ms"], gate)
    assert (len(outcome.failed), len(outcome.undecided)) == (0, 3)
