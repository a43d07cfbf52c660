"""Every type of transformers' mapping of causal models through the suite: right, skipped, or refused in a sentence."""

from __future__ import annotations

import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.architectures import PAGE, TRANSFORMERS, counts, read_table
from tests.support.architecture_changes import LEFT_OUT
from tests.support.architecture_sweep import (
    COLUMNS,
    REFUSED,
    RIGHT,
    SKIPPED,
    generation_agrees,
    outcome_of,
    swept,
)
from tests.support.tiny_architectures import tiny_models

of_this_version = pytest.mark.skipif(
    transformers.__version__ != TRANSFORMERS, reason=f"the mapping that is swept is that of transformers {TRANSFORMERS}"
)


@pytest.fixture
def brief(monkeypatch):
    """Leave out pictures, which are of the figures alone, and threads, which tiny models gain nothing by."""
    monkeypatch.setattr("analysis.report.plots.write_plots", lambda *_: {})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@of_this_version
@pytest.mark.slow
@pytest.mark.usefixtures("brief")
@pytest.mark.filterwarnings("default")  # what a model of transformers' warns of
@pytest.mark.parametrize("model_type", [name for name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if name not in LEFT_OUT])
def test_a_type_is_right_or_the_suite_says_why_not(run_suite, tmp_path, record_property, model_type):
    models = list(tiny_models(model_type))
    cells = swept(run_suite, tmp_path, models)
    record_property("type", model_type)
    record_property("cells", cells)
    said = "\n".join(f"{column}: {cell}" for column, cell in cells.items())
    assert {outcome_of(cell) for cell in cells.values()} <= {RIGHT, SKIPPED, REFUSED}, said
    lost = {
        column for column, outcome in read_table()[model_type].items() if outcome == RIGHT and cells[column] != RIGHT
    }
    assert not lost, said
    assert cells["decode_growing"] == RIGHT or not all(map(generation_agrees, models)), said


@of_this_version
@pytest.mark.slow
@pytest.mark.usefixtures("brief")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("model_type", LEFT_OUT)
def test_a_type_that_is_left_out_still_does_not_work(run_suite, tmp_path, model_type):
    try:
        cells = swept(run_suite, tmp_path, tiny_models(model_type))
    except Exception as error:  # whatever transformers raises where it cannot make one
        cells = dict.fromkeys(COLUMNS, str(error))
    _, expected = LEFT_OUT[model_type]
    assert expected in cells["score"]
    assert expected in cells["forward"]


@of_this_version
def test_no_type_is_missing_and_most_are_scored_right():
    table = read_table()
    assert set(table) | set(LEFT_OUT) == set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    assert not set(table) & set(LEFT_OUT)
    assert len(LEFT_OUT) <= 59
    assert sum(row["score"] == row["forward"] == RIGHT for row in table.values()) >= 128


def test_the_page_has_the_counts_and_what_is_left_out():
    page = PAGE.read_text()
    assert counts(read_table()) in page
    assert [f"| `{name}` | {reason} |" for name, (reason, _) in LEFT_OUT.items()] == page.strip().splitlines()[
        -len(LEFT_OUT) :
    ]
