"""What only several benchmarks show, derived alike from a saved run, a journal and the session itself."""

from __future__ import annotations

import pytest

from analysis.case import Case
from analysis.comparison.changes import NO_VERDICT, changes
from analysis.comparison.gates import Gate, failures
from analysis.comparison.presentation import as_markdown
from analysis.report.summary import RunSummary
from analysis.storage.runs import load
from analysis.table import table
from analysis.validity import Drift, judgements
from data_prep.errors import InputError
from tests.test_results import benchmark
from tests.test_runs import save

EAGER = Case("fp32", "eager").as_json()


def timed(precision: str, median_ms: float, execution: str = "eager") -> dict:
    made = benchmark(precision, median_ms, execution=execution)
    made["extra_info"]["latency"]["series_ms"] = [median_ms * (1 + 0.001 * (number % 3)) for number in range(40)]
    made["extra_info"]["validity"] = {"native": True, "status": "valid", "reasons": [], "unknown": {}}
    return made


def again(case: dict, median_ms: float) -> dict:
    return {"timed_again": [{"case": case, "series_ms": [median_ms * (1 + 0.001 * (i % 3)) for i in range(40)]}]}


def test_a_drift_marks_every_benchmark_of_its_execution_and_no_other():
    rows = [timed("fp32", 5.0), timed("fp16", 5.0), timed("fp32", 1.0, "graph")]
    judged = judgements(rows, again(EAGER, 6.0))
    assert [one.status for one in judged] == ["invalid", "invalid", "valid"]
    assert judged[1].reasons == (
        "drifted: fp32-eager changed by +20.0% (+20.0% to +20.0%) from its first timing to the end of the session; let "
        "the machine settle and run again",
    )
    assert judged[2].drift is None
    assert table(rows, again(EAGER, 6.0))["validity"].tolist() == ["invalid", "invalid", "valid"]
    assert "drifted: fp32-eager" in RunSummary(rows, again(EAGER, 6.0), {}).warnings[0]


def test_a_drift_that_a_run_of_the_first_edition_recorded_is_read():
    row = timed("fp32", 5.0)
    recorded = {"sentinel": "fp32-eager", "change_rel": 0.2, "change_ci95_low": 0.1, "change_ci95_high": 0.3}
    row["extra_info"]["validity"]["drift"] = recorded
    (judged,) = judgements([row], {})
    assert (judged.status, judged.drift) == ("invalid", Drift("fp32-eager", 0.2, 0.1, 0.3))
    for unreadable in (recorded | {"change_rel": None}, 3, None):
        row["extra_info"]["validity"]["drift"] = unreadable
        assert judgements([row], {})[0].drift is None


def test_a_steady_machine_marks_nothing():
    judged = judgements([timed("fp32", 5.0)], again(EAGER, 5.05))
    assert judged[0].status == "valid"
    assert judged[0].drift.change_rel == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(
    "environment",
    [{}, {"timed_again": []}, {"timed_again": 3}, again(EAGER | {"precision": "bf16"}, 6.0), again(EAGER, 0.0)],
)
def test_what_cannot_be_told_marks_nothing(environment):
    (judged,) = judgements([timed("fp32", 5.0)], environment)
    assert (judged.status, judged.reasons, judged.drift) == ("valid", (), None)


@pytest.mark.parametrize("timing", [3, {}, {"case": 3}])
def test_a_timing_without_a_case_is_one_sentence(timing):
    with pytest.raises(InputError, match="expected"):
        judgements([timed("fp32", 5.0)], {"timed_again": [timing]})


def test_logits_that_are_not_finite_make_a_measurement_invalid():
    row = timed("fp32", 5.0)
    row["extra_info"]["quality"].update(nonfinite_logits=3, reason="3 logits are NaN or infinite")
    (judged,) = judgements([row], {})
    assert (judged.status, judged.reasons) == ("invalid", ("3 logits are NaN or infinite",))


def test_a_recovered_run_says_the_same_as_the_saved_one(run_suite, tmp_path, monkeypatch, saved_run):
    """A journal holds the sentinel's timing too."""
    from benchmarks.plugins.journal import JournalPlugin

    def kept(self):
        yield

    monkeypatch.setattr(JournalPlugin, "pytest_sessionfinish", pytest.hookimpl(wrapper=True)(kept))
    assert run_suite("--benchmark-autosave", "--precisions=fp32,fp16").ret == 0
    from analysis.storage.journal import recover

    (journal,) = (tmp_path / "results" / "journal").iterdir()
    path, count = recover(journal, tmp_path / "recovered")
    assert count == 2
    saved, recovered = saved_run(), load(path)
    assert recovered.environment["timed_again"] == saved["machine_info"]["timed_again"]
    assert recovered.environment["metrics"] == saved["machine_info"]["metrics"]
    (saved_path,) = (tmp_path / "saved").rglob("*.json")
    before = RunSummary(load(saved_path).benchmarks, load(saved_path).environment, {})
    after = RunSummary(recovered.benchmarks, recovered.environment, {})
    assert after.frame.equals(before.frame)


def of_procedure(number: int, median_ms: float) -> dict:
    made = benchmark("fp32", median_ms)
    made["extra_info"]["procedure"] = number
    return made


def test_runs_of_different_procedures_are_shown_and_not_judged(tmp_path):
    old = [load(save(tmp_path / "old", number, of_procedure(1, 1.0))) for number in (1, 2, 3)]
    new = [load(save(tmp_path / "new", number, of_procedure(2, 2.0))) for number in (1, 2, 3)]
    compared = changes(old, new)
    (latency,) = [change for change in compared if change.metric == "median_latency_ms"]
    assert (latency.before, latency.after, latency.verdict) == (1.0, 2.0, NO_VERDICT)
    text = as_markdown(old, new, compared)
    assert "the measuring procedure differs: 1 in" in text
    assert "slower" not in text
    (line,) = failures(compared, [Gate("median_latency_ms", 9.0)])
    assert line == (
        "fp32-eager median_latency_ms: the runs were measured by different procedures; expected one. Measure the "
        "earlier side again with this version."
    )
    (latency,) = [change for change in changes(old, old) if change.metric == "median_latency_ms"]
    assert latency.verdict == "same"
