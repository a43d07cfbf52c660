"""What is timed must predict what was scored."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.base import AfterLastVisit
from benchmarks.instruments.quality.instrument import missing_reason
from benchmarks.instruments.quality.timed import TimedRecord, require_same_predictions, timed_figures
from benchmarks.loop import ForwardLoop
from core.case import Case
from core.errors import DeclarationError
from core.metrics.figures import Figure
from core.metrics.records import require_fields
from fixtures.dataset.batches import ShapedDataset
from fixtures.executions import EXECUTIONS, CaptureError
from fixtures.tasks.language_modeling import TASK
from fixtures.tasks.language_modeling.records import LanguageModelRecord
from fixtures.workloads import FORWARD
from tests.support.tiny import LENGTHS, tiny_tensors, two_models

CPU = torch.device("cpu")
TARGETS = sum(LENGTHS) - len(LENGTHS)


def measured(scored, timed, batch_size: int = 1, execution: str = "eager", *others: Case):
    """A case, and what there is after its last visit."""
    tensors = tiny_tensors()
    data = ShapedDataset.of(*tensors.values(), batch_size, 16, CPU)
    case = Case("fp16", execution, batch_size=batch_size, sequence_length=16)
    loop = ForwardLoop(EXECUTIONS["eager"].prepare(timed, data.examples), data.batches, CPU)
    settings = SimpleNamespace(device=CPU)
    made = SimpleNamespace(
        execution=EXECUTIONS[execution],
        settings=settings,
        case=case,
        data=data,
        model=scored,
        task=TASK,
        workload=FORWARD,
    )
    return made, AfterLastVisit(loop, (case, *others))


@torch.no_grad()
@pytest.mark.parametrize(("batch_size", "rows"), [(1, 6), (2, 6), (4, 8)])
def test_the_same_computation_predicts_the_same(batch_size, rows):
    _, scored = two_models()
    found = timed_figures(*measured(scored, scored, batch_size), no_logits_reason=None)
    assert 0 <= found.kl_nats.value < 1e-9
    assert abs(found.loss_difference_nats) < 1e-6
    assert found.top1_agreement == 1
    again = sum(LENGTHS[row] - 1 for row in range(rows - 6))  # the last batch is filled up from the start
    assert (found.rows, found.targets) == (rows, TARGETS + again)
    require_same_predictions(found, None, "x")


@torch.no_grad()
def test_another_computation_is_measured_against_plain_code_and_refused():
    other, scored = two_models()
    found = timed_figures(*measured(scored, other), no_logits_reason=None)
    kl, loss = [], []
    for ids, length in zip(tiny_tensors()["input_ids"], LENGTHS, strict=True):
        p, q = (
            torch.log_softmax(model.double()(input_ids=ids[None, :length]).logits[0, :-1], dim=-1)
            for model in (copy.deepcopy(other), copy.deepcopy(scored))
        )
        kl += (p.exp() * (p - q)).sum(-1).tolist()
        loss += (q - p).gather(1, ids[1:length, None])[:, 0].tolist()
    assert found.kl_nats.value == pytest.approx(sum(kl) / TARGETS, rel=1e-3)
    assert found.loss_difference_nats == pytest.approx(sum(loss) / TARGETS, rel=1e-3)
    with pytest.raises(CaptureError, match="What x predicts while it is timed differs from what was scored"):
        require_same_predictions(found, None, "x")


@pytest.mark.parametrize(
    ("kl_nats", "kl_vs_fp32_nats", "passes"),
    [
        (0.9e-6, None, True),
        (1.1e-6, None, False),
        (1.1e-6, 1e-7, False),
        (2.9e-6, 1e-6, True),
        (3.1e-6, 1e-6, False),
        (float("nan"), 1.0, False),
        (None, None, True),
    ],
)
def test_the_limit_is_a_millionth_of_a_nat_or_three_times_the_precisions_own_divergence(
    kl_nats, kl_vs_fp32_nats, passes
):
    found = TimedRecord(kl_nats=Figure(kl_nats), loss_difference_nats=0.0, top1_agreement=1.0, rows=1, targets=1)
    if passes:
        require_same_predictions(found, kl_vs_fp32_nats, "x")
    else:
        with pytest.raises(CaptureError, match="expected at most"):
            require_same_predictions(found, kl_vs_fp32_nats, "x")


def test_eager_is_not_run_again_where_its_graph_was_measured():
    other, scored = two_models()
    graph = Case("fp16", "graph", sequence_length=16)
    found = timed_figures(*measured(scored, other, 1, "eager", graph), no_logits_reason=None)
    reason = "fp16-graph-b1x16 has this comparison, and its logits are compared with eager ones"
    assert found.kl_nats == Figure(None, reason=reason)
    with torch.no_grad():
        other_precision = timed_figures(*measured(scored, other, 1, "eager", graph.partner(precision="fp32")), None)
    assert other_precision.kl_nats.value > 0


def test_without_logits_to_compare_there_is_the_reason():
    _, scored = two_models()
    found = timed_figures(*measured(scored, scored), no_logits_reason="3 logits are NaN or infinite")
    assert (found.kl_nats, found.targets) == (Figure(None, reason="3 logits are NaN or infinite"), 0)


@torch.no_grad()
def test_rows_without_a_target_are_null_with_a_reason():
    _, scored = two_models()
    case, after = measured(scored, scored)
    case.data.attention_mask[:, 1:] = 0
    for batch in case.data.batches:
        batch.attention_mask[:, 1:] = 0
    found = timed_figures(case, after, no_logits_reason=None)
    assert (found.kl_nats, found.targets) == (Figure(None, reason="the rows hold nothing to answer"), 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, None),
        ({"avg_loss_nats": Figure(1.0), "perplexity": Figure(2.7)}, None),
        ({"avg_loss_nats": Figure(None, reason="NaN"), "perplexity": Figure(None, reason="NaN")}, "NaN"),
        ({"avg_loss_nats": Figure(800.0), "perplexity": Figure(None, reason="beyond a float")}, "beyond a float"),
        ({"perplexity": 2.7}, None),
    ],
)
def test_where_loss_or_headline_is_missing_nothing_is_compared(fields, reason):
    assert missing_reason(fields, "perplexity") == reason


def test_a_task_that_gives_a_plain_number_for_a_figure_is_told_so():
    with pytest.raises(DeclarationError, match=r"LanguageModelRecord\.perplexity is a float; expected a Figure"):
        require_fields(LanguageModelRecord, {"perplexity": 2.7, "targets": 3})
    require_fields(LanguageModelRecord, {"perplexity": Figure(2.7), "targets": 3})
