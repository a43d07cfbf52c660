"""What a run measured: columns, and the catalogue that the run itself holds of them."""

from analysis.metrics.catalogue import CATALOGUE_KEY, Catalogue, first_edition
from analysis.metrics.columns import (
    CASE_COLUMNS,
    DERIVED,
    INTERVAL_ASSUMED,
    LAUNCH_BOUND,
    LEADING_COLUMNS,
    PAIRED_VALIDITY,
    RATIOS,
    REPEAT_COLUMNS,
    SAME,
    SAME_REL,
    VALIDITY,
    Column,
    Direction,
    Metric,
    Ratio,
    lookup,
)

__all__ = [
    "CASE_COLUMNS",
    "CATALOGUE_KEY",
    "DERIVED",
    "INTERVAL_ASSUMED",
    "LAUNCH_BOUND",
    "LEADING_COLUMNS",
    "PAIRED_VALIDITY",
    "RATIOS",
    "REPEAT_COLUMNS",
    "SAME",
    "SAME_REL",
    "VALIDITY",
    "Catalogue",
    "Column",
    "Direction",
    "Metric",
    "Ratio",
    "first_edition",
    "lookup",
]
