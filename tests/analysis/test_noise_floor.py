"""The noise floor: measured by repeated sessions, kept in a file, found again, and refused where it does not fit."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from analysis.comparison.latest import last_comparable
from analysis.comparison.noise import noise_markdown
from analysis.runs.saved import load
from analysis.runs.selection import STORAGE
from analysis.runs.storage import Storage
from analysis.uncertainty.chosen_floors import SHIPPED, Floors, find_floors
from analysis.uncertainty.conditions import Conditions, conditions_of
from analysis.uncertainty.floor_files import add_series, read_floor
from analysis.uncertainty.noise_floor import Floor, Key, NoiseFloor, Series, series_of
from analysis.uncertainty.slopes import Slopes
from benchmarks.__main__ import write_floor
from core.case import Case, case_of
from core.errors import InputError
from core.executions import USUAL, Executions
from reference.floors import SERIES, of_their_code
from reference.runs import saved
from reference.series import AGAIN, COMPILED_ELSEWHERE, DEFAULTS
from tests.support.json_values import json_values
from tests.support.saved_runs import benchmark, in_visits, save

HERE = {"device_name": "a CPU", "driver": None, "torch": "2.11.0", "cpu_model": "a CPU"}
CONDITIONS = Conditions("a CPU", None, "2.11.0", 1)
FP16, FP32 = Case("fp16", "eager"), Case("fp32", "eager")


def executions(*names: str) -> Executions:
    return Executions({name: USUAL[name] for name in names})


def sessions(folder: Path, *medians_ms: float) -> list[Path]:
    """Saved runs of one host, whose visits do not scatter."""
    paths = []
    for number, median_ms in enumerate(medians_ms, start=1):
        items = [in_visits(benchmark("fp32", 2 * median_ms)), in_visits(benchmark("fp16", median_ms))]
        for item in items:
            item["extra_info"]["environment"] = HERE
        paths.append(save(folder, number, *items))
    return paths


def floors_in(folder: Path, conditions: Conditions = CONDITIONS, host: str = "a CPU") -> Floors:
    return find_floors(conditions, host, "cpu", [FP16, FP32], executions("eager"), [folder])


def test_a_floor_is_written_found_again_and_grows_by_each_series(tmp_path):
    paths = sessions(tmp_path / "runs", 1.0, math.exp(0.01), math.exp(0.02))
    path = add_series(tmp_path / "floors", [load(one) for one in paths])
    found = floors_in(tmp_path / "floors").of(FP16, "latency")
    assert found.session == pytest.approx(0.01)  # of 0, 0.01 and 0.02
    # Two of its own sessions, and two of those of the other case.
    assert (found.degrees_of_freedom, found.source, found.assumed) == (4, "3 sessions of a CPU", False)
    add_series(tmp_path / "floors", [load(one) for one in paths])
    assert floors_in(tmp_path / "floors").of(FP16, "latency").degrees_of_freedom == 8
    assert [item.name for item in (tmp_path / "floors").iterdir()] == [path.name]
    assert floors_in(tmp_path / "floors", host="another").of(FP16, "latency").assumed


def test_a_floor_of_other_conditions_is_named_and_not_used(tmp_path):
    path = add_series(tmp_path, [load(one) for one in sessions(tmp_path / "runs", 1.0, 1.1, 1.2)])
    for changes, words in (({"torch": "2.12.0"}, "torch 2.11.0, not 2.12.0"), ({"procedure": 2}, "procedure 1, not 2")):
        found = floors_in(tmp_path, replace(CONDITIONS, **changes))
        assert found.of(FP16, "latency").source == "assumed, ± 40%"
        assert found.notes == (f"{path} is of {words}: not used.",)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"device": 1}', '{"series": [{"spreads": 3}]}'])
def test_a_file_that_is_no_floor_is_named_and_not_used(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    found = floors_in(tmp_path)
    assert found.of(FP16, "latency").assumed
    (note,) = found.notes
    assert note.startswith(f"{tmp_path / 'bad.json'} is no noise floor (")
    assert note.endswith("`python -m benchmarks --repeats 10` measures one.")


@given(json_values)
def test_any_json_is_a_floor_or_one_error(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("floors") / "any.json"
    path.write_text(json.dumps({"device": "a", "driver": "b", "torch": "c", "procedure": 2, "series": value}))
    try:
        floor = read_floor(path)
    except InputError:
        return
    assert floor.of(FP16, "latency", "", USUAL) is None
    assert Floors.from_json(value) is None or isinstance(value, dict)


def test_floors_survive_the_saved_run():
    graph = FP16.partner(execution="graph")
    found = find_floors(CONDITIONS, None, "cuda", [FP16, graph], executions("eager", "graph"))
    assert Floors.from_json(json.loads(json.dumps(found.as_json()))) == replace(found, notes=())
    assert found.of(graph, "latency").source.startswith("assumed, 40 sessions of NVIDIA H100")
    half_width = math.expm1(math.sqrt(2) * 1.959964 * found.of(FP16, "latency").session)
    assert half_width == pytest.approx(0.40, rel=1e-5)
    assert Floors({}).of(FP16, "latency") == found.of(FP16, "latency")  # none is named


def test_two_sessions_make_no_floor_and_say_how_many_do(tmp_path, capsys):
    paths = sessions(tmp_path / "runs", 1.0, 1.1, 1.2)
    assert write_floor(paths[:2], tmp_path / "floors") == 0
    assert capsys.readouterr().out == "2 run(s) make no noise floor; expected --repeats 3 or more.\n"
    assert write_floor(paths, tmp_path / "floors") == 0
    assert "the noise floor of 3 runs" in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert write_floor(paths, tmp_path / "file") == 1
    assert "cannot be written" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"2 session\(s\) make no noise floor; expected 3 or more"):
        add_series(tmp_path / "floors", [load(path) for path in paths[:2]])


@pytest.mark.parametrize("series", SERIES)
def test_the_shipped_floors_are_those_of_the_committed_sessions(series):
    runs = saved(series)
    (floor,) = [one for one in map(read_floor, SHIPPED.glob("*.json")) if one.conditions == conditions_of(runs[0])]
    assert series_of([of_their_code(run) for run in runs]) in floor.series


def test_a_compiled_forward_on_a_gpu_has_the_floor_of_other_hosts_too():
    runs = saved(COMPILED_ELSEWHERE[0])
    case = Case("fp16", "compiled")
    floor = find_floors(conditions_of(runs[0]), "another host", "cuda", [case], executions("compiled")).of(
        case, "latency"
    )
    assert not floor.assumed
    assert floor.source == f"{len(runs) + 2 * 3} sessions of NVIDIA H100 80GB HBM3 on 3 hosts"
    on_a_cpu = Conditions("CPU", None, "2.11", 2)
    spread = Floor(0.01, 0.01, 5, "")
    file = NoiseFloor(on_a_cpu, (Series("host", 6, "", {Key("compiled", "latency", case.id): spread}),))
    assert file.of(case, "latency", "host", USUAL).session == pytest.approx(0.01)
    assert file.of(case, "latency", "another host", USUAL) is None


def test_what_is_deterministic_is_the_same_in_every_session_of_a_board():
    for series in SERIES:
        runs = saved(series)
        for number, first in enumerate(runs[0].benchmarks):
            for key in ("perplexity", "kl_vs_fp32_nats", "top1_agreement_vs_fp32"):
                assert len({run.benchmarks[number]["extra_info"]["quality"][key] for run in runs}) == 1
            sizes = {json.dumps(run.benchmarks[number]["extra_info"]["size"]) for run in runs}
            assert first["extra_info"]["size"]["model_size_mb"] > 0
            assert len(sizes) == 1


def test_noise_says_what_the_machine_can_tell_apart(tmp_path):
    runs = [load(path) for path in sessions(tmp_path, 1.0, 1.01, 1.02, 1.01, 1.0, 1.02)]
    text = noise_markdown(runs)
    assert "## What this machine can tell apart" in text
    assert "FP32 against itself" not in text
    assert "takes 5 runs to tell; these are 4." in noise_markdown(runs[:4])
    assert "FP32 against itself: the interval holds 1 in 16 of 16 ratios; 0 false alarm(s)." in noise_markdown(
        saved(AGAIN[0])
    )


def test_the_last_runs_of_the_same_conditions_are_the_earlier_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = sessions(Path(".benchmarks/Linux"), 1.0, 1.1, 1.2, 1.3)
    other = json.loads(paths[1].read_text())
    for item in other["benchmarks"]:
        item["extra_info"]["environment"] = HERE | {"driver": "600"}
    paths[1].write_text(json.dumps(other))
    given = [load(paths[3])]
    storage = Storage(STORAGE, pytest.fail)
    assert [run.path.name for run in last_comparable(given, "5", storage)] == ["0001_run.json", "0003_run.json"]
    assert [run.path.name for run in last_comparable(given, "1", storage)] == ["0003_run.json"]
    for count in ("0", "x", ""):
        with pytest.raises(InputError, match="expected a number of runs such as last:5"):
            last_comparable(given, count, storage)
    with pytest.raises(InputError, match="No other saved run"):
        last_comparable([load(paths[1])], "2", storage)


def test_a_session_names_the_floor_that_it_finds(run_suite, tmp_path):
    folder = tmp_path / "results" / "noise_floors"
    folder.mkdir(parents=True)
    (folder / "bad.json").write_text("{}")
    result = run_suite("--precisions=fp32", "-k", "integrity or fp32")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["noise floor: assumed, ± 40%", "warning: *bad.json is no noise floor (KeyError*"])


def test_a_hidden_precision_runs_and_is_not_listed(run_suite):
    assert run_suite("--precisions=fp32,fp32_again").ret == 0
    result = run_suite("--precisions=fp99")
    result.stderr.fnmatch_lines(
        ["ERROR: --precisions names 'fp99'; expected some of auto, all, fp32, *, int8_weights, fp8*."]
    )
    result.stderr.no_fnmatch_line("*fp32_again*")


def test_a_session_with_one_visit_of_a_case_takes_no_floor_from_the_others():
    runs = list(saved(DEFAULTS["h200_8576b782"]))
    items = []
    for item in runs[0].benchmarks:
        is_cut = case_of(item).id == "fp16-graph"
        visits = item["extra_info"]["visits"][: 1 if is_cut else None]
        items.append(item | {"extra_info": item["extra_info"] | {"visits": visits}})
    runs[0] = replace(runs[0], benchmarks=tuple(items))
    (key,) = [one for one in series_of(runs).spreads if (one.case, one.figure) == ("fp16-graph", "latency")]
    assert series_of(runs).spreads[key].degrees_of_freedom == len(runs) - 2
    assert "| fp16-graph " in noise_markdown(runs)


def test_series_of_one_host_are_one_when_hosts_are_compared():
    slopes = [Slopes(value, 0.001, 0.5, 0.1) for value in (0.003, 0.004, 0.005)]
    series = [Series(host, 6, "", {}, {"graph": one}) for host, one in zip("aab", slopes, strict=True)]
    gpu = Conditions("a GPU", "580.1", "2.11", 2)
    assert NoiseFloor(gpu, tuple(series[:2])).slopes("graph", "c", USUAL) is None
    found = NoiseFloor(gpu, tuple(series)).slopes("graph", "c", USUAL)
    assert found.temperature == pytest.approx((0.0035 + 0.005) / 2)


def test_a_floor_of_an_earlier_version_is_of_each_case_of_its_execution():
    case = Case("fp16", "graph")
    earlier = Series("a", 10, "", {Key("graph", "latency", ""): Floor(0.01, 0.01, 9, "")})
    found = NoiseFloor(Conditions("a GPU", "580.1", "2.11", 2), (earlier,)).of(case, "latency", "a", USUAL)
    assert (found.session, found.degrees_of_freedom) == (pytest.approx(0.01), 9)
    assert found.source == "10 sessions of a GPU"
