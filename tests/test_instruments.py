"""In which order a benchmark is measured, and that a session keeps its books by benchmarks, not by pytest's ids."""

from __future__ import annotations

import ast
import functools

import pytest

from benchmarks.instruments import INSTRUMENTS
from benchmarks.instruments.base import Instrument
from tests.tiny import REPOSITORY

#: The procedure: whoever changes it changes published figures.
ORDER = ["Provenance", "Validity", "Size", "Quality", "Numerics", "Latency", "Energy", "Roofline"]


def recorded(calls: list, name: str, method):
    """The method of an instrument, which notes each call."""

    @functools.wraps(method)
    def record(self, run):
        calls.append((run.name, method.__name__, name))
        return method(self, run)

    return record


def test_instruments_measure_in_the_order_of_the_tuple(run_suite, monkeypatch):
    calls = []
    for instrument in INSTRUMENTS:
        for moment in ("starting", "prepared", "measure"):
            monkeypatch.setattr(instrument, moment, recorded(calls, instrument.__name__, getattr(instrument, moment)))
    assert run_suite("--precisions=fp32").ret == 0
    expected = [(moment, name) for moment in ("starting", "prepared", "measure") for name in ORDER]
    assert calls == [("fp32-eager", moment, name) for moment, name in expected]


def test_the_documentation_states_that_order():
    text = (REPOSITORY / "docs" / "latency.md").read_text()
    assert ", ".join(f"`{name}`" for name in ORDER) in " ".join(text.split())


def test_no_plugin_that_measures_is_left_to_pytests_order():
    for path in (REPOSITORY / "benchmarks" / "instruments").rglob("*.py"):
        modules = {
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")])
        }
        assert not modules & {"pytest", "pluggy", "_pytest"}, path


def test_a_new_instrument_is_one_class_in_the_tuple(run_suite, saved_run, monkeypatch):
    class Words(Instrument):
        def measure(self, run):
            return {"words": {"letters": len(run.name)}}

    monkeypatch.setattr("benchmarks.session.INSTRUMENTS", (*INSTRUMENTS, Words))
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    (saved,) = saved_run()["benchmarks"]
    assert saved["extra_info"]["words"] == {"letters": len("fp32-eager")}


class AnotherAxis:
    """A plugin that parametrizes the benchmarks once more, so that pytest's ids are not the benchmarks' names."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if metafunc.function.__name__ in ("test_forward", "test_drift"):
            metafunc.fixturenames.append("another")
            metafunc.parametrize("another", ["axis"])


def test_ids_that_differ_from_names_lose_no_benchmark_and_no_sentinel(run_suite, saved_run, tmp_path):
    result = run_suite("--benchmark-autosave", "--precisions=fp32", "-v", plugins=[AnotherAxis()])
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_drift?*fp32-eager*axis*? PASSED*"])
    assert "was not run" not in (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    assert saved_run()["benchmarks"][0]["extra_info"]["validity"]["drift"]["sentinel"] == "fp32-eager"
