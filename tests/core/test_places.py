"""Where a metric stands in tables: by its place, which a record's field declares and a saved run carries."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field, fields, make_dataclass
from itertools import permutations
from typing import ClassVar, get_type_hints

import pytest

from analysis.report.summary import RunSummary
from analysis.report.writer import write_report
from benchmarks.instruments import INSTRUMENTS, in_measuring_order
from benchmarks.instruments.latency.statistics import LatencyRecord
from benchmarks.policies import Policies
from core.errors import InputError
from core.metrics import CATALOGUE_KEY, Catalogue, Metric
from core.metrics.declarations import catalogue
from core.metrics.ranges import ANY_NUMBER, NOT_NEGATIVE, POSITIVE
from core.metrics.records import Record, metric
from core.tasks import TASKS_KEY, as_json
from fixtures.tasks import TASKS
from tests.support.saved_runs import benchmark


@dataclass(frozen=True, kw_only=True)
class Inner(Record):
    unplaced: int = metric("", None, "no metric of this record is before it", within=ANY_NUMBER)
    third: int = metric("", None, "x", within=ANY_NUMBER, place=30)


@dataclass(frozen=True, kw_only=True)
class Outer(Record):
    section: ClassVar[str] = "outer"
    unplaced_too: int = metric("", None, "no metric is before it", within=ANY_NUMBER)
    second: int = metric("", None, "x", within=ANY_NUMBER, place=20)
    inner: Inner
    behind_second: int = metric("", None, "follows the one before it in its own record", within=ANY_NUMBER)
    first: int = metric("", None, "x", within=ANY_NUMBER, place=-1.5)


@dataclass(frozen=True, kw_only=True)
class Further(Outer):
    behind_first: int = metric("", None, "follows the last of the base", within=ANY_NUMBER)


def columns(*records: type[Record]) -> list[str]:
    return [entry["column"] for entry in catalogue(records)]


def test_metrics_stand_by_their_places_and_those_without_one_behind_the_one_before():
    assert columns(Outer) == ["first", "second", "behind_second", "third", "unplaced_too", "unplaced"]
    assert [entry["place"] for entry in catalogue([Outer])] == [-1.5, 20, 20, 30, None, None]
    assert columns(Further)[:2] == ["first", "behind_first"]


def test_a_place_that_is_no_finite_number_is_a_mistake_of_the_record():
    @dataclass(frozen=True, kw_only=True)
    class Nowhere(Record):
        letters: int = metric("", None, "x", within=NOT_NEGATIVE, place=float("nan"))

    with pytest.raises(ValueError, match=r"the metric letters cannot be read from a saved run: it has .*finite number"):
        catalogue([Nowhere])


def with_field_behind(record: type[Record], name: str, added: str) -> type[Record]:
    """A record with one more metric, without a place, declared behind another."""
    types, declared = get_type_hints(record), []
    for part in fields(record):
        declared.append((part.name, types[part.name], field(default=part.default, metadata=part.metadata)))
        if part.name == name:
            declared.append(
                (added, float | None, metric("ms", "lower", "a further percentile", within=POSITIVE, default=None))
            )
    section = {"section": record.section}
    return make_dataclass("More", declared, bases=(Record,), frozen=True, kw_only=True, namespace=section)


@pytest.mark.parametrize("task", TASKS)
def test_a_field_behind_p99_is_the_column_behind_it(tmp_path, monkeypatch, task):
    monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
    more = with_field_behind(LatencyRecord, "p99_ms", "p999_latency_ms")
    records = [record for one in in_measuring_order(INSTRUMENTS) for record in one(Policies()).records([TASKS[task]])]
    described = catalogue([more if record is LatencyRecord else record for record in records])
    environment = {CATALOGUE_KEY: described, TASKS_KEY: as_json({task: TASKS[task].words})}
    item = benchmark("fp32", 1.0)
    item["extra_info"]["latency"]["p999_latency_ms"] = 9.5
    path, *_ = write_report(tmp_path, RunSummary([item], environment, {}))
    with path.open() as file:
        (row,) = csv.DictReader(file)
    names = list(row)
    assert names.index("p999_latency_ms") == names.index("p99_latency_ms") + 1
    assert row["p999_latency_ms"] == "9.5"


def entry(column: str, place: float | None = None) -> dict[str, object]:
    saved = {"column": column, "path": column, "unit": "", "description": "x"}
    return saved if place is None else saved | {"place": place}


def test_a_run_is_in_the_order_of_its_places_and_one_without_in_the_order_listed():
    listed = [entry("odd"), entry("third", 30), entry("plain"), entry("first", 10), entry("also_third", 30)]
    assert [found.column for found in Catalogue.from_json(listed).metrics] == [
        "first",
        "third",
        "also_third",
        "odd",
        "plain",
    ]


def test_runs_with_and_without_places_join_in_the_order_of_the_places():
    newer = Catalogue.from_json([entry("first", 10), entry("second", 20), entry("third", 30)])
    older = Catalogue.from_json([entry("third"), entry("gone"), entry("first")])
    other = Catalogue.from_json([entry("between", 15)])
    for order in permutations((newer, older, other)):
        joined = Catalogue.joined(order)
        assert [found.column for found in joined.metrics] == ["first", "between", "second", "third", "gone"]


@pytest.mark.parametrize("place", [0, -3, 2.5, None])
def test_a_place_is_any_finite_number_or_none(place):
    assert Metric.from_json(entry("letters") | {"place": place}).place == place


@pytest.mark.parametrize("place", ["first", True, float("inf"), float("nan"), 10**400, [1]])
def test_a_place_that_is_no_finite_number_is_refused(place):
    with pytest.raises(InputError, match=r"The run's catalogue of metrics has .*for a place a finite number"):
        Metric.from_json(entry("letters") | {"place": place})
