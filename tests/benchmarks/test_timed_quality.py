"""What is timed must predict what was scored."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.base import AfterLastVisit
from benchmarks.instruments.quality.instrument import missing_reason
from benchmarks.instruments.quality.timed import require_same_predictions, timed_answers, trimmed_mean
from benchmarks.loop import ForwardLoop
from core.case import Case
from core.errors import DeclarationError
from core.metrics.figures import Figure
from core.metrics.records import require_fields
from fixtures.dataset.batches import ShapedDataset
from fixtures.executions import EXECUTIONS, CaptureError
from fixtures.tasks.language_modeling import TASK
from fixtures.tasks.language_modeling.records import LanguageModelRecord
from fixtures.tasks.predictions import Predictions
from fixtures.tasks.records import TimedRecord
from fixtures.tasks.task import Scored
from fixtures.workloads import FORWARD
from tests.support.tiny import LENGTHS, tiny_tensors, two_models

CPU = torch.device("cpu")
TARGETS = sum(LENGTHS) - len(LENGTHS)


def measured(scored, timed, batch_size: int = 1, execution: str = "eager"):
    """A case, and what there is after its last visit."""
    tensors = tiny_tensors()
    data = ShapedDataset.of(*tensors.values(), batch_size, 16, CPU)
    case = Case("fp16", execution, batch_size=batch_size, sequence_length=16)
    loop = ForwardLoop(EXECUTIONS["eager"].prepare(timed, data.examples), data.batches, CPU)
    settings = SimpleNamespace(device=CPU, quick=False)
    made = SimpleNamespace(
        execution=EXECUTIONS[execution],
        settings=settings,
        case=case,
        data=data,
        model=scored,
        task=TASK,
        workload=FORWARD,
    )
    return made, AfterLastVisit(loop, (made,))


def answered(scored, timed, batch_size: int = 1, execution: str = "eager", baseline=None):
    """What is found of the rows, in a case of its own."""
    models = [Scored(model, nullcontext) for model in (scored, baseline) if model is not None]
    with torch.no_grad():
        return timed_answers(*measured(scored, timed, batch_size, execution), lambda: models, None)


def target_log_p(model, ids: torch.Tensor, length: int) -> torch.Tensor:
    """The log-probabilities of one row's targets by plain code, FP64."""
    with torch.no_grad():
        return torch.log_softmax(copy.deepcopy(model).double()(input_ids=ids[None, :length]).logits[0, :-1], dim=-1)


@pytest.mark.parametrize(("batch_size", "rows"), [(1, 6), (2, 6), (4, 8)])
def test_the_same_computation_predicts_the_same(batch_size, rows):
    _, scored = two_models()
    found, against_fp32 = answered(scored, scored, batch_size)
    assert 0 <= found.kl_nats.value < 1e-9
    assert abs(found.loss_difference_nats) < 1e-6
    assert found.top1_agreement == 1
    again = sum(LENGTHS[row] - 1 for row in range(rows - 6))  # the last batch is filled up from the start
    assert (found.rows, found.targets) == (rows, TARGETS + again)
    assert found.tolerated_nats == 1e-6
    require_same_predictions(found, "x")
    assert against_fp32.kl_vs_fp32_nats == Figure(None, reason="this is what the others are compared with")
    assert (against_fp32.rows, against_fp32.targets) == (found.rows, found.targets)


def test_another_computation_is_measured_against_plain_code_and_refused():
    other, scored = two_models()
    found, _ = answered(scored, other)
    kl, loss = [], []
    for ids, length in zip(tiny_tensors()["input_ids"], LENGTHS, strict=True):
        p, q = (target_log_p(model, ids, length) for model in (other, scored))
        kl += (p.exp() * (p - q)).sum(-1).tolist()
        loss += (q - p).gather(1, ids[1:length, None])[:, 0].tolist()
    assert found.kl_nats.value == pytest.approx(sum(kl) / TARGETS, rel=1e-3)
    assert found.loss_difference_nats == pytest.approx(sum(loss) / TARGETS, rel=1e-3)
    with pytest.raises(CaptureError, match="What x predicts while it is timed differs from what was scored"):
        require_same_predictions(found, "x")


@pytest.mark.parametrize("execution", list(EXECUTIONS))
def test_what_was_timed_is_told_from_fp32_in_every_execution(execution):
    fp32, timed = two_models()
    found, against_fp32 = answered(timed, timed, 4, execution, baseline=fp32)
    kl, same, rows = [], [], [0, 1, 2, 3, 4, 5, 0, 1]  # the last batch is filled up from the start
    for row in rows:
        ids, length = tiny_tensors()["input_ids"][row], LENGTHS[row]
        p, q = (target_log_p(model, ids, length) for model in (fp32, timed))
        kl += (p.exp() * (p - q)).sum(-1).tolist()
        same += (p.argmax(-1) == q.argmax(-1)).tolist()
    assert against_fp32.kl_vs_fp32_nats.value == pytest.approx(sum(kl) / len(kl), rel=1e-3)
    assert against_fp32.kl_vs_fp32_nats.low < sum(kl) / len(kl) < against_fp32.kl_vs_fp32_nats.high
    assert against_fp32.top1_strict_vs_fp32.value == pytest.approx(sum(same) / len(same))
    assert (against_fp32.rows, against_fp32.targets) == (8, len(kl))
    assert found.tolerated_nats == pytest.approx(3 * sum(kl) / len(kl), rel=1e-3)
    require_same_predictions(found, "x")


def test_rows_are_told_by_their_numbers_and_nothing_kept_of_one_is_taken_for_another():
    model, tokens = two_models()[1], 5
    tensors, full = tiny_tensors().values(), torch.tensor([row for row, length in enumerate(LENGTHS) if length >= 5])
    every = ShapedDataset.of(*tensors, 1, tokens, CPU)
    prompts = ShapedDataset.of(*(tensor[full] for tensor in tensors), 1, tokens, CPU, full)
    scored = Scored(model, nullcontext)
    for data, rows in ((every, [0, 1, 2, 3, 4]), (prompts, [0, 2, 3, 4, 5])):
        with torch.no_grad():
            run_on = lambda batch: model(input_ids=batch.input_ids).logits  # noqa: E731
            parts = list(TASK.scoring.timed(run_on, [scored], data, data.batches[:5]))
        assert torch.cat([part.sample for part in parts]).unique().tolist() == rows
        for part in parts:
            torch.testing.assert_close(part.timed, part.scored[0])


def test_greedy_decoding_takes_the_first_of_several_and_agreement_counts_any():
    predictions = Predictions(CPU)
    tied = torch.tensor([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.5, 0.3, 0.2], [0.2, 0.4, 0.4]]).log()
    reference = torch.tensor([[0.4, 0.5, 0.1], [0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.5, 0.4, 0.1]]).log()
    predictions.add(tied, reference)
    assert predictions.same_top.tolist() == [True, True, True, False]
    assert predictions.same_first.tolist() == [False, True, True, False]
    assert predictions.tied.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("kl_nats", "expected"),
    [
        ([1.0] * 998 + [500.0], (998 + 500) / 999),  # of fewer than a thousand none is left out
        ([1.0] * 999 + [500.0], 1.0),
        ([1.0] * 1998 + [500.0, 500.0], 1.0),
        ([1.0] * 1980 + [500.0] * 20, (1980 + 18 * 500) / 1998),  # one in a hundred is no accident
    ],
)
def test_one_target_in_a_thousand_may_change_completely(kl_nats, expected):
    assert trimmed_mean(torch.tensor(kl_nats).flip(0)) == pytest.approx(expected)


def test_no_target_that_is_not_a_number_is_left_out():
    assert math.isnan(trimmed_mean(torch.tensor([1.0] * 5000 + [math.nan])))


@pytest.mark.parametrize(
    ("kl_nats", "tolerated", "passes"),
    [(0.9e-6, 1e-6, True), (1.1e-6, 1e-6, False), (math.nan, 1.0, False), (1.0, math.nan, False), (None, None, True)],
)
def test_what_is_tolerated_is_the_limit(kl_nats, tolerated, passes):
    found = TimedRecord(kl_nats=Figure(500.0), rows=1, targets=1, kl_trimmed_nats=kl_nats, tolerated_nats=tolerated)
    if passes:
        require_same_predictions(found, "x")
    else:
        with pytest.raises(CaptureError, match="expected at most"):
            require_same_predictions(found, "x")


def test_without_logits_to_compare_there_is_the_reason():
    _, scored = two_models()
    found = timed_answers(*measured(scored, scored), lambda: pytest.fail("FP32's"), "3 logits are NaN or infinite")
    reason = Figure(None, reason="3 logits are NaN or infinite")
    assert (found.against_scored.kl_nats, found.against_scored.targets) == (reason, 0)
    assert (found.against_fp32.top1_strict_vs_fp32, found.against_fp32.targets) == (reason, 0)


@torch.no_grad()
def test_rows_without_a_target_are_null_with_a_reason():
    _, scored = two_models()
    case, after = measured(scored, scored)
    case.data.attention_mask[:, 1:] = 0
    for batch in case.data.batches:
        batch.attention_mask[:, 1:] = 0
    found = timed_answers(case, after, lambda: [Scored(scored, nullcontext)], None)
    reason = Figure(None, reason="the rows hold nothing to answer")
    assert (found.against_scored.kl_nats, found.against_scored.targets) == (reason, 0)
    assert found.against_fp32.kl_vs_fp32_nats == reason


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


def test_columns_that_a_gpu_adds_to_the_output_layer_are_no_tokens(monkeypatch):
    fp32, timed = two_models()
    expected = answered(timed, timed, baseline=fp32)

    def padded(layer: torch.nn.Linear, *_: object):
        lowest = torch.finfo(torch.float32).min
        return lambda features: torch.nn.functional.pad(layer(features), (0, 47), value=lowest)

    monkeypatch.setattr("fixtures.tasks.language_modeling.scoring.faster_output_layer", padded)
    found = answered(timed, timed, baseline=fp32)
    assert found.against_fp32.kl_vs_fp32_nats.value == pytest.approx(expected.against_fp32.kl_vs_fp32_nats.value)
    assert found.against_scored.kl_nats.value < 1e-9
