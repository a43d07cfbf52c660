"""What a run measured: columns, and the catalogue that the run itself holds of them."""

from core.metrics.catalogue import CATALOGUE_KEY, Catalogue
from core.metrics.columns import (
    CASE_COLUMNS,
    DERIVED,
    HEADLINE,
    INTERVAL_ASSUMED,
    LAUNCH_BOUND,
    LEADING_COLUMNS,
    NAME,
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
from core.metrics.known import READ_BY_NAME

__all__ = [
    "CASE_COLUMNS",
    "CATALOGUE_KEY",
    "DERIVED",
    "HEADLINE",
    "INTERVAL_ASSUMED",
    "LAUNCH_BOUND",
    "LEADING_COLUMNS",
    "NAME",
    "PAIRED_VALIDITY",
    "RATIOS",
    "READ_BY_NAME",
    "REPEAT_COLUMNS",
    "SAME",
    "SAME_REL",
    "VALIDITY",
    "Catalogue",
    "Column",
    "Direction",
    "Metric",
    "Ratio",
    "lookup",
]
