"""One sentence in place of many: where it stands for several shapes, and where sentences stay as they are."""

from __future__ import annotations

import math

from analysis.report.sentences import Sentence, listed, merged, names_by_text
from core.case import Case


def sentence(
    batch_size: int, speedup: float, precision: str = "fp16", text: str = "Use {name}: {speedup}x."
) -> Sentence:
    case = Case(precision, "graph", batch_size=batch_size)
    return Sentence(text, {"name": case}, {"speedup": (speedup, "{:.2f}")})


def texts(*sentences: Sentence, others: tuple[Case, ...] = ()) -> list[str]:
    """What is left of sentences; `others` were measured too, and nothing is said of them."""
    return merged(sentences, [*(one.case for one in sentences), *others])


def test_three_shapes_become_one_sentence_with_the_lowest_and_the_highest_figure():
    assert texts(sentence(1, 2.0), sentence(4, 3.456), sentence(8, 2.5)) == [
        "In all 3 shapes, use fp16-graph: 2.00 to 3.46x."
    ]


def test_two_shapes_stay_two_sentences():
    assert texts(sentence(1, 2.0), sentence(4, 3.0)) == ["Use fp16-graph: 2.00x.", "Use fp16-graph-b4x128: 3.00x."]


def test_a_shape_of_which_something_else_is_said_has_its_own_sentence():
    other = Sentence("Stay with {name}.", {"name": Case("fp32", "graph", batch_size=16)})
    assert texts(sentence(1, 2.0), sentence(4, 2.0), other, sentence(8, 2.0)) == [
        "In 3 of 4 shapes (1 x 128, 4 x 128, 8 x 128), use fp16-graph: 2.00x.",
        "Stay with fp32-graph-b16x128.",
    ]


def test_a_shape_of_which_nothing_is_said_is_counted_among_the_measured():
    found = texts(*(sentence(n, 2.0) for n in (1, 4, 8)), others=(Case("fp32", "graph", batch_size=16),))
    assert found == ["In 3 of 4 shapes (1 x 128, 4 x 128, 8 x 128), use fp16-graph: 2.00x."]


def test_a_missing_figure_is_no_end_of_a_range():
    for order in ((math.nan, 1.0, 2.0), (1.0, math.nan, 2.0)):
        assert texts(*(sentence(n, value) for n, value in enumerate(order, 1))) == [
            "In all 3 shapes, use fp16-graph: 1.00 to 2.00x."
        ]


def test_a_name_that_looks_like_a_place_is_not_filled():
    assert str(sentence(1, 3.0, precision="{speedup}")) == "Use {speedup}-graph: 3.00x."


def test_precisions_and_workloads_are_not_mixed():
    decode = [Sentence("{name}.", {"name": Case("fp16", "graph", workload="decode", batch_size=n)}) for n in (1, 2, 3)]
    found = texts(*decode, *(sentence(n, 2.0, "bf16") for n in (1, 2, 3)), sentence(1, 2.0))
    assert found == [
        "In all 3 shapes, fp16-decode-graph.",
        "In all 3 shapes, use bf16-graph: 2.00x.",
        "Use fp16-graph: 2.00x.",
    ]


def test_the_other_case_of_a_sentence_loses_its_shape_too():
    pairs = [(Case("mixed", "graph", batch_size=n), Case("fp16", "graph", batch_size=n)) for n in (1, 4, 16)]
    found = texts(*(Sentence("{name} after {rival}.", {"name": one, "rival": other}) for one, other in pairs))
    assert found == ["In all 3 shapes, mixed-graph after fp16-graph."]


def test_cases_of_which_the_same_is_said_are_listed():
    warnings = [sentence(1, 1.0, name, "{name}: to {speedup}%.") for name in ("fp32", "fp16", "mixed")]
    assert listed(warnings) == ["fp32-graph, fp16-graph, mixed-graph: to 1.00%."]
    assert listed(warnings[:2]) == ["fp32-graph: to 1.00%.", "fp16-graph: to 1.00%."]


def test_braces_in_the_words_of_a_saved_run_are_no_places():
    assert (
        str(sentence(1, 2.0, text="{name}: {speedup}x, {headline} equal {}."))
        == "fp16-graph: 2.00x, {headline} equal {}."
    )


def test_texts_that_differ_in_numbers_alone_become_one_with_ranges():
    texts = {
        "a": "they scatter by ± 9.5% (95%)",
        "b": "they scatter by ± 10.1% (95%)",
        "c": "they scatter by ± 8.0% (95%)",
    }
    assert names_by_text(texts | {"d": "it rose by +2%"}) == [
        (["a", "b", "c"], "they scatter by ± 8.0 to 10.1% (95%)"),
        (["d"], "it rose by +2%"),
    ]
    assert names_by_text({"a": "by 1%", "b": "by 2%"}) == [(["a"], "by 1%"), (["b"], "by 2%")]
    assert names_by_text({"a": "by 1%", "b": "by 1%"}) == [(["a", "b"], "by 1%")]
