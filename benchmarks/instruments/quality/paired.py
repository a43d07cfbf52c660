"""Is a precision's perplexity really another one? Sequences are paired, so one run can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.instruments.quality.perplexity import Scores, quality_figures

#: Perplexities within this of each other are equal for every purpose that we know of.
MARGIN_REL = 0.001
RESAMPLES, SEED = 2_000, 20260101
FIGURES = (
    "delta_perplexity_vs_fp32",
    "delta_perplexity_ci95_low",
    "delta_perplexity_ci95_high",
    "delta_perplexity_rel",
    "delta_perplexity_rel_ci95_low",
    "delta_perplexity_rel_ci95_high",
)


def perplexity_difference(scores: Scores, reference: Scores) -> dict[str, Any]:
    """Return by how much perplexity differs from FP32's, absolutely and relatively, with 95% intervals and a verdict.

    Percentile bootstrap over sequences, each with its targets and both losses (Efron and Tibshirani, 1993): tokens of
    one sequence are not independent, sequences nearly are. Null with a reason where either side has no perplexity.
    """
    reason = no_difference_reason(scores, reference)
    if reason is not None:
        return no_difference(reason)
    columns = np.array([scores.nll_nats.numpy(), reference.nll_nats.numpy(), scores.targets.numpy()], dtype=float)
    sequences = columns.shape[1]
    # Not scipy.stats.bootstrap, which gives the same numbers: to load it takes longer than all else that is done here.
    drawn = np.random.default_rng(SEED).integers(sequences, size=(RESAMPLES, sequences))
    resampled = np.array([column[drawn].sum(axis=-1) for column in columns])
    low, high = np.quantile(differences(resampled), (0.025, 0.975), axis=-1).tolist()
    absolute, relative = zip(differences(columns.sum(axis=-1)).tolist(), low, high, strict=True)
    return {
        **dict(zip(FIGURES, (*absolute, *relative), strict=True)),
        "delta_reason": None,
        "verdict": verdict(*relative[1:]),
    }


def no_difference(reason: str) -> dict[str, Any]:
    """Return the record of a difference that could not be measured."""
    return {**dict.fromkeys(FIGURES), "delta_reason": reason, "verdict": None}


def no_difference_reason(scores: Scores, reference: Scores) -> str | None:
    """Return why two perplexities cannot be compared, or None."""
    if scores.nonfinite_logits or reference.nonfinite_logits:
        return "logits are NaN or infinite"
    if quality_figures(scores)["perplexity"] is None or quality_figures(reference)["perplexity"] is None:
        return "a perplexity is missing"
    with_targets = int((scores.targets > 0).sum())
    return f"{with_targets} sequence with a target is too few for an interval" if with_targets < 2 else None


def differences(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the absolute and the relative difference of two perplexities, [2, …].

    `sums`: negative log-likelihood, the reference's, and targets, [3, …], each over all sequences.
    """
    nll, reference_nll, targets = sums
    total = np.maximum(targets, 1)
    loss, reference_loss = nll / total, reference_nll / total
    relative = np.expm1(loss - reference_loss)
    return np.array([np.exp(reference_loss) * relative, relative])


def verdict(low: float, high: float) -> str:
    """Return equal (within the margin), worse, better or undecided for the interval of a relative difference."""
    if low >= -MARGIN_REL and high <= MARGIN_REL:
        return "equal"
    if low > 0:
        return "worse"
    return "better" if high < 0 else "undecided"
