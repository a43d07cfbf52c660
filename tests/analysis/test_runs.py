"""Finding saved runs, reading them whatever they hold, and the noise floor over them."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.comparison.history import table_of_runs
from analysis.comparison.noise import noise_floor, noise_markdown
from analysis.report.diagnosis import caveats, explanations
from analysis.report.summary import RunSummary
from analysis.runs.saved import load
from analysis.runs.selection import select
from analysis.runs.validity import judgements
from core.errors import InputError
from core.executions import USUAL
from tests.support.described import METRICS, table
from tests.support.saved_runs import FIVE_PERCENT, benchmark, floors_of_both, in_visits, save


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """Three saved runs in pytest-benchmark's layout."""
    for number, median in enumerate((1.0, 1.1, 1.2), start=1):
        save(tmp_path / ".benchmarks" / "Linux", number, benchmark("fp32", 4.0), benchmark("fp16", median, 9.0))
    return tmp_path / ".benchmarks"


def test_runs_are_named_by_path_number_glob_or_not_at_all(storage):
    files = sorted((storage / "Linux").iterdir())
    assert list(select([], storage)) == files
    assert list(select(["0002"], storage)) == [files[1]]
    assert list(select([str(files[2]), "0001", "0003"], storage)) == [files[2], files[0]]
    assert list(select([f"{storage}/*/000[12]*"], storage)) == files[:2]
    assert list(select([str(storage / "Linux")], storage)) == files


@given(st.text(max_size=300).map(lambda name: name.replace("/", "")), st.text("*?[]/~0 x\0\ud800", max_size=8))
def test_any_selector_names_files_or_is_one_error(tmp_path_factory, name, below):
    folder = tmp_path_factory.mktemp("saved")
    path = save(folder / "Linux", 1, benchmark("fp32", 1.0))
    for selector in (name, f"{folder}/{below}"):
        try:
            selected = select([selector, "0001", selector], folder)
        except InputError:
            continue
        assert path in selected
        assert len(set(selected)) == len(selected)


@pytest.mark.parametrize("selector", ["0009", "nothing/*.json", "*.csv"])
def test_a_selector_that_matches_nothing_is_an_error(storage, selector):
    with pytest.raises(InputError, match="No saved run matches"):
        select([selector], storage)


@pytest.mark.parametrize("selector", ["x" * 300, "a/**b/*"])
def test_what_cannot_be_a_name_is_one_sentence(storage, selector):
    with pytest.raises(InputError, match="expected a path, a number such as 0001 or a glob"):
        select([selector], storage)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not a saved run: JSONDecodeError"),
        ('{"benchmarks": [', "is not a saved run"),
        ("[1, 2]", "holds no list of benchmarks"),
        ('{"benchmarks": {}}', "holds no list of benchmarks"),
        ('{"benchmarks": []}', "none of this suite"),
        ('{"benchmarks": [{"name": "sort", "extra_info": {}}, 3]}', "holds 2 benchmark(s), but none of this suite"),
        ('{"benchmarks": [], "datetime": "\\ud800"}', "is not a saved run: UnicodeEncodeError"),
    ],
)
def test_what_is_no_run_of_this_suite_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        load(path)
    assert sentence in str(caught.value)


OWN = {"git_commit": "a" * 40 + "+", "measured_utc": "2026-01-02 03:04 UTC"}
OTHERS = {"commit_info": {"id": "b" * 40, "dirty": False}, "datetime": "2026-05-06T07:08:09.123456+00:00"}


@pytest.mark.parametrize(
    ("machine_info", "others", "commit", "time"),
    [
        (OWN, OTHERS, "aaaaaaaa+", "2026-01-02 03:04 UTC"),
        ({}, OTHERS, "bbbbbbbb", "2026-05-06T07:08:09"),
        ({"git_commit": None, "measured_utc": None}, OTHERS, "bbbbbbbb", "2026-05-06T07:08:09"),
        (OWN, {}, "aaaaaaaa+", "2026-01-02 03:04 UTC"),
        ({}, {"commit_info": 3, "datetime": None}, "unknown", "unknown"),
        ([], {"commit_info": {"id": None}}, "unknown", "unknown"),
        ({}, {"commit_info": {"id": "unversioned"}}, "unknown", "unknown"),
    ],
)
def test_a_run_has_one_commit_and_one_time_wherever_they_are_shown(tmp_path, machine_info, others, commit, time):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"benchmarks": [benchmark("fp32", 1.0)], "machine_info": machine_info, **others}))
    run = load(path)
    (row,) = table_of_runs([run]).to_dict("records")
    assert (row["commit"], row["measured"]) == (commit, time)
    (condition,) = [line for line in RunSummary(run.benchmarks, run.environment, {}).conditions if "commit" in line]
    shown_time = "at an unknown time" if time == "unknown" else time
    assert condition.startswith(f"measured {shown_time}, commit {commit[:8]}")
    assert condition.endswith("+") == commit.endswith("+")


def test_a_benchmark_that_is_there_twice_is_one_sentence(tmp_path):
    path = save(tmp_path, 1, benchmark("fp32", 1.0), benchmark("fp32", 2.0), benchmark("fp16", 1.0))
    with pytest.raises(InputError, match="holds fp32-eager more than once; expected each benchmark once"):
        load(path)


@given(st.binary(max_size=200))
def test_no_bytes_escape_as_another_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "run.json"
    path.write_bytes(content)
    with pytest.raises(InputError):
        load(path)


def test_the_noise_floor_counts_a_run_as_one_observation(storage):
    spread = noise_floor([load(path) for path in select([], storage)]).set_index(["name", "metric"])
    row = spread.loc[("fp16-eager", "median_latency_ms")]
    assert (row["runs"], row["minimum"], row["maximum"]) == (3, 1.0, 1.2)
    assert row["mean"] == pytest.approx(1.1)
    assert row["cv"] == pytest.approx(0.1 / 1.1)
    assert spread.loc[("fp32-eager", "median_latency_ms"), "cv"] == 0
    assert ("fp32-eager", "energy_per_sample_mj") not in spread.index  # missing, not 0


def test_a_mean_of_zero_has_no_coefficient_of_variation(tmp_path):
    items = [benchmark("fp16", 1.0, quality={"delta_perplexity_vs_fp32": value}) for value in (-0.5, 0.5)]
    runs = [load(save(tmp_path, number, item)) for number, item in enumerate(items)]
    spread = noise_floor(runs).set_index("metric").loc["delta_perplexity_vs_fp32"]
    assert spread["mean"] == 0
    assert math.isnan(spread["cv"])


def test_one_run_has_no_noise_floor_and_says_so(storage):
    text = noise_markdown([load(*select(["0001"], storage))])
    assert "One run has no run-to-run spread" in text
    assert "| -" in text


def test_the_command_line_prints_tables_and_errors(storage, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(storage.parent)
    monkeypatch.setattr(sys, "argv", ["results", "noise"])
    assert main() == 0
    assert "## eager" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["results", "report", "0002", "--results-dir", "out"])
    assert main() == 0
    written = {path.name for path in (tmp_path / "out").iterdir()}
    tables = {"gpt2_benchmark_summary.md", "gpt2_quantization_benchmark_results.csv", "report.html"}
    assert {*tables, "latency.png", "latency.svg", "speedup.png", "speedup.svg"} <= written
    monkeypatch.setattr(sys, "argv", ["results", "noise", "0099"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("error: No saved run matches '0099'")
    monkeypatch.setattr(sys, "argv", ["results", "report", "0001", "0002"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("error: report got 2 runs; expected one")
    (tmp_path / "file").touch()
    for command in ("report", "history"):
        monkeypatch.setattr(sys, "argv", ["results", command, "--results-dir", "file"])
        assert main() == 1
        assert capsys.readouterr().err.startswith("error: file cannot be written (")


STORED = {"fp32": "torch.float32", "fp16": "torch.float16", "bf16": "torch.bfloat16"}


def executed(precision: str, execution: str, median_ms: float, **latency: object) -> dict:
    made = in_visits(benchmark(precision, median_ms, execution=execution))
    made["extra_info"]["latency"].update(latency)
    made["extra_info"]["numerics"] = {"parameter_dtypes": {STORED[precision]: 148}}
    return made


def test_the_explanation_says_why_fp16_is_not_faster_in_eager():
    rows = [
        executed("fp32", "eager", 7.0),
        executed("fp32", "graph", 3.0),
        executed("fp16", "eager", 7.5, kernel_time_ms=0.8),
        executed("fp16", "graph", 1.0),
    ]
    (sentence,) = explanations(table(rows, FIVE_PERCENT), rows, USUAL)
    assert sentence.startswith(
        "FP16 in eager is slower than FP32 (7.500 against 7.000 ms, 0.93x; a repeat finds 0.89 to 0.98) on this "
        "machine: 87% of"
    )
    assert "an eager FP16 forward is waiting for launches" in sentence
    assert (
        "In a CUDA graph it is faster than FP32 (1.000 against 3.000 ms, 3.00x; a repeat finds 2.86 to 3.15)."
        in sentence
    )
    assert explanations(table(rows[:3]), rows[:3], USUAL) == []
    rows[0]["extra_info"]["validity"]["status"] = "invalid"
    assert explanations(table(rows, FIVE_PERCENT), rows, USUAL)[0].startswith(
        "FP16 in eager is not judged against FP32, for a measurement is invalid (7.500 against 7.000 ms, 0.93x). In "
    )


def test_each_precision_of_16_bits_has_its_sentence_by_what_the_run_found_stored():
    latencies = {"fp32": (7.0, 3.0), "fp16": (7.5, 1.0), "bf16": (8.0, 4.0)}
    rows = [
        executed(precision, execution, median_ms)
        for precision, both in latencies.items()
        for execution, median_ms in zip(("eager", "graph"), both, strict=True)
    ]
    of_fp16, of_bf16 = explanations(table(rows, FIVE_PERCENT), rows, USUAL)
    assert of_fp16.startswith("FP16 in eager is slower than FP32 (7.500 against 7.000 ms")
    assert of_bf16.startswith("BF16 in eager is slower than FP32 (8.000 against 7.000 ms")
    assert "50% of an eager BF16 forward" in of_bf16
    assert "In a CUDA graph it is slower than FP32 (4.000 against 3.000 ms" in of_bf16
    for row in rows[2:]:  # FP16's name over FP32's weights, and a run that does not say what is stored
        row["extra_info"]["numerics"] = {"parameter_dtypes": {"torch.float32": 148}}
    assert explanations(table(rows, FIVE_PERCENT), rows, USUAL) == []
    for row in rows[2:]:
        del row["extra_info"]["numerics"]
    assert explanations(table(rows, FIVE_PERCENT), rows, USUAL) == []


def test_where_intervals_hold_one_nothing_is_called_faster_or_slower():
    rows = [
        executed("fp32", "eager", 9.0),
        executed("fp32", "graph", 7.0),
        executed("fp16", "eager", 8.0),
        executed("fp16", "graph", 7.01),
    ]
    (sentence,) = explanations(table(rows, floors_of_both(0.2, 0.005)), rows, USUAL)
    assert (
        "neither clearly faster nor slower than FP32 (8.000 against 9.000 ms, 1.13x; a repeat finds 0.92 to 1.37"
        in sentence
    )
    assert "launches are only 12% of an eager FP16 forward, and the kernels decide" in sentence
    assert "In a CUDA graph it is as fast as FP32" in sentence


@pytest.mark.parametrize(
    ("fp16_ms", "words"),
    [
        (9.0 * 1.106, "slower than"),
        (9.0 * 1.104, "neither clearly faster nor slower than"),
        (9.0 / 1.104, "neither clearly faster nor slower than"),
        (9.0 / 1.106, "faster than"),
    ],
)
def test_faster_and_slower_need_an_interval_without_one(fp16_ms, words):
    rows = [executed("fp32", "eager", 9.0), executed("fp32", "graph", 3.0)]
    rows += [executed("fp16", "eager", fp16_ms), executed("fp16", "graph", 1.0)]
    (sentence,) = explanations(table(rows, floors_of_both(math.log(1.105), 0.01)), rows, USUAL)
    assert sentence.startswith(f"FP16 in eager is {words} FP32")


@pytest.mark.parametrize(
    ("section", "key", "value", "sentence"),
    [
        ("latency", "median_ms", -0.87, "median_latency_ms -0.87; expected a finite number above 0"),
        ("latency", "median_ms", 0, "median_latency_ms 0; expected a finite number above 0"),
        ("latency", "median_ms", math.nan, "median_latency_ms nan; expected a finite number"),
        ("latency", "median_ms", "0.1", "median_latency_ms '0.1'; expected a finite number"),
        ("latency", "mean_ms", math.inf, "mean_latency_ms inf; expected a finite number"),
        ("latency", "outlier_share", 7, "outlier_share 7; expected a finite number from 0 to 1"),
        ("size", "model_size_mb", -248.0, "model_size_mb -248.0; expected a finite number above 0"),
        ("quality", "perplexity", 0.5, "perplexity 0.5; expected a finite number from 1"),
        ("quality", "top1_agreement_vs_fp32", 7.0, "top1_agreement_vs_fp32 7.0; expected a finite number from 0 to 1"),
        ("quality", "targets", True, "targets True; expected a finite number from 0"),
        ("quality", "delta_perplexity_vs_fp32", [1], r"delta_perplexity_vs_fp32 \[1\]; expected a finite number"),
    ],
)
@pytest.mark.parametrize("says_ranges", [True, False])
def test_a_value_that_a_figure_cannot_have_is_refused(tmp_path, section, key, value, sentence, says_ranges):
    """Whether a run's own metrics say it or not; of what is read by name they cannot say anything else."""
    item = benchmark("fp32", 1.0)
    item["extra_info"].setdefault(section, {})[key] = value
    entries = [one if says_ranges else {**one, "within": None} for one in METRICS]
    path = save(tmp_path, 1, item, metrics=entries)
    with pytest.raises(InputError, match=f"cannot be read: fp32-eager has {sentence}"):
        load(path)


def test_no_run_widens_what_is_read_by_name(tmp_path):
    entries = [{**one, "within": [None, None]} for one in METRICS]
    with pytest.raises(InputError, match=r"median_latency_ms -1\.0; expected"):
        load(save(tmp_path, 1, benchmark("fp32", -1.0), metrics=entries))


def test_each_doubtful_benchmark_gets_one_line_with_figure_cause_and_remedy():
    noisy = executed("fp16", "eager", 10.0, converged=False, ci95_low_ms=9.5, ci95_high_ms=10.2, noise_rel=0.07)
    hot = benchmark("fp32", 1.0, validity={"status": "invalid", "reasons": ["clocks were held down"], "unknown": {}})
    unknown = benchmark("mixed", 1.0, validity={"status": "unknown", "reasons": [], "unknown": {"gpu": "no NVML"}})
    listed = [noisy, hot, unknown, benchmark("fp32", 1.0)]
    lines = caveats(listed, judgements(listed))
    assert len(lines) == 3
    assert lines[0].startswith(
        "fp16-eager: this session's median is known to ± 5.0% after 100 rounds (expected ± 1%), visits spread by 7.0%"
    )
    assert lines[1] == "fp32-eager: clocks were held down."
    assert lines[2] == "mixed-eager: validity unknown: no NVML."
