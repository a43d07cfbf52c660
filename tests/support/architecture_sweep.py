"""A session of the suite on a tiny model, and how far its losses and logits are from those of a plain loop."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.generation.utils import ALL_CACHE_NAMES

from benchmarks.loop import ForwardLoop
from benchmarks.measured_case import MeasuredCase
from benchmarks.plugins.session import AFTER_VISITS, FIRST_VISIT, SESSION, function_of, name_of
from core.case import Case
from data_prep.layout import write_dataset
from fixtures.dataset.batches import Batch
from tests.support.tiny import ORIGINAL_METADATA
from tests.support.tiny_architectures import FIRST_TEXT_ID, PADDING_ID, VOCABULARY

COLUMNS = ("score", "forward", "prefill", "decode", "decode_growing", "int8", "int8_weights")
#: What a column may say, the worst last.
RIGHT, SKIPPED, REFUSED, WRONG, TRACEBACK = OUTCOMES = ("right", "skipped", "refused", "wrong", "traceback")
#: How far losses and logits in FP32 may be from the plain loop's, relative to their norm.
TOLERANCE = 1e-5
#: The same of a quantized model, in tolerances of its precision: those are of one model that is run in two ways.
QUANTIZED_TOLERANCES = 3
LENGTHS, TOKENS, BATCH_SIZE = (16, 16, 16, 16, 9, 5), 16, 2
#: Tokens that follow a step of a cached workload before the cache is put back, as in generation.
FURTHER_TOKENS = 2
OPTIONS = (
    "--precisions=fp32,int8,int8_weights",
    "--workloads=forward,prefill,decode,decode_growing",
    "-kfp32 or not (prefill or decode)",
    "--executions=eager",
    f"--batch-size={BATCH_SIZE}",
    "--quality-samples=all",
    "--visits=1",
    "--rounds=2",
    "--warmup-rounds=0",
    "--energy=off",
)


def swept(
    run_suite: Callable[..., pytest.RunResult], folder: Path, models: Iterable[transformers.PreTrainedModel]
) -> dict[str, str]:
    """Take models of one type through a session each; return the worst outcome of each column.

    A column says `right`, or one of the other outcomes, a colon, and the reason, the distance or the exception.
    """
    notes: dict[str, list[str]] = {column: [] for column in COLUMNS}
    dataset = write_tokens(folder / "tokens")
    for number, model in enumerate(models):
        model.save_pretrained(folder / f"model-{number}")
        watcher = Watcher(PlainLoop(model), notes)
        run_suite(f"--model={folder / f'model-{number}'}", f"--dataset-dir={dataset}", *OPTIONS, plugins=[watcher])
    return {column: max(found, key=severity, default=f"{TRACEBACK}: not run") for column, found in notes.items()}


def severity(note: str) -> int:
    """The place of a note's outcome among all."""
    return OUTCOMES.index(outcome_of(note))


def outcome_of(note: str) -> str:
    """The outcome without what follows it."""
    return note.partition(":")[0]


def write_tokens(folder: Path) -> Path:
    """A dataset of six rows in the tokens of a small vocabulary, four of them without padding."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(FIRST_TEXT_ID, VOCABULARY, (len(LENGTHS), TOKENS), generator=generator)
    mask = (torch.arange(TOKENS) < torch.tensor(LENGTHS)[:, None]).long()
    ids[mask == 0] = PADDING_ID
    own = {"tokenizer": "tiny", "tokenizer_sha256": "0" * 64, "model": "tiny", "padding_id": PADDING_ID}
    metadata = ORIGINAL_METADATA | own | {"num_samples": len(LENGTHS), "max_length": TOKENS}
    write_dataset(folder, {"input_ids": ids, "attention_mask": mask, "labels": ids.clone()}, metadata)
    return folder


@dataclass
class PlainLoop:
    """A model as it was before it was saved, called one row at a time, without a mask and without a cache."""

    model: transformers.PreTrainedModel
    _logits: dict[tuple[int, ...], torch.Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> torch.Tensor:
        """Logits [tokens, vocabulary] in float64."""
        key = tuple(ids)
        if key not in self._logits:
            self._logits[key] = self.model(input_ids=torch.tensor([key]), use_cache=False).logits[0].double()
        return self._logits[key]

    def nll_nats(self, ids: Sequence[int]) -> float:
        """The summed loss of a row's tokens behind the first."""
        log_p = torch.log_softmax(self.logits(ids)[:-1], dim=-1)
        return -float(log_p.gather(1, torch.tensor(ids[1:])[:, None]).sum())

    def behind(self, ids: Sequence[int], tokens: int) -> torch.Tensor:
        """Logits [vocabulary] behind a prompt and so many greedy tokens."""
        following = list(ids)
        for _ in range(tokens):
            following.append(int(self.logits(following)[-1].argmax()))
        return self.logits(following)[-1]


class Watcher:
    """A plugin of a session, which notes by column what becomes of each case, and how far its logits are off."""

    def __init__(self, own: PlainLoop, notes: dict[str, list[str]]) -> None:
        self._own, self._notes = own, notes

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note why a session ends before anything is measured."""
        for notes in self._notes.values():
            notes.append(f"{REFUSED}: {excinfo.value}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the outcome of a phase of a test that measures; the quality of FP32 is known after the visits."""
        report = yield
        if name_of(item) is None:
            return report
        case = item.config.stash[SESSION].cases[name_of(item)]
        is_score = function_of(item) == AFTER_VISITS and column_of(case) == "forward"
        notes = self._notes["score" if is_score else column_of(case)]
        if report.skipped:
            notes.append(f"{SKIPPED}: {report.longrepr[2].removeprefix('Skipped: ')}")
        elif report.failed:
            notes.append(failure(report, call))
        elif call.when == "call" and (is_score or function_of(item) == FIRST_VISIT):
            notes.append(self._judged(item, is_score))
        return report

    def _judged(self, item: Any, is_score: bool) -> str:
        measured: MeasuredCase = item.funcargs["measured"]
        allowed = TOLERANCE if measured.precision.is_baseline else QUANTIZED_TOLERANCES * measured.precision.tolerance
        try:
            if is_score:
                quality = item.config.stash[SESSION].extra_info[measured.case.id]["quality"]
                apart = score_distance(measured, quality, self._own)
            else:
                apart = logits_distance(measured, self._own)
        except Exception as error:
            return f"{TRACEBACK}: {type(error).__name__}: {error}"
        return RIGHT if apart <= allowed else f"{WRONG}: {apart:.1e}"


def column_of(case: Case) -> str:
    """The column that a case's logits are in."""
    return case.workload if case.precision == "fp32" else case.precision


def failure(report: pytest.TestReport, call: pytest.CallInfo[Any]) -> str:
    """What failed: a sentence of the suite's own, or an exception that would reach the user."""
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, pytest.fail.Exception) and not error.pytrace:
        return f"{REFUSED}: {error}"
    crash = getattr(report.longrepr, "reprcrash", None)
    return f"{TRACEBACK}: {type(error).__name__}: {error} ({getattr(crash, 'path', '')}:{getattr(crash, 'lineno', '')})"


def logits_distance(case: MeasuredCase, own: PlainLoop) -> float:
    """The distance of a workload's logits, in a loop such as a visit has."""
    with case.precision.running(case.settings.device), case.loop() as loop:
        return (whole_distance if case.case.workload == "forward" else cached_distance)(case, loop, own)


def whole_distance(case: MeasuredCase, loop: ForwardLoop, own: PlainLoop) -> float:
    """The distance of the logits at the text of every batch."""
    found, expected = [], []
    for batch in case.data.batches:
        logits = loop.run_on(batch)
        found += [row[: len(ids)].clone() for row, ids in zip(logits, rows_of(batch), strict=True)]
        expected += [own.logits(ids) for ids in rows_of(batch)]
    return distance(found, expected)


def cached_distance(case: MeasuredCase, loop: ForwardLoop, own: PlainLoop) -> float:
    """The largest distance of the logits behind prompts, after rounds, in turn, and at the tokens that follow."""
    is_token, largest = case.workload.unit.is_token, 0.0
    loop.run_rounds(lambda done: done < 3)
    for batch in [*case.data.batches, *case.data.batches]:
        logits = loop.run_on(batch)
        for further in range(FURTHER_TOKENS + 1 if is_token else 1):
            if further:
                loop.forward.put({"input_ids": logits[:, -1:].argmax(dim=-1)})
                logits = loop.forward_and_wait()
            expected = [own.behind(ids, further + is_token) for ids in rows_of(batch)]
            largest = max(largest, distance([logits[:, -1]], expected))
    return largest


def score_distance(case: MeasuredCase, quality: dict[str, Any], own: PlainLoop) -> float:
    """The distance of the summed losses of the rows, or that of the mean loss of a token where it is larger."""
    rows = [ids for batch in case.data.batches for ids in rows_of(batch)]
    expected = torch.tensor([own.nll_nats(ids) for ids in rows], dtype=torch.float64)
    mean = expected.sum() / sum(len(ids) - 1 for ids in rows)
    with np.load(quality["per_sequence_file"]) as kept:
        found = torch.from_numpy(kept["nll_nats"])
    return max(distance([found], [expected]), distance([torch.tensor(quality["avg_loss_nats"])], [mean]))


def rows_of(batch: Batch) -> list[list[int]]:
    """The text of each row."""
    lengths = batch.attention_mask.sum(dim=1).tolist()
    return [ids[:length] for ids, length in zip(batch.input_ids.tolist(), lengths, strict=True)]


def distance(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """||found - expected|| / ||expected|| over all tensors together, infinite where a value is not finite."""
    one, other = (torch.cat([part.double().flatten() for part in parts]) for parts in (found, expected))
    apart = float((one - other).norm() / other.norm())
    return apart if np.isfinite(apart) else float("inf")


@torch.no_grad()
def generation_agrees(model: transformers.PreTrainedModel) -> bool:
    """Tell whether transformers' own greedy generation is the same with the model's cache and without one.

    Tokens alone do not tell: in FP64 too, Zamba2's logits with a cache are others by 4e-5, and its tokens the same.
    """
    if not set(ALL_CACHE_NAMES) & set(inspect.signature(model.forward).parameters):
        return False
    prompts = torch.randint(FIRST_TEXT_ID, VOCABULARY, (4, TOKENS), generator=torch.Generator().manual_seed(1))
    how = {"attention_mask": torch.ones_like(prompts), "do_sample": False, "pad_token_id": PADDING_ID}
    how |= {"max_new_tokens": 8, "min_new_tokens": 8, "return_dict_in_generate": True, "output_logits": True}
    try:
        found, expected = (model.generate(prompts, use_cache=cached, **how) for cached in (True, False))
    except Exception:  # whatever a class raises that does not generate
        return False
    is_same = torch.equal(found.sequences, expected.sequences)
    return is_same and distance(found.logits, expected.logits) <= TOLERANCE
