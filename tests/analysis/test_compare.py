"""Changes between runs, their verdicts, and the limits that they must not pass."""

from __future__ import annotations

import json
import math
import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_benchmark.utils import get_machine_id

from analysis.__main__ import main
from analysis.comparison.changes import ChangeInterval, change, change_verdict, changes, holm
from analysis.comparison.comparability import differences
from analysis.comparison.gates import Gate, judge, parse_gate
from analysis.comparison.presentation import as_json, as_markdown
from analysis.runs.saved import Run
from analysis.uncertainty.repeat import Repeat
from core.errors import InputError
from tests.support.described import CATALOGUE, described
from tests.support.saved_runs import benchmark, measured, save, with_floor

LATENCY, PERPLEXITY = (CATALOGUE[name] for name in ("median_latency_ms", "perplexity"))


def latency(before: list[float], after: list[float], u: float | None = None):
    """The change of a latency; sessions of one thing differ by `u`, or by what the sides say where it is None."""
    repeat = None if u is None else Repeat(0.0, u, math.inf, "a test")
    return change("fp16-eager", LATENCY, np.array(before), np.array(after), repeat)


def failures(compared, gates, **options):
    return list(judge(compared, gates, **options).failed)


def test_a_change_by_hand():
    compared = latency([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    assert compared.change_rel == pytest.approx(1.0)
    assert compared.interval[:2] == (pytest.approx(1.0), pytest.approx(1.0))
    assert compared.verdict == "worse"
    # Logs 0, 0.1, 0.2 and 1, 1.1, 1.2: difference 1, each variance 0.01, t(4) = 2.776.
    logs = [math.exp(x) for x in (0.0, 0.1, 0.2)], [math.exp(x) for x in (1.0, 1.1, 1.2)]
    compared = latency(*logs)
    half = 2.77645 * math.sqrt(0.01 / 3 + 0.01 / 3)
    assert compared.change_rel == pytest.approx(math.expm1(1))
    assert compared.interval.low_rel == pytest.approx(math.expm1(1 - half), rel=1e-5)
    assert compared.interval.of == "the mean over runs"
    # One run against two, sessions differ by 1%: 1.96 x 0.01 x sqrt(1 + 1/2).
    compared = latency([1.0], [1.1, 1.1], 0.01)
    assert compared.interval.low_rel == pytest.approx(1.1 * math.exp(-1.959964 * 0.01 * math.sqrt(1.5)) - 1)
    assert (compared.interval.of, compared.verdict) == ("a repeat", "worse")
    compared = change("fp16-eager", PERPLEXITY, np.array([30.0]), np.array([31.0]))
    assert (compared.interval.of, compared.verdict) == ("same in every session", "worse")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1.00, 1.01, 0.99], [0.50, 0.51, 0.49], "better"),
        ([1.00, 1.001, 0.999], [1.001, 1.0, 1.002], "same"),
        ([1.0, 1.2, 0.8], [1.1, 1.3, 0.9], "undecided"),
        ([1.0, 1.0], [2.0, 2.0, 2.0], "indicative"),
        ([1.0], [2.0], "indicative"),
        ([], [2.0], "missing"),
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], "undecided"),
    ],
)
def test_verdicts(before, after, expected):
    assert latency(before, after).verdict == expected


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ((-0.2, -0.001), "better"),
        ((-0.2, 0.0), "undecided"),  # an interval that touches 0 does not exclude it
        ((0.0, 0.2), "undecided"),
        ((0.001, 0.2), "worse"),
        ((-0.01, 0.01), "same"),
        ((-0.0101, 0.01), "undecided"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(interval, expected):
    excludes_zero = interval[0] > 0 or interval[1] < 0
    found = ChangeInterval(*interval, "a test", 0.049 if excludes_zero else 0.051)
    assert change_verdict("lower", (3, 3), sum(interval) / 2, found) == expected


def test_the_verdicts_on_one_metric_are_one_family():
    # Probabilities of three benchmarks: the smallest has to be below 5% / 3, the next below 5% / 2, and so on.
    def judged(*p_values: float) -> list[str]:
        one = latency([1.0], [1.5], 0.01)
        interval = one.interval
        return [c.verdict for c in holm([replace(one, interval=interval._replace(p_value=p)) for p in p_values])]

    assert judged(0.016, 0.024, 0.049) == ["worse"] * 3
    assert judged(0.017, 0.001, 0.024) == ["worse"] * 3
    assert judged(0.017, 0.017, 0.017) == ["undecided"] * 3
    assert judged(0.049, 0.001, 0.03) == ["undecided", "worse", "undecided"]


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_values_that_are_not_above_zero_have_no_relative_change(value):
    for sides in (([value, value], [1.0, 1.0]), ([1.0, 1.0], [value, value])):
        compared = latency(*sides)
        assert (compared.change_rel, compared.interval, compared.verdict) == (None, None, "undecided")


def test_more_is_better_where_it_is():
    throughput = CATALOGUE["throughput"]
    compared = change("x", throughput, np.array([1.0, 1.01, 0.99]), np.array([2.0, 2.02, 1.98]))
    assert compared.verdict == "better"
    assert compared.worsening_rel == pytest.approx(-1, abs=1e-3)


def test_runs_of_the_same_thing_are_seldom_called_different():
    generator = random.Random(6)
    wrong = sum(
        latency(*([generator.gauss(1, 0.03) for _ in range(5)] for _ in range(2))).verdict in ("better", "worse")
        for _ in range(400)
    )
    assert wrong / 400 <= 0.06


@given(st.lists(st.floats(0.1, 10), min_size=3, max_size=6), st.lists(st.floats(0.1, 10), min_size=3, max_size=6))
def test_a_change_there_and_back_is_none(first, second):
    there, back = latency(first, second), latency(second, first)
    assert (1 + there.change_rel) * (1 + back.change_rel) == pytest.approx(1)
    assert (1 + there.interval.low_rel) * (1 + back.interval.high_rel) == pytest.approx(1)


def run(*benchmarks: dict) -> Run:
    return Run(Path("run.json"), benchmarks, described())


def test_every_benchmark_of_either_side_is_compared():
    compared = changes([run(benchmark("fp32", 4.0), benchmark("fp16", 1.0))], [run(benchmark("fp32", 2.0))])
    by_name = {(item.benchmark, item.metric): item for item in compared}
    assert by_name["fp32-eager", "median_latency_ms"].change_rel == pytest.approx(-0.5)
    assert by_name["fp16-eager", "median_latency_ms"].verdict == "missing"
    assert ("fp32-eager", "energy_per_sample_mj") not in by_name  # on neither side


@pytest.mark.parametrize(
    ("expression", "gate"),
    [
        ("perplexity:0.5%", Gate("perplexity", 0.005)),
        ("median_ms:3%", Gate("median_latency_ms", 0.03)),
        (" energy_per_sample_mj : 5 %", Gate("energy_per_sample_mj", 0.05)),
        ("speedup_vs_fp32:1%", Gate("speedup_vs_fp32", 0.01)),
    ],
)
def test_limits_are_read(expression, gate):
    assert parse_gate(expression).resolved(CATALOGUE) == gate


@given(st.text(max_size=30))
def test_any_text_is_a_limit_or_one_error(text):
    try:
        gate = parse_gate(text).resolved(CATALOGUE)
    except InputError:
        return
    assert gate.limit_rel >= 0


@pytest.mark.parametrize("expression", ["perplexity", "perplexity:-1%", "perplexity:1", "rounds:1%", "nonsense:1%", ""])
def test_what_is_no_limit_is_an_error(expression):
    with pytest.raises(InputError, match="expected"):
        parse_gate(expression).resolved(CATALOGUE)


def test_runs_that_differ_by_more_than_the_floor_says_are_judged_by_their_own_spread():
    before, after = [1.0, 1.05, 0.95], [1.06, 1.11, 1.01]
    found = latency(before, after, 0.001)
    logs = [np.log(side) for side in (before, after)]
    spread = math.sqrt(sum(float(side.var(ddof=1)) for side in logs) / 2)
    half = 2.77645 * spread * math.sqrt(2 / 3)  # t(4)
    assert found.interval.low_rel == pytest.approx(math.expm1(logs[1].mean() - logs[0].mean() - half), rel=1e-4)
    assert found.verdict == "undecided"
    assert latency(before[:2], after[:2], 0.001).verdict == "worse"  # two a side say little of their spread
    assert latency(before, after, 0.1).interval.low_rel < found.interval.low_rel  # the floor says more


@pytest.mark.parametrize(
    ("after", "u", "failed", "undecided"),
    [
        (1.05, 0.005, True, False),  # 3.6 to 6.5%
        (1.04, 0.005, False, True),  # 2.6 to 5.5%
        (1.02, 0.005, False, True),  # 0.6 to 3.4%
        (1.01, 0.005, False, False),  # up to 2.4%
        (0.5, 0.005, False, False),
        (1.05, None, False, True),  # nothing says how far a repeat may differ
    ],
)
def test_a_limit_fails_beyond_its_interval_passes_within_and_is_undecided_between(after, u, failed, undecided):
    outcome = judge([latency([1.0], [after], u)], [Gate("median_latency_ms", 0.03)])
    assert (bool(outcome.failed), bool(outcome.undecided)) == (failed, undecided)


def test_a_limit_says_figures_interval_and_limit():
    outcome = judge([latency([1.0], [1.05], 0.005)], [Gate("median_latency_ms", 0.03)])
    assert outcome.failed == (
        "fp16-eager median_latency_ms: 1 to 1.05, 5.00% slower (+3.55% to +6.47%, of a repeat); at most 3.00% allowed.",
    )
    outcome = judge([latency([1.0], [1.05])], [Gate("median_latency_ms", 0.03)])
    assert outcome.undecided == (
        "fp16-eager median_latency_ms: 1 to 1.05, 5.00% slower; nothing says how far a repeat may differ, so whether "
        "that is beyond 3.00% is open. Compare 3 runs a side.",
    )


def test_what_one_side_lacks_fails_unless_it_may():
    gate = [Gate("median_latency_ms", 0.03)]
    assert "missing before; expected it on both sides" in failures([latency([], [1.0])], gate)[0]
    assert failures([latency([], [1.0])], gate, allow_missing=True) == []
    assert failures([], gate) == ["median_latency_ms: no benchmark has it; expected it on both sides."]


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """Three runs before and three after, in pytest-benchmark's layout; the command line run there."""
    folder = tmp_path / ".benchmarks" / "Linux"
    for number, median in enumerate((1.0, 1.01, 0.99, 2.0, 2.02, 1.98), start=1):
        save(folder, number, benchmark("fp16", median, 9.0))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["results", "compare", *arguments])
        return main()

    return command


def test_the_command_line_compares_sides_and_fails_beyond_limits(storage, capsys):
    sides = ("0001", "0002", "0003", "--to", "0004", "0005", "0006")
    assert storage(*sides) == 0
    assert "slower" in capsys.readouterr().out
    assert storage(*sides, "--fail", "median_ms:3%", "--fail", "perplexity:1%") == 1
    captured = capsys.readouterr()
    assert captured.err.count("failed: ") == 1
    assert "fp16-eager median_latency_ms: 1 to 2, 100.00% slower" in captured.err
    one_each = ("0001", "0004", "--fail", "median_ms:3%")
    assert storage(*one_each) == 0  # one piece each, nothing says how far a repeat may differ
    assert capsys.readouterr().err.startswith("undecided: fp16-eager median_latency_ms")
    assert storage(*one_each, "--undecided", "fail") == 3
    capsys.readouterr()
    assert storage("0001", "0002", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["changes"][0]["runs"] == [1, 1]
    assert storage("0001") == 1
    assert "expected two, or" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        storage("0001", "0004", "--fail", "what")
    assert stopped.value.code == 2  # a usage error, which no script takes for a limit that was passed
    assert "error: argument --fail: The limit 'what' cannot be read" in capsys.readouterr().err


def test_a_run_fails_beyond_its_limits_and_says_so(run_suite):
    assert run_suite("--benchmark-save=first", "--precisions=fp32").ret == 0
    same = run_suite("--benchmark-compare", "--metric-fail=perplexity:0.1%", "--precisions=fp32")
    assert same.ret == 0
    gone = run_suite("--benchmark-compare", "--metric-fail=energy_per_sample_mj:5%", "--precisions=fp32")
    assert gone.ret == pytest.ExitCode.TESTS_FAILED
    gone.stdout.fnmatch_lines(["failed: energy_per_sample_mj: no benchmark has it; expected it on both sides."])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--metric-fail=perplexity:1%"], "--metric-fail needs a saved run to compare with; add --benchmark-compare."),
        (["--benchmark-compare", "--metric-fail=speed"], "--metric-fail: The limit 'speed' cannot be read;*"),
    ],
)
def test_limits_that_cannot_be_held_are_usage_errors(run_suite, options, sentence):
    result = run_suite(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])


def test_json_holds_no_number_that_json_has_not():
    compared = latency([1.0], [2.0])
    assert json.loads(as_json([], [], [compared]))["changes"][0]["after"] == 2.0
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json([], [], [replace(compared, after=math.nan)])


@pytest.mark.parametrize(("after_c", "warned"), [(43, False), (44, True), (39, False), (36, True), (None, False)])
def test_a_warmer_board_is_named_for_its_energy(after_c, warned):
    sides = [run(benchmark("fp32", 2.0, validity={"temperature_c": celsius})) for celsius in (40, after_c)]
    text = as_markdown(sides[:1], sides[1:], [])
    assert ("the board was at 40 C before" in text) is warned


def test_a_saved_run_that_is_not_there_is_a_usage_error_before_anything_is_measured(run_suite, tmp_path):
    result = run_suite("--precisions=fp32", "--benchmark-compare=0099", "--metric-fail=perplexity:0.5%")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --benchmark-compare found no saved run '0099' in *; expected the number *"])
    assert "visit" not in result.stdout.str()
    assert not list((tmp_path / "results").rglob("*.csv"))


def test_a_saved_run_is_named_as_pytest_benchmark_names_it(run_suite, saved_run):
    assert run_suite("--precisions=fp32", "--benchmark-autosave").ret == 0
    for named in ("0001", "*/0001", "*"):
        assert run_suite("--precisions=fp32", f"--benchmark-compare={named}", "--collect-only").ret == 0


@pytest.mark.parametrize("limit", ["--metric-fail=perplexity:0.5%", "--benchmark-compare-fail=mean:5%"])
def test_limits_without_any_saved_run_are_a_usage_error_before_anything_is_measured(run_suite, limit):
    without_compare = run_suite("--precisions=fp32", limit)
    assert without_compare.ret == pytest.ExitCode.USAGE_ERROR
    without_compare.stderr.fnmatch_lines(["ERROR: * needs a saved run to compare with; add --benchmark-compare."])
    result = run_suite("--precisions=fp32", "--benchmark-compare", limit)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: The limits need a saved run to compare with; found none in *"])
    assert "collected" not in result.stdout.str()


def test_a_first_run_is_compared_with_nothing_and_measured(run_suite):
    assert run_suite("--precisions=fp32", "--benchmark-compare", "--benchmark-autosave").ret == 0


@pytest.mark.parametrize("options", [(), ("--metric-fail=perplexity:0.5%",)])
@pytest.mark.parametrize("named", ["--benchmark-compare", "--benchmark-compare=0001"])
def test_a_run_of_another_suite_is_a_usage_error_before_anything_is_measured(run_suite, tmp_path, named, options):
    stats = dict.fromkeys(("min", "max", "mean", "median", "stddev", "ops"), 1.0)
    other = {"name": "test_other", "fullname": "test_other", "extra_info": {}, "stats": stats}
    path = tmp_path / "saved" / get_machine_id() / "0001_other.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"benchmarks": [other], "machine_info": {}, "datetime": "2026-01-01T00:00:00"}))
    result = run_suite("--precisions=fp32", named, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: the run of 2026-01-01T00:00:00 is not compared: * none of this suite; *--benchmark-compare=NUMBER; *"]
    )
    assert "collected" not in result.stdout.str()


def run_on(text: str, median_ms: float, **rows: str) -> Run:
    """One run of FP32 on a text, whose rows and tokenizer may have digests of their own."""
    item = measured("fp32", "graph", median_ms)
    item["extra_info"]["provenance"] |= {"dataset_sha256": text * 64, **rows}
    return Run(Path("a.json"), (item,), described(with_floor(0.01, "graph")))


def test_runs_of_different_texts_get_no_verdict_but_on_sizes():
    compared = {one.metric: one for one in changes([run_on("b", 1.0)], [run_on("c", 2.0)])}
    for metric in ("median_latency_ms", "perplexity"):
        assert (compared[metric].verdict, compared[metric].reason) == ("no verdict", "the runs are of different texts")
    assert compared["model_size_mb"].verdict == "same"
    same = {one.metric: one.verdict for one in changes([run_on("b", 1.0)], [run_on("b", 2.0)])}
    assert same["median_latency_ms"] == "worse"


def test_the_same_rows_in_other_tokens_are_one_text():
    rows = [run_on(name, ms, rows_sha256="r" * 64, tokenizer_sha256=name * 64) for name, ms in (("b", 1.0), ("c", 2.0))]
    compared = {one.metric: one for one in changes(rows[:1], rows[1:])}
    assert compared["median_latency_ms"].verdict == "worse"


@pytest.mark.parametrize(
    ("key", "values", "sentence"),
    [
        ("torch_threads", (2, 16), "the number of threads differs: 2 in a; 16 in b."),
        ("python", ("3.11.7", "3.12.3"), "Python differs: 3.11.7 in a; 3.12.3 in b."),
        ("torchao", ("0.18.0", "0.19.0"), "torchao differs: 0.18.0 in a; 0.19.0 in b."),
        ("triton", ("3.6.0", None), None),  # a run that does not know it, as those of earlier versions
    ],
)
def test_what_computes_is_compared_where_it_is_known(key, values, sentence):
    sides = [
        (name, benchmark("fp32", 1.0, environment={key: value})["extra_info"])
        for name, value in zip("ab", values, strict=True)
    ]
    assert differences(sides) == ([] if sentence is None else [sentence])
