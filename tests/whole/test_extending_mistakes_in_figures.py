"""The mistakes that pages of docs/extending/ list for metrics, instruments, meters and pictures have their errors."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from benchmarks.extra_info import joined
from benchmarks.instruments import INSTRUMENTS, in_measuring_order, require_consistent
from benchmarks.instruments.base import require_record
from benchmarks.instruments.energy.records import VisitEnergy
from benchmarks.instruments.size import SizeRecord
from benchmarks.meters import METERS, MeterSource, open_meter, require_ranks
from benchmarks.meters.meter import MeterError
from benchmarks.policies import EnergyPolicy, Policies
from benchmarks.visit import Visit
from core.errors import DeclarationError
from core.metrics import CATALOGUE_KEY
from core.metrics.declarations import catalogue
from core.metrics.figures import Figure
from core.metrics.keys import keys_of
from fixtures.tasks import TASKS
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
        ("fastest_ms", -0.1),
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
        [('"shortest round", within=POSITIVE', '"shortest round"')],
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
    for change in (
        ('= "sparsity"\n    zero_share', '= "size"\n    parameters'),
        ('[str] = "sparsity"', '[str] = "device"'),
    ):
        instruments = [one(Policies()) for one in (*INSTRUMENTS.values(), module(SPARSITY, change).Sparsity)]
        refused("instrument", lambda made=instruments: require_consistent(made, TASKS.values()))
    refused("instrument", lambda: require_record(module(SPARSITY).Sparsity(Policies()), None))
    column = module(SPARSITY, ("zero_share: float", "model_size_mb: float")).SparsityRecord
    refused("instrument", lambda: catalogue([SizeRecord, column]))
    record = module(SPARSITY).SparsityRecord
    refused("instrument", lambda: record(zero_share=torch.tensor(0.5)))
    of_visit = module(
        CPU_CLOCK, ("cpu_clock_mhz: Figure[float] = figure(", "power_w: Figure[float] = figure(")
    ).VisitClock
    energy = VisitEnergy(loop_ms=1.0, gap_share=0.0)
    refused("instrument", lambda: joined([energy, of_visit(power_w=Figure(1.0))]))
    imported = ("import AfterLastVisit, AfterVisits", "import AfterLastVisit, Instrument as AfterVisits")
    neither = module(SPARSITY, imported).Sparsity
    register(monkeypatch, INSTRUMENTS, neither)
    refused("instrument", lambda: in_measuring_order(INSTRUMENTS))


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


def test_pictures_of_what_a_run_has_not():
    whole = whole_run()
    run = dataclasses.replace(whole, environment={**whole.environment, CATALOGUE_KEY: []})
    assert module(TAIL).TAIL_PLOT.draw(run, "tail") is None
    with pytest.raises(DeclarationError) as error:
        module(TAIL, ("    SPEED,\n", '    "speed",\n'))
    assert str(error.value).partition(",")[0] in words_of("picture")
