"""A saved run may hold anything: every command shows it or says one sentence, whatever stands where."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analysis.__main__ import main
from analysis.comparison.changes import changes
from analysis.comparison.gates import Gate, judge
from analysis.comparison.history import table_of_runs, values_over_runs
from analysis.comparison.noise import noise_markdown
from analysis.comparison.presentation import as_json, as_markdown
from analysis.comparison.side_by_side import side_by_side
from analysis.report.deployment import Tariff
from analysis.report.page import page
from analysis.report.plots import write_plots
from analysis.report.summary import RunSummary
from analysis.report.writer import summary
from analysis.runs.saved import load
from core.errors import InputError
from core.metrics import READ_BY_NAME
from tests.support.described import METRICS
from tests.support.json_values import json_values
from tests.support.saved_runs import whole_run

#: Parts of a benchmark that `whole_run` leaves out, so that there is something odd to put in their place.
MORE = {
    "numerics": {"parameter_dtypes": ["float32"], "casts": 0},
    "environment": {"device_name": "H100", "driver": "580", "torch": "2.13"},
    "integrity": {"checks": {"files_exist": True}},
    "device": "cuda:0",
}
#: Keys of a metric's description whose text decides what is done with it.
DECIDING = ("column", "path", "better", "form", "repeat", "reason_column", "low_column", "high_column")


def whole_document() -> dict[str, Any]:
    run = whole_run(**MORE)
    for item in run.benchmarks:
        item["extra_info"]["energy"] |= {"tokens_per_joule": 100.0, "status": "ok"}
        item["extra_info"]["validity"] |= {"reasons": [], "unknown": {"gpu": "no NVML"}, "status": "unknown"}
        item["extra_info"]["validity"]["unreadable"] = {"POWER_ns": "NVML_ERROR_NOT_SUPPORTED"}
        item["extra_info"]["visits"] = [{"started_s": place, "median_ms": 5.0 + place % 2} for place in range(3)]
        item["extra_info"]["incomplete"] = "3 of 5 visits were made"
        item["extra_info"]["energy"]["marks"] = "the visits scatter"
        item["extra_info"]["latency"] |= {"converged": False, "noise_rel": 0.1, "launch_bound_share": 0.5}
    graph = copy.deepcopy(list(run.benchmarks))
    for item in graph:
        item["extra_info"]["case"]["execution"] = "graph"
    return {
        "machine_info": {
            "gpu": {"name": "H100", "driver": "580"},
            "torch": "2.13",
            "device": "cpu",
            "unusable_gpus": [{"name": "P100", "sentence": "P100 cannot be used: no kernels; install others."}],
            "cpu": {"brand_raw": "x", "count": 2},
            "metrics": [metric for metric in METRICS if metric["column"] in (*READ_BY_NAME, "casts")],
        },
        "commit_info": {"id": "c" * 40},
        "datetime": "2026-01-02T03:04:05",
        "benchmarks": [*run.benchmarks, *graph],
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, as the keys and positions that lead to it."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


DOCUMENT = whole_document()
PLACES = sorted(places(DOCUMENT), key=str)
odd_values = json_values | st.sampled_from([10**400, -(10**400), 1e308, 5e-324, "\x1b[31m", "$\\x$", "nan", "\ud800"])


def at(place: tuple[Any, ...]) -> Any:
    value: Any = DOCUMENT
    for key in place:
        value = value[key]
    return value


def put(document: dict[str, Any], place: tuple[Any, ...], value: object) -> None:
    """Set the value at a place, unless what leads there has been replaced already."""
    container: Any = document
    for key in place[:-1]:
        is_there = isinstance(container, list) or (isinstance(container, dict) and key in container)
        container = container[key] if is_there else None
        if not isinstance(container, (dict, list)):
            return
    container[place[-1]] = value


@pytest.fixture
def odd_run(tmp_path: Path) -> Callable[[dict[tuple[Any, ...], object]], Path]:
    def write(replaced: dict[tuple[Any, ...], object]) -> Path:
        document = copy.deepcopy(DOCUMENT)
        for place in sorted(replaced, key=len, reverse=True):
            put(document, place, replaced[place])
        path = tmp_path / "odd.json"
        path.write_text(json.dumps(document))
        return path

    return write


#: Each example replaces the file of the one before, so that one folder serves all.
quick = settings(
    max_examples=25,
    suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.function_scoped_fixture],
)


@pytest.mark.slow
@quick
@given(replaced=st.dictionaries(st.sampled_from(PLACES), odd_values, min_size=1, max_size=4))
def test_every_table_and_comparison_of_an_odd_run_is_made_or_refused_in_one_sentence(odd_run, replaced):
    try:
        run = load(odd_run(replaced))
    except InputError:
        return
    whole = load(odd_run({}))
    summarized = RunSummary(run.benchmarks, run.environment, {}, Tariff(0.3, "EUR"))
    made = [summary(summarized), page(summarized, {}), summarized.frame.to_csv(), noise_markdown([run, whole])]
    for sides in (([run], [whole]), ([whole] * 3, [run] * 3)):
        compared = changes(*sides)
        made += [as_markdown(*sides, compared), as_json(*sides, compared)]
        outcome = judge(compared, [Gate("median_latency_ms", 0.03)])
        assert all(isinstance(line, str) for line in (*outcome.failed, *outcome.undecided))
    made += [table_of_runs([run, whole]).to_markdown(), *map(str, values_over_runs([run, whole]))]
    assert all(made)
    side_by_side([{**item, "source": "0001"} for item in run.benchmarks])


@pytest.mark.slow
@settings(quick, max_examples=3)
@example(replaced={("benchmarks", 2, "extra_info", "quality", "perplexity"): -5e16})
@given(replaced=st.dictionaries(st.sampled_from(PLACES), odd_values, min_size=1, max_size=4))
def test_every_picture_of_an_odd_run_is_drawn_or_left_out(odd_run, tmp_path, replaced):
    try:
        run = load(odd_run(replaced))
    except InputError:
        return
    write_plots(tmp_path, RunSummary(run.benchmarks, run.environment, {}))


def test_values_nested_beyond_what_python_shows_are_one_sentence(odd_run):
    path = odd_run({("machine_info", "gpu"): "deep"})
    path.write_text(path.read_text().replace('"deep"', "[" * 900 + "]" * 900))
    with pytest.raises(InputError, match="nested in more than 32 levels"):
        load(path)


def test_text_of_a_saved_run_does_not_steer_the_terminal(odd_run, monkeypatch, tmp_path, capsys):
    odd = "\x1b]0;title\x07\x1b[2Jred\x9b31m\r\x08"
    names = ("precision", "execution", "task", "workload", "name", *DECIDING)  # a case of such names is refused
    path = odd_run({place: odd for place in PLACES if isinstance(at(place), str) and place[-1] not in names})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")  # what is printed counts here
    for command in ("report", "noise", "history"):
        monkeypatch.setattr(sys, "argv", ["results", command, str(path)])
        assert main() == 0
    printed = capsys.readouterr().out + Path("results/gpt2_benchmark_summary.md").read_text()
    assert "title" in printed
    assert not set(printed) & set("\x1b\x07\x9b\r\x08")
