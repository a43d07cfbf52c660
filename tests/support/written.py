"""What a saved run would hold of some fields of a record, before the record is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.metrics.keys import keys_of
from core.metrics.records import Record


def written(record: type[Record], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by their keys: those of figures with their intervals and reasons."""
    found: dict[str, Any] = {}
    for key in keys_of(record):
        values = [fields[name] for name in key.fields if name in fields]
        if values and key.part is None:
            found[key.name] = values[0]
        elif values:
            parts = [getattr(value, str(key.part)) for value in values]
            found[key.name] = next((part for part in parts if part is not None), None)
    return found
