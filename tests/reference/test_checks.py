"""Slopes of visits over places and temperatures, by hand and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference.variance import checks


def test_the_slope_of_groups_by_hand():
    # Around their means x is -1, 0, 1 and -1, 1, and y is -2, 0, 2 and -1, 1: slope (4 + 2) / (2 + 2).
    found = checks.slope_within([([1, 2, 3], [8.0, 10.0, 12.0]), ([5, 7], [0.0, 2.0])])
    assert found.value == pytest.approx(1.5)
    # Residuals of a half, four of them; five values of two groups leave two degrees of freedom.
    assert found.half_width == pytest.approx(4.303 * math.sqrt(1.0 / 2 / 4), rel=1e-3)


def test_the_slope_of_clusters_by_hand():
    assert checks.slope_of_clusters([([1.0], [2.0]), ([1.0, -1.0], [2.0, -2.0])]) == checks.Slope(2.0, 0.0)
    found = checks.slope_of_clusters([([1.0], [3.0]), ([1.0, -1.0], [2.0, -2.0])])
    assert found.value == pytest.approx(7 / 3)
    # Without the one cluster the slope is 2, without the other 3.
    assert found.half_width == pytest.approx(12.706 * math.sqrt(((1 / 3) ** 2 + (2 / 3) ** 2) / 2), rel=1e-3)


def test_the_slope_of_clusters_holds_the_true_one_where_visits_of_a_session_resemble_each_other():
    generator, held = np.random.default_rng(1), 0
    for _ in range(400):
        clusters = []
        for _ in range(10):
            x = generator.normal(0, 1) + generator.normal(0, 0.3, 15)
            clusters.append((x, 0.5 * x + generator.normal(0, 1) + generator.normal(0, 0.3, 15)))
        low, high = checks.slope_of_clusters(clusters).ends
        held += low <= 0.5 <= high
    assert 0.91 * 400 <= held <= 0.99 * 400  # were visits independent, it would be some 40%
