"""Intervals over text targets whose targets hang together by sequence, and the quantiles of Δp."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures.tasks.language_modeling.clusters import (
    NORMAL_95,
    mean_interval,
    quantile_interval,
    quantiles,
    share_interval,
)
from fixtures.tasks.language_modeling.probabilities import LEVELS, probability_record

SEQUENCES, TARGETS, SESSIONS = 60, 20, 400


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_mean_by_hand():
    """Sums of deviations from the mean, 3: -2 and -1 (first sequence), 3 (second): 2/1 x (9 + 9) / 3^2 = 4."""
    mean, low, high = mean_interval(tensor(1, 2, 6), torch.tensor([7, 7, 9]))
    assert mean == 3
    assert (low, high) == (pytest.approx(3 - 2 * NORMAL_95), pytest.approx(3 + 2 * NORMAL_95))


def test_a_share_stays_between_0_and_1_and_all_of_it_is_not_certain():
    """Of two sequences none had an exception: fewer than 1 - sqrt(0.05) have one."""
    all_hits, sample = torch.tensor([True] * 4), torch.tensor([0, 0, 1, 1])
    assert share_interval(all_hits, sample) == (1, pytest.approx(math.sqrt(0.05)), 1)
    assert share_interval(~all_hits, sample) == (0, 0, pytest.approx(1 - math.sqrt(0.05)))
    share, low, high = share_interval(torch.tensor([True, True, True, False]), sample)
    assert (share, high) == (0.75, 1)
    assert low == pytest.approx(0.75 - NORMAL_95 * math.sqrt(2 * (0.5**2 + 0.5**2)) / 4)


def test_a_quantile_by_hand():
    """Of 0 to 4 the median is 2; 3 of 5 are at or below it."""
    values, sample = tensor(0, 1, 2, 3, 4), torch.arange(5)
    half_width = NORMAL_95 * math.sqrt(5 / 4 * (3 * 0.4**2 + 2 * 0.6**2)) / 5
    median, low, high = quantile_interval(values, sample, 0.5)
    assert median == 2
    assert low == pytest.approx(4 * max(0.5 - half_width, 0))
    assert high == pytest.approx(4 * min(0.5 + half_width, 1))


def test_one_sequence_tells_no_interval():
    values, sample = tensor(1, 2, 3), torch.zeros(3, dtype=torch.int64)
    assert mean_interval(values, sample)[0] == 2
    assert all(map(math.isnan, mean_interval(values, sample)[1:]))
    assert all(map(math.isnan, quantile_interval(values, sample, 0.5)[1:]))
    record = probability_record(values, sample)
    assert (record.mean_ci95_low, record.mean_ci95_high, record.rms_ci95_low, record.rms_ci95_high) == (None,) * 4


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_are_numpys(values, levels):
    found = quantiles(tensor(*values), levels)
    assert found == pytest.approx(np.quantile(values, levels).tolist(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("figure", ["mean", "median", "p99"])
def test_intervals_hold_the_truth_nineteen_times_in_twenty_though_targets_hang_together(figure):
    """Half of the variance is between sequences: treated as independent, the mean's would hold it 9 times in 20."""
    generator = torch.Generator().manual_seed(1)
    sample = torch.arange(SEQUENCES).repeat_interleave(TARGETS)
    truth = {"mean": 0.0, "median": 0.0, "p99": 2.326348 * math.sqrt(2)}[figure]
    held = 0
    for _ in range(SESSIONS):
        of_sequence = torch.randn(SEQUENCES, generator=generator, dtype=torch.float64)
        values = of_sequence[sample] + torch.randn(len(sample), generator=generator, dtype=torch.float64)
        if figure == "mean":
            _, low, high = mean_interval(values, sample)
        else:
            _, low, high = quantile_interval(values, sample, 0.5 if figure == "median" else 0.99)
        held += low <= truth <= high
    assert 0.9 < held / SESSIONS < 0.98


def test_the_change_of_probability_is_llama_cpps():
    """Names, levels and formulas of `llama-perplexity --kl-divergence`, which prints percent."""
    change = tensor(-0.5, 0.0, 0.1, 0.3)
    record = probability_record(change, torch.arange(4))
    assert record.mean == pytest.approx(-0.025)
    assert record.rms == pytest.approx(math.sqrt((0.25 + 0.01 + 0.09) / 4))
    assert record.rms_ci95_low < record.rms < record.rms_ci95_high
    assert list(record.quantiles) == list(LEVELS)
    assert (record.quantiles["max"], record.quantiles["min"]) == (0.3, -0.5)
    assert record.quantiles["median"] == pytest.approx(0.05)
    assert record.quantiles["p90"] == pytest.approx(0.24)
