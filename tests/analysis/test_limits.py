"""Limits: what fails, holds or is open, and that unchanged sessions of the reference fail none."""

from __future__ import annotations

import copy
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.comparison.change import Change, ChangeInterval
from analysis.comparison.changes import changes
from analysis.comparison.gates import Outcome, judge, parse_gate
from analysis.comparison.latest import last_comparable, sides_of
from analysis.runs.saved import Run, load
from analysis.runs.selection import STORAGE
from analysis.runs.storage import Storage
from reference.runs import saved
from reference.series import CPU_DEFAULT, CPU_PRECISIONS, DEFAULTS
from tests.support.described import CATALOGUE, described
from tests.support.saved_runs import in_visits, measured, save, with_floor

LATENCY, ENERGY = "median_latency_ms", "energy_per_sample_mj"


def run(*items: dict, execution: str = "graph") -> Run:
    return Run(Path("a.json"), tuple(items), described(with_floor(0.01, execution)))


def outcome(before: Run, after: Run, *limits: str) -> Outcome:
    gates = [parse_gate(limit).resolved(CATALOGUE) for limit in limits]
    return judge(changes([before], [after]), gates)


def without_energy(code: str) -> dict:
    """A benchmark whose energy is null, for a reason with a code."""
    item = measured("fp16", "graph", 1.0)
    item["extra_info"]["energy"] = {"energy_per_sample_mj": None, "code": code, "reason": "why"}
    return item


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("TOO_UNCERTAIN", "the visits of a session scattered too much"),
        ("TOO_FEW_TICKS", "the meter ticked too few times in a session"),
        ("THROTTLED", "the clocks were held down in a session"),
    ],
)
def test_a_figure_that_is_missing_by_chance_is_open(code, said):
    found = outcome(run(measured("fp16", "graph", 1.0, 5.0)), run(without_energy(code)), f"{ENERGY}:5%")
    assert found.failed == ()
    assert found.undecided == (f"fp16-graph {ENERGY}: missing after: {said}, so whether that is beyond 5.00% is open.",)


def test_a_figure_that_is_missing_for_good_fails():
    found = outcome(run(measured("fp16", "graph", 1.0, 5.0)), run(without_energy("NO_METER")), f"{ENERGY}:5%")
    assert found.failed == (f"fp16-graph {ENERGY}: missing after; expected it on both sides.",)


def test_a_ratio_is_missing_by_chance_where_the_baselines_figure_is():
    both = (measured("fp32", "graph", 2.0, 9.0), measured("fp16", "graph", 1.0, 5.0))
    lost = measured("fp32", "graph", 2.0)
    lost["extra_info"]["energy"]["code"] = "TOO_UNCERTAIN"
    found = outcome(run(*both), run(lost, both[1]), "energy_reduction_vs_fp32:5%")
    assert found.failed == ()
    assert len(found.undecided) == 1
    assert "scattered too much" in found.undecided[0]


def test_a_case_that_one_side_did_not_measure_is_open():
    both = (measured("fp32", "graph", 2.0), measured("fp16", "graph", 1.0))
    found = outcome(run(*both), run(both[0]), f"{LATENCY}:3%")
    assert found.failed == ()
    assert found.undecided == (
        f"fp16-graph {LATENCY}: missing after: one side did not measure it, so whether that is beyond 3.00% is open.",
    )
    assert found.closing_line == "limits: 1 hold, 1 undecided, 0 failed"


def test_a_saving_that_is_lost_fails():
    before, after = ((measured("fp32", "graph", 2.0, 9.0), measured("fp16", "graph", 1.0, mj)) for mj in (6.0, 9.9))
    (line,) = outcome(run(*before), run(*after), "energy_reduction_vs_fp32:5%").failed
    # From a gain of 1.5 to one of 1 / 1.1, whose saving is below 0.
    assert line.startswith("fp16-graph energy_reduction_vs_fp32: 0.333333 to -0.1, 39.39% less (")


def drifting(median_ms: float, by: float) -> dict:
    """A benchmark whose five visits took longer and longer, by a share in all; a little scatter around that."""
    item = in_visits(measured("fp16", "graph", median_ms))
    for visit in item["extra_info"]["visits"]:
        place = (visit["number"] - 3) / 4
        visit["median_ms"] = median_ms * math.exp(place * math.log1p(by) + 0.001 * (-1) ** visit["number"])
    return item


def test_what_is_beyond_a_limit_wherever_a_drift_moved_it_fails():
    steady, twice, drifted = (run(one) for one in (drifting(1.0, 0.0), drifting(2.0, 0.2), drifting(1.08, 0.2)))
    (line,) = outcome(steady, twice, f"{LATENCY}:15%").failed
    assert "100.00% slower" in line
    assert line.endswith(", beyond what drift explains; at most 15.00% allowed.")
    found = outcome(steady, drifted, f"{LATENCY}:3%")
    assert found.failed == ()
    assert "so whether that is beyond 3.00% is open" in found.undecided[0]


def test_latencies_of_different_texts_fail_no_limit_though_they_drifted():
    twice = drifting(2.0, 0.2)
    twice["extra_info"]["provenance"]["dataset_sha256"] = "c" * 64
    found = outcome(run(drifting(1.0, 0.0)), run(twice), f"{LATENCY}:15%")
    assert found.failed == ()
    assert "the runs are of different texts, so whether" in found.undecided[0]


def test_an_interval_is_widened_by_the_drift_and_unknown_without_it():
    one = Change("a", LATENCY, "lower", 1.0, 1.5, 0.5, ChangeInterval(0.4, 0.6, "a repeat", 0.0), (1, 1), "no verdict")
    moved = replace(one, drift_log=math.log(1.1)).beyond_drift.interval
    assert (moved.low_rel, moved.high_rel) == (pytest.approx(1.4 / 1.1 - 1), pytest.approx(1.6 * 1.1 - 1))
    assert replace(one, drift_log=None).beyond_drift.interval is None


def test_what_something_else_than_a_drift_disturbed_fails_no_limit():
    disturbed = measured("fp16", "graph", 9.0, status="invalid")
    found = outcome(run(measured("fp16", "graph", 1.0)), run(disturbed), f"{LATENCY}:15%")
    assert found.failed == ()
    assert len(found.undecided) == 1


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """Five runs in pytest-benchmark's layout, the third of them invalid; the command line run there."""
    folder = tmp_path / ".benchmarks" / "Linux"
    for number, median in enumerate((1.0, 1.01, 5.0, 0.99, 1.5), start=1):
        save(folder, number, measured("fp16", "graph", median, status="invalid" if number == 3 else "valid"))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["analysis", "compare", *arguments])
        return main()

    return command


def test_the_last_runs_stand_first_and_none_of_them_is_invalid(storage, capsys):
    earlier, later = sides_of(["last:3"], ["0005"], Storage(STORAGE, pytest.fail))
    assert [one.path.name[:4] for one in earlier] == ["0001", "0002", "0004"]
    assert [one.path.name[:4] for one in later] == ["0005"]
    assert storage("last:3", "--to", "0005", "--fail", f"{LATENCY}:3%") == 1
    captured = capsys.readouterr().err
    assert "1 to 1.5, 50.01% slower (" in captured
    assert captured.endswith("limits: 0 hold, 0 undecided, 1 failed\n")


@pytest.mark.parametrize(
    ("arguments", "new"),
    [(("0005", "--to", "last:3"), "last:3 --to 0005"), (("0005", "last:3"), "last:3 --to 0005")],
)
def test_the_form_of_earlier_versions_is_answered_with_the_new_one(storage, capsys, arguments, new):
    assert storage(*arguments) == 1
    assert f"expected the earlier side first: `python -m analysis compare {new}`." in capsys.readouterr().err


def test_other_cases_of_earlier_runs_are_left_out(storage, tmp_path):
    (path,) = (tmp_path / ".benchmarks").rglob("0005*.json")
    save(path.parent, 6, measured("fp16", "graph", 1.0), measured("fp32", "graph", 3.0))
    (found,) = last_comparable([load(path)], "1", Storage(STORAGE, pytest.fail))
    assert [item["name"] for item in found.benchmarks] == ["fp16-graph"]


def test_no_history_yet_has_its_own_exit_code(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / ".benchmarks" / "Linux", 1, measured("fp16", "graph", 1.0))
    monkeypatch.setattr(sys, "argv", ["analysis", "compare", "last:5", "--to", "0001", "--fail", f"{LATENCY}:3%"])
    assert main() == 4
    assert capsys.readouterr().err.startswith("no history yet: No other saved run in ")


@pytest.mark.parametrize("is_made", [True, False])
def test_a_storage_without_a_run_is_no_history_yet(tmp_path, monkeypatch, capsys, is_made):
    path, elsewhere = save(tmp_path / "new", 1, measured("fp16", "graph", 1.0)), tmp_path / "elsewhere"
    if is_made:
        elsewhere.mkdir()
    monkeypatch.setattr(sys, "argv", ["analysis", "compare", "last:5", "--to", str(path), "--storage", str(elsewhere)])
    assert main() == 4
    assert capsys.readouterr().err == f"no history yet: There is no saved run in {elsewhere} yet.\n"


def test_a_side_that_stands_first_and_is_the_later_is_said(storage, capsys, tmp_path):
    for number, moment in ((1, "2026-11-02 10:00 UTC"), (2, "2026-11-01 10:00 UTC")):
        (path,) = (tmp_path / ".benchmarks").rglob(f"{number:04d}*.json")
        path.write_text(path.read_text().replace('"machine_info": {', f'"machine_info": {{"measured_utc": "{moment}",'))
    assert storage("0001", "--to", "0002") == 0
    said = "was measured at 2026-11-02 10:00 UTC, after 0002"
    assert said in capsys.readouterr().err
    assert storage("0002", "--to", "0001") == 0
    assert "note:" not in capsys.readouterr().err


def slower(one: Run, times: float) -> Run:
    """The run with all its latencies so many times as long."""
    items = copy.deepcopy(one.benchmarks)
    for item in items:
        latency = item["extra_info"]["latency"]
        for key in [key for key, value in latency.items() if key.endswith("_ms") and isinstance(value, float)]:
            latency[key] *= times
        for visit in item["extra_info"]["visits"]:
            visit["median_ms"] = visit["median_ms"] and visit["median_ms"] * times
    return replace(one, benchmarks=items)


def cpu_outcomes(times: float) -> Sequence[Outcome]:
    """What a limit of 15% says of every pair of a CPU's sessions, the later one so many times as slow."""
    pairs = (pair for path in (CPU_DEFAULT, CPU_PRECISIONS) for pair in itertools.permutations(saved(path), 2))
    gate = parse_gate(f"{LATENCY}:15%")
    return [judge(changes([before], [slower(after, times)]), [gate]) for before, after in pairs]


@pytest.mark.slow
def test_unchanged_sessions_with_default_executions_fail_no_limit():
    """The reference's: 220 pairs on seven boards, eager energies of which some are null by chance."""
    limits = (f"{LATENCY}:3%", f"{ENERGY}:5%", "energy_net_mj:5%", "energy_reduction_vs_fp32:10%", "speedup_vs_fp32:5%")
    gates = [parse_gate(limit).resolved(CATALOGUE) for limit in limits]
    pairs = [pair for path in DEFAULTS.values() for pair in itertools.combinations(saved(path), 2)]
    failed = [judge(changes([before], [after]), gates).failed for before, after in pairs]
    assert len(pairs) == 220
    assert sum(map(bool, failed)) <= 0.05 * len(pairs)


@pytest.mark.slow
def test_cpu_latencies_three_times_as_slow_all_fail_and_unchanged_ones_do_not():
    found = cpu_outcomes(3.0)
    assert sum(len(one.failed) for one in found) == 160
    assert sum(len(one.undecided) + one.held for one in found) == 0
    assert sum(len(one.failed) for one in cpu_outcomes(1.0)) == 0
