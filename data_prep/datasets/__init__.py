"""The datasets, one module each, by the task that each is for. A new one is a module with a `SPEC`."""

from __future__ import annotations

import importlib
import pkgutil

from core.tasks import DEFAULT_TASK
from data_prep.datasets.spec import DatasetSpec

__all__ = ["SPECS", "DatasetSpec"]


def discovered() -> dict[str, DatasetSpec]:
    """Return the specification of every module in this folder that has one, by its task, the default one first."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    specs = [module.SPEC for module in modules if hasattr(module, "SPEC")]
    return {spec.task: spec for spec in sorted(specs, key=lambda spec: spec.task != DEFAULT_TASK)}


SPECS = discovered()
