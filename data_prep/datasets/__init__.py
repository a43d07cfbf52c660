"""The datasets, a file each. A new one is a `DatasetSpec` in a module of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from core.errors import DeclarationError
from core.registry import Registry, of_type
from data_prep.datasets.spec import DatasetSpec

__all__ = ["DATASETS", "DEFAULTS", "DatasetSpec"]


def by_task(datasets: Iterable[DatasetSpec]) -> dict[str, DatasetSpec]:
    """Return the default dataset of each task. Raises `DeclarationError` where a task has none, or more than one."""
    specs = list(datasets)
    defaults = {}
    for task in dict.fromkeys(spec.task for spec in specs):
        names = [spec.name for spec in specs if spec.task == task and spec.is_default]
        if len(names) != 1:
            of_task = ", ".join(names or [spec.name for spec in specs if spec.task == task])
            raise DeclarationError(
                f"the task {task} has {len(names)} default datasets (of {of_task}); expected one with is_default"
            )
        defaults[task] = next(spec for spec in specs if spec.name == names[0])
    return defaults


def require_own_folders(datasets: Iterable[DatasetSpec]) -> None:
    """Raise `DeclarationError` where two datasets have one folder: the later one would replace the earlier."""
    holders: dict[Path, str] = {}
    for spec in datasets:
        for folder in (spec.folder, spec.stand_in_folder):
            if folder in holders:
                raise DeclarationError(
                    f"the datasets {holders[folder]} and {spec.name} both have the folder {folder}; expected another "
                    "for one of them"
                )
            holders[folder] = spec.name


DATASETS: Registry[DatasetSpec] = Registry("dataset", __name__, of_type(DatasetSpec), first=("wikitext-2",))
#: The dataset of each task that is prepared and measured where none is named.
DEFAULTS = by_task(DATASETS.values())
require_own_folders(DATASETS.values())
