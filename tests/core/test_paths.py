"""Paths in outputs: nothing is told of the folders of whoever measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import without_folders, without_home

HERE, HOME = Path("/home/jo/suite"), Path("/home/jo")


@pytest.mark.parametrize(
    ("argument", "shown"),
    [
        ("benchmarks", "benchmarks"),
        ("/home/jo/suite/benchmarks/test_forward.py::test_visit", "benchmarks/test_forward.py::test_visit"),
        ("--model=/home/jo/models/llama", "--model=~/models/llama"),
        ("/scratch/jo/models/llama", "…/llama"),
        (
            "--model=language_modeling=/data/jo/a,classification=/home/jo/b",
            "--model=language_modeling=…/a,classification=~/b",
        ),
        ("--benchmark-storage=file:///home/jo/runs", "--benchmark-storage=file://~/runs"),
        ("--benchmark-storage=elasticsearch+http://host/runs", "--benchmark-storage=elasticsearch+http://host/runs"),
        ("--model=openai-community/gpt2", "--model=openai-community/gpt2"),
        ("-k=a/b or c", "-k=a/b or c"),
    ],
)
def test_a_command_has_no_absolute_path(argument, shown):
    assert without_home(argument, HERE, HOME) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jo/models/llama", "…/llama"),
        ("C:\\Users\\jo\\llama", "…/llama"),
        ("openai-community/gpt2", "openai-community/gpt2"),
        ("results/rounds/a.npz", "results/rounds/a.npz"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_a_path_keeps_its_last_part(text, shown):
    assert without_folders(text) == shown
