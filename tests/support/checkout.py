"""A copy of the suite's code, as a clone of the repository has it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.tiny import REPOSITORY

CODE = ("analysis", "benchmarks", "core", "data_prep", "fixtures", "conftest.py", "pyproject.toml")


def copy_code(folder: Path) -> Path:
    """Copy the code to a folder that does not exist, and return it; what a run writes there stays in it."""
    folder.mkdir()
    for name in CODE:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, folder / name)
    return folder
