"""Ratios of sums: by hand, and how often their intervals hold the true ratio."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.statistics.ratios import ratio_change, ratio_of_sums


def test_a_ratio_and_its_interval_by_hand():
    """Ratio 9 / 6; deviations of the two samples are 4 - 1.5 x 2 = 1 and 5 - 1.5 x 4 = -1."""
    ratio, low, high = ratio_of_sums([4, 5], [2, 4])
    assert ratio == 1.5
    half_width = 1.959964 * math.sqrt(2 / 1 * (1 + 1)) / 6
    assert (low, high) == pytest.approx((1.5 - half_width, 1.5 + half_width))


def test_one_sample_has_no_interval():
    ratio, low, high = ratio_of_sums([4], [2])
    assert ratio == 2
    assert math.isnan(low)
    assert math.isnan(high)


def test_a_change_of_samples_that_all_change_alike_is_exact():
    before = np.array([4.0, 5.0, 7.0]), np.array([2.0, 4.0, 3.0])
    change = ratio_change(before, (before[0] * 1.1, before[1]))
    assert change[:3] == pytest.approx((0.1, 0.1, 0.1))
    assert change.p_value < 1e-12
    assert ratio_change(before, before) == pytest.approx((0, 0, 0, 1))


def drawn(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts of several lengths, and the bits that two models need for each: both need more for a text that is hard."""
    length = generator.integers(50, 600, size=300).astype(float)
    hard = generator.normal(0, 0.3, size=300)
    first, second = (length * (rate + hard + generator.normal(0, 0.05, size=300)) for rate in (1.0, 1.02))
    return length, first, second


def test_intervals_hold_the_true_ratio_and_the_true_change_19_times_in_20():
    generator, held = np.random.default_rng(5), np.zeros(3)
    for _ in range(1_000):
        length, first, second = drawn(generator)
        _, low, high = ratio_of_sums(first, length)
        change = ratio_change((first, length), (second, length))
        held += (low <= 1.0 <= high, change.low <= 0.02 <= change.high, change.p_value < 0.05)
    assert 0.93 < held[0] / 1_000 < 0.97
    assert 0.93 < held[1] / 1_000 < 0.97
    assert held[2] > 950  # paired, so that 2% are seen where each side alone is known to 3.4%
