"""Runs that do not belong together are not mixed: each model, machine and number of threads stands apart."""

from __future__ import annotations

import pytest

from analysis.comparison.alike import OF_ONE_LINE, OF_REPEATS, alike, words
from analysis.comparison.history import table_of_runs, values_over_runs, write_history
from analysis.runs.saved import load
from tests.support.saved_runs import in_visits, measured, save

CPU = {"device_name": "Xeon", "cpu_model": "Xeon", "device_uuid": None, "torch": "2.13", "torch_threads": 2}


def run_of(folder, number, model="m", median_ms=1.0, task=None, node="host", **environment):
    """A run of FP32 in visits around a latency, its weights told by the model's name."""
    item = in_visits(measured("fp32", "eager", median_ms), 0.01 * number)
    item["extra_info"]["environment"] = CPU | environment
    item["extra_info"]["provenance"] |= {"model": model, "weights_sha256": model.ljust(64, "0")}
    return load(save(folder, number, item, measured_utc=f"2026-11-0{number} 10:00:00 UTC", node=node))


@pytest.mark.parametrize(
    ("changed", "conditions", "said"),
    [
        ({"model": "n"}, OF_ONE_LINE, "n on Xeon (host), the digest of the weights n00000000000…"),
        ({"torch_threads": 1}, OF_ONE_LINE, "m on Xeon (host), the number of threads 1"),
        ({"node": "other"}, OF_ONE_LINE, "m on Xeon (other)"),
        ({"machine_key": "ab12"}, OF_ONE_LINE, "m on Xeon (ab12)"),
        ({"device_uuid": "GPU-2"}, OF_REPEATS, "m on Xeon (GPU-2)"),
        ({"device_name": "EPYC", "cpu_model": "EPYC"}, OF_ONE_LINE, "m on EPYC (host)"),
        ({"torch": "2.6"}, OF_REPEATS, "m on Xeon (host), PyTorch 2.6"),
    ],
)
def test_what_differs_stands_apart_and_is_named(tmp_path, changed, conditions, said):
    runs = [run_of(tmp_path, 1), run_of(tmp_path, 2, **changed), run_of(tmp_path, 3)]
    groups = alike(runs, conditions)
    assert [group.runs for group in groups] == [[runs[0], runs[2]], [runs[1]]]
    assert words(groups)[1] == said


@pytest.mark.parametrize(
    "changed", [{"node": "container", "machine_key": "ab12"}, {"python": "3.13"}, {"driver": None}, {"torch": None}]
)
def test_what_is_not_known_and_the_name_of_a_container_are_no_difference(tmp_path, changed):
    runs = [run_of(tmp_path, 1, machine_key="ab12"), run_of(tmp_path, 2, **{"machine_key": "ab12", **changed})]
    assert len(alike(runs, OF_REPEATS)) == 1


def test_a_new_version_is_a_point_of_the_same_line_and_no_repeat(tmp_path):
    runs = [run_of(tmp_path, 1), run_of(tmp_path, 2, torch="2.6")]
    assert len(alike(runs, OF_ONE_LINE)) == 1
    assert len(alike(runs, OF_REPEATS)) == 2


def test_a_run_of_two_tasks_belongs_to_another_of_them(tmp_path):
    items = [measured("fp32", "eager", 1.0), measured("fp32", "eager", 1.0)]
    items[1]["extra_info"]["case"]["task"] = "classification"
    items[1]["extra_info"]["provenance"] |= {"weights_sha256": "c" * 64, "dataset_sha256": "d" * 64}
    runs = [load(save(tmp_path, number, *items)) for number in (1, 2)]
    assert len(alike(runs, OF_REPEATS)) == 1


def test_variance_is_of_the_sessions_of_one_thing(storage, command, capsys):
    for number, changed in enumerate(({}, {}, {"torch_threads": 1, "median_ms": 3.0}), start=1):
        run_of(storage / "x", number, **changed)
    assert command("variance", "0001", "0002") == 0
    alone = capsys.readouterr().out
    assert "## Xeon (host), 2 sessions" in alone
    assert command("variance") == 0
    together = capsys.readouterr().out
    assert "## m on Xeon (host), the number of threads 2, 2 sessions" in together
    assert [line for line in together.splitlines() if line.startswith("|")] == [
        line for line in alone.splitlines() if line.startswith("|")
    ]
    assert "the others of m on Xeon (host), the number of threads 1 are 1 session(s), or have no visits" in together
    assert command("variance", "0002", "0003") == 1
    assert capsys.readouterr().err.count("are 1 session(s)") == 2


def test_a_noise_floor_is_of_runs_of_one_thing(storage, command, capsys):
    for number, changed in enumerate(({}, {"model": "n", "median_ms": 9.0}, {}), start=1):
        run_of(storage / "x", number, **changed)
    assert command("noise") == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("# ")] == [
        "# Noise floor over 2 run(s): m on Xeon (host), the digest of the weights m00000000000…",
        "# Noise floor over 1 run(s): n on Xeon (host), the digest of the weights n00000000000…",
    ]
    rows = [line.split("|") for line in printed.splitlines() if "| median_latency_ms" in line]
    assert [[cell.strip() for cell in row[3:5]] for row in rows] == [["2", "1"], ["1", "9"]]
    assert command("noise", "0001", "0003") == 0
    assert "# Noise floor over 2 run(s)\n" in capsys.readouterr().out


def test_history_has_a_line_for_each_model_and_machine(tmp_path):
    changes = ({}, {"model": "n", "median_ms": 9.0}, {"torch": "2.6"}, {"torch_threads": 1})
    runs = [run_of(tmp_path, number, **changed) for number, changed in enumerate(changes, start=1)]
    values = {column.column: rows for column, rows in values_over_runs(runs).items()}["median_latency_ms"]
    assert {name: rows.dropna().index.tolist() for name, rows in values.items()} == {
        "fp32-eager (a)": [1, 3],
        "fp32-eager (b)": [2],
        "fp32-eager (c)": [4],
    }
    listed = table_of_runs(runs)
    assert listed["series"].tolist() == ["a", "b", "a", "c"]
    assert listed["model"].tolist() == ["m", "n", "m", "m"]
    assert "series" not in table_of_runs(runs[::2])
    text, _ = write_history(tmp_path / "results", runs)
    assert "- b: n on Xeon (host), the digest of the weights n00000000000…, the number of threads 2" in text
    assert "lines join" not in write_history(tmp_path / "results", runs[::2])[0]
