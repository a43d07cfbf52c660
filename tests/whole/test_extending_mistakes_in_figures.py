"""The mistakes that pages of docs/extending/ list for metrics, instruments, meters and pictures have their errors."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from analysis.report.page import pictures
from analysis.report.plots import PLOTS
from benchmarks.instruments import INSTRUMENTS, in_order
from benchmarks.instruments.size import SizeRecord
from benchmarks.meters import METERS, MeterSource, open_meter, require_ranks
from benchmarks.meters.meter import MeterError
from benchmarks.policies import EnergyPolicy
from benchmarks.visit import Visit, add
from core.metrics import CATALOGUE_KEY
from core.metrics.declarations import catalogue
from core.metrics.figures import Figure
from core.metrics.keys import keys_of
from tests.support.documented import module, refused, values_of, words_of
from tests.support.registries import register
from tests.support.saved_runs import whole_run

LATENCY = "benchmarks/instruments/latency/statistics.py"
WALL_PLUG = "benchmarks/meters/wall_plug.py"
SPARSITY = "benchmarks/instruments/sparsity.py"
CPU_CLOCK = "benchmarks/instruments/cpu_clock.py"
TAIL = "analysis/report/plots/tail.py"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fastest_ms", torch.tensor(1.0)),
        ("p90_ms", 1.0),
    ],
)
def test_values_that_are_not_what_their_metric_declares(name, value):
    record = module(LATENCY).LatencyRecord
    record(**values_of(record))
    refused("metric", lambda: record(**values_of(record) | {name: value}))


@pytest.mark.parametrize(
    "changes",
    [
        [
            ('        interval=Interval(of="the percentile of rounds like these"),\n', ""),
            ('        reason=Reason("p90_reason"),\n', ""),
        ],
        [("    p90_ms: Figure[float]", "    p90_ms: float")],
    ],
)
def test_metrics_whose_type_is_not_that_of_their_parts(changes):
    refused("metric", lambda: keys_of(module(LATENCY, *changes).LatencyRecord))


def test_figures_with_undeclared_or_senseless_parts():
    record = module(LATENCY, ('        reason=Reason("p90_reason"),\n', "")).LatencyRecord
    refused("metric", lambda: record(**values_of(record) | {"p90_ms": Figure(None, reason="none")}))
    refused("metric", lambda: Figure(1.5, 2.0, 1.0))
    record = module(LATENCY).LatencyRecord
    missing = {name: value for name, value in values_of(record).items() if name != "fastest_ms"}
    refused("metric", lambda: record(**missing), TypeError)
    twice = module(LATENCY, ('"shortest round", ', '"shortest round", column="rounds", '))
    refused("metric", lambda: catalogue([twice.LatencyRecord]))


def test_instruments_that_write_what_is_anothers(monkeypatch):
    size = module(SPARSITY, ('= "sparsity"\n    zero_share', '= "size"\n    parameters')).SparsityRecord
    refused("instrument", lambda: add({"size": {"parameters": 1}}, size(parameters=0.5)))
    device = module(SPARSITY, ('= "sparsity"\n    zero_share', '= "device"\n    zero_share')).SparsityRecord
    refused("instrument", lambda: add({"device": "cpu"}, device(zero_share=0.5)))
    column = module(SPARSITY, ("zero_share: float", "model_size_mb: float")).SparsityRecord
    refused("instrument", lambda: catalogue([SizeRecord, column]))
    record = module(SPARSITY).SparsityRecord
    refused("instrument", lambda: record(zero_share=torch.tensor(0.5)))
    of_visit = module(
        CPU_CLOCK, ("cpu_clock_mhz: Figure[float] = figure(", "power_w: Figure[float] = figure(")
    ).VisitClock
    refused("instrument", lambda: add({"power_w": None}, of_visit(power_w=Figure(1.0))))
    imported = ("import AfterLastVisit, AfterVisits", "import AfterLastVisit, Instrument as AfterVisits")
    neither = module(SPARSITY, imported).Sparsity
    register(monkeypatch, INSTRUMENTS, neither)
    refused("instrument", lambda: in_order(INSTRUMENTS))


def test_a_visit_of_which_an_instrument_has_no_record():
    visit = Visit(number=1, position=1, started_s=0, timed=None, latency=None)
    refused("instrument", lambda: visit.of(module(CPU_CLOCK).VisitClock))


def test_meters_that_are_not_what_their_source_says(monkeypatch, tmp_path):
    (tmp_path / "joules").write_text("1")
    monkeypatch.setenv("WALL_PLUG", str(tmp_path / "joules"))
    source = module(WALL_PLUG).WALL_PLUG
    refused("meter", lambda: require_ranks([*METERS.values(), dataclasses.replace(source, rank=10)]))
    register(monkeypatch, METERS, MeterSource("plug", source.description, 0, source.devices, source.open))
    refused("meter", lambda: open_meter(torch.device("cpu"), EnergyPolicy()))
    meter = source.open(torch.device("cpu"), EnergyPolicy())
    with pytest.raises(MeterError, match="the meter says 0 mJ over"):
        meter.measure(0.001)
    assert "the meter says 0 mJ over" in words_of("meter")


def test_pictures_of_what_a_run_has_not(monkeypatch):
    hasty = module(TAIL, (" if COLUMN in run.frame else None", "")).TAIL_PLOT
    whole = whole_run()
    run = dataclasses.replace(whole, environment={**whole.environment, CATALOGUE_KEY: []})
    assert module(TAIL).TAIL_PLOT.draw(run, "tail") is None
    with pytest.raises(KeyError) as error:
        hasty.draw(run, "tail")
    assert f"KeyError: {error.value}" in words_of("picture")
    elsewhere = module(TAIL, ("    SPEED,\n", '    "speed",\n')).TAIL_PLOT
    register(monkeypatch, PLOTS, elsewhere)
    with pytest.raises(KeyError) as error:
        pictures(run, {elsewhere.title: b"<svg/>"})
    assert f"KeyError: {error.value}" in words_of("picture")
