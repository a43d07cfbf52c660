"""What only several benchmarks show, derived alike from a saved run, a journal and the session itself."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.comparison.change import NO_VERDICT
from analysis.comparison.changes import changes
from analysis.comparison.gates import Gate, judge
from analysis.comparison.presentation import as_markdown
from analysis.report.summary import RunSummary
from analysis.runs.saved import load
from analysis.runs.validity import Drift, judgements, session_drift
from tests.support.described import described, table
from tests.support.saved_runs import benchmark, save

#: Student's t of one degree of freedom for an interval of 90%, from its table.
T_1 = 6.3138
STEADY = (5.0, 5.0, 5.0)


def visit(number: int, median_ms: float | None, **more: object) -> dict:
    """A visit that began 10 s after the one before."""
    return {"number": number, "started_s": 10.0 * number, "median_ms": median_ms, "error": None} | more


def timed(precision: str, medians_ms: tuple[float, ...], execution: str = "eager", **more: object) -> dict:
    """A benchmark whose visits had these medians."""
    made = benchmark(precision, 5.0, execution=execution, **more)
    made["extra_info"]["visits"] = [visit(number, median_ms) for number, median_ms in enumerate(medians_ms)]
    made["extra_info"]["validity"] = {"native": True, "status": "valid", "reasons": [], "unknown": {}}
    return made


def of_logs(*pairs: tuple[float, float]) -> list[tuple[float, float]]:
    """Visits given by their moments and the logarithms of their times."""
    return [(moment, math.exp(log)) for moment, log in pairs]


def ends(found: Drift) -> tuple[float, float, float]:
    return found.change_rel, found.low_rel, found.high_rel


def test_a_straight_line_has_its_slope_and_no_width():
    found = session_drift("x", [[(0.0, 1.0), (1.0, 1.1), (2.0, 1.21)]])  # 10% more in each step of two
    assert ends(found) == pytest.approx((0.21, 0.21, 0.21), abs=1e-6)


def test_the_scatter_about_the_line_is_its_width():
    # Logarithms 0, 0.03, 0 have no slope; residuals -0.01, 0.02, -0.01, one degree of freedom, moments' spread 2.
    half_width = T_1 * math.sqrt((0.01**2 + 0.02**2 + 0.01**2) / 1 / 2)
    found = session_drift("x", [of_logs((0, 0.0), (1, 0.03), (2, 0.0))])
    expected = 0.0, math.exp(-2 * half_width) - 1, math.exp(2 * half_width) - 1
    assert ends(found) == pytest.approx(expected, rel=1e-4, abs=1e-9)


def test_cases_share_a_slope_and_have_means_of_their_own():
    # Both rise by 0.1 in two units; the second case is 148 times as slow. From the first visit at 0 to the last at 3.
    cases = [of_logs((0, 0.0), (2, 0.1)), of_logs((1, 5.0), (3, 5.1))]
    assert ends(session_drift("x", cases)) == pytest.approx([math.exp(0.15) - 1] * 3, abs=1e-6)
    assert session_drift("x", cases[:1]) is None  # two visits of one case leave nothing to tell the scatter by


def test_cases_that_differ_in_their_slope_widen_the_interval():
    # Slopes 0.05 and 0.15: 0.1 together, which leaves 0.05 at each of four visits, one degree of freedom.
    cases = [of_logs((0, 0.0), (2, 0.1)), of_logs((1, 5.0), (3, 5.3))]
    half_width = T_1 * math.sqrt(4 * 0.05**2 / 1 / 4)
    expected = [math.exp(3 * slope) - 1 for slope in (0.1, 0.1 - half_width, 0.1 + half_width)]
    assert ends(session_drift("x", cases)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("cases", [[], [[]], [[(0.0, 5.0)], [(1.0, 6.0)]], [[(3.0, 5.0), (3.0, 5.1), (3.0, 5.2)]]])
def test_too_few_visits_or_a_single_moment_tell_nothing(cases):
    assert session_drift("x", cases) is None


def test_a_case_with_one_visit_adds_nothing_to_the_others():
    known = of_logs((0, 0.0), (1, 0.03), (2, 0.0))
    assert session_drift("x", [known, [(100.0, 9.0)]]) == session_drift("x", [known])


logs = st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=6)


@given(st.lists(logs, min_size=1, max_size=4), st.floats(0.1, 1000), st.floats(0.1, 10), st.randoms())
def test_neither_units_nor_the_order_of_cases_nor_the_speed_of_one_change_a_drift(cases, unit, factor, shuffler):
    known = [of_logs(*enumerate(case)) for case in cases]
    other = [[(unit * moment, value * (factor if case is known[0] else 1)) for moment, value in case] for case in known]
    shuffler.shuffle(other)
    assert ends(session_drift("x", other)) == pytest.approx(ends(session_drift("x", known)), rel=1e-5, abs=1e-5)


def noisy_visits(generator: random.Random, cases: int, visits: int, noise: float, change: float = 0.0) -> list:
    """Cases of different speed whose visits lie at random moments in a session that changes by so much over it."""
    found = []
    for case in range(cases):
        moments = [visit + generator.random() for visit in range(visits)]
        slope = math.log1p(change) / visits
        found.append([(moment, math.exp(case + slope * moment + generator.gauss(0, noise))) for moment in moments])
    return found


@pytest.mark.parametrize(("cases", "visits"), [(1, 5), (3, 5), (6, 5), (6, 2)])
@pytest.mark.parametrize("noise", [0.002, 0.01, 0.03])
def test_a_steady_machine_is_hardly_ever_called_invalid(cases, visits, noise):
    generator = random.Random(7)
    alarms = [session_drift("x", noisy_visits(generator, cases, visits, noise)).is_drift for _ in range(400)]
    assert sum(alarms) / len(alarms) <= 0.05


@pytest.mark.parametrize("noise", [0.002, 0.01])
def test_a_machine_that_slows_down_by_a_tenth_is_noticed(noise):
    generator = random.Random(8)
    alarms = [session_drift("x", noisy_visits(generator, 6, 5, noise, 0.1)).is_drift for _ in range(200)]
    assert sum(alarms) / len(alarms) >= 0.95


@pytest.mark.parametrize("change", [-0.05, 0.0, 0.1])
@pytest.mark.parametrize(("cases", "visits"), [(1, 3), (3, 5), (6, 2)])
def test_the_interval_of_a_drift_holds_it_9_times_in_10(cases, visits, change):
    generator, repeats, hits = random.Random(10), 2000, 0
    for _ in range(repeats):
        known = noisy_visits(generator, cases, visits, 0.01, change)
        moments = [moment for case in known for moment, _ in case]
        true = math.expm1(math.log1p(change) / visits * (max(moments) - min(moments)))
        found = session_drift("x", known)
        hits += found.low_rel <= true <= found.high_rel
    assert hits / repeats == pytest.approx(0.9, abs=3 * math.sqrt(0.9 * 0.1 / repeats))


@pytest.mark.parametrize(
    ("low", "high", "is_drift", "is_steady"),
    [
        (-0.03, 0.03, False, True),
        (-0.0301, 0.0, False, False),
        (0.0, 0.0301, False, False),
        (0.03, 0.1, False, False),
        (0.0301, 0.1, True, False),
        (-0.1, -0.03, False, False),
        (-0.1, -0.0301, True, False),
        (-0.1, 0.1, False, False),
    ],
)
def test_an_interval_within_3_percent_is_steady_and_one_wholly_beyond_is_a_drift(low, high, is_drift, is_steady):
    found = Drift("x", (low + high) / 2, low, high)
    assert (found.is_drift, found.is_steady) == (is_drift, is_steady)


@pytest.mark.parametrize(
    ("medians_ms", "status"),
    [
        (STEADY, "valid"),
        ((5.0, 5.0 * 1.029**0.5, 5.0 * 1.029), "valid"),  # exactly on a line: an interval of no width
        ((5.0, 5.0 * 1.031**0.5, 5.0 * 1.031), "invalid"),
        ((5.0 * 1.0305, 5.0 * 1.0305**0.5, 5.0), "valid"),  # 1 / 1.0305 is 2.96% less
        ((5.0 * 1.032, 5.0 * 1.032**0.5, 5.0), "invalid"),
        ((5.0, 5.2, 5.0), "unknown"),  # no slope, but an interval wider than ± 3%
        ((5.0, 5.05), "unknown"),  # two visits have no scatter
        ((5.0,), "unknown"),
        ((), "unknown"),
    ],
)
def test_the_visits_decide_the_status(medians_ms, status):
    (judged,) = judgements([timed("fp32", medians_ms)])
    assert judged.status == status
    assert judged.paired_status == "valid"  # a drift falls on both sides of a ratio
    assert bool(judged.reasons) == (status != "valid")


@pytest.mark.parametrize(("scatter", "status"), [(0.0495, "valid"), (0.051, "unknown")])
def test_visits_that_scatter_by_more_than_five_percent_leave_it_unknown(scatter, status):
    steps = [one * scatter * math.sqrt(3 / 2) for one in (1, -1, 0, 0, 0, -1, 1)]  # a standard deviation of `scatter`
    rows = [timed("fp32", tuple(5.0 * math.exp(step) for step in steps))]
    rows += [timed(name, (5.0,) * 7) for name in ("fp16", "bf16", "mixed", "int8", "fp8", "tf32", "mixed_bf16")]
    judged = judgements(rows)
    assert judged[0].status == status
    assert judged[0].reasons == (
        ()
        if status == "valid"
        else ("7 visits scatter by 5.1% (expected within 5%): quiet the machine, or quote a graph's figures",)
    )
    assert (judged[0].paired_status, judged[1].status) == ("valid", "valid")


def test_a_drift_marks_every_benchmark_of_its_execution_and_no_other():
    rows = [timed("fp32", (5.0, 5.5, 6.05)), timed("fp16", (2.0, 2.2, 2.42)), timed("fp32", (1.0, 1.0, 1.0), "graph")]
    judged = judgements(rows)
    assert [one.status for one in judged] == ["invalid", "invalid", "valid"]
    assert judged[1].reasons == (
        "drifted: eager execution changed by +21.0% (+21.0% to +21.0%) over the session; let the machine settle and "
        "run again",
        "3 visits scatter by 9.5% (expected within 5%): quiet the machine, or quote a graph's figures",
    )
    assert judged[0].drift == judged[1].drift
    assert judged[2].drift.change_rel == pytest.approx(0)
    frame = table(rows)
    assert frame["validity"].tolist() == ["invalid", "invalid", "valid"]
    assert frame["paired_validity"].tolist() == ["valid", "valid", "valid"]
    assert "drifted: eager execution" in RunSummary(rows, described(), {}).warnings[0]


def test_the_cases_of_an_execution_are_judged_together():
    """Two visits a case tell nothing of one case, and enough of six."""
    rows = [timed(precision, (scale, scale)) for precision, scale in (("fp32", 6.0), ("fp16", 2.0))]
    assert [one.status for one in judgements(rows)] == ["valid", "valid"]
    assert judgements(rows[:1])[0].status == "unknown"


def test_what_cannot_be_told_is_unknown_and_says_why():
    (few,), (wide,) = judgements([timed("fp32", (5.0,))]), judgements([timed("fp32", (5.0, 5.2, 5.1))])
    assert few.reasons == ("whether it drifted cannot be told: too few visits were made",)
    assert few.drift is None
    # Logarithms 0, 0.0392, 0.0198 rise by 0.0198; residuals -0.0098, 0.0195, -0.0098 leave ± 2 x 6.3138 x 0.0169.
    assert wide.reasons == (
        "whether it drifted cannot be told: eager execution changed by +2.0% (-17.6% to +26.3%) over the session; "
        "expected within ± 3%",
    )


def test_a_failed_visit_is_left_out():
    row = timed("fp32", STEADY)
    failed = {"number": 2, "position": 9, "error": "CUDA out of memory"}
    row["extra_info"]["visits"].insert(1, failed)
    assert judgements([row]) == judgements([timed("fp32", STEADY)])
    row["extra_info"]["visits"] = [failed, visit(1, 5.0)]
    assert judgements([row])[0].status == "unknown"


@pytest.mark.parametrize(
    "unreadable",
    [3, {}, None, visit(9, None), visit(9, 0.0), visit(9, -1.0), visit(9, "5"), visit(9, 5.0, started_s=None)],
)
def test_a_visit_without_a_moment_or_a_time_is_left_out(unreadable):
    row = timed("fp32", STEADY)
    row["extra_info"]["visits"].append(unreadable)
    assert judgements([row]) == judgements([timed("fp32", STEADY)])


@given(st.lists(st.tuples(*[st.one_of(st.sampled_from([0.0, 1e-50, 1.0, 1e50]), st.floats())] * 2), max_size=6))
@example([(0.0, 1e-50), (1.0, 1e50), (2.0, 1e-50)])
def test_whatever_a_file_holds_of_its_visits_it_is_judged(pairs):
    row = timed("fp32", ())
    row["extra_info"]["visits"] = [visit(0, median_ms, started_s=started_s) for started_s, median_ms in pairs]
    (judged,) = judgements([row])
    assert judged.status in ("valid", "invalid", "unknown")


@pytest.mark.parametrize("more", [{}, {"visits": None}, {"visits": 3}, {"visits": {"1": visit(1, 5.0)}}])
def test_a_run_without_visits_is_not_judged_by_them(more):
    row = timed("fp32", STEADY)
    del row["extra_info"]["visits"]
    row["extra_info"].update(more)
    (judged,) = judgements([row])
    assert (judged.status, judged.reasons, judged.drift) == ("valid", (), None)


@pytest.mark.parametrize(("own", "status"), [("valid", "unknown"), ("unknown", "unknown"), ("invalid", "invalid")])
def test_an_incomplete_case_is_not_valid_and_says_what_is_missing(own, status):
    row = timed("fp32", STEADY, incomplete="2 of 3 visits were made")
    row["extra_info"]["validity"]["status"] = own
    (judged,) = judgements([row])
    assert (judged.status, judged.paired_status) == (status, status)  # unlike a drift, it does not cancel in a ratio
    assert judged.reasons == ("2 of 3 visits were made",)
    row["extra_info"]["incomplete"] = None
    assert judgements([row])[0].status == own


def test_a_drift_does_not_make_an_invalid_measurement_better_and_both_reasons_are_given():
    row = timed("fp32", (5.0, 5.2, 5.0))
    row["extra_info"]["validity"].update(status="invalid", reasons=["clocks were held down"])
    (judged,) = judgements([row])
    assert (judged.status, judged.paired_status) == ("invalid", "invalid")
    assert [reason.partition(":")[0] for reason in judged.reasons] == [
        "clocks were held down",
        "whether it drifted cannot be told",
    ]


@pytest.mark.parametrize(
    ("validity", "said"),
    [({}, "nothing"), (None, "nothing"), ({"status": "VALID"}, "'VALID'"), ({"status": True}, "True"), (7, "nothing")],
    ids=str,
)
def test_a_validity_that_was_not_recorded_is_unknown_and_never_clean(validity, said):
    row = timed("fp32", STEADY)
    row["extra_info"]["validity"] = validity
    (judged,) = judgements([row])
    assert (judged.status, judged.paired_status) == ("unknown", "unknown")
    assert judged.reasons == (f"the run says {said} of its validity; expected invalid, unknown or valid",)


def test_no_more_than_20_reasons_are_shown():
    row = timed("fp32", STEADY)
    row["extra_info"]["validity"]["reasons"] = [str(number) for number in range(1_000)]
    (judged,) = judgements([row])
    assert judged.reasons == tuple(str(number) for number in range(20))


def test_logits_that_are_not_finite_make_a_measurement_invalid():
    row = timed("fp32", STEADY)
    row["extra_info"]["quality"].update(nonfinite_logits=3, reason="3 logits are NaN or infinite")
    (judged,) = judgements([row])
    assert (judged.status, judged.paired_status) == ("invalid", "invalid")
    assert judged.reasons == ("3 logits are NaN or infinite",)


def test_a_recovered_run_says_the_same_as_the_saved_one(run_suite, tmp_path, monkeypatch, saved_run):
    """A journal holds every visit too."""
    from benchmarks.plugins.journal import JournalPlugin

    def kept(self):
        yield

    monkeypatch.setattr(JournalPlugin, "pytest_sessionfinish", pytest.hookimpl(wrapper=True)(kept))
    assert run_suite("--benchmark-autosave", "--precisions=fp32,fp16").ret == 0
    from analysis.runs.recovery import recover

    (journal,) = (tmp_path / "results" / "journal").iterdir()
    path, count = recover(journal, tmp_path / "recovered")
    assert count == 2
    saved, recovered = saved_run(), load(path)
    visits = {item["name"]: item["extra_info"]["visits"] for item in recovered.benchmarks}
    assert visits == {item["name"]: item["extra_info"]["visits"] for item in saved["benchmarks"]}
    assert [len(made) for made in visits.values()] == [2, 2]
    assert recovered.environment["metrics"] == saved["machine_info"]["metrics"]
    (saved_path,) = (tmp_path / "saved").rglob("*.json")
    before = RunSummary(load(saved_path).benchmarks, load(saved_path).environment, {})
    after = RunSummary(recovered.benchmarks, recovered.environment, {})
    by_name = [summary.frame.sort_values("name", ignore_index=True) for summary in (before, after)]
    assert by_name[1].equals(by_name[0])  # its rows are in the order of the first visits
    assert sorted(after.warnings) == sorted(before.warnings)


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
    (line,) = judge(compared, [Gate("median_latency_ms", 9.0)]).failed
    assert line == (
        "fp32-eager median_latency_ms: the runs were measured by different procedures; expected one. Measure the "
        "earlier side again with this version."
    )
    (latency,) = [change for change in changes(old, old) if change.metric == "median_latency_ms"]
    assert latency.verdict == "same"


NVJET_FP16, NVJET_BF16 = "nvjet_sm90_hsh_64x64_64x13_4x2_h_bz_bias_NNT", "nvjet_sm90_tst_64x64_64x13_4x2_h_bz_bias_NNT"
CUTLASS_FP16 = "void cutlass::Kernel2<cutlass_75_tensorop_f16_s1688gemm_f16_128x128_tn_align1>"
CUTLASS_BF16 = "void cutlass::Kernel2<cutlass_75_tensorop_bf16_s1688gemm_bf16_128x128_tn_align1>"


@pytest.mark.parametrize(
    ("precision", "kernels", "changes", "other"),
    [
        ("mixed_bf16", (NVJET_FP16, CUTLASS_FP16), {}, "FP16"),
        ("mixed_bf16", (NVJET_BF16, CUTLASS_BF16), {}, None),
        ("mixed", (NVJET_BF16, CUTLASS_BF16), {}, "BF16"),
        ("mixed", (NVJET_FP16, CUTLASS_FP16), {}, None),
        ("mixed", ("ampere_bf16_s16816gemm_bf16_128x64",), {}, "BF16"),
        ("mixed_bf16", ("ampere_fp16_s16816gemm_fp16_128x64",), {}, "FP16"),
        ("mixed_bf16", ("addmm", "mm"), {}, None),  # operators of a CPU
        ("fp16", (NVJET_BF16,), {}, None),  # another matter, which has its own proof
        ("mixed_bf16", (NVJET_FP16,), {"seconds": {"compilation": None}}, None),
        ("mixed_bf16", (), {"numerics": {"products": None}}, None),
        ("mixed_bf16", (NVJET_FP16,), {"numerics": {"timed_logits_dtype": "torch.bfloat16"}}, None),
    ],
)
def test_autocast_of_an_older_run_that_ran_the_code_of_another_dtype_is_invalid(precision, kernels, changes, other):
    rows = [timed(name, (5.0,) * 7, "compiled") for name in (precision, "fp32")]
    rows[0]["extra_info"] |= {"seconds": {"compilation": 9.0}, "numerics": {"products": dict.fromkeys(kernels, 4)}}
    rows[0]["extra_info"] |= changes
    judged = judgements(rows)
    assert judged[0].status == judged[0].paired_status == ("valid" if other is None else "invalid")
    assert judged[0].reasons == (
        () if other is None else (f"ran what had been compiled for {other} autocast: measure it again",)
    )
    assert judged[1].status == "valid"
