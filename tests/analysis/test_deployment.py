"""What a million tokens cost, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.report.deployment import Tariff, deployment, parse_price
from core.errors import InputError

FRAME = pd.DataFrame({"name": ["fp32-graph", "fp16-graph", "mixed-graph"], "tokens_per_joule": [100.0, None, 0.0]})


def test_a_million_tokens_by_hand():
    # 1e6 tokens at 100 a joule are 1e4 J, and 1e4 / 3.6e6 kWh; at 0.30 a kWh.
    costs = deployment(FRAME, Tariff(0.30, "EUR"))
    assert costs["benchmark"].tolist() == ["fp32-graph"]  # the others have no energy that is known: no row, no 0
    assert float(costs["kWh for a million tokens"][0]) == pytest.approx(1e4 / 3.6e6, rel=1e-3)
    assert float(costs["EUR for a million tokens"][0]) == pytest.approx(0.30 * 1e4 / 3.6e6, rel=1e-3)


def test_without_a_tariff_there_is_energy_alone():
    assert list(deployment(FRAME, None).columns) == ["benchmark", "kWh for a million tokens"]


@pytest.mark.parametrize("price", [-0.1, float("nan"), float("inf")])
def test_a_tariff_is_a_price(price):
    with pytest.raises(InputError, match="expected a price a kWh"):
        Tariff(price, "EUR")


def test_a_price_is_parsed_or_one_sentence():
    assert parse_price("0.30") == 0.3
    for text in ("-1", "nan", "thirty cents"):
        with pytest.raises(InputError, match=r"The tariff is .*; expected a price a kWh such as --tariff 0.30"):
            parse_price(text)
