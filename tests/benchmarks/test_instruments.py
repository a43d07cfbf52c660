"""In which order a benchmark is measured, and that a session keeps its books by benchmarks, not by pytest's ids."""

from __future__ import annotations

import ast
import csv
import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from analysis.comparison.changes import changes
from analysis.comparison.gates import judge, parse_gate
from analysis.comparison.history import values_over_runs
from analysis.comparison.noise import noise_markdown
from analysis.comparison.presentation import as_markdown
from analysis.runs.saved import load
from benchmarks.extra_info import joined
from benchmarks.instruments import INSTRUMENTS, in_measuring_order, numerics
from benchmarks.instruments.base import AfterVisits, Instrument, InVisit
from benchmarks.instruments.roofline import flops
from benchmarks.instruments.roofline import instrument as roofline
from core.errors import DeclarationError
from core.metrics.declarations import catalogue
from core.metrics.ranges import NOT_NEGATIVE
from core.metrics.records import Record, metric
from fixtures.tasks.language_modeling import task as language_modeling
from tests.support.registries import register
from tests.support.tiny import REPOSITORY

#: The procedure: whoever changes it changes published figures.
IN_VISIT = ["Provenance", "TunedWith", "Latency", "Energy", "Validity", "Cache"]
AFTER_VISITS = ["Size", "Quality", "Generation", "Numerics", "Breakdown", "Roofline", "Fallback", "Activity"]


MOMENTS = ("prepared", "beside", "visited", "closing")


def recorded(calls: list, name: str, method):
    """The method of an instrument, which notes each call."""

    @functools.wraps(method)
    def record(self, case, *others):
        of_case = case.case if method.__name__ == "visited" else case  # which is handed a visit
        calls.append((of_case.case.precision, method.__name__, name))
        return method(self, case, *others)

    return record


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, str, str]]:
    """The calls of instruments in a session: precision, moment and instrument. Records of visits are derived often."""
    noted = []
    for instrument in INSTRUMENTS.values():
        for moment in MOMENTS if issubclass(instrument, InVisit) else ("measure",):
            monkeypatch.setattr(instrument, moment, recorded(noted, instrument.__name__, getattr(instrument, moment)))
    return noted


def test_instruments_measure_in_the_order_of_the_tuple(run_suite, calls):
    assert run_suite("--precisions=fp32").ret == 0
    visit = [(moment, name) for moment in ("prepared", "beside", "visited") for name in IN_VISIT]
    closing = [("closing", name) for name in IN_VISIT] + [("measure", name) for name in AFTER_VISITS]
    assert [(moment, name) for _, moment, name in calls] == [*visit, *visit, *closing]


def test_nothing_that_disturbs_a_visit_runs_before_the_last_one(run_suite, calls, monkeypatch):
    def noted(what, function):
        def note(*arguments, **options):
            calls.append(("any", "disturbs", what))
            return function(*arguments, **options)

        return note

    monkeypatch.setattr(torch.profiler, "profile", noted("profile", torch.profiler.profile))
    monkeypatch.setattr(flops, "FlopCounterMode", noted("flops", flops.FlopCounterMode))
    monkeypatch.setattr(roofline, "peak_flops", noted("ceiling", roofline.peak_flops))
    monkeypatch.setattr(language_modeling, "compare", noted("quality", language_modeling.compare))
    monkeypatch.setattr(numerics, "watched_forward", noted("casts", numerics.watched_forward))
    assert run_suite("--visits=3").ret == 0
    moments = [moment for _, moment, _ in calls]
    visits = [place for place, moment in enumerate(moments) if moment in ("prepared", "beside", "visited")]
    disturbing = [place for place, moment in enumerate(moments) if moment in ("disturbs", "measure", "closing")]
    assert len(visits) == 3 * 3 * 3 * len(IN_VISIT)
    assert {what for _, moment, what in calls if moment == "disturbs"} == {"flops", "ceiling", "quality", "casts"}
    assert max(visits) < min(disturbing)


def test_kernels_are_profiled_before_the_ceilings_lower_the_clock(run_suite, monkeypatch):
    order = []
    for name in ("kernel_figures", "peak_flops", "peak_bytes_per_s"):
        function = getattr(roofline, name)
        noted = functools.partial(
            lambda name, function, *arguments: order.append(name) or function(*arguments), name, function
        )
        monkeypatch.setattr(roofline, name, noted)
    assert run_suite("--precisions=fp32").ret == 0
    assert order == ["kernel_figures", "peak_flops", "peak_bytes_per_s"]


def test_a_metric_of_a_visit_is_in_its_record(run_suite, saved_run, monkeypatch):
    register(monkeypatch, INSTRUMENTS, CountVisits)
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    (saved,) = saved_run()["benchmarks"]
    assert [visit["letters"] for visit in saved["extra_info"]["visits"]] == [1, 2]
    assert saved["extra_info"]["words"] == {"letters": 3}


def test_the_documentation_states_that_order():
    text = " ".join((REPOSITORY / "docs" / "latency.md").read_text().split())
    for names in (IN_VISIT, AFTER_VISITS):
        assert ", ".join(f"`{name}`" for name in names) in text


def test_no_plugin_that_measures_is_left_to_pytests_order():
    for path in (REPOSITORY / "benchmarks" / "instruments").rglob("*.py"):
        modules = {
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
        }
        assert not modules & {"pytest", "pluggy", "_pytest"}, path


@dataclass(frozen=True, kw_only=True)
class Words(Record):
    section: ClassVar[str] = "words"
    letters: int = metric(
        "letters", "lower", "letters of the id", within=NOT_NEGATIVE, heading="letters", in_terminal=True
    )


class CountLetters(AfterVisits):
    name = "countletters"
    record = Words

    def measure(self, case, after):
        return Words(letters=len(case.case.id))


@dataclass(frozen=True, kw_only=True)
class WordsOfVisit(Record):
    letters: int


class CountVisits(InVisit):
    name = "countvisits"
    record = Words

    def visited(self, visit, reading):
        return WordsOfVisit(letters=len(visit.case.visits) + 1)

    def measure(self, case):
        return Words(letters=sum(visit.of(WordsOfVisit).letters for visit in case.done))


def test_a_new_metric_is_one_field_of_a_record_and_is_shown_everywhere(run_suite, saved_run, monkeypatch, tmp_path):
    register(monkeypatch, INSTRUMENTS, CountLetters)
    result = run_suite("--benchmark-autosave", "--precisions=fp32")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["benchmark *letters *marks", "fp32-eager-b1x16 * 16 *"])
    (saved,) = saved_run()["benchmarks"]
    assert saved["extra_info"]["words"] == {"letters": 16}
    results = tmp_path / "results"
    assert "letters" in (results / "gpt2_benchmark_summary.md").read_text()
    assert "letters of the id" in (results / "report.html").read_text()
    with (results / "gpt2_quantization_benchmark_results.csv").open() as file:
        assert [row["letters"] for row in csv.DictReader(file)] == ["16"]
    # From here on by the saved run alone: whoever reads it need not know the metric.
    (path,) = (tmp_path / "saved").rglob("*.json")
    run = load(path)
    assert run.catalogue["letters"].description == "letters of the id"
    assert "letters" in noise_markdown([run, run])
    assert "letters" in {column.column for column in values_over_runs([run])}
    compared = changes([run], [run])
    assert [change.before for change in compared if change.metric == "letters"] == [16.0]
    assert "letters" in as_markdown([run], [run], compared)
    assert judge(compared, [parse_gate("letters:1%").resolved(run.catalogue)]).failed == ()


def test_two_metrics_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="several metrics are named letters; expected one each"):
        catalogue([Words, Words])


def test_a_metric_that_could_not_be_read_again_is_an_error_at_the_start():
    @dataclass(frozen=True, kw_only=True)
    class Broken(Record):
        section: ClassVar[str] = "broken"
        letters: int = metric("letters", "lower", "letters of the id", within=NOT_NEGATIVE, form="8.2f")

    with pytest.raises(ValueError, match=r"the metric broken\.letters cannot be read .*: it has form='8.2f'"):
        catalogue([Broken])


def test_a_record_is_written_once():
    with pytest.raises(DeclarationError, match="Words writes letters a second time"):
        joined([Words(letters=1), Words(letters=2)])
    assert joined([Words(letters=1)]) == {"words": {"letters": 1}}


class ReturnsNothing(AfterVisits):
    name = "nothing"
    record = Words

    def measure(self, case, after):
        return None


class RaisesFromTheSecondVisitOn(InVisit):
    name = "raises"
    record = Words

    def measure(self, case):
        if len(case.done) > 1:
            raise RuntimeError("a defect of the instrument")
        return Words(letters=1)


@pytest.mark.parametrize(
    ("instrument", "sentence"),
    [
        (ReturnsNothing, "the instrument nothing returns None; expected a Record"),
        (RaisesFromTheSecondVisitOn, "a defect of the instrument"),
    ],
)
def test_an_instrument_that_fails_costs_its_benchmarks_alone(run_suite, saved_run, monkeypatch, instrument, sentence):
    register(monkeypatch, INSTRUMENTS, instrument)
    result = run_suite("--benchmark-autosave", "--precisions=fp32", "--visits=3")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert sentence in result.stdout.str()
    (saved,) = saved_run()["benchmarks"]
    assert sentence in saved["extra_info"]["incomplete"]
    assert len(saved["extra_info"]["visits"]) == 3


class AnotherAxis:
    """A plugin that parametrizes the benchmarks once more, so that pytest's ids are not the cases'."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "case" in metafunc.fixturenames:
            metafunc.fixturenames.append("another")
            metafunc.parametrize("another", ["axis"])


def test_ids_that_differ_from_names_lose_no_visit(run_suite, saved_run, tmp_path):
    result = run_suite("--benchmark-autosave", "--precisions=fp32", "-v", plugins=[AnotherAxis()])
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_visit?fp32-eager-b1x16-v2-axis? PASSED*", "*test_after_visits?*-axis? PASSED*"])
    assert "was not run" not in (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    (saved,) = saved_run()["benchmarks"]
    assert len(saved["extra_info"]["visits"]) == 2


def test_an_instrument_that_would_never_run_is_refused(monkeypatch):
    class Neither(Instrument):
        name = "neither"

    register(monkeypatch, INSTRUMENTS, Neither)
    with pytest.raises(DeclarationError, match="neither is neither an InVisit nor an AfterVisits"):
        in_measuring_order(INSTRUMENTS)


@pytest.mark.parametrize("value", [torch.tensor(3), np.int64(3), [3]])
def test_a_figure_that_no_saved_run_can_hold_is_refused(value):
    with pytest.raises(DeclarationError, match=r"Words\.letters is a .*; expected a number, text, true, false or None"):
        Words(letters=value)
