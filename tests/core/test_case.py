"""The value by which everything is named, joined and compared."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.case import BASELINE, Case, case_of, is_own
from core.errors import InputError
from core.executions import EAGER
from fixtures.executions import EXECUTIONS
from fixtures.precisions import PRECISIONS
from tests.support.json_values import json_values


@pytest.mark.parametrize(
    ("case", "name", "setting"),
    [
        (Case("fp16", "graph"), "fp16-graph", "graph"),
        (Case("fp16", "graph", batch_size=8, sequence_length=64), "fp16-graph-b8x64", "graph-b8x64"),
        (Case("fp16", "graph", sequence_length=64), "fp16-graph-b1x64", "graph-b1x64"),
        (Case("fp16", "graph", workload="decode"), "fp16-decode-graph", "decode-graph"),
        (Case("fp32", "eager", task="classification"), "classification-fp32-eager", "classification-eager"),
        (Case("fp32", "eager", others=(("kv_cache", "int8"),)), "fp32-eager-kv_cache=int8", "eager-kv_cache=int8"),
    ],
)
def test_an_id_names_what_differs_from_the_usual(case, name, setting):
    assert (case.id, case.setting) == (name, setting)


def test_a_partner_is_the_same_but_for_what_is_named():
    case = Case("fp16", "graph", batch_size=8, sequence_length=64)
    assert case.partner(precision=BASELINE).id == "fp32-graph-b8x64"
    assert case.partner(execution=EAGER).id == "fp16-eager-b8x64"
    assert case.partner() == case


names = st.text("abc_123", min_size=1, max_size=5)
cases = st.builds(
    Case,
    names,
    names,
    names,
    names,
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.dictionaries(names.map("x_{}".format), names, max_size=2).map(lambda parts: tuple(sorted(parts.items()))),
)


@given(cases)
def test_what_is_written_is_read_again(case):
    assert Case.from_json(case.as_json()) == case


@given(json_values)
def test_any_value_is_a_case_or_one_error(value):
    try:
        case = Case.from_json(value)
    except InputError:
        return
    assert case.id


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 0},
        {"batch_size": True},
        {"batch_size": 10**9 + 1},
        {"sequence_length": "128"},
        {"precision": 16},
        {"task": None},
    ],
)
def test_a_case_with_a_field_of_another_type_is_an_error(changes):
    with pytest.raises(InputError, match="expected names without a space for"):
        Case.from_json(Case("fp32", "eager").as_json() | changes)


@pytest.mark.parametrize(
    "name", ["", "Use fp16: it is the fastest", "fp16\n\n# x", "fp16\x1b[2J", "fp\u202e61", "fp\ufffd61", "x" * 201]
)
@pytest.mark.parametrize("key", ["precision", "execution", "task", "workload", "adapter"])
def test_what_could_be_more_than_a_name_is_an_error(key, name):
    with pytest.raises(InputError, match="expected names without a space"):
        Case.from_json(Case("fp32", "eager").as_json() | {key: name})


def test_a_field_of_a_later_edition_is_kept_and_shown():
    benchmark = {"extra_info": {"case": Case("fp32", "eager").as_json() | {"adapter": "lora"}}}
    assert is_own(benchmark)
    assert case_of(benchmark).id == "fp32-eager-adapter=lora"
    assert case_of(benchmark).as_json()["adapter"] == "lora"


@pytest.mark.parametrize("case", ["small", 3, None, {}, {"size": 10}, {"precision": "fp32"}])
def test_another_suite_may_have_a_case_of_its_own(case):
    assert not is_own({"extra_info": {"case": case}})


def test_names_are_of_one_alphabet_and_no_two_kinds_share_one():
    """Otherwise two cases could have one id."""
    usual = Case("", "")
    everything = [*PRECISIONS, *EXECUTIONS, usual.task, usual.workload]
    assert len(set(everything)) == len(everything)
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in everything)
