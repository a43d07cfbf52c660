"""The script that tries faults for real sees what it is there to see (its kills take minutes and are no tests)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from analysis.runs.journal import append
from tests.faults import FaultError, after_kill, dataset_seed, killed, require_whole_results
from tests.support.journals import GONE
from tests.support.saved_runs import benchmark


def test_a_dataset_with_half_a_file_is_seen(tiny_dataset):
    assert dataset_seed(tiny_dataset) == 42
    os.truncate(tiny_dataset / "labels.pt", 1000)
    with pytest.raises(FaultError, match="tensors_load failed"):
        dataset_seed(tiny_dataset)


@pytest.mark.parametrize("name", ["losses.npz", "table.csv"])
def test_half_a_result_is_seen(tmp_path, name):
    np.savez_compressed(tmp_path / "losses.npz", nll_nats=np.zeros(3), targets=np.zeros(3))
    (tmp_path / "table.csv").write_text("name\nfp32-eager-b1x16\n")
    require_whole_results(tmp_path)
    os.truncate(tmp_path / name, 5)
    with pytest.raises(FaultError):
        require_whole_results(tmp_path)


def test_a_visit_that_is_lost_is_seen(tmp_path):
    item = benchmark("fp32", 1.0) | {"name": "test_forward[fp32-eager]", "fullname": "fp32"}
    item["extra_info"]["visits"] = [{"number": 1}, {"number": 2}]
    append(tmp_path / "results" / "journal" / f"1-{GONE}.jsonl", json.dumps({"benchmarks": [item]}))
    output = tmp_path / "output.txt"
    output.write_text("x.py::test_forward[fp32-eager] PASSED [ 9%]\nx.py::test_visit[fp32-eager-v2] PASSED [ 19%]\n")
    assert after_kill(tmp_path) == "2 visits, 2 recovered"
    output.write_text("x.py::test_visit[fp32-eager-v3] PASSED [ 91%]\n")
    with pytest.raises(FaultError, match=r"fp32-eager-v3.* in no run and no journal"):
        after_kill(tmp_path)


def test_a_process_is_killed_only_while_it_runs():
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    assert killed(sleeping, 0.01)
    assert not killed(subprocess.Popen([sys.executable, "-c", ""]), 60)
    with pytest.raises(FaultError, match="exit code 3"):
        killed(subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]), 60)
