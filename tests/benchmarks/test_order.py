"""The order of visits: what changes in the course of a session falls on all cases alike."""

from __future__ import annotations

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.order import visiting_order
from core.case import Case
from core.executions import EAGER

PRECISIONS = ("fp32", "bf16", "fp16", "int8")
SHAPES = ((1, 128), (8, 64))


def in_execution(execution: str, *precisions: str, shape: tuple[int, int] = SHAPES[0]) -> list[Case]:
    return [Case(name, execution, batch_size=shape[0], sequence_length=shape[1]) for name in precisions]


GRAPHS = in_execution("graph", *PRECISIONS)
EAGERS = in_execution(EAGER, "fp32", "bf16", "fp16")


def order(cases: list[Case], visits: int, seed: int = 0) -> list[list[Case]]:
    return visiting_order(cases, visits, random.Random(seed))


def unit_of(case: Case) -> object:
    """What keeps together in a row: eager cases of one shape, any other case by itself."""
    return (case.batch_size, case.sequence_length) if case.execution == EAGER else case


def units_of(row: list[Case]) -> list[object]:
    """The units of a row in their order, each as often as its cases were interrupted by others, and once more."""
    units = [unit_of(case) for case in row]
    return [unit for place, unit in enumerate(units) if place == 0 or units[place - 1] != unit]


def squares(rows: list[list[object]]) -> list[list[list[object]]]:
    """Rows in their Latin squares, the last in part."""
    side = len(rows[0])
    return [rows[start : start + side] for start in range(0, len(rows), side)]


def require_latin(rows: list[list[object]]) -> None:
    """Within each square, nothing may stand in one column twice."""
    for square in squares(rows):
        for column in zip(*square, strict=True):
            assert len(set(column)) == len(square)


@pytest.mark.parametrize("visits", [1, 3, 4, 5, 8, 11])
def test_there_is_a_row_for_each_visit_with_every_case_once(visits):
    rows = order(GRAPHS + EAGERS, visits)
    assert len(rows) == visits
    for row in rows:
        assert len(row) == len(GRAPHS + EAGERS)
        assert set(row) == set(GRAPHS + EAGERS)


def test_as_many_visits_as_cases_make_a_square_in_which_each_case_has_each_position_once():
    rows = order(GRAPHS, 4)
    for case in GRAPHS:
        assert sorted(row.index(case) for row in rows) == [0, 1, 2, 3]


def test_further_visits_begin_another_square():
    rows = order(GRAPHS, 10)
    for case in GRAPHS:
        places = [row.index(case) for row in rows]
        assert sorted(places[:4]) == sorted(places[4:8]) == [0, 1, 2, 3]
        assert len(set(places[8:])) == 2
    assert any(order(GRAPHS, 8, seed)[:4] != order(GRAPHS, 8, seed)[4:] for seed in range(5))


def test_eager_cases_of_a_shape_keep_side_by_side_and_rotate():
    rows = order(GRAPHS + EAGERS, 5)
    blocks = [[case for case in row if case in EAGERS] for row in rows]
    for row, block in zip(rows, blocks, strict=True):
        first = row.index(block[0])
        assert row[first : first + 3] == block
    assert sorted(units_of(row).index(SHAPES[0]) for row in rows) == [0, 1, 2, 3, 4]  # one unit beside four graphs
    for case in EAGERS:
        assert sorted(block.index(case) for block in blocks[:3]) == [0, 1, 2]


def test_eager_cases_of_two_shapes_or_tasks_are_two_units():
    long = in_execution(EAGER, "fp32", "fp16", shape=SHAPES[1])
    rows = order(EAGERS + long, 2)
    assert {tuple(units_of(row)) for row in rows} == {SHAPES, SHAPES[::-1]}
    other_task = [case.partner(task="classification") for case in EAGERS]
    for row in order(EAGERS + other_task, 4):
        assert {case.task for case in row[:3]} != {case.task for case in row[3:]}
        assert len({case.task for case in row[:3]}) == 1


def test_one_case_is_visited_again_and_again():
    assert order(GRAPHS[:1], 3) == [GRAPHS[:1]] * 3


def test_the_seed_decides_the_order():
    cases = GRAPHS + EAGERS
    assert order(cases, 6, seed=1) == order(cases, 6, seed=1)
    assert order(cases, 6, seed=1) != order(cases, 6, seed=2)


def test_no_case_is_bound_to_a_position_a_visit_or_a_predecessor():
    rows = [order(GRAPHS, 2, seed) for seed in range(200)]
    for number, place in product(range(2), range(4)):
        counts = [sum(found[number][place] == case for found in rows) for case in GRAPHS]
        assert min(counts) >= 25  # 50 are expected, with a standard deviation of 6
    followers = {pair for found in rows for pair in zip(found[0], found[0][1:], strict=False)}
    assert len(followers) == 4 * 3


every_case = [
    case for name, shape in product((EAGER, "graph"), SHAPES) for case in in_execution(name, *PRECISIONS, shape=shape)
]


@given(
    st.lists(st.sampled_from(every_case), min_size=1, max_size=len(every_case), unique=True),
    st.integers(1, 12),
    st.integers(0, 2**32),
)
def test_every_order_is_of_latin_squares_of_units_and_of_the_cases_in_them(cases, visits, seed):
    rows = order(cases, visits, seed)
    assert len(rows) == visits
    assert all(sorted(row, key=cases.index) == cases for row in rows)
    units = {unit_of(case) for case in cases}
    assert all(len(units_of(row)) == len(units) for row in rows)
    require_latin([units_of(row) for row in rows])
    for unit in units:
        require_latin([[case for case in row if unit_of(case) == unit] for row in rows])
    assert rows == order(cases, visits, seed)
