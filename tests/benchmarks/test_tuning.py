"""Which of a compiler's options a case is compiled with: how it is tried, judged, kept and put back."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest
import torch

from analysis.comparison.comparability import differences
from analysis.uncertainty.noise_floor import Floor, Key, Series
from benchmarks.policies import TuningPolicy
from benchmarks.tuning import process
from benchmarks.tuning.child import Began, Compiled, Failed, Request, Timed, Working
from benchmarks.tuning.kept import Kept, keep, path_of, read_kept
from benchmarks.tuning.process import Outcome, listened, try_candidates, without_options
from benchmarks.tuning.tried import Ratio, Tried, fastest
from core.case import Case
from core.errors import DeclarationError, InputError
from fixtures.executions import EXECUTIONS
from fixtures.executions.candidates import (
    DEFAULT,
    ON_CPU,
    WITH_PDL,
    WITHOUT_PDL,
    Candidate,
    back_to,
    candidates,
    inductor_options,
    plain_options,
)
from fixtures.precisions import PRECISIONS

TUNED = Case("fp16", "tuned")
FASTER, SLOWER = Candidate("faster", "", {"freezing": True}), Candidate("slower", "", {"combo_kernels": True})


def tried(name: str, *times_ms: float) -> Tried:
    """A candidate that took these milliseconds in the repeats."""
    return Tried(name, times_ms)


def test_the_ratio_to_the_defaults_is_of_pairs_by_hand():
    ratio = Ratio.of(tried("pdl", 8.0, 9.0), tried("default", 10.0, 10.0))
    assert ratio is not None
    centre = (math.log(0.8) + math.log(0.9)) / 2
    spread = (math.log(0.9) - math.log(0.8)) / math.sqrt(2)
    half_width = 12.706205 * spread / math.sqrt(2)
    assert (ratio.value, ratio.low, ratio.high) == (
        pytest.approx(math.exp(centre)),
        pytest.approx(math.exp(centre - half_width), rel=1e-4),
        pytest.approx(math.exp(centre + half_width), rel=1e-4),
    )
    assert Ratio.of(tried("pdl", 8.0), tried("default", 10.0)) is None


@pytest.mark.parametrize(
    ("times_ms", "chosen"),
    [
        ((0.970, 0.971, 0.969, 0.970, 0.970), "pdl"),  # 3% less
        ((0.985, 0.985, 0.984, 0.986, 0.985), "default"),  # surely less, and by 1.5%
        ((0.60, 1.30, 0.70, 1.20, 0.75), "default"),  # by 13%, and nobody knows
        ((1.2, 1.2, 1.2, 1.2, 1.2), "default"),
        ((), "default"),
    ],
)
def test_a_candidate_is_used_where_it_is_surely_faster_and_by_two_percent(times_ms, chosen):
    default = tried("default", 1.0, 1.0, 1.0, 1.0, 1.0)
    assert fastest([default, tried("pdl", *times_ms)], 0.02) == chosen


def test_of_several_that_are_faster_the_fastest_is_used():
    default = tried("default", 1.0, 1.0, 1.0)
    assert fastest([default, tried("a", 0.9, 0.9, 0.91), tried("b", 0.8, 0.8, 0.81)], 0.02) == "b"
    assert fastest([tried("a", 0.9, 0.9, 0.91)], 0.02) == "default"


def test_at_most_four_are_tried_and_each_says_what_it_is():
    for known in (WITH_PDL, WITHOUT_PDL, ON_CPU):
        assert len(known) <= 4
        assert len({one.name for one in (DEFAULT, *known)}) == len(known) + 1
        assert all(one.description and one.options for one in known)


def test_what_this_pytorch_does_not_have_is_named():
    assert FASTER.missing_reason is None
    assert Candidate("new", "", {"no_such_option": 1}).missing_reason == (
        f"PyTorch {torch.__version__} has no option no_such_option of Inductor"
    )


def test_options_are_put_back_whatever_happens():
    before = plain_options()

    def failing() -> None:
        with inductor_options({"freezing": True, "triton.enable_pdl": True}):
            assert (plain_options()["freezing"], plain_options()["triton.enable_pdl"]) == (True, True)
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        failing()
    assert plain_options() == before


def test_what_the_environment_has_set_is_set_back_to_what_a_process_without_it_has():
    plain = plain_options()
    with inductor_options({"max_autotune": not plain["max_autotune"], "compile_threads": 77}):
        assert back_to(plain, names=("compile_threads",)) == {"max_autotune": plain["max_autotune"]}
    assert back_to(plain) == {}


def test_a_process_is_started_without_the_variables_that_set_options(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_MAX_AUTOTUNE", "1")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/own")
    with without_options():
        assert "TORCHINDUCTOR_MAX_AUTOTUNE" not in os.environ
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/own"
    assert os.environ["TORCHINDUCTOR_MAX_AUTOTUNE"] == "1"


def heard(*messages: object, ends: bool = True, exit_code: int | None = 0) -> tuple[Outcome, str | None]:
    """What is made of a process that says this, and then ends or says nothing more."""
    ours, theirs = Pipe(duplex=False)
    for message in messages:
        theirs.send(message)
    if ends:
        theirs.close()
    return listened(ours, SimpleNamespace(join=lambda timeout=None: None, exitcode=exit_code), patience_s=0.05)


def test_what_a_process_says_is_taken_in():
    outcome, reason = heard(
        Began({"freezing": False}),
        *(Working("default"), Compiled("default", 2.0, 1e-7)),
        *(Working("faster"), Failed("faster", "no such kernel")),
        *(Working("default"), Timed("default", 5.0), Working("default"), Timed("default", 6.0)),
        None,
    )
    assert reason is None
    assert outcome.options == {"freezing": False}
    assert outcome.tried == {
        "default": Tried("default", (5.0, 6.0), 2.0, 1e-7),
        "faster": Tried("faster", reason="no such kernel"),
    }


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"ends": False}, "it hung: nothing came of it for 0 s"),
        ({"exit_code": 1}, "its process ended with exit code 1"),
        ({"exit_code": -11}, "its process ended with signal SIGSEGV"),
    ],
)
def test_a_process_that_hangs_or_dies_is_at_a_candidate(how, reason):
    outcome, said = heard(Began({}), Working("default"), Compiled("default", 1.0, 0.0), Working("faster"), **how)
    assert (outcome.at, said) == ("faster", reason)


def request(*candidates: Candidate) -> Request:
    """A request for some candidates, which nobody compiles."""
    return Request(TUNED, {}, torch.device("cpu"), 1, (), (), candidates, TuningPolicy())


def test_without_the_one_that_died_the_others_are_tried_again(monkeypatch):
    asked: list[list[str]] = []

    def answered(of: Request) -> tuple[Outcome, str | None]:
        asked.append([one.name for one in of.candidates])
        if FASTER in of.candidates:
            return Outcome({}, {"default": Tried("default")}, at="faster"), "its process ended with signal SIGSEGV"
        return Outcome({"a": 1}, {one.name: Tried(one.name, (1.0, 1.0)) for one in of.candidates}), None

    monkeypatch.setattr(process, "in_process", answered)
    new = Candidate("new", "", {"no_such_option": 1})
    outcome = try_candidates(request(DEFAULT, FASTER, new, SLOWER))
    assert asked == [["default", "faster", "slower"], ["default", "slower"]]
    assert list(outcome.tried) == ["default", "faster", "new", "slower"]
    assert outcome.tried["faster"].reason == "its process ended with signal SIGSEGV"
    assert "no_such_option" in outcome.tried["new"].reason
    assert outcome.tried["slower"].times_ms == (1.0, 1.0)


def test_where_the_defaults_die_nothing_else_is_tried(monkeypatch):
    monkeypatch.setattr(process, "in_process", lambda _: (Outcome({}, {}), "its process ended with exit code 1"))
    outcome = try_candidates(request(DEFAULT, FASTER))
    assert outcome.tried["default"].reason == "its process ended with exit code 1"
    assert outcome.tried["faster"].reason == "not tried: default failed"
    assert fastest(outcome.tried.values(), 0.02) == "default"


def test_what_was_tried_is_read_again_under_the_same_facts_alone(tmp_path):
    facts = {"device_name": "a GPU", "torch": "2.11", "candidates": {"pdl": {"triton.enable_pdl": True}}}
    kept = Kept("2026-01-01 00:00 UTC", {"freezing": False}, (Tried("default", (1.0, 2.0), 3.0, 0.0, None),))
    keep(path_of(tmp_path, facts), facts, kept)
    found = read_kept(path_of(tmp_path, facts))
    assert found is not None
    assert (found.measured_utc, found.options, list(found.tried)) == (kept.measured_utc, kept.options, list(kept.tried))
    assert read_kept(path_of(tmp_path, {**facts, "torch": "2.13"})) is None


@pytest.mark.parametrize(
    ("default", "other", "is_lasting"),
    [
        (Tried("default", (1.0, 1.0)), Tried("pdl", (1.0, 1.0)), True),
        (Tried("default", (1.0, 1.0)), Tried("pdl", reason="it hung: nothing came of it for 1200 s"), True),
        (Tried("default", (1.0, 1.0)), Tried("pdl", reason="CUDA out of memory", out_of_memory=True), False),
        (Tried("default", reason="its process ended with signal SIGKILL"), Tried("pdl", reason="not tried"), False),
    ],
)
def test_what_another_session_need_not_find_is_not_kept(default, other, is_lasting):
    assert Kept("2026-01-01 00:00 UTC", {}, (default, other)).is_lasting is is_lasting


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "tuned").write_text("a file where the folder would be")
    kept = Kept("2026-01-01 00:00 UTC", {}, (Tried("default", (1.0, 2.0)),))
    with pytest.raises(InputError, match=r"cannot be kept in .*tuned \(.*set TORCHINDUCTOR_CACHE_DIR to a folder"):
        keep(path_of(tmp_path, {}), {}, kept)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"tried": [1], "measured_utc": "", "options": {}}'])
def test_a_file_that_holds_something_else_is_named(tmp_path, content):
    path = tmp_path / "one.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"one\.json does not hold what was tried of compiler options"):
        read_kept(path)


def test_candidates_are_of_executions_that_compile():
    with pytest.raises(DeclarationError, match="eager has candidates of compiler options; expected a function that"):
        replace(EXECUTIONS["eager"], candidates=lambda *_: ON_CPU)


def test_weights_that_are_quantized_are_not_frozen():
    names = {name: [one.name for one in candidates(torch.device("cpu"), PRECISIONS[name])] for name in ("fp32", "int8")}
    assert names == {"fp32": ["freezing", "autotuned", "freezing_autotuned"], "int8": ["autotuned"]}


def compiled_with(chosen: str | None) -> dict[str, object]:
    """A benchmark of a case that was compiled with these options."""
    return {"case": TUNED.as_json(), "tuning": {"chosen": chosen}}


def test_runs_whose_cases_were_compiled_with_other_options_are_told_apart():
    sides = [("a", compiled_with("pdl")), ("b", compiled_with("default"))]
    assert f"the compiler options of {TUNED.id} differ: pdl in a; default in b." in differences(sides)
    same = differences([("a", compiled_with("pdl")), ("b", compiled_with("pdl")), ("b", compiled_with(None))])
    assert not [sentence for sentence in same if "options" in sentence]


def test_the_floor_of_other_options_is_not_used():
    key, other = Key("tuned", "latency", TUNED.id), Key("graph", "latency", Case("fp16", "graph").id)
    floor = Floor(0.01, None, 4, "")
    series = Series("host", 5, "", {key: floor, other: floor}, chosen={TUNED.id: "pdl"})
    assert series.with_options({TUNED.id: "pdl"}).spreads.keys() == {key, other}
    assert series.with_options({}).spreads.keys() == {key, other}  # not known yet
    assert series.with_options({TUNED.id: "default"}).spreads.keys() == {other}


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_a_tuned_case_is_measured_with_what_was_chosen_and_later_sessions_know_it(
    run_suite, tmp_path, monkeypatch, request
):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    before = plain_options()
    for was_kept in (False, True):
        path = tmp_path / f"{was_kept}.json"
        options = ("--precisions=fp32", "--executions=eager,compiled,tuned", f"--benchmark-json={path}")
        assert run_suite(*options, in_process=False).ret == 0
        benchmarks = {one["param"]: one["extra_info"] for one in json.loads(path.read_text())["benchmarks"]}
        assert benchmarks["fp32-eager-b1x16"]["tuning"]["chosen"] is None
        assert benchmarks["fp32-compiled-b1x16"]["tuning"]["chosen"] is None
        tuning = benchmarks["fp32-tuned-b1x16"]["tuning"]
        assert tuning["was_kept"] is was_kept
        assert list(tuning["candidates"]) == ["default", *(one.name for one in ON_CPU)]
        for one in tuning["candidates"].values():
            assert (one["reason"], len(one["times_ms"])) == (None, 5)
            assert one["difference_from_eager"] < 1e-5
        assert tuning["chosen"] in tuning["candidates"]
        assert benchmarks["fp32-tuned-b1x16"]["numerics"]["difference_from_eager"] < 1e-5
    assert plain_options() == before
