"""The notebook for Kaggle and Colab runs from its first cell to its last, and names only what exists."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.support.checkout import copy_code
from tests.support.tiny import REPOSITORY

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

#: The package, and the folder that the notebook clones into.
NAME = "gpt2-precision-benchmark"


@pytest.fixture
def notebook():
    return nbformat.read(REPOSITORY / "docs" / "gpu_notebook.ipynb", as_version=4)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the suite's code where the notebook would clone it to; what a run writes stays in it."""
    return copy_code(tmp_path / NAME)


def cell(notebook, name: str):
    (found,) = [cell for cell in notebook.cells if cell.id == name]
    return found


def text(cell) -> str:
    """What a cell printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def shown(cell, kind: str) -> list[str]:
    """What a cell displays of a kind, such as image/png."""
    return [output.data[kind] for output in cell.outputs if kind in output.get("data", {})]


def test_it_is_valid_and_holds_no_outputs(notebook):
    nbformat.validate(notebook)
    for code in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert code.outputs == []
        assert code.execution_count is None


def test_every_option_that_it_names_exists(notebook, pytestconfig):
    named = {option for cell in notebook.cells for option in re.findall(r"--[a-z][a-z-]+", cell.source)}
    assert {"--benchmark-autosave", "--precisions", "--workloads", "--task"} <= named
    for option in named:
        pytestconfig.getoption(option)  # raises where there is none of that name


@pytest.mark.slow
@pytest.mark.skipif(not list(distributions(name=NAME)), reason="the notebook would install the suite")
def test_it_runs_and_shows_table_and_pictures_without_gpu_and_energy(
    notebook, checkout, tiny_dataset, tiny_model, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    options = [f"--model={tiny_model}", f"--dataset-dir={tiny_dataset}", "--device=cpu", "--energy=off", "--visits=1"]
    options += ["--sequence-length=16", "--precisions=fp32", "--rounds=8", "-pno:cacheprovider", "-pno:xdist"]
    cell(notebook, "parameters").source += f"\nOPTIONS = {options}"
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(checkout.parent)}})
    client.execute()  # raises where a cell does

    assert "Already installed" in text(cell(notebook, "install"))
    assert "No GPU that this PyTorch can use was found" in text(cell(notebook, "devices"))
    (summary,) = shown(cell(notebook, "summary"), "text/markdown")
    assert "| fp32-eager-b1x16" in summary
    assert "no energy for fp32-eager-b1x16: switched off with --energy off." in summary
    pictures = cell(notebook, "pictures")
    assert len(shown(pictures, "image/png")) == 2
    assert "energy has no picture" in text(pictures)
    assert "report.html" in shown(cell(notebook, "report"), "text/html")[0]
    assert "Traceback" not in "".join(text(cell) for cell in notebook.cells if cell.cell_type == "code")
