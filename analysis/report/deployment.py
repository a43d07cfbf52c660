"""What a million tokens cost: energy, and money at a tariff."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from core.errors import InputError

#: By definition of the kilowatt-hour.
JOULES_PER_KWH = 3.6e6
TOKENS = 1e6
PRICE = "a price a kWh such as --tariff 0.30"


def parse_price(text: str) -> float:
    """Parse the price of a kilowatt-hour. Raises `InputError` unless it is a finite number, 0 or more."""
    try:
        return Tariff(float(text), "").price_per_kwh
    except ValueError as error:
        raise InputError(f"The tariff is {text[:80]!r}; expected {PRICE}.") from error


@dataclass(frozen=True)
class Tariff:
    """The price of a kilowatt-hour. Raises `InputError` unless it is a finite number, 0 or more."""

    price_per_kwh: float
    currency: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.price_per_kwh) and self.price_per_kwh >= 0):
            raise InputError(f"The tariff is {self.price_per_kwh}; expected {PRICE}.")


def deployment(frame: pd.DataFrame, tariff: Tariff | None) -> pd.DataFrame:
    """Return energy and, at a tariff, cost of a million text tokens for each benchmark whose energy is known.

    kWh = tokens / (tokens per joule) / 3.6e6. It is the energy that was metered: a GPU's without the machine around it.
    """
    known = frame[frame["tokens_per_joule"] > 0]
    energy_kwh = TOKENS / known["tokens_per_joule"] / JOULES_PER_KWH
    costs: pd.DataFrame = pd.DataFrame(
        {"benchmark": known["name"], "kWh for a million tokens": [f"{value:.4g}" for value in energy_kwh]}
    )
    if tariff is not None:
        prices = energy_kwh * tariff.price_per_kwh
        costs[f"{tariff.currency} for a million tokens"] = [f"{value:.4g}" for value in prices]
    return costs
