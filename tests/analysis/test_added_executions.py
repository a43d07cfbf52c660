"""An execution that is added has all that the others have: recommendation, gains, overview, floor and words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from analysis.comparison.side_by_side import run_of
from analysis.report.plots import PLOTS
from analysis.report.summary import RunSummary
from analysis.report.table import tables
from analysis.report.words import words_of
from analysis.runs.saved import Run, load
from analysis.uncertainty.chosen_floors import find_floors
from analysis.uncertainty.conditions import conditions_of
from analysis.uncertainty.floor_files import add_series
from core.case import case_of
from core.errors import InputError
from core.executions import EXECUTIONS_KEY, UNKNOWN, USUAL, Executions, ExecutionTraits
from reference.series import COMPILED
from tests.support.described import described
from tests.support.reference_runs import run_paths
from tests.support.saved_runs import benchmark

RUNS = run_paths(COMPILED)
AUTOTUNED = ExecutionTraits(words="Tuned by timing.", rank=30, is_replayed=True, is_compiled=True)


def renamed(path: Path, folder: Path, executions: Executions | None) -> Run:
    """A saved run whose `compiled` is called `autotuned`, with what it says of its executions."""
    document = json.loads(path.read_text().replace("compiled", "autotuned"))
    if executions is not None:
        document["machine_info"][EXECUTIONS_KEY] = executions.as_json()
    copy = folder / path.name
    copy.write_text(json.dumps(document))
    return load(copy)


def summary(run: Run) -> RunSummary:
    return RunSummary(run.benchmarks, run.environment, {})


@pytest.fixture(scope="module")
def compiled() -> RunSummary:
    return summary(load(RUNS[0]))


@pytest.fixture
def added(tmp_path) -> RunSummary:
    return summary(renamed(RUNS[0], tmp_path, Executions({"autotuned": AUTOTUNED})))


def test_it_is_recommended_by_and_its_gains_are_told(compiled, added):
    assert compiled.advice
    assert compiled.gains_and_costs
    assert added.advice == [sentence.replace("compiled", "autotuned") for sentence in compiled.advice]
    assert added.gains_and_costs == [text.replace("compiled", "autotuned") for text in compiled.gains_and_costs]


def test_the_overview_is_drawn_and_the_page_has_its_words(added):
    plot = PLOTS["overview"]
    assert plot.draw(added, plot.title) is not None
    assert words_of(added.executions)["autotuned"] == "Tuned by timing."
    assert "compiled" not in words_of(added.executions)


def test_of_a_run_that_describes_none_those_that_there_always_were_are_known(compiled, tmp_path):
    assert "merges operations" in words_of(compiled.executions)["compiled"]
    unknown = summary(renamed(RUNS[0], tmp_path, None))
    assert unknown.executions["autotuned"] == UNKNOWN
    assert len(unknown.advice) == len(compiled.advice)  # it is the only one that was measured
    assert "autotuned" not in words_of(unknown.executions)


def test_its_floor_is_its_own_once_it_has_been_measured(tmp_path):
    executions = Executions({"autotuned": AUTOTUNED})
    runs = [renamed(path, tmp_path, executions) for path in RUNS]
    conditions = conditions_of(runs[0])
    case = next(case_of(item) for item in runs[0].benchmarks)
    before = find_floors(conditions, "another host", "cuda", [case], executions, [tmp_path / "floors"])
    assert before.of(case, "latency").assumed
    assert "H100" in before.of(case, "latency").source  # like what is replayed, not like eager execution
    (tmp_path / "floors").mkdir()
    add_series(tmp_path / "floors", runs)
    after = find_floors(conditions, "another host", "cuda", [case], executions, [tmp_path / "floors"]).of(
        case, "latency"
    )
    assert not after.assumed
    assert after.source == f"{len(runs)} sessions of {conditions.device}"
    assert after.session == pytest.approx(add_up(runs), rel=0.5)
    on_its_host_alone = Executions({"autotuned": ExecutionTraits(words="Called.", rank=1)})
    elsewhere = find_floors(conditions, "another host", "cuda", [case], on_its_host_alone, [tmp_path / "floors"])
    assert elsewhere.of(case, "latency").assumed


def add_up(runs: list[Run]) -> float:
    """The spread of FP32's latency over sessions, relative."""
    frame = tables(runs)
    latencies = frame.loc[frame["precision"] == "fp16", "median_latency_ms"]
    return float(latencies.std() / latencies.mean())


def test_each_of_several_runs_says_itself_what_its_executions_are():
    """Whichever comes first: a run without traits has eager and graph, one that describes others has its own."""
    with_graph = [benchmark("fp32", 8.0), benchmark("fp32", 2.0, execution="graph")]
    own = Executions({"called": replace(USUAL["eager"], rank=1), "recorded": replace(USUAL["graph"], rank=2)})
    with_others = [benchmark("fp32", 8.0, execution="called"), benchmark("fp32", 4.0, execution="recorded")]
    runs = [
        Run(Path("a"), tuple(with_graph), described()),
        Run(Path("b"), tuple(with_others), described({EXECUTIONS_KEY: own.as_json()})),
    ]
    for several in (runs, runs[::-1]):
        shares = tables(several).set_index("execution")["launch_bound_share"]
        assert shares.to_dict() == {"eager": 0.75, "graph": 0.75, "called": 0.5, "recorded": 0.5}


def test_pytest_benchmarks_comparison_knows_it_from_the_benchmark(tmp_path):
    run = renamed(RUNS[0], tmp_path, Executions({"autotuned": AUTOTUNED}))
    items = [item | {"source": "0001"} for item in run.benchmarks]
    for item in items:
        item["extra_info"]["execution_traits"] = asdict(AUTOTUNED)
    assert run_of("0001", items).executions["autotuned"] == AUTOTUNED
    assert run_of("0001", list(run_without_traits(items))).executions["compiled"] == USUAL["compiled"]


def run_without_traits(items: list[dict]) -> Iterator[dict]:
    """The benchmarks as a run before executions had traits holds them."""
    for item in items:
        yield item | {"extra_info": {name: part for name, part in item["extra_info"].items() if "traits" not in name}}


@pytest.mark.parametrize(
    "described_as",
    [
        [],
        {"eager": None},
        {"eager": {"words": "", "rank": 0, "is_reference": True, "is_replayed": False, "is_compiled": False}},
        {"eager": {"words": "w", "rank": "0", "is_reference": True, "is_replayed": False, "is_compiled": False}},
        {"eager": {"words": "w", "rank": 10**9, "is_reference": True, "is_replayed": False, "is_compiled": False}},
        {"a\nb": {"words": "w", "rank": 0}},
        {"eager": {"words": "w", "rank": 0, "is_reference": 1, "is_replayed": False, "is_compiled": False}},
        {"eager": {"words": "w\x1b[2J", "rank": 0, "is_reference": True, "is_replayed": False, "is_compiled": False}},
    ],
)
def test_what_is_no_description_is_one_sentence(described_as):
    with pytest.raises(InputError, match="expected"):
        Executions.of({EXECUTIONS_KEY: described_as})


def test_a_run_that_says_less_of_an_execution_is_read():
    read = Executions.of({EXECUTIONS_KEY: {"earlier": {"words": "w", "rank": 1, "of_a_later_suite": "?"}}})["earlier"]
    assert read == ExecutionTraits(words="w", rank=1)


def test_executions_stand_by_their_rank_and_the_reference_is_found():
    assert USUAL.by_rank(["eager", "compiled", "graph", "eager"]) == ["compiled", "graph", "eager"]
    assert USUAL.by_rank(["nobody's", "eager"]) == ["eager", "nobody's"]
    assert (USUAL.reference, USUAL.replayed_reference) == ("eager", "graph")
    both = Executions({**USUAL, "autotuned": AUTOTUNED})
    assert list(both) == ["eager", "graph", "compiled", "autotuned"]
    assert Executions.of({EXECUTIONS_KEY: both.as_json()}).as_json() == both.as_json()
