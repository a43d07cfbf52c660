"""Pictures: what they show of a run, and that they say what is missing."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis.comparison.history import table_of_runs, values_over_runs, write_history
from analysis.report.plots import PLOTS, plots_of, write_plots
from analysis.report.plots.bars import bars
from analysis.report.plots.frontier import frontier, undominated
from analysis.report.plots.overview import overview
from analysis.report.plots.plot import Plot
from analysis.report.plots.time_series import axis_limits
from analysis.report.writer import write_report
from analysis.runs.saved import Run
from tests.support.described import TASKS, described
from tests.support.saved_runs import benchmark, summary_of, whole_run

#: Every picture of a run of language modeling, in their order.
EVERY = (*(plot for plot in PLOTS.values() if not plot.name.startswith("sweep")), *plots_of(TASKS))


def texts(image: bytes) -> str:
    """All text of an SVG, which matplotlib writes as text."""
    return " ".join(ElementTree.fromstring(image).itertext())  # noqa: S314


def shown_labels(axis: Axis) -> Iterator[Text]:
    """The labels of an axis's ticks but those beyond its ends, which are not drawn."""
    low, high = sorted(axis.get_view_interval())
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        if low <= tick.get_loc() <= high:
            yield tick.label1


def covering(figure: Figure) -> list[tuple[str, str]]:
    """Names, figures and labels of ticks that cover each other."""
    figure.draw_without_rendering()
    found = []
    for axes in figure.axes:
        labels = [label for axis in (axes.xaxis, axes.yaxis) for label in shown_labels(axis)]
        drawn = [(text.get_text(), Text.get_window_extent(text)) for text in (*axes.texts, *labels)]
        seen = [(text, box) for text, box in drawn if text and box.overlaps(axes.get_tightbbox())]
        found += [(text, other) for (text, box), (other, beside) in combinations(seen, 2) if box.overlaps(beside)]
    return found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    """The folder with every picture of the whole run, and the SVGs by title."""
    folder = tmp_path_factory.mktemp("pictures")
    return folder, write_plots(folder, whole_run())


def test_every_picture_of_a_whole_run_is_written_as_png_and_svg(pictures):
    folder, drawn = pictures
    assert list(drawn) == [plot.title for plot in EVERY]
    for plot in EVERY:
        assert (folder / f"{plot.name}.png").read_bytes().startswith(b"\x89PNG")
        assert plot.title in texts((folder / f"{plot.name}.svg").read_bytes())
    assert len(list(folder.iterdir())) == 2 * len(EVERY)  # nothing unfinished is left


def test_pictures_carry_figures_units_and_conditions(pictures):
    _, drawn = pictures
    latency = texts(drawn["Median latency of a forward"])
    assert "5.000" in latency
    assert "ms" in latency
    assert "CPU, 2 threads; PyTorch 2" in latency
    assert "2.00x" in texts(drawn["Speed against FP32 in the same setting"])
    assert "STAND-IN" not in latency


def test_a_stand_in_is_marked_in_every_picture(tmp_path):
    provenance = benchmark("fp32", 1.0)["extra_info"]["provenance"] | {"stand_in": True}
    drawn = write_plots(tmp_path, whole_run(provenance=provenance))
    assert len(drawn) == len(EVERY)
    assert all("STAND-IN" in texts(image) for image in drawn.values())


def test_the_overview_sets_speed_energy_and_divergence_side_by_side(pictures):
    words = texts(pictures[1]["What each precision gives and costs"])
    for figure in ("fp32", "fp16", "1.00x", "2.00x", "400", "100", "1.0e-06"):
        assert figure in words
    assert "no figure" not in words
    assert "of a repeat of this session for speed and energy, of the figure on text like this for divergence" in words


def test_the_overview_speaks_of_no_interval_that_it_does_not_show(tmp_path):
    made = [benchmark("fp32", 5.0, None), benchmark("fp16", 2.5, None)]
    made[1]["extra_info"]["quality"]["kl_vs_fp32_nats"] = 1e-6
    (image,) = write_plots(
        tmp_path, summary_of(*made), [plot for plot in PLOTS.values() if plot.name == "overview"]
    ).values()
    assert "of a repeat of this session for speed, of the figure" in texts(image)


def test_the_overview_names_what_is_missing_and_is_not_drawn_for_a_sweep(tmp_path):
    plots = [PLOTS["overview"]]
    made = [benchmark("fp32", 5.0, 400.0), benchmark("fp16", 2.5, None), benchmark("bf16", 2.0, 90.0)]
    (image,) = write_plots(tmp_path, summary_of(*made), plots).values()
    assert texts(image).count("no figure") == 1
    made[0]["extra_info"]["energy"]["energy_per_sample_mj"] = None
    (image,) = write_plots(tmp_path, summary_of(*made), plots).values()
    assert texts(image).count("no figure") == 2
    larger = [benchmark("fp32", 9.0, 400.0), benchmark("fp16", 5.0, 300.0)]
    for item in larger:
        item["extra_info"]["case"] |= {"batch_size": 8}
    assert write_plots(tmp_path, summary_of(*made, *larger), plots) == {}
    assert write_plots(tmp_path, summary_of(benchmark("fp32", 5.0, None), benchmark("fp16", 2.5, None)), plots) == {}


@pytest.mark.parametrize("divergences", [(1.6e-8, 5e-9), (1e-6, 1e-6), (1e-7, 1.4e-3), (9e-7, 1.1e-6), (2e-12, 0.9)])
def test_the_scale_of_divergence_can_be_read(divergences):
    made = [benchmark(name, 2.5, 100.0) for name in ("fp32", "fp16", "bf16")]
    for item, divergence in zip(made[1:], divergences, strict=True):
        ends = {"kl_vs_fp32_ci95_low_nats": 0.9 * divergence, "kl_vs_fp32_ci95_high_nats": 1.1 * divergence}
        item["extra_info"]["quality"] |= {"kl_vs_fp32_nats": divergence} | ends
    figure = overview(summary_of(*made), "t")
    assert figure is not None
    assert covering(figure) == []
    axes = figure.axes[-1]
    left, right = axes.get_xlim()
    labelled = [place for place in axes.get_xticks() if left <= place <= right]
    assert len(labelled) >= 2  # one alone says nothing of the scale
    assert left < min(divergences)
    assert max(divergences) < right


@pytest.mark.parametrize(("divergence", "low"), [(0.0, 0.0), (-1e-9, -1e-8), (1e-6, -1e-6)])
def test_the_overview_survives_divergences_that_a_logarithm_does_not_have(tmp_path, divergence, low):
    made = [benchmark("fp32", 5.0, 400.0), benchmark("fp16", 2.5, 100.0), benchmark("bf16", 2.5, 0.0)]
    for item in made[1:]:
        ends = {"kl_vs_fp32_ci95_low_nats": low, "kl_vs_fp32_ci95_high_nats": 2e-6}
        item["extra_info"]["quality"] |= {"kl_vs_fp32_nats": divergence} | ends
    made[2]["extra_info"]["quality"]["kl_vs_fp32_nats"] = 0.0
    (image,) = write_plots(
        tmp_path, summary_of(*made), [plot for plot in PLOTS.values() if plot.name == "overview"]
    ).values()
    assert ("Divergence" in texts(image)) == ("on text like this" in texts(image)) == (divergence > 0)


def test_a_missing_figure_is_a_gap_with_its_reason_and_no_bar():
    figure = bars(summary_of(benchmark("fp32", 5.0, 400.0), benchmark("fp16", 2.0)), "t", "energy_per_sample_mj", "{}")
    assert figure is not None
    written = " ".join(text.get_text() for text in [*figure.texts, *figure.axes[0].texts])
    assert "no figure for fp16-eager: no meter" in written
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights.count(400.0) == 1
    assert all(height in (0, 400.0) for height in heights)  # 0: those of the legend


def test_an_invalid_row_has_a_mark():
    judged = {"status": "invalid", "valid": False, "reasons": ["hot"]}
    figure = bars(summary_of(benchmark("fp32", 5.0, validity=judged)), "t", "median_latency_ms", "{:.1f}")
    assert figure is not None
    assert "5.0*" in [text.get_text() for text in figure.axes[0].texts]


def test_an_emulated_row_has_another_mark():
    figure = bars(summary_of(benchmark("fp32", 5.0, validity={"native": False})), "t", "median_latency_ms", "{:.1f}")
    assert figure is not None
    assert "5.0†" in [text.get_text() for text in figure.axes[0].texts]
    assert "† emulated" in " ".join(text.get_text() for text in figure.texts)


def test_a_picture_of_an_earlier_run_does_not_stay_among_those_of_this_one(tmp_path):
    some = [PLOTS["latency"], PLOTS["energy"]]
    write_plots(tmp_path, whole_run(), some)
    assert len(list(tmp_path.glob("energy.*"))) == 2
    write_plots(tmp_path, summary_of(benchmark("fp32", 5.0)), some)
    assert not list(tmp_path.glob("energy.*"))
    assert len(list(tmp_path.glob("latency.*"))) == 2


def test_a_figure_that_nobody_has_makes_no_picture():
    assert bars(summary_of(benchmark("fp32", 5.0)), "t", "energy_per_sample_mj", "{}") is None


def test_the_frontier_holds_what_nothing_else_beats_in_both():
    frame = pd.DataFrame({"x": [3.0, 1.0, 2.0, 4.0, 1.0], "y": [1.0, 3.0, 4.0, 1.0, 3.0], "name": list("abcde")})
    assert undominated(frame, "x", "y")["name"].tolist() == ["b", "a"]


#: Crowded at the lower left, as nine precisions are; two on one point; alone at the right end; each its own.
POINTS = (
    {"a": (208, 0.76), "b": (213, 0.69), "c": (215, 0.597), "d": (220, 0.595), "e": (273, 0.79), "f": (354, 0.89)},
    {"aaaaaaaaaaaa": (100, 1.0), "bbbbbbbbbbbb": (100, 1.0), "cccccccccccc": (101, 1.0), "dddddddddddd": (900, 9.0)},
    {"aaaaaaaaaaaa": (100, 5.0), "bbbbbbbbbbbb": (190, 1.0), "cccccccccccc": (200, 1.01)},
)


@pytest.mark.parametrize("points", POINTS)
def test_no_name_of_the_frontier_covers_another_or_a_point(points):
    made = [benchmark(name, latency_ms, energy_mj) for name, (energy_mj, latency_ms) in points.items()]
    figure = frontier(summary_of(*made), "t", "energy_per_sample_mj", "median_latency_ms")
    assert figure is not None
    assert covering(figure) == []
    (axes,) = figure.axes
    names = [Text.get_window_extent(text) for text in axes.texts]
    assert len(names) == len(points)
    for place in axes.transData.transform(list(points.values())):
        assert not any(box.contains(*place) for box in names)
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in names)


def test_an_axis_shows_a_drift_of_a_percent_and_does_not_blow_up_noise():
    low, high = axis_limits([1.0, 1.001, 0.999])
    assert high - low == pytest.approx(0.08, abs=0.002)
    low, high = axis_limits([1.0, 2.0])
    assert low < 1.0
    assert high > 2.0


def test_hostile_names_and_broken_series_do_no_harm(tmp_path):
    item = benchmark("$\\frac{1}$<script>", 5.0)
    item["extra_info"]["latency"]["series_ms"] = ["x", None]
    item["extra_info"]["energy"]["power_series"] = [[0.1], 7]
    drawn = write_plots(tmp_path, summary_of(item))
    assert "Latency over the rounds" not in drawn
    assert "$\\frac{1}$<script>" in texts(drawn["Median latency of a forward"]).replace("\\$", "$")


def test_a_control_character_in_a_name_leaves_the_svg_well_formed(tmp_path):
    provenance = benchmark("fp32", 1.0)["extra_info"]["provenance"] | {"model": "a\x00\x1b\ufffeb"}
    drawn = write_plots(tmp_path, whole_run(provenance=provenance))
    assert all("a\ufffd\ufffd\ufffdb" in texts(image) for image in drawn.values())


@pytest.mark.parametrize("odd", [0, -1, -1.0, 1e-320, 1e300, 10**400])
def test_impossible_figures_do_no_harm(tmp_path, odd):
    item = benchmark("fp16", odd, odd)
    figures = {"series_ms": [odd, odd], "ci95_low_ms": odd, "ci95_high_ms": odd, "throughput_samples_per_s": odd}
    item["extra_info"]["latency"].update(figures)
    item["extra_info"]["energy"] |= {"power_series": [[0.1, odd]], "tokens_per_joule": odd, "rel_u95": odd}
    item["extra_info"]["quality"]["perplexity"] = odd
    written = write_report(tmp_path, summary_of(item, benchmark("fp32", odd, odd)))
    assert "fp16-eager" in written[-1].read_text()


@pytest.mark.slow
def test_a_name_that_the_font_cannot_show_is_no_reason_to_fail(tmp_path):
    provenance = benchmark("fp32", 1.0)["extra_info"]["provenance"] | {"model": "模型 \U0001f600"}
    assert len(write_plots(tmp_path, whole_run(provenance=provenance))) == len(EVERY)


def saved(tmp_path: Path, name: str, median_ms: float, commit: str = "c" * 40) -> Run:
    environment = {"measured_utc": "2026-01-02 03:04 UTC", "git_commit": commit}
    return Run(tmp_path / name, (benchmark("fp32", median_ms), benchmark("fp16", 1.0)), described(environment))


def test_history_has_a_row_a_run_and_leaves_out_what_nobody_has(tmp_path):
    runs = [saved(tmp_path, "a.json", 5.0), saved(tmp_path, "b.json", 6.0)]
    values = values_over_runs(runs)
    values = {column.column: rows for column, rows in values.items()}
    assert values["median_latency_ms"]["fp32-eager"].tolist() == [5.0, 6.0]
    assert values["speedup_vs_fp32"]["fp16-eager"].tolist() == [5.0, 6.0]
    assert list(values["median_latency_ms"].columns) == [
        "fp32-eager",
        "fp16-eager",
    ]  # as in the other pictures
    assert "energy_per_sample_mj" not in values
    assert values["median_latency_ms"].index.tolist() == [1, 2]  # the numbers of the overview
    listed = table_of_runs(runs)
    assert listed["#"].tolist() == ["1", "2"]
    assert listed["commit"].tolist() == ["cccccccc", "cccccccc"]
    assert listed["device_name"].tolist() == ["unknown", "unknown"]
    runs[0].benchmarks[0]["extra_info"]["environment"] = {"device_name": "H100", "driver": None}
    assert table_of_runs(runs)["device_name"].tolist() == ["H100", "unknown"]
    assert table_of_runs(runs)["driver"].tolist() == ["unknown", "unknown"]


def test_history_writes_a_picture_that_names_the_commits(tmp_path):
    listed, paths = write_history(tmp_path / "out", [saved(tmp_path, "a.json", 5.0, "abcdef0123")])
    assert [path.name for path in paths] == ["history.svg", "history.png"]
    assert "abcdef01" in listed
    assert "abcdef01" in texts(paths[0].read_bytes())


def test_a_new_plot_is_one_more_entry(tmp_path):
    extra = Plot("extra", "Mean latency", lambda run, title: bars(run, title, "mean_latency_ms", "{:.1f}"))
    assert list(write_plots(tmp_path, whole_run(), [extra])) == ["Mean latency"]
