"""The compiler options that a case is compiled with, where its execution chooses among several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from typing import Any

import torch

from benchmarks.machine.environment import essentials
from benchmarks.policies import TuningPolicy
from benchmarks.tuning.child import Request
from benchmarks.tuning.kept import Kept, keep, path_of, read_kept
from benchmarks.tuning.process import try_candidates
from benchmarks.tuning.tried import Tried, fastest
from core.case import Case
from fixtures.dataset.batches import Batch, ShapedDataset
from fixtures.executions.candidates import DEFAULT, Candidate, Option, back_to
from fixtures.executions.compilation import cache_folder
from fixtures.models.checkpoint import Checkpoint

#: What a device's times depend on, of what a run says of its environment.
OF_ENVIRONMENT = ("device_name", "power_limit_w", "cpu_model", "driver", "torch", "transformers", "torchao", "triton")
#: Options of the process and not of what is compiled.
OF_PROCESS = ("compile_threads", "worker_start_method")


@dataclass(frozen=True)
class Subject:
    """A case, and what it is compiled for."""

    case: Case
    checkpoint: Checkpoint
    data: ShapedDataset
    device: torch.device


@dataclass(frozen=True)
class Tuning:
    """What was tried for a case, and what it is compiled with."""

    chosen: Candidate
    #: Set while it is compiled: the chosen ones, and PyTorch's defaults where the environment sets others.
    options: Mapping[str, Option]
    tried: Sequence[Tried]
    measured_utc: str
    #: Whether an earlier session tried it.
    was_kept: bool


def tuning_of(
    subject: Subject, tried_by: tuple[Candidate, ...], policy: TuningPolicy, announce: Callable[[str], None]
) -> Tuning:
    """Return the options that a case is compiled with, kept on disk once all candidates have been timed.

    `announce` gets what is about to take minutes. Raises `InputError` where what is kept cannot be read or written.
    """
    candidates = (DEFAULT, *tried_by)
    facts = facts_of(subject, candidates)
    path = path_of(cache_folder(), facts)
    kept = read_kept(path)
    was_kept = kept is not None
    if kept is None:
        announce(f"tuning, {len(candidates)} compilations")
        outcome = try_candidates(request_of(subject, candidates, policy))
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        kept = Kept(now, outcome.options, tuple(outcome.tried.values()))
        if kept.is_lasting:
            keep(path, facts, kept)
    name = fastest(kept.tried, policy.smallest_gain)
    chosen = next(one for one in candidates if one.name == name)
    options = {**back_to(kept.options, OF_PROCESS), **chosen.options}
    return Tuning(chosen, options, kept.tried, kept.measured_utc, was_kept)


def facts_of(subject: Subject, candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return what the times of a case's candidates depend on."""
    environment = essentials(subject.device)
    return {
        **{name: environment[name] for name in OF_ENVIRONMENT},
        "threads": torch.get_num_threads() if subject.device.type != "cuda" else None,
        "model": subject.checkpoint.configuration.to_dict(),
        "case": subject.case.as_json(),
        "variants": dict(subject.data.variant_shares),
        "candidates": {one.name: dict(one.options) for one in candidates},
    }


def request_of(subject: Subject, candidates: tuple[Candidate, ...], policy: TuningPolicy) -> Request:
    """Return what a process of its own needs to compile and time a case's candidates."""
    examples, checkpoint = subject.data.examples, subject.checkpoint
    return Request(
        case=subject.case,
        checkpoint={one.name: getattr(checkpoint, one.name) for one in fields(checkpoint) if one.name != "kind"},
        device=subject.device,
        threads=torch.get_num_threads(),
        examples=tuple(Batch(one.input_ids.cpu(), one.attention_mask.cpu(), one.text_tokens) for one in examples),
        shares=tuple(subject.data.variant_shares[one.variant] for one in examples),
        candidates=candidates,
        policy=policy,
    )
